# pragma version 0.4.3
# pragma nonreentrancy off
"""
@title TokenFalseReturn
@license AGPL-3.0-only
@notice A token that moves nothing and returns False, once it is switched on.
"""

from . import plain_token

initializes: plain_token

refuses: public(bool)


@external
def set_refuses(refuses: bool):
    self.refuses = refuses


@external
def transfer(to: address, amount: uint256) -> bool:
    if self.refuses:
        return False
    plain_token._move(msg.sender, to, amount)
    return True


@external
def transferFrom(owner: address, to: address, amount: uint256) -> bool:
    if self.refuses:
        return False
    plain_token._spend(owner, msg.sender, amount)
    plain_token._move(owner, to, amount)
    return True


@external
def burn(amount: uint256):
    plain_token._burn(msg.sender, amount)


@external
def mint(to: address, amount: uint256):
    plain_token._mint(to, amount)


@external
def approve(spender: address, amount: uint256) -> bool:
    plain_token._approve(msg.sender, spender, amount)
    return True


@view
@external
def balanceOf(owner: address) -> uint256:
    return plain_token.balances[owner]

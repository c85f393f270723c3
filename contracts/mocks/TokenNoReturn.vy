# pragma version 0.4.3
# pragma nonreentrancy off
"""
@title TokenNoReturn
@license AGPL-3.0-only
@notice A token whose transfers return nothing (the oldest stablecoin does so).
"""

from . import plain_token

initializes: plain_token


@external
def transfer(to: address, amount: uint256):
    plain_token._move(msg.sender, to, amount)


@external
def transferFrom(owner: address, to: address, amount: uint256):
    plain_token._spend(owner, msg.sender, amount)
    plain_token._move(owner, to, amount)


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

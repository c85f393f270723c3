# pragma version 0.4.3
# pragma nonreentrancy off
"""
@title TokenHook
@license AGPL-3.0-only
@notice A token that calls `on_token()` of one armed wallet at each transfer, burn and burnFrom.
"""

from . import plain_token

initializes: plain_token

interface Wallet:
    def on_token(): nonpayable

wallet: public(address)


@external
def arm(wallet: address):
    self.wallet = wallet


@internal
def _hook():
    if self.wallet != empty(address):
        extcall Wallet(self.wallet).on_token()


@external
def transfer(to: address, amount: uint256) -> bool:
    plain_token._move(msg.sender, to, amount)
    self._hook()
    return True


@external
def transferFrom(owner: address, to: address, amount: uint256) -> bool:
    plain_token._spend(owner, msg.sender, amount)
    plain_token._move(owner, to, amount)
    self._hook()
    return True


@external
def burn(amount: uint256):
    plain_token._burn(msg.sender, amount)
    self._hook()


@external
def burnFrom(owner: address, amount: uint256):
    plain_token._spend(owner, msg.sender, amount)
    plain_token._burn(owner, amount)
    self._hook()


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

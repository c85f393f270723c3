# pragma version 0.4.3
# pragma nonreentrancy off
"""
@title plain_token
@license AGPL-3.0-only
@notice Balances and allowances for the token mocks, without any rule of their own: anyone mints.
"""

balances: HashMap[address, uint256]
allowances: HashMap[address, HashMap[address, uint256]]


@internal
def _mint(to: address, amount: uint256):
    self.balances[to] += amount


@internal
def _approve(owner: address, spender: address, amount: uint256):
    self.allowances[owner][spender] = amount


@internal
def _spend(owner: address, spender: address, amount: uint256):
    self.allowances[owner][spender] -= amount


@internal
def _move(owner: address, to: address, amount: uint256):
    self.balances[owner] -= amount
    self.balances[to] += amount


@internal
def _burn(owner: address, amount: uint256):
    self.balances[owner] -= amount

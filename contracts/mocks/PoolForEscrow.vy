# pragma version 0.4.3
"""
@title Stand-in for StakingPool
@license AGPL-3.0-only
@notice What LeaseMarket and LeaseEscrow use of the pool: two shares a gwei, and a record of how the last bond ended. For tests only.
"""

event BondLocked:
    provider: indexed(uint256)
    amount: uint256
    shares: uint256

event BondEnded:
    provider: indexed(uint256)
    shares: uint256
    taken: uint256
    to: indexed(address)
    limit: uint256

MARKET: immutable(address)
ESCROW: immutable(address)

locked: public(HashMap[uint256, uint256])
required: HashMap[uint256, uint256]
stake_price: uint256
below: public(HashMap[uint256, bool])


@deploy
def __init__(market: address, escrow: address):
    MARKET = market
    ESCROW = escrow
    self.stake_price = 1


@external
def set_below(p: uint256, below: bool):
    self.below[p] = below


@external
def lock(p: uint256, bond: uint256, price: uint256) -> uint256:
    assert msg.sender == MARKET, "pool: caller is not the market"
    assert not self.below[p], "pool: below required stake"
    assert price == 1, "pool: not the hub's stake price"
    assert self.required[p] < self.stake_price, "pool: unused"
    shares: uint256 = 2 * bond
    self.locked[p] += shares
    log BondLocked(provider=p, amount=bond, shares=shares)
    return shares


@external
def end_bond(p: uint256, shares: uint256, taken: uint256, to: address, limit: uint256):
    assert msg.sender == ESCROW, "pool: caller is not the escrow"
    assert taken <= shares, "pool: takes more than the bond"
    self.locked[p] -= shares
    log BondEnded(provider=p, shares=shares, taken=taken, to=to, limit=limit)

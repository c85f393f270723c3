# pragma version 0.4.3
"""
@title Stand-in for AttestationHub
@license AGPL-3.0-only
@notice What LeaseEscrow, LeaseMarket and BurnMintEngine read of the hub, set by the test. For tests only: anybody may set it.
"""

# P 64 @192 | TWAP 64 @128 | stake price 64 @64 | stamp 40 @24 | flags 24 @0
prices: uint256[2]
# last 32 @0 | top 32 @32 | flags @64
config: uint256
ring: HashMap[uint256, bytes32]
# the second from which an epoch is usable
since: HashMap[uint256, uint256]
periods: HashMap[uint256, uint256]
RING: constant(uint256) = 2048


@external
def set_price(spot: uint256, twap: uint256, stamp: uint256, flags: uint256):
    self.prices[1] = spot << 192 | twap << 128 | 1 << 64 | stamp << 24
    self.config = self.config & (2**64 - 1) | flags << 64


@external
def set_root(e: uint256, word: bytes32, since: uint256):
    """@notice w[e] and the second from which it is usable; e becomes the last epoch."""
    self.ring[e % RING] = word
    self.since[e % RING] = since
    self.config = self.config >> 64 << 64 | max(self.config >> 32 & (2**32 - 1), e) << 32 | e


@external
def set_last(last: uint256, top: uint256):
    self.config = self.config >> 64 << 64 | top << 32 | last


@external
def set_period(p: uint256, price: uint256):
    self.periods[p] = price


@external
@view
def price() -> uint256:
    return self.prices[1] | self.config >> 64


@external
@view
def period_price(p: uint256) -> uint256:
    assert self.periods[p] != 0, "hub: period open"
    return self.periods[p]


@internal
@view
def _at(e: uint256) -> uint256:
    c: uint256 = self.config
    if e > c & (2**32 - 1):
        return 0
    if e + RING <= (c >> 32) & (2**32 - 1):
        return 1
    return self.since[e % RING]


@external
@view
def last_epoch() -> uint256:
    return self.config & (2**32 - 1)


@external
@view
def usable_at(e: uint256) -> uint256:
    return self._at(e)


@external
@view
def usable(e: uint256) -> (bytes32, uint256):
    at: uint256 = self._at(e)
    assert at > 1 and block.timestamp >= at, "hub: not usable"
    return self.ring[e % RING], at

# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title The price word
@license AGPL-3.0-only
@notice P 64 @192 | TWAP 64 @128 | stake price 64 @64 | stamp 40 @24 | flags 24 @0. P and TWAP are USD a token,
        the stake price tokens a USD, all with 12 decimals; the stamp is the end of the epoch that set it (seconds).
"""

PAUSED: constant(uint256) = 1
CLAMPED: constant(uint256) = 2
M64: constant(uint256) = 2**64 - 1
M40: constant(uint256) = 2**40 - 1
M24: constant(uint256) = 2**24 - 1


@internal
@pure
def _spot(word: uint256) -> uint256:
    return word >> 192


@internal
@pure
def _twap(word: uint256) -> uint256:
    return (word >> 128) & M64


@internal
@pure
def _stake_price(word: uint256) -> uint256:
    return (word >> 64) & M64


@internal
@pure
def _stamp(word: uint256) -> uint256:
    return (word >> 24) & M40


@internal
@pure
def _flags(word: uint256) -> uint256:
    return word & M24


@internal
@pure
def _low(word: uint256) -> uint256:
    """@notice min(P, TWAP): what a deposit is worth, what a bond is counted in."""
    return min(word >> 192, (word >> 128) & M64)


@internal
@pure
def _high(word: uint256) -> uint256:
    """@notice max(P, TWAP): what is paid out in tokens is counted in."""
    return max(word >> 192, (word >> 128) & M64)

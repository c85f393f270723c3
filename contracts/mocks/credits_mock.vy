# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Reference wiring of credits.vy
@license AGPL-3.0-only
@notice One external view a function, for its tests.
"""

from ..modules import credits


@external
@pure
def part(amount: uint256, backing: uint256, x: uint256) -> uint256:
    return credits._part(amount, backing, x)


@external
@pure
def covers(amount: uint256, backing: uint256, low: uint256) -> bool:
    return credits._covers(amount, backing, low)


@external
@pure
def share(x: uint256, bps: uint256) -> uint256:
    return credits._share(x, bps)


@external
@pure
def fee(amount: uint256, bps: uint256) -> uint256:
    return credits._fee(amount, bps)


@external
@pure
def bought(tokens: uint256, low: uint256, spread: uint256) -> uint256:
    return credits._bought(tokens, low, spread)


@external
@pure
def worth(amount: uint256, backing: uint256, price: uint256, peg: uint256, cap: uint256) -> uint256:
    return credits._worth(amount, backing, price, peg, cap)


@external
@pure
def refund(amount: uint256, backing: uint256, high: uint256, spread: uint256) -> uint256:
    return credits._refund(amount, backing, high, spread)

# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Reference wiring of accrual.vy
@license AGPL-3.0-only
@notice One external view a function, for its tests.
"""

from ..modules import accrual


@external
@pure
def until(terms: uint256, money: uint256) -> uint256:
    return accrual._until(terms, money)


@external
@pure
def stop(terms: uint256, money: uint256) -> uint256:
    return accrual._stop(terms, money)


@external
@pure
def base(start: uint256, first: uint256, down: uint256) -> uint256:
    return accrual._base(start, first, down)


@external
@pure
def due(start: uint256, t: uint256, anchor: uint256, down: uint256) -> uint256:
    return accrual._due(start, t, anchor, down)


@external
@pure
def room(terms: uint256, money: uint256, prepay: uint256, now: uint256) -> (bool, uint256):
    return accrual._room(terms, money, prepay, now)


@external
@pure
def bond(sheet: uint256, per_second: uint256, low: uint256) -> uint256:
    return accrual._bond(sheet, per_second, low)


@external
@pure
def forfeit(bond: uint256, sheet: uint256, elapsed: uint256) -> uint256:
    return accrual._forfeit(bond, sheet, elapsed)


@external
@pure
def limit(paid: uint256, high: uint256) -> uint256:
    return accrual._limit(paid, high)

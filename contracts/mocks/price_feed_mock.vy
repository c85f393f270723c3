# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Reference wiring of modules/price_feed.vy and modules/price_word.vy
@license AGPL-3.0-only
"""

from ..modules import price_feed
from ..modules import price_word


@external
@pure
def first(price: uint256, stamp: uint256) -> uint256:
    return price_feed._first(price, stamp)


@external
@pure
def next(word: uint256, median: uint256, bound: uint256, stamp: uint256, renew: bool) -> uint256:
    return price_feed._next(word, median, bound, stamp, renew)


@external
@pure
def parts(word: uint256) -> (uint256, uint256, uint256, uint256, uint256, uint256, uint256):
    """@return P, TWAP, stake price, stamp, flags, min(P, TWAP), max(P, TWAP)."""
    return (
        price_word._spot(word),
        price_word._twap(word),
        price_word._stake_price(word),
        price_word._stamp(word),
        price_word._flags(word),
        price_word._low(word),
        price_word._high(word),
    )

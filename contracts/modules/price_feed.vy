# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title The price, step by step
@license AGPL-3.0-only
@notice What one report's median makes of the price word before it: a bounded step of P, the TWAP, and once a period
        the stake price. Layout: price_word.vy. Prices have 12 decimals.
        Source: docs/protocol.md, "Price word" and "StakingPool".
"""

from . import price_word

BPS: constant(uint256) = 10_000
# P moves by at most half an epoch, so it never reaches zero; a bound of zero would freeze it.
MAX_BOUND: constant(uint256) = 5_000
# The stake price follows 1 / TWAP over 30 periods, at most 5 % of itself in one: stakers can follow it.
STAKE_SPAN: constant(uint256) = 30
STAKE_STEP: constant(uint256) = 20      # a 20th is 5 %
ONE: constant(uint256) = 10**24         # 1 in the product of two figures of 12 decimals
MAX_64: constant(uint256) = 2**64 - 1


@internal
@pure
def _first(price: uint256, stamp: uint256) -> uint256:
    """@notice Price word before any report: P = TWAP = price, S = 1e24 // price. Reverts where either leaves 64 bits."""
    assert price != 0 and price <= MAX_64 and ONE // price <= MAX_64, "price: first"
    return price << 192 | price << 128 | (ONE // price) << 64 | stamp << 24


@internal
@pure
def _next(word: uint256, median: uint256, bound: uint256, stamp: uint256, renew: bool) -> uint256:
    """
    @notice Price word after a report.
    @param word The price word before, flags zero.
    @param median Of the report's observations, < 2**64.
    @param bound Widest step of P, bps (1 … 5,000).
    @param stamp End of the report's epoch, seconds.
    @param renew Whether the stake price moves too.
    @return The word, its flags CLAMPED or 0.
    """
    p: uint256 = word >> 192
    # rounded down, but a step of one unit is always open: a price of a few units must not be stuck
    step: uint256 = max(unsafe_mul(p, bound) // BPS, 1)
    flags: uint256 = 0
    if median > unsafe_add(p, step):
        p = unsafe_add(p, step)         # below the median, so below 2**64
        flags = price_word.CLAMPED
    elif unsafe_add(median, step) < p:
        p = unsafe_sub(p, step)         # above the median, so at least 1
        flags = price_word.CLAMPED
    else:
        p = max(median, 1)
    twap: uint256 = unsafe_add(unsafe_mul(3, (word >> 128) & MAX_64), p) >> 2      # floor; both are at least 1
    s: uint256 = (word >> 64) & MAX_64
    if renew:
        s = self._stake_step(s, twap)
    return p << 192 | twap << 128 | s << 64 | stamp << 24 | flags


@internal
@pure
def _stake_step(s: uint256, twap: uint256) -> uint256:
    """@notice S + (1e24 // TWAP - S) / 30, at most 5 % of S, truncated towards S."""
    target: uint256 = ONE // twap
    if target > s:
        return min(unsafe_add(s, min(unsafe_sub(target, s) // STAKE_SPAN, s // STAKE_STEP)), MAX_64)
    return unsafe_sub(s, min(unsafe_sub(s, target) // STAKE_SPAN, s // STAKE_STEP))

"""credits.vy: backing moves by floor and is never made; fees round up, payments down."""

from fractions import Fraction
from math import ceil, floor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.constants import M64
from tests.support.suite import compiled

M96 = 2**96 - 1
M128 = 2**128 - 1
prices = st.integers(1, M64)


@pytest.fixture(scope="module")
def rules():
    return compiled("mocks/credits_mock.vy").deploy()


@pytest.mark.parametrize(
    "c, k, x, want", [(0, 0, 0, 0), (10, 7, 0, 0), (10, 7, 3, 2), (10, 7, 10, 7), (3, 1, 2, 0), (M128, M96, M128, M96)]
)
def test_part(rules, c, k, x, want):
    assert rules.part(c, k, x) == want


@settings(max_examples=100, deadline=None)
@given(st.integers(1, M128), st.integers(0, M96), st.lists(st.integers(1, 10_000), min_size=1, max_size=12))
def test_backing_is_never_made_nor_lost(rules, c, k, cuts):
    """I1: whatever the cuts, what left and what stays are what was there."""
    left, rest, out = c, k, 0
    for cut in cuts:
        x = left * cut // 10_000
        moved = rules.part(left, rest, x)
        assert moved == (rest if x == left else rest * x // left)
        out += moved
        rest -= moved
        left -= x
    out += rules.part(left, rest, left)
    assert out == k


@settings(max_examples=100, deadline=None)
@given(st.integers(0, M128), st.integers(0, M96), prices)
def test_covers(rules, c, k, low):
    assert rules.covers(c, k, low) == (Fraction(k * low, 10**12) >= Fraction(95, 100) * c)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, M128), st.integers(0, 10_000))
def test_share_down_fee_up(rules, x, bps):
    assert rules.share(x, bps) == floor(Fraction(x * bps, 10_000))
    assert rules.fee(x, bps) == ceil(Fraction(x * bps, 10_000))


@settings(max_examples=100, deadline=None)
@given(st.integers(0, M96), prices, st.integers(0, 1_000))
def test_bought_at_most_what_it_is_worth(rules, tokens, low, spread):
    c = rules.bought(tokens, low, spread)
    assert c == tokens * low // 10**12 * (10_000 - spread) // 10_000
    assert c <= Fraction(tokens * low, 10**12)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, M128), st.integers(0, M96), prices, st.integers(0, 10_000), st.integers(0, 10_000))
def test_worth_at_most_cap_of_the_backing(rules, y, k, r, a, b):
    peg, cap = min(a, b), max(a, b)
    m = rules.worth(y, k, r, peg, cap)
    assert m == min(y * 10**12 // r * peg // 10_000, k * cap // 10_000)
    assert m <= k


@settings(max_examples=100, deadline=None)
@given(st.integers(0, M128), st.integers(0, M96), prices, st.integers(0, 1_000))
def test_refund_at_most_the_backing(rules, x, k, high, spread):
    m = rules.refund(x, k, high, spread)
    assert m == min(x * 10**12 // high, k) * (10_000 - spread) // 10_000
    assert m <= k


@settings(max_examples=100, deadline=None)
@given(st.integers(0, M96), prices, prices, st.integers(0, 1_000))
def test_a_round_trip_never_gains(rules, tokens, p, twap, spread):
    low, high = min(p, twap), max(p, twap)
    c = rules.bought(tokens, low, spread)
    assert rules.refund(c, tokens, high, spread) <= tokens

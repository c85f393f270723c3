"""modules/price_feed.vy and price_word.vy: one step of the price, and the fields of its word."""

from __future__ import annotations

from typing import Any

import boa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.constants import BPS, M64, PRICE_ONE
from tests.support.suite import compiled
from tests.support.vectors import rows

STAMP = 1_800_003_600


@pytest.fixture(scope="module")
def feed() -> Any:
    return compiled("mocks/price_feed_mock.vy").deploy()


def pack(p: int, twap: int, s: int, stamp: int = STAMP) -> int:
    return p << 192 | twap << 128 | s << 64 | stamp << 24


def step(p: int, twap: int, s: int, median: int, bound: int, renew: bool) -> tuple[int, int, int, int]:
    """P', TWAP', S', clamped, from the text."""
    width = max(1, p * bound // BPS)
    low, high = max(1, p - width), p + width
    new = min(max(median, low), high)
    twap = (3 * twap + new) // 4
    if renew:
        target = 10**24 // twap
        move = min(abs(target - s) // 30, s // 20)
        s = min(s + move, M64) if target > s else s - move
    return new, twap, s, 2 if median > high or median + width < p else 0


def test_first_word(feed: Any) -> None:
    assert feed.first(2 * PRICE_ONE, STAMP) == pack(2 * PRICE_ONE, 2 * PRICE_ONE, PRICE_ONE // 2)


@pytest.mark.parametrize("price", [0, 54_210, 2**64, 2**255])
def test_first_price_out_of_range(feed: Any, price: int) -> None:
    with boa.reverts("price: first"):
        feed.first(price, STAMP)


def test_lowest_and_highest_first_price(feed: Any) -> None:
    assert feed.first(54_211, 0) >> 192 == 54_211
    assert feed.first(M64, 0) >> 192 == M64


@given(
    p=st.integers(1, M64),
    twap=st.integers(1, M64),
    s=st.integers(54_210, M64),
    median=st.integers(0, M64) | st.just(0),
    near=st.integers(-6_000, 6_000) | st.none(),
    bound=st.integers(1, 5_000),
    renew=st.booleans(),
)
@settings(max_examples=300, deadline=None)
@pytest.mark.attack("T44")
def test_step(feed: Any, p: int, twap: int, s: int, median: int, near: int | None, bound: int, renew: bool) -> None:
    if near is not None:
        median = min(max(p + p * near // BPS, 0), M64)
    word = feed.next(pack(p, twap, s), median, bound, STAMP + 3_600, renew)
    new, new_twap, new_s, clamped = step(p, twap, s, median, bound, renew)
    assert word == pack(new, new_twap, new_s, STAMP + 3_600) | clamped
    assert new >= 1 and new_twap >= 1


def test_smallest_prices_can_still_move(feed: Any) -> None:
    """A tenth of 5 units is nothing, but one unit is always open."""
    word = pack(5, 5, PRICE_ONE)
    assert feed.next(word, 9, 1_000, STAMP, False) >> 192 == 6
    assert feed.next(word, 0, 1_000, STAMP, False) >> 192 == 4
    assert feed.next(pack(1, 1, PRICE_ONE), 0, 1_000, STAMP, False) >> 192 == 1


def test_twap_forgets_in_four_epochs(feed: Any) -> None:
    word = pack(PRICE_ONE, PRICE_ONE, PRICE_ONE)
    word = feed.next(word, 11 * PRICE_ONE // 10, 1_000, STAMP, False)
    assert word >> 128 & M64 == (3 * PRICE_ONE + 11 * PRICE_ONE // 10) // 4


@pytest.mark.parametrize(
    ("s", "twap", "after"),
    [
        (PRICE_ONE, PRICE_ONE, PRICE_ONE),
        (PRICE_ONE, PRICE_ONE // 2, PRICE_ONE + PRICE_ONE // 30),
        (PRICE_ONE, PRICE_ONE // 100, PRICE_ONE + PRICE_ONE // 20),
        (PRICE_ONE, 2 * PRICE_ONE, PRICE_ONE - PRICE_ONE // 60),
        (PRICE_ONE, 2**63, PRICE_ONE - 999_999_891_579 // 30),
        (54_240, M64, 54_239),
        (54_239, M64, 54_239),
        (M64, 1, M64),
    ],
)
def test_stake_price(feed: Any, s: int, twap: int, after: int) -> None:
    assert feed.next(pack(twap, twap, s), twap, 1_000, STAMP, True) >> 64 & M64 == after


def test_vectors(feed: Any) -> None:
    for row in rows("prices", "steps"):
        word = feed.next(row["word"], row["median"], row["bound"], row["stamp"], row["renew"])
        assert word == row["next"], row
    for row in rows("prices", "first"):
        assert feed.first(row["price"], row["stamp"]) == row["word"]


def test_fields(feed: Any) -> None:
    assert feed.parts(pack(7, 9, 11, 13) | 3) == (7, 9, 11, 13, 3, 7, 9)
    assert feed.parts(pack(9, 7, 11, 13)) == (9, 7, 11, 13, 0, 7, 9)
    assert feed.parts(2**256 - 1) == (M64, M64, M64, 2**40 - 1, 2**24 - 1, M64, M64)

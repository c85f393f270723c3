"""The price word: clamp, averages, stake price, and when a period's price is closed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepers.protocol import price
from keepers.protocol.price import PeriodWord, PriceWord

prices = st.integers(1, 2**64 - 1)


@given(prices, st.integers(0, 2**64 - 1), st.integers(1, 5_000))
def test_a_step_is_bounded_and_never_reaches_zero(before: int, median: int, bound: int) -> None:
    """C66: one lying report moves P by its bound, no more."""
    p, clamped = price.clamp(before, median, bound)
    assert p >= 1
    assert abs(p - before) <= max(1, before * bound // 10_000)
    assert clamped == (abs(median - before) > max(1, before * bound // 10_000))
    assert clamped or p == max(1, median)


def test_clamp_at_its_borders() -> None:
    assert price.clamp(1_000, 1_100, 1_000) == (1_100, False)
    assert price.clamp(1_000, 1_101, 1_000) == (1_100, True)
    assert price.clamp(1_000, 900, 1_000) == (900, False)
    assert price.clamp(1_000, 899, 1_000) == (900, True)
    assert price.clamp(3, 9, 1_000) == (4, True)  # one unit is always open
    assert price.clamp(1, 0, 1_000) == (1, False)


@given(prices, prices, st.integers(1, 2**64 - 1))
def test_twap_lies_between_and_stake_price_follows_slowly(twap: int, p: int, s: int) -> None:
    after = price.next_twap(twap, p)
    assert min(twap, p) <= after <= max(twap, p)
    moved = price.next_stake_price(s, after)
    assert abs(moved - s) <= s // 20
    target = 10**24 // after
    assert min(s, target) <= moved <= max(s, target)


def test_a_constant_price_is_a_fixed_point() -> None:
    word = price.first_word(5 * 10**11, 99)
    assert (word.spot, word.twap, word.stake_price) == (5 * 10**11, 5 * 10**11, 2 * 10**12)
    after = price.next_word(word, 5 * 10**11, 1_000, 100, True)
    assert after == PriceWord(5 * 10**11, 5 * 10**11, 2 * 10**12, 100, 0)


def test_low_and_high_and_flags() -> None:
    word = PriceWord(3, 5, 7, 11, price.PAUSED)
    assert (word.low, word.high, word.paused, word.clamped) == (3, 5, True, False)
    assert PriceWord.unpack(word.pack()) == word
    assert word.with_flags(price.CLAMPED).clamped
    assert price.next_word(PriceWord(1_000, 1_000, 1, 0), 5_000, 1_000, 9, False).clamped


@pytest.mark.parametrize("bad", [0, 54_210, 2**64])
def test_a_first_price_out_of_range_is_refused(bad: int) -> None:
    with pytest.raises(ValueError, match="out of range"):
        price.first_word(bad, 0)


def after(word: PeriodWord, epoch: int, clamped: bool, now: int = 50) -> PeriodWord:
    return price.period_word_after(
        word, period=2, epoch=epoch, epochs_per_period=4, grace=3, price=PriceWord(8, 9, 1, 0), clamped=clamped, now=now
    )


def test_period_word_is_written_by_the_first_unclamped_report_or_after_grace() -> None:
    assert after(PeriodWord(), 12, True) == PeriodWord()
    assert after(PeriodWord(), 12, False) == PeriodWord(9, 12, 50)
    assert after(PeriodWord(), 14, True) == PeriodWord()
    assert after(PeriodWord(), 15, True) == PeriodWord(9, 15, 50)  # end(2) is epoch 12, grace 3
    assert after(PeriodWord(), 16, False) == PeriodWord(9, 16, 50)


def test_a_standing_period_word_is_kept_and_a_cancelled_one_redone() -> None:
    word = PeriodWord(7, 12, 40)
    assert after(word, 13, False) == word
    assert after(word, 12, False, 60) == PeriodWord(9, 12, 60)
    assert after(PeriodWord(7, 13, 40), 12, True) == PeriodWord()
    assert PeriodWord.unpack(word.pack()) == word


def test_a_period_closes_after_the_dispute() -> None:
    word = PeriodWord(7, 12, 40)
    assert not word.closed(last=12, now=49, dispute=10)
    assert word.closed(last=12, now=50, dispute=10)
    assert not word.closed(last=11, now=50, dispute=10)
    assert not PeriodWord().closed(last=99, now=99, dispute=0)

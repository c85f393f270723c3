"""accrual.vy against slot-by-slot and fraction-by-fraction arithmetic."""

from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.constants import DAY, M32, M64
from tests.support.suite import compiled

M28 = 2**28 - 1
BIAS = 2**31
SLOT = 300
START = 1_800_000_450


@pytest.fixture(scope="module")
def rules():
    return compiled("mocks/accrual_mock.vy").deploy()


def terms(rate=1, gpus=1, start=START, duration=DAY, length=0, reason=0):
    return rate << 192 | gpus << 184 | start << 96 | duration << 68 | length << 40 | reason


def money(credits=0, settled=0, anchor=0):
    return credits << 160 | settled << 32 | anchor


def sheet(notice=3600, least=0, prepay=DAY):
    return notice << 224 | least << 192 | prepay << 160


def test_until(rules):
    assert rules.until(terms(), money(100)) == START + 100
    assert rules.until(terms(rate=7, gpus=3), money(21 * 5 + 20, 11)) == START + 16
    assert rules.until(terms(duration=50), money(100)) == START + 50
    assert rules.until(terms(M64, 255, duration=M28), money(2**96 - 1)) == START + (2**96 - 1) // (M64 * 255)


@settings(max_examples=200, deadline=None)
@given(st.integers(1, M64), st.integers(1, 16), st.integers(0, 2**96 - 1), st.integers(1, M28), st.integers(0, DAY))
def test_settling_does_not_move_until(rules, rate, gpus, credits, duration, seconds):
    per_second = rate * gpus
    seconds = min(seconds, credits // per_second, duration)
    t = terms(rate, gpus, duration=duration)
    assert rules.until(t, money(credits)) == rules.until(t, money(credits - seconds * per_second, seconds))


def test_stop_is_the_recorded_one_or_until(rules):
    assert rules.stop(terms(length=7), money(100)) == START + 100
    assert rules.stop(terms(length=7, reason=1), money(100)) == START + 7


@pytest.mark.parametrize(
    "first, down, want",
    [
        (START, 0, BIAS),
        (START - 450, 900, BIAS + 900),
        (START + 3150, 0, BIAS - 3150),
        (START + 3150, 5000, BIAS + 1850),
        (START + BIAS, 0, 0),
        (START + BIAS - 1, 0, 1),
        (START, BIAS, 0),
        (START, BIAS - 1, M32),
    ],
)
def test_base(rules, first, down, want):
    assert rules.base(START, first, down) == want


@pytest.mark.parametrize(
    "t, anchor, down, want",
    [
        (START - 1, BIAS, 0, 0),
        (START, BIAS, 0, 0),
        (START + 10, BIAS, 0, 10),
        (START + 10, BIAS + 100, 103, 7),
        (START + 10, BIAS + 100, 110, 0),
        (START + 10, BIAS + 100, 111, 0),
        (START + 10, BIAS + 100, 3, 10),  # a committee that lies pays no second outside the lease
        (START + 10, BIAS - 4, 0, 6),
    ],
)
def test_due(rules, t, anchor, down, want):
    assert rules.due(START, t, anchor, down) == want


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.booleans(), min_size=24, max_size=60),
    st.integers(0, 24 * SLOT - 1),
    st.integers(0, 24 * SLOT - 1),
    st.integers(0, 24),
    st.lists(st.integers(1, 60 * SLOT), min_size=1, max_size=6),
)
def test_due_is_the_attested_seconds_of_the_lease(rules, up, before, offset, oldest, moments):
    """Any moments, in any order: the sum of what each adds is what the last alone gives."""

    def down(t):
        return sum(0 if u else max(0, min(SLOT, t - k * SLOT)) for k, u in enumerate(up))

    def attested(a, b):
        return sum(max(0, min(b, (k + 1) * SLOT) - max(a, k * SLOT)) for k, u in enumerate(up) if u)

    start = offset
    first = oldest * SLOT
    history = before  # seconds of downtime before all of this
    at = max(start, first)
    anchor = rules.base(START + start, START + first, history + down(at))
    settled = 0
    for t in moments:
        t = min(t, len(up) * SLOT)
        due = rules.due(START + start, START + t, anchor, history + down(t)) if t >= at else 0
        assert due == (attested(at, t) if t > at else 0)
        settled = max(settled, due)
    last = min(max(moments), len(up) * SLOT)
    assert settled == (attested(at, last) if last > at else 0)


@settings(max_examples=200, deadline=None)
@given(
    st.integers(1, M64),
    st.integers(1, 16),
    st.integers(1, 10**6),
    st.integers(0, 10**6),
    st.integers(0, 10**6),
    st.integers(300, 10**6),
    st.integers(0, M64),
)
def test_room(rules, rate, gpus, duration, elapsed, settled, prepay, extra):
    per_second = rate * gpus
    settled = min(settled, elapsed, duration)
    credits = extra * per_second // 2**40
    t, m = terms(rate, gpus, duration=duration), money(credits, settled)
    running, room = rules.room(t, m, prepay, START + elapsed)
    lapsed = elapsed >= min(duration, settled + credits // per_second)
    assert running == (not lapsed)
    if lapsed:
        assert room == 0
    else:
        cover = min(duration, elapsed + prepay)
        assert room == max(0, per_second * (cover - settled) - credits)
        if room:
            full = rules.until(t, money(credits + room, settled))
            assert full == START + cover


@settings(max_examples=200, deadline=None)
@given(st.integers(3600, M32), st.integers(0, M32), st.integers(1, 2**80 - 1), st.integers(1, M64))
def test_bond_rounds_up(rules, notice, least, per_second, low):
    exact = Fraction(max(notice, least) * per_second) * Fraction(3, 2) * 10**12 / low / 10**9
    assert rules.bond(sheet(notice, least), per_second, low) == ceil(exact)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, M64), st.integers(1, M32), st.integers(0, M32), st.integers(0, M32))
def test_forfeit_rounds_up_and_never_exceeds_the_bond(rules, bond, notice, least, elapsed):
    part = Fraction(max(notice, max(0, least - elapsed)), max(notice, least))
    taken = rules.forfeit(bond, sheet(notice, least), elapsed)
    assert taken == ceil(bond * part) <= bond


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**112 - 1), st.integers(1, M64))
def test_limit_is_worth_at_most_what_was_paid(rules, paid, high):
    """I12"""
    limit = rules.limit(paid, high)
    assert limit == paid * 1000 // high
    assert Fraction(limit * 10**9 * high, 10**12) <= paid

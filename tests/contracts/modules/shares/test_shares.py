"""modules/shares.vy through its mock, beside keepers.protocol.stake. Roundings favour the bucket (I9)."""

from __future__ import annotations

from typing import Any

import boa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from keepers.protocol import stake
from tests.support.suite import compiled

M64 = 2**64 - 1
word = st.integers(0, M64) | st.integers(0, 5_000)
positive = st.integers(1, M64) | st.integers(1, 5_000)
fast = settings(max_examples=150, deadline=None)


@pytest.fixture(scope="session")
def mock() -> Any:
    """Stateless, so one deployment serves all."""
    return compiled("mocks/shares_mock.vy").deploy()


@pytest.mark.parametrize(
    ("assets", "shares", "dead"),
    [(0, 0, False), (0, 1, True), (1, 1_000, False), (1, 1_001, True), (10**16, 10**19, False), (M64, M64, False)],
)
def test_dead__above_a_thousand_shares_a_gwei(mock: Any, assets: int, shares: int, dead: bool) -> None:
    assert mock.dead(assets, shares) is dead is stake.is_dead(assets, shares)


@fast
@given(word, positive, word)
def test_mint__rounds_down(mock: Any, amount: int, assets: int, shares: int) -> None:
    got = mock.mint(amount, assets, shares)
    assert got == stake.shares_for(amount, assets, shares)
    if shares and amount:
        # what the depositor can take out again is at most what it brought in
        assert mock.worth(got, min(assets + amount, M64), min(shares + got, 2**128)) <= amount or got > M64


def test_mint__empty_bucket__one_for_one(mock: Any) -> None:
    assert mock.mint(123, 0, 0) == 123


@fast
@given(word, word, positive)
def test_worth__rounds_down(mock: Any, part: int, assets: int, shares: int) -> None:
    assume(part <= shares)
    got = mock.worth(part, assets, shares)
    assert got == stake.value_of(part, assets, shares) <= assets
    assert got * shares <= part * assets < (got + 1) * shares


@fast
@given(word, positive, positive)
def test_cover__rounds_up(mock: Any, amount: int, assets: int, shares: int) -> None:
    got = mock.cover(amount, assets, shares)
    assert got * assets >= amount * shares > (got - 1) * assets or amount == 0 == got


def test_cover__overflow__reverts(mock: Any) -> None:
    with boa.reverts():
        mock.cover(2**255, 1, 2)


@fast
@given(st.integers(0, 10**19), word, word)
def test_cut__one_factor__exact_sum(mock: Any, total: int, a: int, b: int) -> None:
    assume(a + b > 0 and total <= a + b)
    from_a, from_b = mock.cut(total, a, b)
    assert from_a + from_b == total
    assert from_a <= a and 0 <= from_b <= b
    # a's part is rounded up, b's down: each within a gwei of the factor total / (a + b)
    assert total * a <= from_a * (a + b) < total * a + (a + b)


@fast
@given(word, word, word, st.integers(0, 2**40 - 1))
def test_words__fields_read_back(mock: Any, assets: int, shares: int, locked: int, at: int) -> None:
    packed = stake.Own(assets, shares, locked, at).pack()
    assert mock.own_fields(packed) == (assets, shares, locked, at)
    assert mock.with_last_below(packed, 7) == stake.Own(assets, shares, locked, 7).pack()
    assert mock.ticket(shares, at) == stake.Ticket(shares, at).pack()
    assert mock.ticket_fields(stake.Ticket(shares, at).pack()) == (shares, at)


@fast
@given(st.integers(0, 2**66), st.integers(0, 2**40 - 1), word, st.integers(0, 2**40 - 1))
def test_words__faults_read_back(mock: Any, slashed: int, end: int, peak: int, until: int) -> None:
    packed = mock.faults(slashed, end, peak, until)
    assert packed == slashed << 160 | end << 120 | peak << 56 | until << 16
    assert mock.fault_fields(packed) == (slashed, end, peak, until)


def test_words__need_and_issued(mock: Any) -> None:
    owner = "0x" + "Ab" * 20
    got_owner, units = mock.need_fields(int(owner, 16) << 96 | 77)
    assert (int(got_owner, 16), units) == (int(owner, 16), 77)
    assert mock.issued(5 << 64 | M64) == 5

"""The seat word, and what a fault costs."""

from __future__ import annotations

import pytest

from keepers.protocol.seats import REPEAT, Seat, bounty


def test_seat__word() -> None:
    assert Seat(5, 4, 3, 2, seated=True).pack() == 5 << 128 | 4 << 88 | 3 << 48 | 2 << 8 | 1
    assert Seat().pack() == 0


@pytest.mark.parametrize("bond, tenth", [(0, 0), (1, 1), (10, 1), (11, 2), (10**22, 10**21)])
def test_first_fault__a_tenth_rounded_up(bond: int, tenth: int) -> None:
    assert Seat(bond).penalty(REPEAT) == tenth


@pytest.mark.parametrize("away, lost", [(0, 100), (REPEAT, 100), (-REPEAT, 100), (REPEAT + 1, 10), (-REPEAT - 1, 10)])
def test_second_fault__costs_all_within_thirty_days_of_the_first(away: int, lost: int) -> None:
    first = 10 * REPEAT
    assert Seat(100, fault=first).penalty(first + away) == lost


def test_bounty__a_fifth_rounded_down() -> None:
    assert [bounty(n) for n in (0, 4, 5, 99)] == [0, 0, 1, 19]

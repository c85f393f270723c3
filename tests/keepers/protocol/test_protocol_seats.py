"""The seat word, and what a fault costs."""

from __future__ import annotations

import pytest

from keepers.protocol.seats import REPEAT, NoTable, Seat, bounty, next_table


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


def test_seat__word_read_back() -> None:
    seat = Seat(2**120, 2**40 - 1, 3, 2**39, seated=True)
    assert Seat.unpack(seat.pack()) == seat
    assert Seat.unpack(0) == Seat()


NOW = 1_000
SEATED = Seat(10, seated=True)
LEFT = Seat(10, leaving=NOW, seated=True)
LEAVING = Seat(10, leaving=NOW + 1, seated=True)
LOST = Seat(0, seated=True)


def following(seats: dict[str, Seat], table: str, proposed: str = "", at: int = 0) -> str:
    return "".join(next_table(table, proposed, at, seats.__getitem__, NOW))


def test_next_table__the_proposed_one_after_its_notice() -> None:
    seats = dict.fromkeys("abcdefg", SEATED)
    assert following(seats, "abcd", "cdefg", NOW) == "cdefg"
    with pytest.raises(NoTable, match="nothing due"):
        following(seats, "abcd", "cdefg", NOW + 1)
    assert following(seats | {"c": LOST, "d": LEAVING}, "abcd", "cdefg", NOW) == "defg"


def test_next_table__a_proposal_that_fell_apart_does_not_hold_up_those_that_leave() -> None:
    seats = {**dict.fromkeys("abcdefg", SEATED), "a": LEFT, "f": LOST, "g": LOST}
    assert following(seats, "abcde", "cdefg", NOW) == "bcde"
    assert following(seats, "ab", "b", NOW) == "b", "a table that was proposed as small"


def test_next_table__without_those_that_left_but_never_below_four() -> None:
    seats = {**dict.fromkeys("abcde", SEATED), "a": LEFT}
    assert following(seats, "abcde") == "bcde"
    with pytest.raises(NoTable, match="below four"):
        following(seats | {"b": LOST}, "abcde")
    with pytest.raises(NoTable, match="nothing due"):
        following(seats | {"a": LEAVING}, "abcde")

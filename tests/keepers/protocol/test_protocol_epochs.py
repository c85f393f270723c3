"""Calendar: borders of slots, epochs and periods."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepers.protocol.epochs import SLOTS, Calendar

CALENDAR = Calendar(genesis=1_000_000, slot=300, epochs_per_period=24)
calendars = st.builds(
    Calendar,
    genesis=st.integers(1, 2**39 - 1),
    slot=st.integers(1, 3_600),
    epochs_per_period=st.integers(1, 168),
)


def test_lengths_follow_the_slot() -> None:
    assert (CALENDAR.epoch_seconds, CALENDAR.period_seconds) == (3_600, 86_400)


def test_borders_belong_to_what_begins() -> None:
    start = CALENDAR.start(7)
    assert CALENDAR.epoch(start) == 7
    assert CALENDAR.epoch(start - 1) == 6
    assert CALENDAR.end(6) == start
    assert CALENDAR.slot_of(start) == (7, 0)
    assert CALENDAR.slot_of(start - 1) == (6, 11)
    assert CALENDAR.period(CALENDAR.period_start(3)) == 3
    assert CALENDAR.period(CALENDAR.period_end(3) - 1) == 3


@given(calendars, st.integers(0, 2**31))
def test_every_second_lies_in_one_slot_epoch_and_period(calendar: Calendar, after: int) -> None:
    t = calendar.genesis + after
    e, k = calendar.slot_of(t)
    assert calendar.slot_start(e, k) <= t < calendar.slot_start(e, k) + calendar.slot
    assert calendar.start(e) <= t < calendar.end(e) and calendar.epoch(t) == e
    p = calendar.period(t)
    assert calendar.period_start(p) <= t < calendar.period_end(p)
    assert calendar.period_of_epoch(e) == p
    assert calendar.epoch_seconds == SLOTS * calendar.slot


@pytest.mark.parametrize("call", ["epoch", "slot_of", "period"])
def test_before_genesis_is_refused(call: str) -> None:
    with pytest.raises(ValueError, match="before genesis"):
        getattr(CALENDAR, call)(CALENDAR.genesis - 1)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"genesis": 0}, "genesis"),
        ({"genesis": 1, "slot": 0}, "slot"),
        ({"genesis": 1, "slot": 3_601}, "slot"),
        ({"genesis": 1, "epochs_per_period": 0}, "epochs_per_period"),
        ({"genesis": 1, "epochs_per_period": 169}, "epochs_per_period"),
        ({"genesis": 2**39}, "genesis"),
    ],
)
def test_bad_lengths_are_named(arguments: dict[str, int], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        Calendar(**arguments)

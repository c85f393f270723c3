"""Tickers and clocks: due times are exact, deterministic on virtual time, coalesced on the real one."""

from __future__ import annotations

import threading
import time
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepers.chain.ports import BlockRef
from keepers.protocol.epochs import Calendar
from keepers.runtime.clock import SystemClock, VirtualClock
from keepers.runtime.ticker import (
    ApsTicker,
    Block,
    Epoch,
    Every,
    Mailbox,
    Period,
    Slot,
    Timer,
    Trigger,
    VirtualTicker,
    next_due,
    slot_of_ordinal,
)

CALENDAR = Calendar(1_000_000, 300, 24)


@given(after=st.integers(900_000, 3_000_000), offset=st.integers(0, 299))
def test_next_due__slots__first_strictly_after(after: int, offset: int) -> None:
    due, ordinal = next_due(Slot(offset), CALENDAR, after)
    assert due > after and due == 1_000_000 + 300 * ordinal + offset
    assert ordinal == 0 or due - 300 <= after
    epoch, slot = slot_of_ordinal(ordinal)
    assert CALENDAR.slot_start(epoch, slot) == due - offset


def test_next_due__epoch_and_period__their_own_lengths() -> None:
    assert next_due(Epoch(30), CALENDAR, 1_000_029) == (1_000_030, 0)
    assert next_due(Epoch(30), CALENDAR, 1_000_030) == (1_003_630, 1)
    assert next_due(Period(0), CALENDAR, 1_000_000) == (1_086_400, 1)
    assert next_due(Every(10), CALENDAR, 1_000_001)[0] == 1_000_010


def run(until: int) -> list[tuple[str, float, int]]:
    clock = VirtualClock(1_000_000)
    ticker = VirtualTicker(clock, CALENDAR)
    seen: list[tuple[str, float, int]] = []

    def sink(name: str) -> object:
        def take(trigger: Trigger) -> None:
            assert clock.now() >= trigger.due
            seen.append((name, trigger.due, trigger.ordinal))

        return take

    ticker.add("a", Timer("beat", Slot()), sink("a.beat"))
    ticker.add("b", Timer("close", Slot(30)), sink("b.close"))
    ticker.add("b", Timer("freeze", Epoch(0)), sink("b.freeze"))
    ticker.start()
    fired = ticker.run_until(until)
    assert fired == len(seen) and clock.now() == until
    return seen


def test_virtual__an_hour__every_firing_in_order_and_twice_the_same() -> None:
    seen = run(1_003_600)
    assert seen == run(1_003_600)
    assert [name for name, due, _ in seen if due == 1_003_600] == ["a.beat", "b.freeze"]
    assert seen[0] == ("a.beat", 1_000_000.0, 0), "what is due at the start happens"
    assert len([s for s in seen if s[0] == "a.beat"]) == 13 and len([s for s in seen if s[0] == "b.close"]) == 12
    assert [due for _, due, _ in seen] == sorted(due for _, due, _ in seen)


def test_virtual__before_hook_and_blocks() -> None:
    clock = VirtualClock(1_000_000)
    ticker = VirtualTicker(clock, CALENDAR)
    seen: list[Trigger] = []
    moved: list[float] = []
    ticker.before = moved.append
    ticker.add("a", Timer("half", Slot(0.5)), seen.append)
    ticker.add("a", Timer("block", Block()), seen.append)
    ticker.start()
    assert ticker.next() == 1_000_000.5
    ticker.run_until(1_000_300)
    head = BlockRef(4, b"\x01" * 32, 1_000_200)
    ticker.block(head)
    assert moved == [1_000_000.5] and seen[0].due == 1_000_000.5
    assert seen[1] == Trigger("block", 1_000_200, 4, head)
    with pytest.raises(ValueError, match="already has a timer"):
        ticker.add("a", Timer("half", Slot()), seen.append)
    with pytest.raises(ValueError, match="positive length"):
        ticker.add("a", Timer("never", Every(0)), seen.append)
    with pytest.raises(ValueError, match="cannot go back"):
        clock.move_to(1)
    ticker.close()
    assert ticker.next() is None


def test_aps__short_slots__each_fires_once_and_names_its_slot() -> None:
    clock = SystemClock()
    calendar = Calendar(int(clock.now()) - 100, 1, 2)
    ticker = ApsTicker(clock, calendar)
    seen: list[Trigger] = []
    enough = threading.Event()

    def take(trigger: Trigger) -> None:
        seen.append(trigger)
        if len(seen) >= 3:
            enough.set()

    ticker.add("a", Timer("slot", Slot(0.25)), take)
    ticker.start()
    assert enough.wait(10)
    ticker.close()
    ordinals = [t.ordinal for t in seen[:3]]
    assert ordinals == sorted(set(ordinals))
    for trigger in seen:
        assert trigger.due == calendar.genesis + trigger.ordinal + 0.25


class SetClock:
    """A clock that stands `behind` seconds before the wall's until somebody sets it right."""

    def __init__(self, behind: float) -> None:
        self.behind = behind

    def precise(self) -> float:
        return time.time() - self.behind


def test_aps__clock_from_before_genesis_is_set__timers_go_by_the_new_time_at_once() -> None:
    """A machine that starts without a battery has the whole network before it."""
    clock, calendar = SetClock(40 * 365 * 86_400.0), Calendar(int(time.time()) - 100, 1, 2)
    ticker = ApsTicker(clock, calendar)  # type: ignore[arg-type]
    seen: list[Trigger] = []
    beat = threading.Event()
    ticker.add("a", Timer("slot", Slot()), lambda trigger: (seen.append(trigger), beat.set()))
    ticker.start()
    assert not beat.wait(1.5), "no slot before genesis"
    clock.behind = 0.0
    ticker.block(BlockRef(1, bytes(32), int(time.time())))
    assert beat.wait(5)
    ticker.close()
    assert all(abs(trigger.due - time.time()) < 7 for trigger in seen)


class Scheduler:
    """Takes jobs and remembers for when each was set anew."""

    running = False

    def __init__(self) -> None:
        self.jobs: list[Scheduler] = []
        self.moved: list[datetime] = []

    def add_job(self, *_: object, **__: object) -> None:
        self.jobs.append(Scheduler())

    def get_jobs(self) -> list[Scheduler]:
        return self.jobs

    def modify(self, next_run_time: datetime) -> None:
        self.moved.append(next_run_time)

    def start(self) -> None:
        self.running = True


@pytest.mark.parametrize(("step", "looks"), [(-3_600.0, 1), (3_600.0, 1), (0.5, 0)])
def test_aps__clock_steps__every_timer_looks_at_once(step: float, looks: int) -> None:
    """A clock that was an hour ahead: its timers wait for a wall time that is an hour away now."""
    clock, scheduler = SetClock(0.0), Scheduler()
    ticker = ApsTicker(clock, CALENDAR, scheduler)  # type: ignore[arg-type]
    ticker.add("a", Timer("slot", Slot()), lambda trigger: None)
    ticker.add("a", Timer("epoch", Epoch()), lambda trigger: None)
    ticker.start()
    clock.behind = -step
    for number in range(3):
        ticker.block(BlockRef(number, bytes(32), 0))
    assert [len(job.moved) for job in scheduler.jobs] == [looks, looks], "once, not at every block"


def test_next_due__before_genesis__only_seconds_of_the_process_go_on() -> None:
    assert next_due(Slot(), CALENDAR, 999_000) == next_due(Slot(), CALENDAR, -5) == (1_000_000, 0)
    assert next_due(Every(10), CALENDAR, 999_001) == (999_010, -99)


def test_mailbox__many_triggers_of_one_timer__newest_only_in_order() -> None:
    box = Mailbox()
    for due in range(5):
        box.put(Trigger("a", due))
    box.put(Trigger("b", 9))
    box.put(Trigger("a", 6))
    assert [box.get(0), box.get(0), box.get(0)] == [Trigger("a", 6), Trigger("b", 9), None]
    waiter = threading.Thread(target=lambda: box.get(30))
    waiter.start()
    box.close()
    waiter.join(5)
    assert not waiter.is_alive() and box.closed
    box.put(Trigger("a", 1))
    assert box.get(0) is None


def test_system_clock__blocks__skew_is_the_smallest_distance() -> None:
    wall = [1_000.0]
    clock = SystemClock(wall=lambda: wall[0], monotonic=lambda: 0.0)
    assert clock.skew() == 0.0 and clock.now() == 1_000
    for age in (12.0, 3.0, 7.0):
        clock.saw(int(wall[0] - age))
    assert clock.skew() == 3.0 and clock.precise() == 1_000.0, "a public network never moves the clock"
    clock.saw(1_050)
    assert clock.skew() == -50.0


def test_system_clock__somebody_sets_it__the_skew_shows_it_before_the_next_block() -> None:
    wall, passed = [1_000.0], [50.0]
    clock = SystemClock(wall=lambda: wall[0], monotonic=lambda: passed[0])
    for _ in range(20):
        clock.saw(int(wall[0]) - 1)
        wall[0] += 12
        passed[0] += 12
    assert clock.skew() == 1.0
    wall[0] += 3_600
    assert clock.skew() == 3_601.0, "and not only when the last right block has left the window"
    wall[0] -= 7_200
    assert clock.skew() == -3_599.0


def test_system_clock__local_chain_ahead__followed() -> None:
    wall = [1_000.0]
    clock = SystemClock(adopt=True, wall=lambda: wall[0], monotonic=lambda: 0.0)
    clock.saw(999)
    assert clock.precise() == 1_000.0
    clock.saw(5_000)
    assert clock.now() == 5_000 and clock.skew() == 0.0
    wall[0] += 10
    assert clock.now() == 5_010


def test_virtual_clock__blocks__do_not_move_it() -> None:
    clock = VirtualClock(50)
    clock.saw(1_000)
    assert (clock.now(), clock.precise(), clock.skew()) == (50, 50.0, 0.0)
    assert time.time() > 0

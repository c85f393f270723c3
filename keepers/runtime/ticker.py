"""When a role is woken. Two tickers with one face: APScheduler's thread, and a heap on virtual time.

A ticker only delivers `Trigger`s; what is due stands in tables, so a lost tick loses nothing and a late one does no
harm. All kinds but `Every` are chain time. Late triggers of one timer are coalesced to the newest.
"""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger

from keepers.chain.ports import BlockRef
from keepers.protocol.epochs import SLOTS, Calendar
from keepers.runtime.clock import Clock, VirtualClock


@dataclass(frozen=True, slots=True)
class Slot:
    """`offset` seconds after the start of every slot."""

    offset: float = 0


@dataclass(frozen=True, slots=True)
class Epoch:
    """`offset` seconds after the start of every epoch (so after the end of the one before)."""

    offset: float = 0


@dataclass(frozen=True, slots=True)
class Period:
    """`offset` seconds after the start of every period."""

    offset: float = 0


@dataclass(frozen=True, slots=True)
class Block:
    """Every new head."""


@dataclass(frozen=True, slots=True)
class Every:
    """Every so many seconds of the process."""

    seconds: float


Kind = Slot | Epoch | Period | Block | Every
CLOCK_STEP_S = 1.0  # less than this is drift, which each firing corrects by itself


@dataclass(frozen=True, slots=True)
class Timer:
    """A named wake-up of a role. `own_thread` gives it a worker of its own (heartbeats), never behind the others."""

    name: str
    kind: Kind
    own_thread: bool = False


@dataclass(frozen=True, slots=True)
class Trigger:
    """One wake-up: which timer, the chain time at which it was due, and the block for `Block` timers.

    `due` is in seconds. `ordinal` counts slots, epochs or periods since genesis (slot ordinal = 12·epoch + slot).
    """

    timer: str
    due: float
    ordinal: int = 0
    block: BlockRef | None = None


Sink = Callable[[Trigger], None]


class Ticker(Protocol):
    """What the app drives its roles with."""

    def add(self, owner: str, timer: Timer, sink: Sink) -> None:
        """Deliver `timer` of `owner` to `sink` from `start` on. Raises ValueError if the pair is already there."""
        ...

    def block(self, head: BlockRef) -> None:
        """A new head was seen: fires the `Block` timers."""
        ...

    def start(self) -> None: ...

    def close(self) -> None: ...


def step_of(kind: Kind, calendar: Calendar) -> float:
    """Length of a timer's round in seconds. Raises ValueError for `Block`, which has none."""
    if isinstance(kind, Slot):
        return calendar.slot
    if isinstance(kind, Epoch):
        return calendar.epoch_seconds
    if isinstance(kind, Period):
        return calendar.period_seconds
    if isinstance(kind, Every):
        return kind.seconds
    raise ValueError("a Block timer has no time of its own")


def next_due(kind: Kind, calendar: Calendar, after: float) -> tuple[float, int]:
    """(chain time, ordinal) of the first firing strictly after `after`. Before genesis only `Every` fires, which counts
    from there as well, backwards too: ordinals below zero."""
    step = step_of(kind, calendar)
    offset = 0.0 if isinstance(kind, Every) else float(getattr(kind, "offset", 0.0))
    base = calendar.genesis + offset
    ordinal = int((after - base) // step) + 1
    if not isinstance(kind, Every):
        ordinal = max(0, ordinal)
    due = base + ordinal * step
    if due <= after:  # float rounding at the boundary
        ordinal += 1
        due = base + ordinal * step
    return due, ordinal


def slot_of_ordinal(ordinal: int) -> tuple[int, int]:
    """(epoch, slot) of a `Slot` trigger's ordinal."""
    return divmod(ordinal, SLOTS)


class _Timers:
    """Names taken, and the `Block` timers; shared by both tickers."""

    def __init__(self) -> None:
        self.names: set[tuple[str, str]] = set()
        self.blocks: list[tuple[Timer, Sink]] = []

    def admit(self, owner: str, timer: Timer, sink: Sink) -> bool:
        """Record it; True if the ticker itself must keep time for it."""
        if (owner, timer.name) in self.names:
            raise ValueError(f"{owner} already has a timer {timer.name}")
        self.names.add((owner, timer.name))
        if isinstance(timer.kind, Block):
            self.blocks.append((timer, sink))
            return False
        if step_of(timer.kind, Calendar(1)) <= 0:
            raise ValueError(f"{owner}.{timer.name}: a timer needs a positive length")
        return True

    def fire(self, head: BlockRef) -> None:
        for timer, sink in self.blocks:
            sink(Trigger(timer.name, head.timestamp, head.number, head))


class _ChainTrigger(BaseTrigger):  # type: ignore[misc]
    """APScheduler trigger on chain time: the next firing, expressed in the wall time of this moment."""

    def __init__(self, kind: Kind, calendar: Calendar, clock: Clock) -> None:
        self._kind, self._calendar, self._clock = kind, calendar, clock

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime:
        """Called by the scheduler; `previous` is the last firing, so that missed ones are seen and coalesced."""
        ahead = time.time() - self._clock.precise()  # wall time less chain time
        # The two clocks are read one after the other, so `previous` comes back a little off its due time.
        early = min(0.25, step_of(self._kind, self._calendar) / 4)
        after = self._clock.precise() if previous is None else previous.timestamp() - ahead + early
        due, _ = next_due(self._kind, self._calendar, after)
        return datetime.fromtimestamp(due + ahead, UTC)


class ApsTicker:
    """Ticks on APScheduler's background thread; sinks must only drop the trigger into a mailbox."""

    def __init__(self, clock: Clock, calendar: Calendar, scheduler: Any = None) -> None:
        self._clock, self._calendar = clock, calendar
        self._timers = _Timers()
        self._scheduler = scheduler or BackgroundScheduler(timezone=UTC)
        self._distance = clock.precise() - time.monotonic()

    def add(self, owner: str, timer: Timer, sink: Sink) -> None:
        if not self._timers.admit(owner, timer, sink):
            return
        kind = timer.kind
        step = step_of(kind, self._calendar)
        early = min(0.25, step / 4)  # a scheduler may wake a little before its time
        last: int | None = None

        def fire() -> None:
            nonlocal last
            now = self._clock.precise() + early
            due, ordinal = next_due(kind, self._calendar, now - step)  # the newest by now
            if ordinal != last and due <= now:
                last = ordinal
                sink(Trigger(timer.name, due, ordinal))

        self._scheduler.add_job(
            fire,
            _ChainTrigger(kind, self._calendar, self._clock),
            id=f"{owner}.{timer.name}",
            replace_existing=False,
            misfire_grace_time=None,  # the default, one second, drops late firings without a word
            coalesce=True,
            max_instances=1,
        )

    def block(self, head: BlockRef) -> None:
        self._follow_clock()
        self._timers.fire(head)

    def _follow_clock(self) -> None:
        """When the clock was set (or a local one follows its chain) every timer looks at it at once: the scheduler
        sleeps for a time that it has worked out before, which is years for a clock that stood before genesis."""
        distance = self._clock.precise() - time.monotonic()
        if abs(distance - self._distance) > CLOCK_STEP_S:
            self._distance = distance
            for job in self._scheduler.get_jobs():
                job.modify(next_run_time=datetime.now(UTC))

    def start(self) -> None:
        self._distance = self._clock.precise() - time.monotonic()
        self._scheduler.start()

    def close(self) -> None:
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)


class VirtualTicker:
    """Ticks on virtual time, on the thread of whoever calls `run_until`. Deterministic.

    Firings at one second come in the order in which their timers were added. `before` is called ahead of each firing
    with its time, so that a driver can advance a chain to it.
    """

    def __init__(self, clock: VirtualClock, calendar: Calendar) -> None:
        self._clock, self._calendar = clock, calendar
        self._timers = _Timers()
        self._heap: list[tuple[float, int, int, Timer, Sink]] = []
        self._started = False
        self._pending: list[tuple[int, Timer, Sink]] = []
        self.before: Callable[[float], None] | None = None

    def add(self, owner: str, timer: Timer, sink: Sink) -> None:
        if not self._timers.admit(owner, timer, sink):
            return
        order = len(self._timers.names)
        if self._started:
            self._push(order, timer, sink, self._clock.precise())
        else:
            self._pending.append((order, timer, sink))

    def block(self, head: BlockRef) -> None:
        self._timers.fire(head)

    def start(self) -> None:
        if not self._started:
            self._started = True
            for order, timer, sink in self._pending:
                # a firing that is due at this very second still happens
                self._push(order, timer, sink, self._clock.precise() - 1e-6)
            self._pending.clear()

    def close(self) -> None:
        self._heap.clear()
        self._started = False

    def next(self) -> float | None:
        """Chain time of the next firing; None if no timer is left."""
        return self._heap[0][0] if self._heap else None

    def run_until(self, timestamp: float) -> int:
        """Fire everything due at or before `timestamp`, moving the clock; returns how many fired.

        Fractions of a second round the clock up: a firing never sees a time before its own.
        """
        fired = 0
        while self._heap and self._heap[0][0] <= timestamp:
            due, ordinal, order, timer, sink = self._pop()
            if self.before is not None:
                self.before(due)
            whole = int(due) if due == int(due) else int(due) + 1
            if whole > self._clock.now():
                self._clock.move_to(whole)
            self._push(order, timer, sink, due)
            sink(Trigger(timer.name, due, ordinal))
            fired += 1
        if timestamp > self._clock.now():
            self._clock.move_to(int(timestamp))
        return fired

    def _pop(self) -> tuple[float, int, int, Timer, Sink]:
        due, order, ordinal, timer, sink = heapq.heappop(self._heap)
        return due, ordinal, order, timer, sink

    def _push(self, order: int, timer: Timer, sink: Sink, after: float) -> None:
        due, ordinal = next_due(timer.kind, self._calendar, after)
        heapq.heappush(self._heap, (due, order, ordinal, timer, sink))


class Mailbox:
    """Triggers that wait for a role's worker: newest of each timer, oldest timer first. Thread-safe."""

    def __init__(self) -> None:
        self._ready = threading.Condition()
        self._waiting: dict[str, Trigger] = {}
        self._closed = False

    def put(self, trigger: Trigger) -> None:
        """Add a trigger; a waiting one of the same timer is replaced (coalesced) and keeps its place."""
        with self._ready:
            if not self._closed:
                self._waiting[trigger.timer] = trigger
                self._ready.notify()

    def get(self, timeout: float | None = None) -> Trigger | None:
        """Next trigger; None on timeout or once closed and empty."""
        with self._ready:
            if not self._waiting and not self._closed:
                self._ready.wait(timeout)
            if not self._waiting:
                return None
            return self._waiting.pop(next(iter(self._waiting)))

    def close(self) -> None:
        """No more triggers; those waiting are dropped, as they will be due again."""
        with self._ready:
            self._closed = True
            self._waiting.clear()
            self._ready.notify_all()

    @property
    def closed(self) -> bool:
        """True once closed."""
        return self._closed

"""Network time. Roles ask a `Clock` and nothing else what time it is.

On a public network the operator's own clock *is* the network's time and its measured distance from the chain (`skew`)
decides whether a role may sign. On a local network, whose blocks may run ahead of wall time, `adopt` takes the
measured distance over instead. Wall time itself is for timeouts only.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol


class Clock(Protocol):
    """Chain time in seconds since 1970."""

    def now(self) -> int:
        """Whole seconds."""
        ...

    def precise(self) -> float:
        """With fractions."""
        ...

    def skew(self) -> float:
        """Seconds by which this clock is ahead of the chain (negative: behind), as far as blocks tell."""
        ...

    def saw(self, timestamp: int) -> None:
        """Tell the clock that a new block of that time has just been seen."""
        ...


class SystemClock:
    """Wall time beside the chain.

    A block's timestamp is at most the moment it is seen, so `wall - timestamp` is at least the skew; the smallest of
    the last blocks is the estimate. A clock that is ahead by less than one block's delay cannot be told from one that
    is right, which is why limits are tens of seconds. Source of the limits: protocol.md §7, Heartbeat.

    Distances are kept against the monotonic clock: when somebody sets the wall clock, the skew shows it at once and
    not only after the last block before has left the window.
    """

    WINDOW = 16  # blocks
    TOLERANCE = 2.0  # seconds that a block may lie off wall time before a local clock follows it

    def __init__(
        self,
        adopt: bool = False,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._adopt = adopt
        self._wall = wall
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._distances: deque[float] = deque(maxlen=self.WINDOW)  # monotonic less block time
        self._offset = 0.0

    def precise(self) -> float:
        with self._lock:
            return self._wall() - self._offset

    def now(self) -> int:
        return int(self.precise())

    def skew(self) -> float:
        with self._lock:
            if not self._distances:
                return 0.0
            return self._nearest() - self._offset

    def _nearest(self) -> float:
        # microseconds: the three clocks cancel out but for the last digits of their floats
        return round(min(self._distances) + (self._wall() - self._monotonic()), 6)

    def saw(self, timestamp: int) -> None:
        with self._lock:
            self._distances.append(self._monotonic() - timestamp)
            if self._adopt:
                nearest = self._nearest()
                self._offset = nearest if abs(nearest) > self.TOLERANCE else 0.0


class VirtualClock:
    """Time that moves only when told, for replays and tests. Not thread-safe on purpose: one thread drives it."""

    def __init__(self, start: int = 0) -> None:
        self._now = start

    def now(self) -> int:
        return self._now

    def precise(self) -> float:
        return float(self._now)

    def skew(self) -> float:
        return 0.0

    def saw(self, timestamp: int) -> None:
        """Blocks do not move this clock; its driver does."""

    def move_to(self, timestamp: int) -> None:
        """Set the time. Raises ValueError where it would go back."""
        if timestamp < self._now:
            raise ValueError(f"virtual time cannot go back from {self._now} to {timestamp}")
        self._now = timestamp

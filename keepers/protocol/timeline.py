"""Settings by period: every value a setting ever had, each with its first period. Source: docs/protocol.md §9.

The executable side of contracts/modules/timeline.vy. Periods are counted from the genesis.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

MAX_CHANGES = 128  # of one setting, ever; bounds the contract's search


@dataclass(frozen=True)
class Timeline:
    """(first period, value) of each value in order of setting; first periods never fall, the very first is 0."""

    values: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, value: int) -> Self:
        """A setting that has one value from period 0 on."""
        return cls(((0, value),))

    @property
    def newest(self) -> int:
        """The value that was set last."""
        return self.values[-1][1]

    @property
    def first(self) -> int:
        """First period of the value that was set last."""
        return self.values[-1][0]

    @property
    def is_full(self) -> bool:
        """Whether the setting was changed MAX_CHANGES times and stands for ever."""
        return len(self.values) > MAX_CHANGES

    def at(self, period: int) -> int:
        """The value in force when the period ended. Raises ValueError below period 0."""
        if period < 0:
            raise ValueError(f"period is {period}; periods count from 0")
        return next(value for first, value in reversed(self.values) if first <= period)

    def changed(self, value: int, period: int) -> Self:
        """The same with another value from `period` on. Raises ValueError where the newest value begins later."""
        if period < self.first:
            raise ValueError(f"period {period} lies before {self.first}, the first of the newest value")
        return type(self)((*self.values, (period, value)))

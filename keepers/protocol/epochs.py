"""Network time: slots, epochs, periods, in seconds. Source: docs/protocol.md §3, contracts/modules/epochs.vy."""

from __future__ import annotations

from dataclasses import dataclass

SLOTS = 12  # slots of an epoch: an epoch's mask has 12 bits, so this is no parameter
LATE = 24  # epochs after its end from which the committee in force when sent reports an epoch (§7)
RING = 2_048  # epochs whose roots the hub keeps (§7): an older one can no longer be proven
MAX_SLOT = 3_600
MAX_EPOCHS_PER_PERIOD = 168


@dataclass(frozen=True)
class Calendar:
    """Genesis (unix seconds), slot length (seconds), epochs of a period. Epochs count from 1; 0 is never reported."""

    genesis: int
    slot: int = 300
    epochs_per_period: int = 24

    def __post_init__(self) -> None:
        if not 0 < self.genesis < 2**39:
            raise ValueError(f"genesis is {self.genesis}; it must be unix seconds between 1 and 2**39")
        if not 0 < self.slot <= MAX_SLOT:
            raise ValueError(f"slot is {self.slot} s; it must be 1 … {MAX_SLOT}")
        if not 0 < self.epochs_per_period <= MAX_EPOCHS_PER_PERIOD:
            raise ValueError(f"epochs_per_period is {self.epochs_per_period}; it must be 1 … {MAX_EPOCHS_PER_PERIOD}")

    @property
    def epoch_seconds(self) -> int:
        """Length of an epoch in seconds."""
        return self.slot * SLOTS

    @property
    def period_seconds(self) -> int:
        """Length of a period in seconds."""
        return self.slot * SLOTS * self.epochs_per_period

    def epoch(self, t: int) -> int:
        """Epoch in which second `t` lies. Raises ValueError before genesis."""
        return self._since(t) // self.epoch_seconds

    def start(self, e: int) -> int:
        """First second of epoch `e`."""
        return self.genesis + e * self.epoch_seconds

    def end(self, e: int) -> int:
        """First second after epoch `e`."""
        return self.genesis + (e + 1) * self.epoch_seconds

    def slot_of(self, t: int) -> tuple[int, int]:
        """(epoch, slot 0 … 11) in which second `t` lies. Raises ValueError before genesis."""
        return divmod(self._since(t) // self.slot, SLOTS)

    def slot_start(self, e: int, k: int) -> int:
        """First second of slot `k` of epoch `e`."""
        return self.start(e) + k * self.slot

    def period(self, t: int) -> int:
        """Period in which second `t` lies. Raises ValueError before genesis."""
        return self._since(t) // self.period_seconds

    def period_start(self, p: int) -> int:
        """First second of period `p`."""
        return self.genesis + p * self.period_seconds

    def period_end(self, p: int) -> int:
        """First second after period `p`."""
        return self.genesis + (p + 1) * self.period_seconds

    def period_of_epoch(self, e: int) -> int:
        """Period in which epoch `e` lies: periods are whole epochs."""
        return e // self.epochs_per_period

    def _since(self, t: int) -> int:
        if t < self.genesis:
            raise ValueError(f"{t} lies before genesis {self.genesis}")
        return t - self.genesis

"""What the committee saw of a lease: seconds attested, final and pending, rebuilt from the reports on chain."""

from __future__ import annotations

from dataclasses import dataclass

from keepers.chain.attestations import Attestations
from keepers.protocol.counters import Leaf, mask_of
from keepers.protocol.epochs import SLOTS, Calendar
from keepers.protocol.errors import HearthError
from keepers.protocol.units import BPS
from keepers.sdk.types import LeaseView

BAR = 72  # slots that are shown at most
UP, MISSED, OPEN = "#", ".", "?"


@dataclass(frozen=True)
class Uptime:
    """Seconds of the lease through two moments: `final_at` (its report is usable) and `pending_at` (it is reported).

    `slots` has a sign a slot, the newest last: `#` up, `.` missed, `?` not reported yet or out of the ring.
    """

    final_at: int
    final_s: int
    final_missed_s: int
    pending_at: int
    pending_s: int
    pending_missed_s: int
    slots: str

    @property
    def uptime_bps(self) -> int | None:
        """Attested share of what is final, in 1/10,000; None before anything is."""
        whole = self.final_s + self.final_missed_s
        return self.final_s * BPS // whole if whole else None


def uptime_of(view: LeaseView, proofs: Attestations, calendar: Calendar, usable: int) -> Uptime:
    """The account of a lease; `usable` is the hub's newest usable epoch, `proofs` stand at the view's block."""
    start = view.terms.start
    stop = max(start, min(view.until_at, view.now_at))
    masks = _masks(proofs, view, calendar, stop)
    reported = max(start, min(stop, calendar.end(proofs.last))) if proofs.last else start
    final = max(start, min(stop, calendar.end(usable))) if usable else start
    missed = _missed(masks, calendar, start, reported)
    final_missed = _missed(masks, calendar, start, final)
    return Uptime(
        final,
        final - start - final_missed,
        final_missed,
        reported,
        reported - start - missed,
        missed,
        _bar(masks, calendar, start, stop),
    )


def _masks(proofs: Attestations, view: LeaseView, calendar: Calendar, stop: int) -> dict[int, int | None]:
    """The mask of missed slots of each epoch of the lease; None where no report says (yet, or any more)."""
    masks: dict[int, int | None] = {}
    if stop <= view.terms.start:
        return masks
    for epoch in range(calendar.epoch(view.terms.start), calendar.epoch(stop - 1) + 1):
        try:
            leaf = proofs.leaf(view.terms.node, epoch)
            masks[epoch] = mask_of(proofs.header(epoch), Leaf.unpack(leaf))
        except HearthError:
            masks[epoch] = None
    return masks


def _missed(masks: dict[int, int | None], calendar: Calendar, start: int, end: int) -> int:
    """Seconds in start..end that lie in missed slots; what nothing says any more counts as missed, as on chain."""
    lost = 0
    for epoch, mask in masks.items():
        for k in range(SLOTS):
            if mask is None or mask >> k & 1:
                first = calendar.slot_start(epoch, k)
                lost += max(0, min(end, first + calendar.slot) - max(start, first))
    return lost


def _bar(masks: dict[int, int | None], calendar: Calendar, start: int, stop: int) -> str:
    signs = []
    for epoch, mask in masks.items():
        for k in range(SLOTS):
            first = calendar.slot_start(epoch, k)
            if first + calendar.slot > start and first < stop:
                signs.append(OPEN if mask is None else MISSED if mask >> k & 1 else UP)
    return "".join(signs[-BAR:])

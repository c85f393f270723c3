"""Why each second of a lease was or was not paid: the slots of its node, told one by one.

The second opinion on the formulas: nothing here reads D(t) from a leaf. It walks over epochs with the mask of each and
counts. Source: docs/protocol.md §6 ("due"), §7 ("Reading a leaf").
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from keepers.protocol.epochs import SLOTS, Calendar


class Why(StrEnum):
    """What became of a span of seconds. Only `PAID` moved money so far; `UP` will."""

    PAID = "paid"  # attested, in a settlement
    UP = "attested"  # not settled yet
    DARK = "dark"  # a slot in which the node was not attested
    INDETERMINATE = "indeterminate"  # the same, but too many were dark at once to blame anyone: not paid either
    VOID = "void"  # no observation of the epoch: nobody is paid
    UNPROVABLE = "unprovable"  # its report had left the hub's ring when the lease was anchored
    WAITING = "waiting"  # not reported yet
    UNFUNDED = "unfunded"  # beyond what was paid in
    AFTER = "after"  # after the stop


@dataclass(frozen=True, slots=True)
class EpochView:
    """An epoch as one node saw it: slots not attested, which of them were indeterminate, whether it was void."""

    mask: int
    indet: int
    void: bool


@dataclass(frozen=True, slots=True)
class Span:
    """Seconds [first, last) of one kind. `slot` and `slots` say which slots of `epoch` where it is about slots."""

    first: int
    last: int
    why: Why
    epoch: int = -1
    slot: int = -1
    slots: int = 0

    @property
    def seconds(self) -> int:
        """Its length."""
        return self.last - self.first


def spans(
    start: int, stop: int, calendar: Calendar, view: Callable[[int], EpochView | None], *, provable: int = 0
) -> Iterator[Span]:
    """The spans of [start, stop): attested ones as UP, in order, without gaps; dark slots that touch are one span.

    `view(e)` is None for an epoch that is not reported yet. `provable`: first second that could be proven when the
    lease was anchored; what lies before it counts as down.
    """
    run: Span | None = None
    for piece in _pieces(start, stop, calendar, view, provable):
        if run is not None and _joins(run, piece):
            run = Span(run.first, piece.last, run.why, run.epoch, run.slot, run.slots + piece.slots)
        else:
            if run is not None:
                yield run
            run = piece
    if run is not None:
        yield run


def _joins(a: Span, b: Span) -> bool:
    if a.why is not b.why or a.last != b.first:
        return False
    return a.epoch == b.epoch or a.why not in (Why.DARK, Why.INDETERMINATE, Why.VOID)


def _pieces(
    start: int, stop: int, calendar: Calendar, view: Callable[[int], EpochView | None], provable: int
) -> Iterator[Span]:
    lost = min(max(start, provable), stop)
    if start < lost:
        yield Span(start, lost, Why.UNPROVABLE)
    at = lost
    while at < stop:
        epoch, slot = calendar.slot_of(at)
        seen = view(epoch)
        if seen is None or seen.void:
            end = min(stop, calendar.end(epoch))
            yield Span(at, end, Why.WAITING) if seen is None else Span(at, end, Why.VOID, epoch, slot, SLOTS)
        else:
            end = min(stop, calendar.slot_start(epoch, slot) + calendar.slot)
            if seen.mask >> slot & 1:
                why = Why.INDETERMINATE if seen.indet >> slot & 1 else Why.DARK
                yield Span(at, end, why, epoch, slot, 1)
            else:
                yield Span(at, end, Why.UP, epoch, slot, 1)
        at = end


def attested(found: list[Span], until: int) -> int:
    """Seconds before `until` in which the node was attested."""
    return sum(max(0, min(s.last, until) - s.first) for s in found if s.why in (Why.UP, Why.PAID))


def mark_paid(found: list[Span], settled: int) -> list[Span]:
    """The same spans, the first `settled` attested seconds as PAID: a settlement pays them in order."""
    out: list[Span] = []
    left = settled
    for span in found:
        if span.why is not Why.UP or left == 0:
            out.append(span)
        elif span.seconds <= left:
            left -= span.seconds
            out.append(Span(span.first, span.last, Why.PAID, span.epoch, span.slot, span.slots))
        else:
            out.append(Span(span.first, span.first + left, Why.PAID, span.epoch, span.slot, span.slots))
            out.append(Span(span.first + left, span.last, Why.UP, span.epoch, span.slot, span.slots))
            left = 0
    return out

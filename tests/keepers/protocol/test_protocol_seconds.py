"""Spans of a lease: every second once, in order, with the reason it was or was not paid."""

from __future__ import annotations

import random

import pytest

from keepers.protocol.epochs import Calendar
from keepers.protocol.seconds import EpochView, Span, Why, attested, mark_paid, spans

CALENDAR = Calendar(1_000, 10, 4)  # slots of 10 s, epochs of 120 s


@pytest.mark.parametrize("seed", range(60))
def test_each_second_stands_in_one_span_with_its_own_reason(seed: int) -> None:
    rng = random.Random(seed)
    views: dict[int, EpochView | None] = {}
    for epoch in range(8):
        mask = rng.choice((0, 0xFFF, rng.getrandbits(12)))
        views[epoch] = rng.choice((None, EpochView(0xFFF, 0, True), EpochView(mask, rng.getrandbits(12), False)))
    start = 1_000 + rng.randrange(500)
    stop = start + rng.randrange(400)
    provable = rng.choice((0, start + 37))
    found = list(spans(start, stop, CALENDAR, views.get, provable=provable))
    assert [s.first for s in found[1:]] == [s.last for s in found[:-1]]
    assert sum(s.seconds for s in found) == stop - start and all(s.seconds > 0 for s in found)
    by_second = {t: s for s in found for t in range(s.first, s.last)}
    up = 0
    for t in range(start, stop):
        epoch, slot = CALENDAR.slot_of(t)
        seen = views[epoch]
        if t < provable:
            expected = Why.UNPROVABLE
        elif seen is None:
            expected = Why.WAITING
        elif seen.void:
            expected = Why.VOID
        elif not seen.mask >> slot & 1:
            expected = Why.UP
        else:
            expected = Why.INDETERMINATE if seen.indet >> slot & 1 else Why.DARK
        assert by_second[t].why is expected
        if expected in (Why.DARK, Why.INDETERMINATE):
            span = by_second[t]
            assert span.epoch == epoch and span.slot <= slot < span.slot + span.slots
        assert attested(found, t) == up
        up += expected is Why.UP


def test_settled_seconds_are_the_first_attested_ones() -> None:
    view = EpochView(0b10, 0, False)
    found = list(spans(1_000, 1_120, CALENDAR, lambda e: view))
    assert [(s.why, s.seconds) for s in found] == [(Why.UP, 10), (Why.DARK, 10), (Why.UP, 100)]
    paid = mark_paid(found, 25)
    assert [(s.why, s.seconds) for s in paid] == [(Why.PAID, 10), (Why.DARK, 10), (Why.PAID, 15), (Why.UP, 85)]
    assert mark_paid(found, 0) == found
    assert sum(s.seconds for s in mark_paid(found, 110) if s.why is Why.PAID) == 110
    assert paid[1] == Span(1_010, 1_020, Why.DARK, 0, 1, 1)

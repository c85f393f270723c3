"""Which offers fit, in which order, and why the others do not."""

from dataclasses import replace

import pytest

from keepers.protocol.matching import Misfit, Offer, Wish, cheapest, explain, misfit, rank

OFFER = Offer(
    node=3,
    provider=1,
    class_id=0,
    model="V100M32",
    region=1,
    free_gpus=4,
    rate=100,
    min_duration=60,
    max_duration=1_000,
    sheet=1,
    expiry=500,
    vram_gib=32,
)
WISH = Wish(gpus=2, duration=100, now=400)


@pytest.mark.parametrize(
    ("offer", "wish", "reason"),
    [
        ({}, {}, None),
        ({}, {"models": frozenset({"T4"})}, Misfit.HARDWARE),
        ({}, {"classes": frozenset({9})}, Misfit.HARDWARE),
        ({}, {"min_vram_gib": 33}, Misfit.HARDWARE),
        ({}, {"regions": frozenset({2})}, Misfit.REGION),
        ({"active": False}, {}, Misfit.STATUS),
        ({"expiry": 399}, {}, Misfit.EXPIRED),
        ({"current": False}, {}, Misfit.EXPIRED),
        ({"free_gpus": 1}, {}, Misfit.FULL),
        ({"staked": False}, {}, Misfit.STAKE),
        ({}, {"duration": 59}, Misfit.DURATION),
        ({}, {"duration": 1_001}, Misfit.DURATION),
        ({}, {"sheets": frozenset({2})}, Misfit.SHEET),
        ({}, {"max_rate": 99}, Misfit.PRICE),
        ({"expiry": 400}, {"max_rate": 100, "models": frozenset({"V100M32"})}, None),
    ],
)
def test_the_first_misfit_is_named(offer: dict[str, object], wish: dict[str, object], reason: Misfit | None) -> None:
    assert misfit(replace(OFFER, **offer), replace(WISH, **wish)) is reason  # type: ignore[arg-type]


def test_cheapest_first_ties_by_node() -> None:
    offers = [replace(OFFER, node=n, rate=r) for n, r in ((5, 2), (1, 9), (2, 2), (4, 1))]
    assert [o.node for o in rank(offers, WISH)] == [4, 2, 5, 1]
    assert cheapest(reversed(offers), WISH) == offers[3]
    assert cheapest(offers, replace(WISH, gpus=5)) is None


def test_the_explanation_counts_every_offer_once() -> None:
    offers = [
        OFFER,
        replace(OFFER, model="T4"),
        replace(OFFER, free_gpus=1),
        replace(OFFER, free_gpus=0),
        replace(OFFER, rate=2_050),
        replace(OFFER, rate=3_000),
    ]
    told = explain(offers, replace(WISH, models=frozenset({"V100M32"}), max_rate=1_800))
    assert (told.seen, told.fit, told.largest_free, told.least_rate) == (6, 1, 1, 2_050)
    assert told.fit + sum(n for _, n in told.refused) == told.seen
    assert told.text() == (
        "6 nodes seen: 1 other hardware · 2 hardware fits but full or fragmented (largest free block 1)"
        " · 2 asks more (from $0.000)"
    )
    dear = explain([replace(OFFER, rate=555_555_555_555_556)], replace(WISH, max_rate=1))
    assert dear.text() == "1 nodes seen: 1 asks more (from $2.000)"
    assert explain([], WISH).text() == "0 nodes seen: none refused"

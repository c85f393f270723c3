"""Which offers fit a wish, in which order, and why the others do not. Pure: facts come in, a ranking goes out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from keepers.protocol.units import WAD


class Misfit(Enum):
    """The first thing that keeps an offer from fitting, in the order in which it is asked."""

    HARDWARE = "other hardware"
    REGION = "another region"
    STATUS = "not taking leases"
    EXPIRED = "offer expired or cancelled"
    FULL = "hardware fits but full or fragmented"
    STAKE = "below the required stake"
    DURATION = "another duration"
    SHEET = "other term sheet"
    PRICE = "asks more"


@dataclass(frozen=True)
class Offer:
    """One node under one ask, with what the chain says about both. Rate: wei of a USD a GPU-second; times: seconds."""

    node: int
    provider: int
    class_id: int
    model: str
    region: int
    free_gpus: int
    rate: int
    min_duration: int
    max_duration: int
    sheet: int
    expiry: int
    active: bool = True
    staked: bool = True
    current: bool = True  # of the provider's present bid generation
    vram_gib: int = 0


@dataclass(frozen=True)
class Wish:
    """What a renter looks for; None means any."""

    gpus: int
    duration: int
    now: int
    models: frozenset[str] | None = None
    classes: frozenset[int] | None = None
    regions: frozenset[int] | None = None
    max_rate: int | None = None
    sheets: frozenset[int] | None = None
    min_vram_gib: int = 0


def misfit(offer: Offer, wish: Wish) -> Misfit | None:
    """The first reason why an offer does not fit, None if it does."""
    if wish.models is not None and offer.model not in wish.models:
        return Misfit.HARDWARE
    if wish.classes is not None and offer.class_id not in wish.classes:
        return Misfit.HARDWARE
    if offer.vram_gib < wish.min_vram_gib:
        return Misfit.HARDWARE
    if wish.regions is not None and offer.region not in wish.regions:
        return Misfit.REGION
    if not offer.active:
        return Misfit.STATUS
    if offer.expiry < wish.now or not offer.current:
        return Misfit.EXPIRED
    if offer.free_gpus < wish.gpus:
        return Misfit.FULL
    if not offer.staked:
        return Misfit.STAKE
    if not offer.min_duration <= wish.duration <= offer.max_duration:
        return Misfit.DURATION
    if wish.sheets is not None and offer.sheet not in wish.sheets:
        return Misfit.SHEET
    if wish.max_rate is not None and offer.rate > wish.max_rate:
        return Misfit.PRICE
    return None


def rank(offers: Iterable[Offer], wish: Wish) -> list[Offer]:
    """The offers that fit, cheapest first; equal prices by node id, so that everybody sees the same order."""
    return sorted((o for o in offers if misfit(o, wish) is None), key=lambda o: (o.rate, o.node))


def cheapest(offers: Iterable[Offer], wish: Wish) -> Offer | None:
    """The first of `rank`, None if nothing fits."""
    best: Offer | None = None
    for o in offers:
        if misfit(o, wish) is None and (best is None or (o.rate, o.node) < (best.rate, best.node)):
            best = o
    return best


@dataclass(frozen=True)
class Explanation:
    """Why a wish found what it found: offers seen, offers that fit, refusals by reason, and the nearest misses."""

    seen: int
    fit: int
    refused: tuple[tuple[Misfit, int], ...]
    largest_free: int
    least_rate: int | None

    def text(self) -> str:
        """One line for people: `41 nodes seen: 33 other hardware · …`; prices in USD per GPU-hour."""
        near = {}
        if self.largest_free:
            near[Misfit.FULL] = f" (largest free block {self.largest_free})"
        if self.least_rate is not None:
            near[Misfit.PRICE] = f" (from ${self.least_rate * 3_600 / WAD:.3f})"
        parts = [f"{n} {reason.value}{near.get(reason, '')}" for reason, n in self.refused]
        return f"{self.seen} nodes seen: " + (" · ".join(parts) if parts else "none refused")


def explain(offers: Sequence[Offer], wish: Wish) -> Explanation:
    """Counts each offer's first misfit; largest_free = GPUs free on the best node that is only too full,
    least_rate = the lowest price among those that are only too dear (wei a GPU-second)."""
    reasons = [(o, misfit(o, wish)) for o in offers]
    counted = Counter(r for _, r in reasons if r is not None)
    dear = [o.rate for o, r in reasons if r is Misfit.PRICE]
    full = [o.free_gpus for o, r in reasons if r is Misfit.FULL]
    return Explanation(
        seen=len(reasons),
        fit=sum(r is None for _, r in reasons),
        refused=tuple((m, counted[m]) for m in Misfit if counted[m]),
        largest_free=max(full, default=0),
        least_rate=min(dear, default=None),
    )

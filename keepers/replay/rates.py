"""What a GPU-second costs in a replay: the median of a price file, else a fixed table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from keepers.protocol.units import WAD

#: USD per GPU-hour where no price file names the model. Round figures near the rental markets of 2025 and 2026;
#: the two models that the cluster's owner does not disclose stand between their neighbours in the cluster.
FIXED_USD_PER_HOUR: Mapping[str, str] = {
    "a10": "0.600",
    "a100": "1.400",
    "a10g": "0.650",
    "a30": "0.700",
    "a40": "0.450",
    "b200": "4.500",
    "h100": "2.400",
    "h200": "3.200",
    "k80": "0.150",
    "l4": "0.500",
    "l40": "0.800",
    "l40s": "0.900",
    "p100": "0.300",
    "p4": "0.180",
    "p40": "0.250",
    "rtx-3090": "0.220",
    "rtx-4090": "0.432",
    "rtx-5090": "0.650",
    "rtx-a4000": "0.170",
    "rtx-a5000": "0.260",
    "rtx-a6000": "0.480",
    "t4": "0.240",
    "undisclosed-g2": "0.900",
    "undisclosed-g3": "1.200",
    "v100": "0.550",
}


@dataclass(frozen=True)
class Rate:
    """Price of one model: `wei` credits a GPU-second, floor(usd_per_hour · 1e18 / 3600); where it comes from."""

    model: str
    usd_per_hour: Fraction
    wei: int
    source: str


def rate_of(model: str, usd_per_hour: Fraction, source: str) -> Rate:
    """The rate of a model; 1 ≤ wei < 2**64, else `ValueError` (the market's word for a rate has 64 bits)."""
    wei = int(usd_per_hour * WAD / 3600)
    if not 0 < wei < 2**64:
        raise ValueError(
            f"{float(usd_per_hour):.6g} USD per GPU-hour of {model} is not a rate of 64 bits (wei a second)"
        )
    return Rate(model, usd_per_hour, wei, source)


def rates_for(models: Iterable[str], prices: Mapping[str, Fraction]) -> dict[str, Rate]:
    """A rate for each model that has one: the price file's median, else the fixed table. Others are left out."""
    rates: dict[str, Rate] = {}
    for model in sorted(set(models)):
        if model in prices:
            rates[model] = rate_of(model, prices[model], "prices")
        elif model in FIXED_USD_PER_HOUR:
            rates[model] = rate_of(model, Fraction(FIXED_USD_PER_HOUR[model]), "fixed")
    return rates

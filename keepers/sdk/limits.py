"""Spending limits of a config: what one lease, one day and one GPU-hour may cost at most. No flag lifts them."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from keepers.protocol.errors import HearthError
from keepers.protocol.units import WAD
from keepers.sdk.types import usd_per_gpu_hour

DAY = 86_400


@dataclass(frozen=True)
class Limits:
    """USD each, None = no limit. A day is the last 24 hours of chain time; counted is what leases were given."""

    per_lease_usd: Fraction | None = None
    per_day_usd: Fraction | None = None
    max_usd_per_gpu_hour: Fraction | None = None

    def check_rate(self, rate_wei: int) -> None:
        """Raises H4204 (exit 6) for a rate, in wei of a USD a GPU-second, above the limit."""
        most, asked = self.max_usd_per_gpu_hour, usd_per_gpu_hour(rate_wei)
        if most is not None and asked > most:
            raise HearthError(
                "H4204",
                f"the price {float(asked):.3f} USD per GPU-hour is above the limit of {float(most):.3f}",
                next=("hearth offers --max USD", "hearth config set limits.max_usd_per_gpu_hour USD"),
            )

    def check_lease(self, total_wei: int) -> None:
        """Raises H5004 (exit 6) where a lease would have been given more than the limit, in wei of a USD."""
        self._check("per_lease_usd", self.per_lease_usd, total_wei, "this lease")

    def check_day(self, spent_wei: int, more_wei: int) -> None:
        """Raises H5004 (exit 6) where `more_wei` on top of a day's `spent_wei` passes the limit."""
        self._check("per_day_usd", self.per_day_usd, spent_wei + more_wei, "leases of the last 24 hours")

    @staticmethod
    def _check(name: str, most: Fraction | None, wei: int, what: str) -> None:
        if most is not None and Fraction(wei, WAD) > most:
            raise HearthError(
                "H5004",
                f"{what} would have cost up to ${wei / WAD:.4f}, the limit is ${float(most):.4f}",
                why=(f"limits.{name} of your config",),
                next=("prepay less, or wait", f"hearth config set limits.{name} USD"),
            )

"""Hearth as a library: what a renter and a provider can do, each action planned first and sent once.

h = Hearth.from_config()
q = h.quote(gpu="RTX-4090", count=2, duration_s=12 * 3600, max_usd_per_gpu_hour="0.50")
if q.best is None: raise SystemExit(q.why())
lease = h.rent(h.plan(q.best, gpus=2, duration_s=12 * 3600))
print(h.status(lease.ordinal).state)

The verbs stand in `renting`, `money`, `providing`, `checking_in`, `seats`, `challenges` and `network`; what they
share in `base`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keepers.sdk.challenges import Challenges
from keepers.sdk.checking_in import CheckingIn
from keepers.sdk.money import Money
from keepers.sdk.names import rate_wei, resolve_gpu
from keepers.sdk.network import Network
from keepers.sdk.providing import Providing
from keepers.sdk.renting import Renting

if TYPE_CHECKING:
    from keepers.runtime.settings import Settings


class Hearth(Renting, Money, Providing, CheckingIn, Challenges, Network):
    """One network, one key (or none: then everything can be looked at and nothing sent)."""

    @classmethod
    def from_config(cls, settings: Settings | None = None, **flags: Any) -> Hearth:
        """The same config, keys and errors as the command's. `flags` win over the environment and the files."""
        from keepers.sdk.connect import connect

        return connect(settings, **flags)


__all__ = ["Hearth", "rate_wei", "resolve_gpu"]

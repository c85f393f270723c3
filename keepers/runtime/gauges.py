"""What a process measures about itself: clock, gas money and how long it lasts, pause, build.

The clock is measured at every block; what has to be asked of the chain or the outbox every five minutes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from keepers.chain.contracts import Suite
from keepers.chain.ports import BlockRef, Reader
from keepers.protocol.price import PriceWord
from keepers.runtime.clock import Clock
from keepers.runtime.metrics import Metrics
from keepers.runtime.role import Role
from keepers.runtime.version import tool_version

if TYPE_CHECKING:
    from keepers.chain.deployment import Deployment

EVERY_S = 300.0
LOOK_BACK_S = 7 * 86_400
DAY_S = 86_400


class Spending(Protocol):
    """What is asked of the outboxes: `app.Ports`."""

    def spent(self, address: str, since: int) -> tuple[int, int]:
        """(wei of gas paid by transactions recorded since then, chain time of the first of them; 0, 0 for none)."""
        ...


def days_left(balance: int, spent: int, seconds: float) -> float | None:
    """Days that `balance` lasts if gas goes on as in the last `seconds` (a day at least). None without any spending."""
    if spent <= 0:
        return None
    return balance / (spent / max(seconds, DAY_S)) / DAY_S


class Gauges:
    """Sets `hearth_<role>_{account_balance, gas_days_left, clock_skew_seconds, build_info, paused}`.

    Of a role with several keys, balance and days are those of the key that has least.
    """

    def __init__(
        self,
        metrics: Metrics,
        roles: Sequence[Role[Any, Any]],
        deployment: Deployment,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._metrics, self._monotonic = metrics, monotonic
        self._names = tuple(dict.fromkeys(role.name for role in roles))
        self._keys: Mapping[str, Sequence[str]] = {
            role.name: [signer.address for signer in role.signers()] for role in roles if role.signers()
        }
        self._next = 0.0
        version = tool_version()
        for name in self._names:
            metrics.role(name).build_info.labels(metrics.network, version, deployment.suite_version).set(1)

    def block(self, clock: Clock) -> None:
        """A new head was seen."""
        skew = clock.skew()
        for name in self._names:
            self._metrics.role(name).clock_skew.labels(self._metrics.network).set(skew)

    def now_and_then(self, reader: Reader, suite: Suite, spending: Spending, at: BlockRef, now: int) -> bool:
        """Ask what costs a request, if it is time to; whether it was. Raises HearthError where the chain is away."""
        if self._monotonic() < self._next:
            return False
        self._next = self._monotonic() + EVERY_S
        network = self._metrics.network
        paused = PriceWord.unpack(int(suite.hub.price(at=at))).paused
        for name in self._names:
            self._metrics.role(name).paused.labels(network).set(int(paused))
        for name, addresses in self._keys.items():
            group = self._metrics.role(name)
            lasts = []
            balances = {address: reader.balance(address, at) for address in addresses}
            group.balance.labels(network).set(min(balances.values()) / 1e18)
            for address, balance in balances.items():
                spent, first = spending.spent(address, now - LOOK_BACK_S)
                days = days_left(balance, spent, now - first)
                lasts += [] if days is None else [days]
            if lasts:
                group.gas_days_left.labels(network).set(min(lasts))
        return True

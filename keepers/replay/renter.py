"""The renter of a replay: buys once, takes and stops at the seconds of the trace, and sends its own transactions."""

from __future__ import annotations

from keepers.chain.contracts import Suite
from keepers.chain.ports import Call
from keepers.protocol.credits import burn_for
from keepers.protocol.messages import Domain, Take, pack_nodes
from keepers.replay.inputs import SLOT, Traces
from keepers.replay.orders import Second
from keepers.replay.orders import Take as Taken
from keepers.replay.town import FOREVER, PRICE_USD, Town
from keepers.roles.attester.prices import parse_price

SPREAD_BPS = 25  # of the default profile; `buy` demands the credits, so a wrong figure cannot pass


def deposit(take: Taken) -> int:
    """What a take locks, in wei of credits: the whole term, which is the job and one slot."""
    return take.rate_wei * take.order.gpus * (take.order.duration_s + SLOT)


def tokens_to_burn(traces: Traces) -> int:
    """Wei of tokens whose burn buys the deposits of all leases, at the replay's constant price; rounded up."""
    credits = sum(deposit(take) for take in traces.takes)
    price = parse_price(PRICE_USD)
    return burn_for(credits, price, SPREAD_BPS)


class Renter:
    """Makes the renter's calls. `jobs_of` has the take of each lease id that it has asked for."""

    def __init__(self, traces: Traces, town: Town, suite: Suite) -> None:
        self.jobs_of: dict[int, Taken] = {}
        self._traces, self._town, self._suite = traces, town, suite
        self._lease_of: dict[str, int] = {}
        self._domain = Domain(town.record.chain_id, town.record.address("LeaseMarket"))

    def buy(self) -> list[Call]:
        """Credits for every deposit at once: exactly what the takes will lock, or nothing is bought."""
        least = sum(deposit(take) for take in self._traces.takes)
        return [self._suite.engine.buy(tokens_to_burn(self._traces), least)] if least else []

    def orders(self, second: Second) -> list[Call]:
        """Stops, then takes."""
        calls = [self._suite.escrow.stop(self._lease_of[take.order.job_id], 0) for take in second.stops]
        return calls + [self._take(take) for take in second.takes]

    def _take(self, taken: Taken) -> Call:
        ask, signature = self._town.asks[taken.node]
        term = taken.order.duration_s + SLOT
        take = Take(
            renter=self._town.renter.signer.address,
            ask=ask.digest(self._domain),
            nodes=pack_nodes([taken.node]),
            gpus=taken.order.gpus,
            duration=term,
            prepaid=term,
            deadline=FOREVER,
            salt=len(self.jobs_of),
        )
        lease = take.lease_id(self._domain)
        self.jobs_of[lease] = taken
        self._lease_of[taken.order.job_id] = lease
        # The renter sends its own message, so it signs no other.
        return self._suite.market.take(tuple(vars(ask).values()), tuple(vars(take).values()), signature, b"", [])

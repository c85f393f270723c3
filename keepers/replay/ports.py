"""The way of a replay's roles to their chain: production's, less what cannot happen here.

Blocks are never taken back, so a block once read is known for ever. Every seat's outbox is in one store, so one query
tells which of them have anything to do, instead of four queries in each. Nobody scrapes metrics.
"""

from __future__ import annotations

from sqlalchemy import select

from keepers.chain.deployment import Deployment
from keepers.chain.ports import OPEN_STATES, BlockRef
from keepers.outbox.policy import Policy
from keepers.outbox.tables import ROWS
from keepers.protocol.units import GWEI
from keepers.replay.wire import ChainTransport
from keepers.runtime.chainports import ChainPorts, FollowedReader
from keepers.runtime.clock import Clock
from keepers.runtime.settings import Settings
from keepers.store.engine import Store

_OPEN = select(ROWS.c.signer).where(ROWS.c.state.in_([state.value for state in OPEN_STATES])).distinct()


class ReplayPorts(ChainPorts):
    """`ChainPorts` over the one local chain. One process, one lock holder: nothing else sends with these keys."""

    def __init__(self, settings: Settings, deployment: Deployment, store: Store, clock: Clock, wire: ChainTransport):
        super().__init__(
            settings,
            deployment,
            store,
            clock,
            connect=lambda url, shown, timeout: wire,
            policy=Policy(in_flight=512, tip=1, max_fee=1_000 * GWEI),
            lock_keys=False,
        )
        self._rows = store
        keep_blocks(self._reader)

    def waiting(self) -> frozenset[str]:
        """Accounts whose outbox has rows that are not settled."""
        with self._rows.read() as connection:
            return frozenset(connection.execute(_OPEN).scalars())

    def step(self) -> int:
        """Outboxes that have something to do confirm and send once, in the order in which they were made."""
        waiting = self.waiting()
        return sum(outbox.step() for outbox in self._outboxes.values() if outbox.address in waiting)


def keep_blocks(reader: FollowedReader) -> None:
    """Let the reader answer from memory what it has read once: every wake-up of every seat asks for some blocks."""
    ask = reader.block
    known: dict[int, BlockRef] = {}

    def block(number: int) -> BlockRef | None:
        if number not in known:
            found = ask(number)
            if found is None:
                return None
            known[number] = found
        return known[number]

    reader.block = block  # type: ignore[method-assign]

"""A process's way to a real chain: endpoints, follower, proofs and one outbox a key. Implements `app.Ports`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from keepers.chain.attestations import Attestations
from keepers.chain.deployment import Deployment
from keepers.chain.keys import Signer
from keepers.chain.logs import Advance, Follower
from keepers.chain.pool import Connect, EndpointPool, web3_transport
from keepers.chain.ports import BlockRef, Event
from keepers.chain.rpc import ChainRpc, RpcReader
from keepers.outbox.outbox import Outbox
from keepers.outbox.policy import Policy
from keepers.protocol.errors import HearthError
from keepers.protocol.units import GWEI
from keepers.runtime import checks
from keepers.runtime.clock import Clock
from keepers.runtime.crashpoints import cp
from keepers.runtime.metrics import Metrics
from keepers.runtime.role import Fatal
from keepers.store.engine import Store
from keepers.store.logs import LogTables

if TYPE_CHECKING:
    from keepers.runtime.settings import Settings


class FollowedReader(RpcReader):
    """Serves events from the follower's tables as far as it has come; only those above it are asked of the chain.

    Head and final block are those to which the follower was brought last: while it reads on, or takes a fork back,
    nobody is shown a block of which the tables do not know yet.
    """

    follower: Follower | None = None
    followed: int = -1
    shown: tuple[BlockRef, BlockRef] | None = None  # head, final

    def show(self, followed: int, head: BlockRef, final: BlockRef) -> None:
        """Bring roles to `head`, or as far as the tables have come: an endpoint that lags gives no logs beyond."""
        self.followed = followed
        if followed < head.number and self.shown is not None:
            known = self.block(followed)
            if known is None:
                return
            head, final = known, min(final, known, key=lambda block: block.number)
        self.shown = (head, final)

    def head(self) -> BlockRef:
        return super().head() if self.shown is None else self.shown[0]

    def final(self) -> BlockRef:
        return super().final() if self.shown is None else self.shown[1]

    def events(self, first: int, last: int, contract: str | None = None, names: Sequence[str] = ()) -> list[Event]:
        followed = self.followed
        if self.follower is None or followed < first:
            return super().events(first, last, contract, names)
        events = self.follower.events(first, min(last, followed), contract, names)
        return events if last <= followed else events + super().events(followed + 1, last, contract, names)


class _Counted:
    """Outbox events as metrics."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def replaced(self, kind: str) -> None:
        self._metrics.outbox.replaced.labels(self._metrics.network, kind).inc()

    def dropped(self, kind: str) -> None:
        self._metrics.outbox.dropped.labels(self._metrics.network, kind).inc()


class ChainPorts:
    """Everything of one process that speaks to the chain. `poll` and `step` may run on two threads."""

    def __init__(
        self,
        settings: Settings,
        deployment: Deployment,
        store: Store,
        clock: Clock,
        *,
        metrics: Metrics | None = None,
        connect: Connect = web3_transport,
        policy: Policy | None = None,
        lock_keys: bool = True,
        crash: Callable[[str], None] = cp,
    ) -> None:
        self.deployment, self._store, self._clock, self._metrics = deployment, store, clock, metrics
        self.pool = EndpointPool(
            settings.rpc_urls, deployment.chain_id, timeout=settings.rpc_timeout_s, connect=connect
        )
        self.rpc = ChainRpc(self.pool)
        self.codec = deployment.codec()
        self._reader = FollowedReader(self.rpc, self.codec, deployment.policy())
        self.follower = Follower(self.rpc, LogTables(store), self.codec, deployment.first_block)
        self._reader.follower = self.follower
        self._attestations = Attestations(self._reader, deployment.first_block)
        self._policy = policy or policy_of(settings)
        self._locks: Path | None = locks_of(settings) if lock_keys else None
        self._outboxes: dict[str, Outbox] = {}
        self._crash = crash
        self._errors_seen: dict[str, int] = {}

    @property
    def reader(self) -> RpcReader:
        """`chain.ports.Reader`."""
        return self._reader

    @property
    def attestations(self) -> Attestations:
        """Reports and proofs."""
        return self._attestations

    def sender(self, signer: Signer) -> Outbox:
        """The outbox of a key, made at first use. Raises H1202 where another process holds the key."""
        found = self._outboxes.get(signer.address)
        if found is None:
            found = Outbox(
                self._store,
                self.rpc,
                self._reader,
                signer,
                self.codec,
                self.deployment.chain_id,
                self._clock.now,
                policy=self._policy,
                lock_folder=self._locks,
                crash=self._crash,
                observer=_Counted(self._metrics) if self._metrics else None,
            )
            self._outboxes[signer.address] = found
        return found

    def handshake(self) -> None:
        """See `checks.handshake`."""
        checks.handshake(self.rpc, self.deployment)

    def poll(self) -> BlockRef:
        """Newest head, then logs up to it. A reorg below finality is Fatal."""
        head = self._reader.heads.poll()
        final = self._reader.heads.final()
        try:
            advance = self.follower.advance(head, final)
        except HearthError as error:
            if error.code == "H2005":
                raise Fatal(error) from error
            raise
        self._reader.show(advance.number, head, final)
        self._measure(advance)
        return head

    def step(self) -> int:
        """Every outbox confirms and sends once."""
        moved = 0
        for outbox in list(self._outboxes.values()):
            moved += outbox.step()
        return moved

    def spent(self, address: str, since: int) -> tuple[int, int]:
        """See `Queue.spent`; nothing for a key without an outbox."""
        outbox = self._outboxes.get(address)
        return (0, 0) if outbox is None else outbox.spent(since)

    def close(self) -> None:
        """Release keys and connections."""
        for outbox in self._outboxes.values():
            outbox.close()
        self.pool.close()

    def _measure(self, advance: Advance) -> None:
        metrics = self._metrics
        if metrics is None:
            return
        if advance.undone:
            metrics.chain.reorg_depth.labels(metrics.network).set(advance.undone)
        for shown, count in list(self.pool.stats.errors.items()):
            metrics.chain.rpc_errors.labels(metrics.network, shown).inc(count - self._errors_seen.get(shown, 0))
            self._errors_seen[shown] = count
        now = self._clock.now()
        totals: dict[str, tuple[int, int]] = {}
        for outbox in self._outboxes.values():
            for kind, (count, oldest) in outbox.queue.open_by_kind().items():
                before = totals.get(kind, (0, oldest))
                totals[kind] = (before[0] + count, min(before[1], oldest))
        metrics.outbox.pending.clear()
        metrics.outbox.oldest_seconds.clear()
        for kind, (count, oldest) in totals.items():
            metrics.outbox.pending.labels(metrics.network, kind).set(count)
            metrics.outbox.oldest_seconds.labels(metrics.network, kind).set(max(0, now - oldest))


def locks_of(settings: Settings) -> Path:
    """Where a daemon's hold on its keys can be seen."""
    return settings.home_path / "locks"


def policy_of(settings: Settings) -> Policy:
    """The outbox policy that the settings ask for."""
    fees = settings.fees
    return Policy(
        max_fee=int(fees.max_fee_gwei * GWEI),
        tip=int(fees.tip_gwei * GWEI),
        bump_after=fees.bump_after_s,
        max_bumps=fees.max_bumps,
    )

"""The outbox of one key: queue, broadcaster and confirmer, and the lock that makes this process its only writer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from keepers.chain.codec import Codec
from keepers.chain.keys import Signer
from keepers.chain.ports import BlockRef, Reader, Send, Sent, TxState
from keepers.outbox.broadcaster import Broadcaster, Crash, Observer, SendRpc
from keepers.outbox.confirmer import Confirmer, ConfirmRpc
from keepers.outbox.lock import KeyLock
from keepers.outbox.policy import Policy
from keepers.outbox.queue import Queue
from keepers.store.engine import Store


class OutboxRpc(SendRpc, ConfirmRpc, Protocol):
    """Everything an outbox asks of a chain: `chain.rpc.ChainRpc`."""


class Outbox:
    """`ports.Sender` that also delivers. `lock_folder` None = the caller knows that there is no other writer."""

    def __init__(
        self,
        store: Store,
        rpc: OutboxRpc,
        reader: Reader,
        signer: Signer,
        codec: Codec,
        chain_id: int,
        now: Callable[[], int],
        *,
        policy: Policy | None = None,
        lock_folder: Path | None = None,
        crash: Crash = lambda name: None,
        observer: Observer | None = None,
    ) -> None:
        rules = policy or Policy()
        self._lock = KeyLock(lock_folder, chain_id, signer.address) if lock_folder else None
        if self._lock:
            self._lock.acquire()
        self._reader = reader
        self.queue = Queue(store, signer.address, codec, now)
        self._broadcaster = Broadcaster(store, rpc, signer, chain_id, rules, now, crash, observer)
        self._confirmer = Confirmer(store, rpc, signer.address, rules, now, crash, observer)

    @property
    def address(self) -> str:
        """The account that signs."""
        return self.queue.address

    def enqueue(self, send: Send, tx: Any = None) -> Sent:
        """Record a wanted transaction; see `Queue.enqueue`."""
        return self.queue.enqueue(send, tx)

    def status(self, key: str) -> Sent | None:
        """Where a row stands."""
        return self.queue.status(key)

    def spent(self, since: int) -> tuple[int, int]:
        """Gas paid since then; see `Queue.spent`."""
        return self.queue.spent(since)

    def rows(self, states: Sequence[TxState] = (), limit: int = 100) -> list[Sent]:
        """Newest rows first."""
        return self.queue.rows(states, limit)

    def step(self, head: BlockRef | None = None) -> int:
        """Confirm what was sent, then send what waits; returns how many rows moved."""
        at = head or self._reader.head()
        moved = self._confirmer.step(at, self._reader.final())
        return moved + self._broadcaster.step(at)

    def close(self) -> None:
        """Let the key go. Everything unsent is safe in the store."""
        if self._lock:
            self._lock.release()

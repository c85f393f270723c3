"""How a `Session` gets to the chain: by the outbox of the key, or only onto paper."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keepers.chain.deployment import Deployment
from keepers.chain.keys import Signer
from keepers.chain.ports import OPEN_STATES, Call
from keepers.protocol.errors import HearthError
from keepers.sdk.session import Session, Step
from keepers.sdk.types import Done

if TYPE_CHECKING:
    from keepers.outbox.outbox import Outbox
    from keepers.outbox.queue import Queue
    from keepers.runtime.settings import Settings
    from keepers.store.engine import Store

WAIT_S = 120.0  # longest wait for a transaction, unless --timeout says otherwise
LOOK_S = 0.25  # between two looks at the chain


class NothingSent(Exception):
    """A dry run or an unsigned batch got to the point where it would have sent. `calls` are what it would send."""

    def __init__(self, calls: Sequence[tuple[str, Call]], path: Path | None) -> None:
        super().__init__("nothing was sent")
        self.calls, self.path = tuple(calls), path


class Outgoing(Session):
    """Opens the outbox, and with it the lock of the key, for the time of an action only.

    So whoever only looks needs no lock and no database, and two commands of one key meet only while both send. Of a key
    that a daemon of this home uses (a seat's, a node's that checks in), the daemon stays the only one that sends.
    """

    def __init__(
        self, settings: Settings, deployment: Deployment, reader: Any, signer: Signer, wait_s: float = WAIT_S
    ) -> None:
        self._settings, self._deployment, self._reader = settings, deployment, reader
        self._signer, self._wait_s = signer, wait_s
        self._store: Store | None = None

    @property
    def address(self) -> str:
        """Who pays the gas."""
        return self._signer.address

    def run(
        self,
        action: str,
        steps: Sequence[Step],
        progress: Callable[[str, str], object] | None = None,
        once: bool = True,
    ) -> list[Done]:
        """As `Session.run`. A daemon that holds this key sends the rows; while another command does: H1202 (exit 4)."""
        with self._open() as session:
            return session.run(action, steps, progress, once)

    def known(self, action: str, step: str) -> Done | None:
        """As `Session.known`."""
        with self._open() as session:
            return session.known(action, step)

    @contextmanager
    def _open(self) -> Iterator[Session]:
        from keepers.outbox.outbox import Outbox
        from keepers.outbox.queue import Queue
        from keepers.runtime.chainports import policy_of
        from keepers.store.migrations import open_store

        network, reader = self._deployment.network, self._reader
        if self._store is None:
            self._store = open_store(self._settings.database(network))
        codec, chain_id = self._deployment.codec(), self._deployment.chain_id

        def now() -> int:
            return int(reader.head().timestamp)

        if self._daemon_sends():
            queue = Queue(self._store, self._signer.address, codec, now)
            yield self._session(queue, lambda: None)
            return
        outbox = Outbox(
            self._store,
            reader.rpc,
            reader,
            self._signer,
            codec,
            chain_id,
            now,
            policy=policy_of(self._settings),
            lock_folder=self._settings.home_path / network,
        )
        try:
            yield self._session(outbox, lambda: outbox.step(reader.heads.poll()))
        finally:
            outbox.close()

    def _session(self, outbox: Outbox | Queue, pump: Callable[[], object]) -> Session:
        pause, rows = (lambda: time.sleep(LOOK_S)), (lambda: outbox.rows(OPEN_STATES))
        return Session(outbox, pump, pause, time.monotonic, self._wait_s, rows)

    def _daemon_sends(self) -> bool:
        """Whether a daemon of this home has the key: it sends what stands in the database, and this command waits."""
        from keepers.outbox.lock import KeyLock
        from keepers.runtime.chainports import locks_of

        lock = KeyLock(locks_of(self._settings), self._deployment.chain_id, self._signer.address)
        try:
            lock.acquire()
        except HearthError:
            return True
        lock.release()
        return False


class Paper(Session):
    """A session that sends nothing: it writes the calls as a Safe batch (or only lists them) and says so."""

    def __init__(self, address: str, deployment: Deployment, path: Path | None) -> None:
        self._address, self._deployment, self._path = address, deployment, path

    @property
    def address(self) -> str:
        """Who would pay the gas."""
        return self._address

    def known(self, action: str, step: str) -> Done | None:
        """Nothing: paper has no memory."""
        return None

    def run(
        self,
        action: str,
        steps: Sequence[Step],
        progress: Callable[[str, str], object] | None = None,
        once: bool = True,
    ) -> list[Done]:
        """Raises NothingSent, after the batch is written."""
        codec = self._deployment.codec()
        rows = []
        for step in steps:
            to, data = codec.encode(step.call)
            rows.append({"to": to, "value": "0", "data": "0x" + data.hex(), "contractMethod": None})
        if self._path is not None:
            batch = {
                "version": "1.0",
                "chainId": str(self._deployment.chain_id),
                "meta": {"name": action, "description": ", ".join(step.name for step in steps)},
                "transactions": rows,
            }
            self._path.write_text(json.dumps(batch, indent=1) + "\n", encoding="utf-8")
        raise NothingSent([(step.name, step.call) for step in steps], self._path)

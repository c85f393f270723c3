"""`SignBook.sign_once`: the row is on the disk before the signature exists, and there is one row for each
(kind, epoch, view). A seat that was killed between the two signs the same digest again, never another one.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, and_, func, insert, select

from keepers.protocol.errors import HearthError
from keepers.roles.attester.tables import SignLog
from keepers.runtime.crashpoints import cp
from keepers.store.engine import Store
from keepers.wire.signatures import DigestSigner

_LOG: Any = SignLog.__table__  # type: ignore[attr-defined]

OBSERVATION, REPORT = "obs", "report"


class AlreadySigned(HearthError):
    """Another digest of this (kind, epoch, view) was signed before (H6405)."""


class SignBook:
    """The sign log of one seat. `scope` names chain, hub and account."""

    def __init__(self, store: Store, scope: str) -> None:
        self._store = store
        self._scope = scope
        self._views: dict[int, frozenset[int]] = {}

    def sign_once(self, kind: str, epoch: int, view: int, digest: bytes, signer: DigestSigner, now: int) -> bytes:
        """65 bytes r‖s‖v over `digest`. Raises AlreadySigned if the log holds another digest for the same place."""

        def work(connection: Connection) -> bytes:
            found = connection.execute(select(_LOG.c.digest).where(self._at(kind, epoch, view))).scalar()
            if found is not None:
                return bytes(found)
            row = {"scope": self._scope, "kind": kind, "epoch": epoch, "view": view, "digest": digest, "at": now}
            connection.execute(insert(_LOG).values(row))
            return digest

        cp("attester.sign.before-row")
        stored = self._store.write(work, durable=True)
        cp("attester.sign.after-row")
        if stored != digest:
            raise AlreadySigned(
                "H6405",
                f"this seat has signed another {kind} of epoch {epoch}, view {view}",
                why=[f"in the log 0x{stored.hex()[:16]}…, asked for 0x{digest.hex()[:16]}…"],
                next=["nothing: the next view brings another chance"],
            )
        self._views.pop(epoch, None)
        signature = signer.sign_digest(digest)
        cp("attester.sign.after-signature")
        return signature

    def signed(self, kind: str, epoch: int, view: int) -> bytes | None:
        """The digest in the log, None if there is none."""
        with self._store.read() as connection:
            found = connection.execute(select(_LOG.c.digest).where(self._at(kind, epoch, view))).scalar()
        return None if found is None else bytes(found)

    def views(self, epoch: int) -> frozenset[int]:
        """Views of an epoch in which this seat has signed a report."""
        if epoch not in self._views:
            where = and_(_LOG.c.scope == self._scope, _LOG.c.kind == REPORT, _LOG.c.epoch == epoch)
            with self._store.read() as connection:
                found = frozenset(int(row.view) for row in connection.execute(select(_LOG.c.view).where(where)))
            self._views = {epoch: found}  # one epoch is worked on at a time
        return self._views[epoch]

    def watermark(self) -> int:
        """Newest epoch in the log, 0 if it is empty."""
        with self._store.read() as connection:
            found = connection.execute(select(func.max(_LOG.c.epoch)).where(_LOG.c.scope == self._scope)).scalar()
        return int(found or 0)

    def _at(self, kind: str, epoch: int, view: int) -> Any:
        return and_(_LOG.c.scope == self._scope, _LOG.c.kind == kind, _LOG.c.epoch == epoch, _LOG.c.view == view)

"""What is wanted: enqueue by idempotency key, look up, list. No network here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection, Row, func, select, update

from keepers.chain.codec import Codec
from keepers.chain.ports import OPEN_STATES, Send, Sent, TxState
from keepers.outbox.tables import ATTEMPTS, ROWS
from keepers.protocol.errors import HearthError
from keepers.store.engine import Store

KEY_LIMIT = 200  # characters of a key
REOPENED = (TxState.REFUSED.value, TxState.DROPPED.value, TxState.FAILED.value)


class Queue:
    """`ports.Sender` of one key, on the store. `now` gives chain seconds."""

    def __init__(self, store: Store, address: str, codec: Codec, now: Callable[[], int]) -> None:
        self._store, self._address, self._codec, self._now = store, address.lower(), codec, now

    @property
    def address(self) -> str:
        """The account that signs."""
        return self._address

    def enqueue(self, send: Send, tx: Any = None) -> Sent:
        """Record a wanted transaction; `tx` is the connection of the caller's own store transaction.

        The same key gives the first row back. Raises H2016 where that row is another call, H1005 for a malformed key.
        """
        to, data = self._codec.encode(send.call)
        if tx is not None:
            return self._enqueue(tx, send, to, data)
        return self._store.write(lambda connection: self._enqueue(connection, send, to, data), durable=True)

    def _enqueue(self, connection: Connection, send: Send, to: str, data: bytes) -> Sent:
        if not 0 < len(send.key) <= KEY_LIMIT or send.key.count(":") < 2:
            raise HearthError("H1005", f"an outbox key is role:subject:action, not {send.key!r}")
        found = connection.execute(select(ROWS).where(ROWS.c.key == send.key)).first()
        if found is not None:
            reopen = send.again and found.state in REOPENED
            same = (found.to, bytes(found.data), found.value, found.signer) == (to, data, send.value, self._address)
            if not same and not reopen:
                raise HearthError(
                    "H2016",
                    f"{send.key} already stands in the outbox for another call",
                    why=(f"there: {found.call} ({found.state})", f"now: {send.call}"),
                    next=(f"hearth tx show {send.key}", "use another --idempotency-key"),
                )
            if reopen:
                self._reopen(connection, found, send, to, data)
                found = connection.execute(select(ROWS).where(ROWS.c.id == found.id)).one()
            return to_sent(connection, found)
        now = self._now()
        if send.supersedes:
            self._supersede(connection, send, now)
        connection.execute(ROWS.insert().values(self._values(send, to, data) | {"created": now, "updated": now}))
        row = connection.execute(select(ROWS).where(ROWS.c.key == send.key)).one()
        return to_sent(connection, row)

    def _values(self, send: Send, to: str, data: bytes) -> dict[str, Any]:
        return {
            "key": send.key,
            "signer": self._address,
            "kind": send.kind,
            "call": str(send.call),
            "to": to,
            "data": data,
            "value": send.value,
            "gas": send.gas,
            "priority": send.priority,
            "supersedes": send.supersedes,
            "not_after": send.not_after,
            "after": send.after,
            "state": TxState.QUEUED.value,
            "reason": "",
            "code": "",
            "purge": "",
            "tries": 0,
            "retry_at": 0,
            "missing_since": 0,
            "block_number": 0,
            "gas_used": 0,
            "gas_price": 0,
        }

    def _reopen(self, connection: Connection, found: Row[Any], send: Send, to: str, data: bytes) -> None:
        # A refused row never had an effect, a failed one was undone by the chain, a dropped one was purged: the old
        # nonce is used up, so a new attempt cannot double anything. Its attempts stay as history.
        fresh = self._values(send, to, data) | {"nonce": None, "tx_hash": None, "block_hash": None}
        connection.execute(update(ROWS).where(ROWS.c.id == found.id).values(fresh | {"updated": self._now()}))

    def _supersede(self, connection: Connection, send: Send, now: int) -> None:
        older = (ROWS.c.signer == self._address) & (ROWS.c.supersedes == send.supersedes)
        reason = f"superseded by {send.key}"
        connection.execute(
            update(ROWS)
            .where(older & (ROWS.c.state == TxState.QUEUED.value))
            .values(state=TxState.DROPPED.value, reason=reason, code="H2017", updated=now)
        )
        # One that holds a nonce is replaced by an empty transaction when its time for a replacement comes.
        connection.execute(
            update(ROWS)
            .where(older & (ROWS.c.state == TxState.PENDING.value) & (ROWS.c.purge == ""))
            .values(purge=TxState.DROPPED.value, reason=reason, code="H2017", updated=now)
        )

    def status(self, key: str) -> Sent | None:
        """Where the row of that key stands."""
        with self._store.read() as connection:
            row = connection.execute(select(ROWS).where(ROWS.c.key == key)).first()
            return None if row is None else to_sent(connection, row)

    def rows(self, states: Sequence[TxState] = (), limit: int = 100) -> list[Sent]:
        """Newest rows of this key first; only of those states where given."""
        query = select(ROWS).where(ROWS.c.signer == self._address).order_by(ROWS.c.id.desc()).limit(limit)
        if states:
            query = query.where(ROWS.c.state.in_([s.value for s in states]))
        with self._store.read() as connection:
            return [to_sent(connection, row) for row in connection.execute(query).all()]

    def open_by_kind(self) -> dict[str, tuple[int, int]]:
        """kind → (open rows, creation time of the oldest), for metrics."""
        query = (
            select(ROWS.c.kind, func.count(), func.min(ROWS.c.created))
            .where((ROWS.c.signer == self._address) & ROWS.c.state.in_([s.value for s in OPEN_STATES]))
            .group_by(ROWS.c.kind)
        )
        with self._store.read() as connection:
            return {kind: (count, oldest) for kind, count, oldest in connection.execute(query)}

    def spent(self, since: int) -> tuple[int, int]:
        """(wei of gas paid by transactions mined and recorded since then, time of the first of them), for metrics."""
        query = select(ROWS.c.gas_used, ROWS.c.gas_price, ROWS.c.updated).where(
            (ROWS.c.signer == self._address) & (ROWS.c.gas_used > 0) & (ROWS.c.updated >= since)
        )
        with self._store.read() as connection:
            rows = connection.execute(query).all()
        return sum(row.gas_used * row.gas_price for row in rows), min((row.updated for row in rows), default=0)


def to_sent(connection: Connection, row: Row[Any]) -> Sent:
    """A table row as `Sent`."""
    attempts = connection.execute(
        select(ATTEMPTS.c.hash, ATTEMPTS.c.answer).where(ATTEMPTS.c.row_id == row.id).order_by(ATTEMPTS.c.id.desc())
    ).all()
    newest = bytes(attempts[0].hash) if attempts else b""
    return Sent(
        key=row.key,
        state=TxState(row.state),
        reason=row.reason,
        code=row.code,
        tx_hash=bytes(row.tx_hash) if row.tx_hash else newest,
        block_number=row.block_number,
        gas_used=row.gas_used,
        nonce=row.nonce,
        attempts=len(attempts),
        extra={"kind": row.kind, "call": row.call, "created": row.created, "gas_price": row.gas_price, "to": row.to},
    )

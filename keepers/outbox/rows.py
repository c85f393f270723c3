"""The open rows of one key in the outbox: read, and moved on only from the state in which they were read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, Row, select, update

from keepers.chain.ports import TxState
from keepers.outbox.tables import ATTEMPTS, ROWS
from keepers.store.engine import Store


class Rows:
    """What broadcaster and confirmer see of the outbox. `now` gives chain seconds."""

    def __init__(self, store: Store, address: str, now: Callable[[], int]) -> None:
        self._store, self._address, self._now = store, address.lower(), now

    def of_state(self, state: TxState) -> list[Row[Any]]:
        """Rows of that state: queued ones by priority and age, all others by nonce."""
        order = (ROWS.c.priority, ROWS.c.id) if state is TxState.QUEUED else (ROWS.c.nonce,)
        query = select(ROWS).where((ROWS.c.signer == self._address) & (ROWS.c.state == state.value))
        with self._store.read() as connection:
            return list(connection.execute(query.order_by(*order)).all())

    def attempts(self, row: Row[Any]) -> list[Row[Any]]:
        """The attempts of a row with its present nonce, the oldest first."""
        query = select(ATTEMPTS).where((ATTEMPTS.c.row_id == row.id) & (ATTEMPTS.c.nonce == row.nonce))
        with self._store.read() as connection:
            return list(connection.execute(query.order_by(ATTEMPTS.c.id)).all())

    def update(self, row: Row[Any], **values: Any) -> None:
        """Write `values`, unless the row has left the state in which it was read."""

        def commit(connection: Connection) -> None:
            connection.execute(
                update(ROWS)
                .where((ROWS.c.id == row.id) & (ROWS.c.state == row.state))
                .values(updated=self._now(), **values)
            )

        self._store.write(commit, durable=True)

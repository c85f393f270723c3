"""From a sent transaction to a final outcome.

A receipt is believed once its block is final; until then it is looked at again, and a row whose block a reorg removed
is sent again with the same nonce. "No receipt" is never taken for "not mined": an endpoint may lag.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from sqlalchemy import Connection, Row, update

from keepers.chain.ports import BlockRef, TxState
from keepers.chain.reverts import Reverted
from keepers.chain.rpc import Receipt
from keepers.outbox.broadcaster import Crash, Observer
from keepers.outbox.policy import Policy
from keepers.outbox.rows import Rows
from keepers.outbox.tables import ATTEMPTS, ROWS
from keepers.protocol.errors import HearthError
from keepers.store.engine import Store

log = logging.getLogger("hearth.outbox")


class ConfirmRpc(Protocol):
    """What the confirmer asks of a chain."""

    def nonce(self, address: str, tag: str | int = "latest") -> int: ...

    def receipts(self, hashes: Sequence[bytes]) -> list[Receipt | None]: ...

    def block_by(self, which: int | str) -> BlockRef | None: ...

    def eth_call(self, to: str, data: bytes, at: BlockRef, sender: str | None = None, value: int = 0) -> bytes: ...


class Confirmer:
    """Watches the rows of one key. Call `step` from the thread that calls the broadcaster."""

    def __init__(
        self,
        store: Store,
        rpc: ConfirmRpc,
        address: str,
        policy: Policy,
        now: Callable[[], int],
        crash: Crash = lambda name: None,
        observer: Observer | None = None,
    ) -> None:
        self._store, self._rpc, self._address = store, rpc, address.lower()
        self._rows = Rows(store, address, now)
        self._policy, self._now, self._cp, self._observer = policy, now, crash, observer

    def step(self, head: BlockRef, final: BlockRef) -> int:
        """One pass; returns how many rows moved. Raises H2001 where no endpoint answers."""
        moved = 0
        pending = self._rows.of_state(TxState.PENDING)
        if pending:
            used = self._rpc.nonce(self._address)
            for row in pending:
                if row.nonce < used:
                    moved += self._look_for(row, final)
        for row in self._rows.of_state(TxState.MINED):
            moved += self._watch(row, head, final)
        return moved

    def _look_for(self, row: Row[Any], final: BlockRef) -> int:
        """The row's nonce is used: by one of its attempts, or by a transaction that is not ours."""
        attempts = self._rows.attempts(row)
        hashes = [bytes(attempt.hash) for attempt in attempts]
        for attempt, receipt in zip(attempts, self._rpc.receipts(hashes), strict=True):
            if receipt is not None:
                self._cp("confirm.seen")
                self._mined(row, attempt, receipt)
                self._cp("confirm.mined")
                return 1
        now = self._now()
        if not row.missing_since:
            self._rows.update(row, missing_since=now)
            return 0
        if now - row.missing_since < self._policy.foreign_after:
            return 0
        if self._rpc.nonce(self._address, final.number) <= row.nonce:
            return 0  # used, but not finally: a reorg may still bring ours
        if any(receipt is not None for receipt in self._rpc.receipts(hashes)):
            return 0
        return self._foreign(row)

    def _foreign(self, row: Row[Any]) -> int:
        """Another transaction of this key finally took the nonce: ours can never be mined, so it may be sent anew."""
        if row.purge:
            self._rows.update(row, state=row.purge, nonce=None, missing_since=0)
            if self._observer and row.purge == TxState.DROPPED.value:
                self._observer.dropped(row.kind)
            return 1
        log.warning("foreign", extra={"key": row.key, "nonce": row.nonce})
        self._rows.update(
            row,
            state=TxState.QUEUED.value,
            nonce=None,
            missing_since=0,
            reason=f"nonce {row.nonce} was used by another transaction of {self._address}",
            code="H2010",
        )
        return 1

    def _mined(self, row: Row[Any], attempt: Row[Any], receipt: Receipt) -> None:
        reason, code = "", ""
        if attempt.purpose == "purge":
            reason, code = row.reason, row.code
        elif receipt.status != 1:
            reason, code = self._why(row, receipt)
        self._rows.update(
            row,
            state=TxState.MINED.value,
            reason=reason,
            code=code,
            missing_since=0,
            tx_hash=receipt.tx_hash,
            block_number=receipt.block_number,
            block_hash=receipt.block_hash,
            gas_used=receipt.gas_used,
            gas_price=receipt.price,
        )

    def _watch(self, row: Row[Any], head: BlockRef, final: BlockRef) -> int:
        """A mined row: final, moved to another block, gone, or just not visible on the endpoint that answered."""
        receipt = self._rpc.receipts([bytes(row.tx_hash)])[0]
        if receipt is None:
            block = self._rpc.block_by(row.block_number)
            if block is None or block.hash == bytes(row.block_hash):
                return 0  # the endpoint lags
            return self._undone(row)
        if receipt.block_hash != bytes(row.block_hash):
            attempt = next(a for a in self._rows.attempts(row) if bytes(a.hash) == receipt.tx_hash)
            self._mined(row, attempt, receipt)
            return 1
        if receipt.block_number > final.number:
            return 0
        attempt = next(a for a in self._rows.attempts(row) if bytes(a.hash) == receipt.tx_hash)
        if attempt.purpose == "purge":
            state = row.purge or TxState.DROPPED.value
            if self._observer and state == TxState.DROPPED.value:
                self._observer.dropped(row.kind)
        else:
            state = TxState.DONE.value if receipt.status == 1 else TxState.FAILED.value
        self._cp("confirm.final")
        self._rows.update(row, state=state, purge="")
        self._cp("confirm.ended")
        log.info("ended", extra={"key": row.key, "state": state, "reason": row.reason, "block": receipt.block_number})
        return 1

    def _undone(self, row: Row[Any]) -> int:
        """A reorg removed its block: back to pending, and the newest attempt is handed over again at once."""
        log.warning("reorg", extra={"key": row.key, "nonce": row.nonce, "block": row.block_number})
        newest = self._rows.attempts(row)[-1]

        def commit(connection: Connection) -> None:
            connection.execute(update(ATTEMPTS).where(ATTEMPTS.c.id == newest.id).values(sent_at=0))
            connection.execute(
                update(ROWS)
                .where((ROWS.c.id == row.id) & (ROWS.c.state == TxState.MINED.value))
                .values(
                    state=TxState.PENDING.value,
                    reason="its block was removed by a reorg",
                    code="",
                    tx_hash=None,
                    block_hash=None,
                    block_number=0,
                    updated=self._now(),
                )
            )

        self._store.write(commit, durable=True)
        self._cp("confirm.undone")
        return 1

    def _why(self, row: Row[Any], receipt: Receipt) -> tuple[str, str]:
        """The reason of a failed transaction, by calling it again on the block before; its gas if that says nothing."""
        try:
            before = self._rpc.block_by(max(0, receipt.block_number - 1))
            if before is not None:
                self._rpc.eth_call(row.to, bytes(row.data), before, self._address, row.value)
        except Reverted as error:
            return error.reason, error.code
        except HearthError as error:
            return f"failed; its reason cannot be read: {error.message}", "H2014"
        return f"failed after {receipt.gas_used} gas; called alone it does not", "H2014"

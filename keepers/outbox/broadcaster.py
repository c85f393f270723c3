"""From a wanted row to a sent transaction.

Order, for every transaction that leaves: decide → commit (nonce, fees, signed bytes, hash) → hand over → commit the
answer. A process that dies anywhere in between finds the signed bytes again and hands over the same ones: same nonce,
same hash, one effect. `crash` is called with a name at each seam; tests kill the process there.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Protocol

from sqlalchemy import Connection, Row, func, select, update

from keepers.chain.fees import Fees
from keepers.chain.keys import Signer, TxFields
from keepers.chain.ports import BlockRef, TxState
from keepers.chain.reverts import Reverted
from keepers.chain.rpc import MaybeSent, RpcError
from keepers.outbox.classify import Answer, classify
from keepers.outbox.policy import PURGE_GAS, Policy, above_cap
from keepers.outbox.rows import Rows
from keepers.outbox.tables import ATTEMPTS, ROWS
from keepers.protocol.errors import HearthError
from keepers.protocol.hashing import keccak
from keepers.store.engine import Store

log = logging.getLogger("hearth.outbox")
Crash = Callable[[str], None]
SOONER = (Answer.UNDERPRICED.value, Answer.FEE_LOW.value)


class SendRpc(Protocol):
    """What the broadcaster asks of a chain."""

    def nonce(self, address: str, tag: str | int = "latest") -> int: ...

    def estimate(self, to: str, data: bytes, sender: str, value: int = 0) -> int: ...

    def send_raw(self, raw: bytes) -> bytes: ...


class Observer(Protocol):
    """Told about what metrics count."""

    def replaced(self, kind: str) -> None: ...

    def dropped(self, kind: str) -> None: ...


class Broadcaster:
    """Sends what is queued with one key. Call `step` from one thread only."""

    def __init__(
        self,
        store: Store,
        rpc: SendRpc,
        signer: Signer,
        chain_id: int,
        policy: Policy,
        now: Callable[[], int],
        crash: Crash = lambda name: None,
        observer: Observer | None = None,
    ) -> None:
        self._store, self._rpc, self._signer, self._chain_id = store, rpc, signer, chain_id
        self._rows = Rows(store, signer.address, now)
        self._policy, self._now, self._cp, self._observer = policy, now, crash, observer

    def step(self, head: BlockRef) -> int:
        """One pass over the open rows; returns how many moved. `head` gives the base fee.

        Raises H2001 where no endpoint answers; what was begun is safe.
        """
        moved = self._expire()
        for row in self._rows.of_state(TxState.PENDING):
            moved += self._tend(row, head)
        free = self._policy.in_flight - len(self._rows.of_state(TxState.PENDING))
        for row in self._rows.of_state(TxState.QUEUED)[: max(0, free)]:
            moved += self._first(row, head)
        return moved

    # queued rows

    def _first(self, row: Row[Any], head: BlockRef) -> int:
        now = self._now()
        if row.retry_at > now or not self._ready(row):
            return 0
        fees = self._policy.first(head.base_fee)
        if fees is None:
            return self._note(row, above_cap(head.base_fee, self._policy), "H2012")
        gas = row.gas
        if not gas:
            try:
                gas = self._policy.gas_limit(
                    self._rpc.estimate(row.to, bytes(row.data), self._signer.address, row.value)
                )
            except Reverted as error:
                return self._reverts(row, error)
            except RpcError as error:
                if classify(error.text) is Answer.FUNDS:
                    return self._note(row, "the key has too little gas money", "H2013", self._policy.funds_wait)
                raise
        self._cp("broadcast.decided")
        used = self._rpc.nonce(self._signer.address)

        def commit(connection: Connection) -> tuple[int, bytes] | None:
            return self._assign(connection, row.id, used, fees, gas)

        made = self._store.write(commit, durable=True)
        self._cp("broadcast.stored")
        if made is None:
            return 0
        self._hand_over(row, *made)
        return 1

    def _assign(self, connection: Connection, row_id: int, used: int, fees: Fees, gas: int) -> tuple[int, bytes] | None:
        """Give the row the next nonce and its first attempt; None if it is no longer queued."""
        row = connection.execute(select(ROWS).where(ROWS.c.id == row_id)).one()
        if row.state != TxState.QUEUED.value:
            return None
        mine = ROWS.c.signer == self._signer.address
        highest = connection.execute(
            select(func.max(ATTEMPTS.c.nonce)).where(ATTEMPTS.c.row_id.in_(select(ROWS.c.id).where(mine)))
        ).scalar()
        nonce = used if highest is None else max(used, highest + 1)
        connection.execute(
            update(ROWS)
            .where(ROWS.c.id == row_id)
            .values(state=TxState.PENDING.value, nonce=nonce, reason="", code="", updated=self._now())
        )
        return self._attempt(connection, row, nonce, "send", fees, gas)

    def _attempt(
        self, connection: Connection, row: Row[Any], nonce: int, purpose: str, fees: Fees, gas: int
    ) -> tuple[int, bytes]:
        purge = purpose == "purge"
        raw = self._signer.sign_transaction(
            TxFields(
                chain_id=self._chain_id,
                nonce=nonce,
                to=self._signer.address if purge else row.to,
                data=b"" if purge else bytes(row.data),
                value=0 if purge else row.value,
                gas=PURGE_GAS if purge else gas,
                max_fee=fees.max_fee,
                priority_fee=fees.priority_fee,
            )
        )
        result = connection.execute(
            ATTEMPTS.insert().values(
                row_id=row.id,
                nonce=nonce,
                purpose=purpose,
                max_fee=fees.max_fee,
                priority_fee=fees.priority_fee,
                gas=PURGE_GAS if purge else gas,
                raw=raw,
                hash=keccak(raw),
                created=self._now(),
                sent_at=0,
                answer="",
            )
        )
        inserted = result.inserted_primary_key
        assert inserted is not None, "an attempt has a key"
        return int(inserted[0]), raw

    def _ready(self, row: Row[Any]) -> bool:
        """Whether the row that must come first is mined; a row whose predecessor failed is refused."""
        if not row.after:
            return True
        with self._store.read() as connection:
            first = connection.execute(select(ROWS.c.state, ROWS.c.reason).where(ROWS.c.key == row.after)).first()
        if first is None or first.state in (TxState.MINED.value, TxState.DONE.value):
            return True
        if first.state in (TxState.QUEUED.value, TxState.PENDING.value):
            return False
        self._end(row, TxState.REFUSED, f"{row.after} came to nothing: {first.reason or first.state}", "H2014")
        return False

    def _reverts(self, row: Row[Any], error: Reverted) -> int:
        """Park a row that would revert: it is never sent, and rows behind it go on."""
        tries = row.tries + 1
        if row.after and tries < self._policy.revert_tries:  # the block of its predecessor may not be seen everywhere
            self._rows.update(row, tries=tries, retry_at=self._now() + 2 * tries, reason=error.reason, code=error.code)
            return 0
        self._end(row, TxState.REFUSED, error.reason, error.code)
        return 1

    # rows with a nonce

    def _tend(self, row: Row[Any], head: BlockRef) -> int:
        attempts = self._rows.attempts(row)
        now = self._now()
        if not attempts:  # cannot be: nonce and attempt are one commit
            raise HearthError("H9001", f"outbox row {row.key} has a nonce and no attempt")
        newest = attempts[-1]
        if newest.sent_at == 0:
            self._hand_over(row, newest.id, bytes(newest.raw))
            return 1
        if row.retry_at > now:
            return 0
        wants_purge = bool(row.purge) and newest.purpose != "purge"
        sooner = newest.answer in SOONER
        # Raising the fee of one that was refused for lack of money would only make it dearer.
        old = now - newest.created >= self._policy.bump_after and newest.answer != Answer.FUNDS.value
        if (wants_purge or sooner or old) and self._replace(row, attempts, head, wants_purge):
            return 1
        if now - newest.sent_at >= self._policy.resend_after:
            # A node may have forgotten it, or the endpoint that took it is gone. The same bytes can do no harm.
            self._hand_over(row, newest.id, bytes(newest.raw))
            return 1
        return 0

    def _replace(self, row: Row[Any], attempts: list[Row[Any]], head: BlockRef, purge: bool) -> bool:
        newest = attempts[-1]
        last = Fees(newest.max_fee, newest.priority_fee)
        fees = self._policy.bump(last, head.base_fee, len(attempts) - 1)
        if fees is None:
            reason = "waits to be mined: " + (
                "no replacement is left"
                if len(attempts) > self._policy.max_bumps
                else f"a higher fee would pass the cap of {self._policy.max_fee / 10**9:.3f} gwei"
            )
            self._note(row, reason, "H2012")
            return False
        purpose = "purge" if purge or newest.purpose == "purge" else "send"

        def commit(connection: Connection) -> tuple[int, bytes] | None:
            current = connection.execute(select(ROWS).where(ROWS.c.id == row.id)).one()
            if current.state != TxState.PENDING.value or current.nonce != row.nonce:
                return None
            return self._attempt(connection, current, row.nonce, purpose, fees, newest.gas)

        self._cp("replace.decided")
        made = self._store.write(commit, durable=True)
        self._cp("replace.stored")
        if made is None:
            return False
        if self._observer:
            self._observer.replaced(row.kind)
        self._hand_over(row, *made)
        return True

    def _hand_over(self, row: Row[Any], attempt_id: int, raw: bytes) -> None:
        self._cp("send.before")
        words = ""
        try:
            self._rpc.send_raw(raw)
            answer = Answer.ACCEPTED
        except MaybeSent as error:
            answer, words = Answer.UNCLEAR, "; ".join(error.why)
        except RpcError as error:
            answer, words = classify(error.text), error.text[:200]
        self._cp("send.after")
        now = self._now()
        change: dict[str, Any] = {"updated": now}
        if answer is Answer.FUNDS:
            change |= {
                "reason": "the key has too little gas money",
                "code": "H2013",
                "retry_at": now + self._policy.funds_wait,
            }
        elif answer is Answer.INVALID:
            # No node will ever take these bytes: an empty transaction frees the nonce, or all rows behind it wait.
            change |= {"reason": words, "code": "H2014", "purge": row.purge or TxState.REFUSED.value}
        elif answer in (Answer.UNCLEAR, Answer.TRANSIENT):
            change |= {"reason": f"{answer.value}: {words}", "code": "H2010"}
        elif answer in (Answer.ACCEPTED, Answer.KNOWN) and row.code in ("H2010", "H2012", "H2013") and not row.purge:
            change |= {"reason": "", "code": ""}

        def commit(connection: Connection) -> None:
            connection.execute(
                update(ATTEMPTS).where(ATTEMPTS.c.id == attempt_id).values(sent_at=now, answer=answer.value)
            )
            connection.execute(
                update(ROWS).where((ROWS.c.id == row.id) & (ROWS.c.state == TxState.PENDING.value)).values(**change)
            )

        self._store.write(commit, durable=True)
        self._cp("send.recorded")
        log.info("sent", extra={"key": row.key, "nonce": row.nonce, "answer": answer.value, "tx": keccak(raw)})

    # helpers

    def _expire(self) -> int:
        """Late rows end: unsent ones at once, sent ones by an empty transaction when their replacement is due."""
        now = self._now()
        late = (ROWS.c.signer == self._signer.address) & (ROWS.c.not_after > 0) & (ROWS.c.not_after < now)
        with self._store.read() as connection:
            found = connection.execute(
                select(ROWS.c.kind, ROWS.c.state, ROWS.c.purge).where(
                    late & ROWS.c.state.in_([TxState.QUEUED.value, TxState.PENDING.value])
                )
            ).all()
        queued = [r for r in found if r.state == TxState.QUEUED.value]
        if not queued and all(r.purge for r in found):
            return 0

        def commit(connection: Connection) -> None:
            reason = "its time has passed"
            connection.execute(
                update(ROWS)
                .where(late & (ROWS.c.state == TxState.QUEUED.value))
                .values(state=TxState.REFUSED.value, reason=reason, code="H2017", updated=now)
            )
            connection.execute(
                update(ROWS)
                .where(late & (ROWS.c.state == TxState.PENDING.value) & (ROWS.c.purge == ""))
                .values(purge=TxState.REFUSED.value, reason=reason, code="H2017", updated=now)
            )

        self._store.write(commit, durable=True)
        for row in queued:
            if self._observer:
                self._observer.dropped(row.kind)
        return len(queued)

    def _note(self, row: Row[Any], reason: str, code: str, wait: int = 0) -> int:
        """Say why a row waits; nothing is written where that is known already."""
        if row.reason != reason or wait:
            self._rows.update(row, reason=reason, code=code, retry_at=self._now() + wait if wait else row.retry_at)
        return 0

    def _end(self, row: Row[Any], state: TxState, reason: str, code: str) -> None:
        self._rows.update(row, state=state.value, reason=reason, code=code)
        log.info("ended", extra={"key": row.key, "state": state.value, "reason": reason, "code": code})

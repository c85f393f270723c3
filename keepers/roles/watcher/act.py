"""Actions as outbox rows, one a step of a finding: a restart asks for the same row and gets the first one back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection

from keepers.chain.ports import OPEN_STATES, Send, Sender, TxState
from keepers.roles.watcher.facts import Action
from keepers.roles.watcher.observe import Proof, row_key


class Dispatcher:
    """Turns actions into rows of one outbox. A row that was refused or failed is opened again after `retry_s`."""

    def __init__(self, sender: Sender, retry_s: float) -> None:
        self._sender, self._retry_s = sender, retry_s
        self._tried: dict[str, float] = {}

    def rows(self, actions: Sequence[Action], proofs: Mapping[str, Proof], now: int) -> list[Send]:
        """What is not on its way yet."""
        out = []
        for action in actions:
            proof = proofs[action.finding.key]
            call = proof.commit if action.step == "commit" else proof.prove
            key = row_key(action.finding.key, action.step)
            if call is None or not self._wanted(key, now):
                continue
            out.append(Send(key, call.function, call, not_after=action.finding.deadline, again=True))
            self._tried[key] = now
        return out

    def enqueue(self, connection: Connection, rows: Sequence[Send]) -> None:
        """Hand them over, in the caller's store transaction."""
        for send in rows:
            self._sender.enqueue(send, connection)

    def _wanted(self, key: str, now: int) -> bool:
        row = self._sender.status(key)
        if row is None:
            return True
        if row.state in (*OPEN_STATES, TxState.DONE):
            return False
        return now >= self._tried.get(key, 0.0) + self._retry_s

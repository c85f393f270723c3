"""What was found, in the database: a finding outlives the process, and evidence the seats that forget it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from keepers.roles.watcher.facts import SETTLED, Finding, State, Verdict
from keepers.roles.watcher.tables import WatcherFinding
from keepers.store.engine import Store

_ROWS: Any = WatcherFinding.__table__  # type: ignore[attr-defined]
KEEP_SETTLED = 1_000  # findings that are settled and still shown
# those that nothing will ever change again
CLOSED = tuple(state.value for state in (*SETTLED, State.LATE))


@dataclass(frozen=True)
class Row:
    """A stored finding: how it stood, when it was first seen and last changed (seconds), its evidence."""

    finding: Finding
    state: State
    first_seen: int
    updated: int
    evidence: bytes = b""


class Findings:
    """The table of them. Safe to use from two threads."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def open(self) -> list[Row]:
        """Those whose end is not known yet."""
        return self._select(_ROWS.c.state.notin_(CLOSED))

    def all(self) -> list[Row]:
        """Every one, the newest first."""
        return self._select(None)

    def find(self, keys: Sequence[str]) -> dict[str, Row]:
        """Those of these keys."""
        return {row.finding.key: row for row in self._select(_ROWS.c.key.in_(keys))}

    def _select(self, where: Any) -> list[Row]:
        query = select(_ROWS).order_by(_ROWS.c.first_seen.desc(), _ROWS.c.key)
        with self._store.read() as connection:
            return [_row(found) for found in connection.execute(query if where is None else query.where(where))]

    def add(self, finding: Finding, evidence: bytes, now: int) -> bool:
        """Keep a new finding with its evidence; False where it is here already."""

        def work(connection: Connection) -> bool:
            if connection.execute(select(_ROWS.c.key).where(_ROWS.c.key == finding.key)).first() is not None:
                return False
            connection.execute(insert(_ROWS), [_values(finding, State.OPEN, now) | _born(now, evidence)])
            return True

        return bool(self._store.write(work, durable=True))

    def record(
        self, connection: Connection, verdicts: Iterable[Verdict], now: int
    ) -> list[tuple[Verdict, State | None]]:
        """Write how findings stand; those that changed, with the state before (None: new). A finding that is settled
        when it is first seen is none of ours, and not written."""
        changed: list[tuple[Verdict, State | None]] = []
        for verdict in verdicts:
            finding, state = verdict.finding, verdict.state
            known = connection.execute(select(_ROWS).where(_ROWS.c.key == finding.key)).first()
            if known is None:
                if state in SETTLED:
                    continue
                connection.execute(insert(_ROWS), [_values(finding, state, now) | _born(now, b"")])
                changed.append((verdict, None))
                continue
            before = State(known.state)
            values = _values(finding, state, now if state is not before else known.updated)
            if state in SETTLED:  # what it was worth stays as it was when it could be had
                values = {"state": state.value, "updated": values["updated"]}
            if any(getattr(known, name) != value for name, value in values.items()):
                connection.execute(update(_ROWS).where(_ROWS.c.key == finding.key).values(**values))
            if state is not before:
                changed.append((verdict, before))
        if changed:
            self._prune(connection)
        return changed

    @staticmethod
    def _prune(connection: Connection) -> None:
        old = (
            select(_ROWS.c.key)
            .where(_ROWS.c.state.in_(CLOSED))
            .order_by(_ROWS.c.updated.desc(), _ROWS.c.key)
            .offset(KEEP_SETTLED)
        )
        keys = list(connection.execute(old).scalars())
        if keys:
            connection.execute(delete(_ROWS).where(_ROWS.c.key.in_(keys)))


def _values(finding: Finding, state: State, updated: int) -> dict[str, Any]:
    return {
        "key": finding.key,
        "kind": finding.kind,
        "epoch": finding.epoch,
        "number": finding.number,
        "node": finding.node,
        "seat": finding.seat,
        "why": finding.why,
        "provable": finding.provable,
        "state": state.value,
        "bounty": finding.bounty,
        "gas": finding.gas,
        "deadline": finding.deadline,
        "updated": updated,
    }


def _born(now: int, evidence: bytes) -> dict[str, Any]:
    return {"first_seen": now, "evidence": evidence}


def _row(found: Any) -> Row:
    finding = Finding(
        found.key, found.kind, found.epoch, found.why, found.number, found.node, found.seat, found.provable,
        found.deadline, found.bounty, found.gas,
    )  # fmt: skip
    return Row(finding, State(found.state), found.first_seen, found.updated, bytes(found.evidence))

"""Store what the agent concluded and say what is new."""

from __future__ import annotations

import logging
from typing import Any

from sqlalchemy import Connection, delete, insert

from keepers.roles.agent.decide import AgentPlan, judge
from keepers.roles.agent.tables import AgentSession
from keepers.store.engine import Store

_SESSIONS: Any = AgentSession.__table__  # type: ignore[attr-defined]
_LEVELS = {"info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def remember(store: Store, plan: AgentPlan, log: logging.Logger) -> dict[int, str]:
    """Write the sessions, log the notes; returns node -> note for the next comparison."""
    rows = [
        {
            "node": facts.node,
            "epoch": facts.epoch,
            "status": int(facts.status),
            "reserved": facts.reserved,
            "hardware": facts.hardware,
            "note": judge(facts).text,
        }
        for facts in plan.facts
    ]
    nodes = [facts.node for facts in plan.facts]

    def work(connection: Connection) -> None:
        connection.execute(delete(_SESSIONS).where(_SESSIONS.c.node.in_(nodes)))
        if rows:
            connection.execute(insert(_SESSIONS), rows)

    store.write(work)
    for note in plan.notes:
        log.log(_LEVELS[note.level], "node %d: %s", note.node, note.text)
    return {note.node: note.text for note in plan.notes}

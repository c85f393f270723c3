"""Store what the agent concluded and say what is new."""

from __future__ import annotations

import logging
from typing import Any

from sqlalchemy import Connection, delete, insert

from keepers.chain.ports import Send
from keepers.roles.agent.decide import AgentPlan, CheckIn, judge
from keepers.roles.agent.observe import check_in_key
from keepers.roles.agent.tables import AgentSession
from keepers.runtime.role import Context
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


def check_in(context: Context, wanted: CheckIn, log: logging.Logger) -> None:
    """Hand a check-in to the outbox of the node's key, where one is wanted; say and count what was done."""
    facts = wanted.facts
    if wanted.send:
        end = context.calendar.slot_start(facts.epoch, facts.slot) + context.calendar.slot
        key = check_in_key(facts.node, facts.epoch, facts.slot)
        call = context.suite.hub.check_in(facts.node)
        # what is mined after the slot's end would be another slot's
        context.senders[facts.own_key].enqueue(Send(key, "check-in", call, not_after=end - 1))
    if wanted.text:
        log.warning("node %d: %s", facts.node, wanted.text)
    if context.metrics is not None:
        group, network, node = context.metrics.agent, context.deployment.network, str(facts.node)
        group.check_ins.labels(network, node, wanted.reason).inc()
        group.check_in_spent.labels(network, node).set(facts.spent / 1e18)

"""What is due, as a pure function of the chain's words and of rebuilt uptime. Each refusal is a named `Skipped`.

facts        what is read and what is planned
due_leases   stop, settle, end in the dark, finish
due_nodes    activate, jail, unjail
due_money    redeem, withdraw, poke
"""

from __future__ import annotations

from keepers.protocol.leases import effective_stop, is_harmless
from keepers.roles.settler import due_leases, due_money, due_nodes
from keepers.roles.settler.due_leases import lease_name
from keepers.roles.settler.facts import (
    Action,
    Draft,
    LeaseFacts,
    Limits,
    NodeFacts,
    Policy,
    PoolFacts,
    SettlerPlan,
    SettlerView,
    Skipped,
    TallyFacts,
    TicketFacts,
)


def decide(view: SettlerView) -> SettlerPlan:
    """Everything that is due at `view.now`, at most `policy.max_actions` actions."""
    draft = Draft()
    settle: list[tuple[LeaseFacts, Action]] = []
    finish: list[Action] = []
    for lease in view.leases:
        due_leases.look_at(view, lease, draft, settle, finish)
    draft.actions += due_leases.batches(settle)
    draft.actions += finish
    for node in view.nodes:
        due_nodes.look_at(view, node, draft)
    if view.policy.upkeep:
        draft.actions += [Action("close_period", f"period-{p}", periods=(p,)) for p in sorted(view.closable)]
    due_money.redeem(view, draft)
    for ticket in view.tickets:
        due_money.withdraw(view, ticket, draft)
    for pool in view.pools:
        due_money.poke(view, pool, draft)
    kept = draft.actions[: view.policy.max_actions]
    for action in draft.actions[len(kept) :]:
        draft.skip(action.kind, action.subject, "enough for one cycle")
    return SettlerPlan(tuple(kept), tuple(draft.skipped))


def next_due(view: SettlerView) -> int | None:
    """The next second at which time alone makes something due; events and new usable epochs come besides."""
    moments = [ticket.release for ticket in view.tickets]
    for lease in view.leases:
        stop = effective_stop(lease.terms, lease.money)
        if not lease.terms.stopped:
            moments.append(stop)
            continue
        since = view.usable.get(view.calendar.epoch(max(stop - 1, lease.terms.start)), 0)
        if since > 1 and not is_harmless(lease.terms, lease.sheet, view.calendar):
            moments.append(since + view.limits.claim)
        moments += [stop + view.limits.abandon, stop + 2 * view.limits.abandon]
    return min((moment for moment in moments if moment > view.now), default=None)


__all__ = [
    "Action",
    "LeaseFacts",
    "Limits",
    "NodeFacts",
    "Policy",
    "PoolFacts",
    "SettlerPlan",
    "SettlerView",
    "Skipped",
    "TallyFacts",
    "TicketFacts",
    "decide",
    "lease_name",
    "next_due",
]

"""What is due for a node's status: activate, jail, unjail. Rules: docs/protocol.md §4, NodeStanding."""

from __future__ import annotations

from keepers.protocol.counters import fault_seconds, mask_of
from keepers.protocol.nodes import JAIL_SPAN, Status, deserves_jail
from keepers.roles.settler.facts import Action, Draft, NodeFacts, SettlerView

LOOK_BACK = 24  # usable epochs in which a clean one is looked for


def _clean_epoch(view: SettlerView, node: NodeFacts, least: int) -> int | None:
    """The newest usable epoch ≥ least in which the node was up in every slot, and passed where its class asks that."""
    for epoch in range(view.newest, max(least, view.newest - LOOK_BACK + 1) - 1, -1):
        found = view.uptime(node.node, epoch) if epoch in view.usable else None
        if found is None:
            continue
        header, leaf = found
        if node.node >= header.count or mask_of(header, leaf) != 0:
            continue
        if node.liveness or (header.challenged and not leaf.u):
            return epoch
    return None


def look_at(view: SettlerView, node: NodeFacts, draft: Draft) -> None:
    name = f"node-{node.node}"
    if not view.policy.upkeep or view.newest == 0:
        return
    if node.status is Status.PENDING:
        epoch = _clean_epoch(view, node, max(1, node.first))
        if epoch is None:
            draft.skip("activate", name, "no clean usable epoch yet")
        else:
            draft.actions.append(Action("activate", name, node=node.node, epoch=epoch))
    elif node.status in (Status.JAILED, Status.FAULTED):
        epoch = _clean_epoch(view, node, node.since + JAIL_SPAN + 1)
        if epoch is None:
            draft.skip("unjail", name, "no clean usable epoch after its term")
        else:
            draft.actions.append(Action("unjail", name, node=node.node, epoch=epoch))
    elif node.status is Status.ACTIVE:
        _jail(view, node, draft)


def _jail(view: SettlerView, node: NodeFacts, draft: Draft) -> None:
    name, b = f"node-{node.node}", view.newest
    a = max(node.clean, b - JAIL_SPAN)
    if not node.clean <= a < b or a not in view.usable or b not in view.usable:
        return
    before, after = view.uptime(node.node, a), view.uptime(node.node, b)
    if before is None or after is None:
        return
    length, slot = view.calendar.epoch_seconds, view.calendar.slot
    faults = fault_seconds(*after, length, slot) - fault_seconds(*before, length, slot)
    if not deserves_jail(faults, after[1].missed - before[1].missed, slot):
        return
    if not view.policy.jail:
        draft.skip("jail", name, "switched off")
        return
    draft.actions.append(Action("jail", name, node=node.node, epoch=b, first=a))

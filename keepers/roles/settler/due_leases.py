"""What is due for a lease: stop, settle (with or without an anchor, alone or in a batch), end in the dark, finish.

Rules: docs/protocol.md §6, life of a lease. Money in wei, times in seconds.
"""

from __future__ import annotations

from keepers.protocol.credits import Balance, bounty
from keepers.protocol.epochs import RING
from keepers.protocol.leases import (
    HOST_REASONS,
    NO_LIMIT,
    anchor_epoch,
    base_of,
    due_seconds,
    effective_stop,
    fault_between,
    is_abandoned,
    is_harmless,
    payment,
)
from keepers.protocol.units import BPS, PRICE_ONE
from keepers.roles.settler.facts import Action, Draft, LeaseFacts, SettlerView, is_mine

ANCHOR_MARGIN = 240  # epochs before the anchor's root leaves the ring in which it is stored even without pay
MAX_BATCH = 64  # leases of one settle_many
# gas of each kind with proofs of depth 17 and a bounty (tests/snapshots/gas), for the question whether that bounty pays
GAS = {"settle": 73_000, "settle_first": 95_000}


def lease_name(lease_id: int) -> str:
    """Subject of a lease."""
    return f"lease-{lease_id:064x}"


def look_at(
    view: SettlerView,
    lease: LeaseFacts,
    draft: Draft,
    settle: list[tuple[LeaseFacts, Action]],
    finish: list[Action],
) -> None:
    terms, money, calendar = lease.terms, lease.money, view.calendar
    name = lease_name(lease.id)
    stop = effective_stop(terms, money)
    if not terms.stopped and view.now >= stop:
        if is_mine(view, terms.provider):
            draft.actions.append(Action("stop", name, (lease.id,)))
        else:
            draft.skip("stop", name, "not our business")
    if stop <= terms.start:
        if terms.stopped and is_mine(view, terms.provider):
            finish.append(Action("finish", name, (lease.id,)))
        return
    anchor = anchor_epoch(terms, calendar, view.top)
    last = calendar.epoch(stop - 1)
    if _dark(view, lease, anchor, last, draft):
        return
    epoch = last if view.now >= stop and last in view.usable else min(view.newest, last)
    planned = _settlement(view, lease, anchor, epoch, stop, draft)
    if planned is not None:
        settle.append((lease, planned))
    elif money.base is None and _anchor_leaves(view, anchor):
        draft.actions.append(Action("anchor", name, (lease.id,), node=terms.node, epoch=anchor))
    if terms.stopped:
        _finish(view, lease, anchor, last, stop, planned, draft, finish)


def _anchor_leaves(view: SettlerView, anchor: int) -> bool:
    return anchor in view.usable and view.top - RING + 1 + ANCHOR_MARGIN >= anchor


def _base(view: SettlerView, lease: LeaseFacts, anchor: int) -> int | None:
    if lease.money.base is not None:
        return lease.money.base
    found = view.uptime(lease.terms.node, anchor) if anchor in view.usable else None
    return None if found is None else base_of(lease.terms, view.calendar, anchor, *found)


def _settlement(
    view: SettlerView, lease: LeaseFacts, anchor: int, epoch: int, stop: int, draft: Draft
) -> Action | None:
    terms, money, calendar = lease.terms, lease.money, view.calendar
    name = lease_name(lease.id)
    if epoch < calendar.epoch(terms.start) or epoch not in view.usable:
        draft.skip("settle", name, "no usable epoch yet")
        return None
    over = view.now >= stop
    whole = over and epoch == calendar.epoch(stop - 1)
    reached = min(stop, calendar.end(epoch)) - terms.start - money.settled
    if not whole and reached < calendar.period_seconds:
        # not even if every second of it was attested; over, but its last report is still to come
        draft.skip("settle", name, "less than a period is due")
        return None
    found, base = view.uptime(terms.node, epoch), _base(view, lease, anchor)
    if found is None or base is None:
        draft.skip("settle", name, "uptime is not rebuilt yet")
        return None
    due = due_seconds(terms, stop, base, calendar, *found)
    paid = payment(terms, money, due)
    if paid == 0:
        draft.skip("settle", name, "nothing due")
        return None
    seconds = due - money.settled
    if not whole and seconds < calendar.period_seconds:
        draft.skip("settle", name, "less than a period is due")
        return None
    kind = "settle_first" if money.base is None else "settle"
    earned = 0 if view.own == terms.provider else bounty(Balance(paid), view.limits.bounty_bps).credits
    cost = GAS[kind] * view.gas_price * view.policy.native_usd // PRICE_ONE
    if earned * BPS <= cost * (BPS + view.policy.margin_bps) and terms.provider not in view.policy.providers:
        draft.skip("settle", name, "unprofitable")
        return None
    first = anchor if money.base is None else None
    return Action(kind, name, (lease.id,), node=terms.node, epoch=epoch, first=first, bounty=earned)


def batches(settle: list[tuple[LeaseFacts, Action]]) -> list[Action]:
    """Settlements with an anchor and of one epoch go together, sorted by node; the others one by one."""
    single = [action for _, action in settle if action.kind == "settle_first"]
    by_epoch: dict[int, list[tuple[LeaseFacts, Action]]] = {}
    for lease, action in settle:
        if action.kind == "settle":
            by_epoch.setdefault(action.epoch, []).append((lease, action))
    for epoch, members in sorted(by_epoch.items()):
        members.sort(key=lambda pair: (pair[0].terms.node, pair[0].id))
        for place in range(0, len(members), MAX_BATCH):
            part = members[place : place + MAX_BATCH]
            if len(part) == 1:
                single.append(part[0][1])
                continue
            ids = tuple(lease.id for lease, _ in part)
            earned = sum(action.bounty for _, action in part)
            single.append(Action("settle_many", f"batch-{epoch}-{ids[0]:064x}", ids, epoch=epoch, bounty=earned))
    return single


def _dark(view: SettlerView, lease: LeaseFacts, anchor: int, last: int, draft: Draft) -> bool:
    terms, limit = lease.terms, lease.sheet.dark_limit
    if limit == NO_LIMIT or terms.reason in HOST_REASONS or anchor not in view.usable:
        return False
    epoch = min(view.newest, last)
    if epoch < anchor or epoch not in view.usable:
        return False
    before, after = view.uptime(terms.node, anchor), view.uptime(terms.node, epoch)
    if before is None or after is None:
        return False
    stop = effective_stop(terms, lease.money)
    if fault_between(terms, stop, view.calendar, *before, *after) <= limit:
        return False
    name = lease_name(lease.id)
    if not is_mine(view, terms.provider):
        draft.skip("stop_dark", name, "not our business")
        return False
    draft.actions.append(Action("stop_dark", name, (lease.id,), node=terms.node, epoch=epoch, first=anchor))
    return True


def _finish(
    view: SettlerView,
    lease: LeaseFacts,
    anchor: int,
    last: int,
    stop: int,
    planned: Action | None,
    draft: Draft,
    finish: list[Action],
) -> None:
    terms, name = lease.terms, lease_name(lease.id)
    if not is_mine(view, terms.provider):
        draft.skip("finish", name, "not our business")
        return
    since = view.usable.get(last, 0)
    harmless = is_harmless(terms, lease.sheet, view.calendar)
    if since > 1:
        if not harmless and view.now < since + view.limits.claim:
            draft.skip("finish", name, "claims are open")
            return
        after = (name, planned.kind) if planned is not None else None
        if planned is None and lease.money.base is None:
            if _base(view, lease, anchor) is None:
                draft.skip("finish", name, "uptime is not rebuilt yet")
                return
            if ("anchor", name) not in {(a.kind, a.subject) for a in draft.actions}:
                draft.actions.append(Action("anchor", name, (lease.id,), node=terms.node, epoch=anchor))
            after = (name, "anchor")
        finish.append(Action("finish", name, (lease.id,), node=terms.node, epoch=last, first=None, after=after))
        return
    if is_abandoned(stop, view.now, view.limits.abandon, view.calendar, _usable_at(view, last)):
        finish.append(Action("finish", name, (lease.id,)))
        return
    shorter = terms.stop_after < lease.sheet.binding_seconds
    if lease.bond != 0 and shorter and terms.reason not in HOST_REASONS and harmless:
        # the report is a day away, and a lease shorter than what its bond covers is cheap to open again and again
        draft.actions.append(Action("free_bond", name, (lease.id,)))
    draft.skip("finish", name, "the report of the stop is not usable yet")


def _usable_at(view: SettlerView, epoch: int) -> int:
    """As the hub's `usable_at`: 0 = not reported, 1 = out of the ring, else a second: one to come where not usable."""
    return 0 if epoch > view.top else view.usable.get(epoch, view.now + 1)

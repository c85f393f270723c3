"""What is due, as a pure function of the chain's words and of rebuilt uptime. Each refusal is a named Skip.

Rules: protocol.md §4 (status), §6 (life of a lease), §9 (redeem). Money in wei, times in seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from keepers.protocol.counters import Header, Leaf, fault_seconds, mask_of
from keepers.protocol.epochs import Calendar
from keepers.protocol.leases import (
    HOST_REASONS,
    NO_LIMIT,
    Money,
    Sheet,
    Terms,
    base_of,
    due_seconds,
    effective_stop,
    fault_between,
    payment,
)

RING = 2_048  # epochs whose ring words stand (AttestationHub)
ANCHOR_MARGIN = 240  # epochs before the anchor's root leaves the ring in which it is stored even without pay
JAIL_SPAN, JAIL_FAULTS, JAIL_MISSED, UNJAIL_AFTER = 24, 144, 3, 24  # NodeStanding
LOOK_BACK = 24  # usable epochs in which a clean one is looked for
MAX_PERIODS = 32  # of one redemption
MAX_BATCH = 64  # leases of one settle_many
BPS = 10_000

PENDING, ACTIVE, JAILED, FAULTED, RETIRED = 1, 2, 3, 4, 5
# gas of each kind with real proofs at depth 17, for the question whether a bounty pays; docs/protocol.md §6
GAS = {"settle": 73_000, "settle_first": 95_000, "settle_many": 37_000}

Uptime = Callable[[int, int], "tuple[Header, Leaf] | None"]


@dataclass(frozen=True)
class Policy:
    """What this settler does. `upkeep`: also work that pays nothing. `providers`: whose leases and tallies are its own
    business. `native_usd`: price of a whole native coin in 1e-12 USD, 0 = gas costs nothing (local networks).
    `margin_bps`: a bounty must exceed its gas by this. `jail`: may jail nodes. `redeem`: redeems tallies of others."""

    jail: bool = True
    upkeep: bool = True
    redeem: bool = True
    providers: frozenset[int] = frozenset()
    native_usd: int = 0
    margin_bps: int = 1_000
    max_actions: int = 256


@dataclass(frozen=True)
class Limits:
    """Parameters of the deployment: bounty in bps, CLAIM and ABANDON in seconds."""

    bounty_bps: int
    claim: int
    abandon: int


@dataclass(frozen=True)
class LeaseFacts:
    """A lease that is not finished, with its sheet."""

    id: int
    terms: Terms
    money: Money
    sheet: Sheet


@dataclass(frozen=True)
class NodeFacts:
    """Status of a node, and whether its class is liveness-only (rounds 0)."""

    node: int
    status: int
    first: int
    clean: int
    since: int
    liveness: bool


@dataclass(frozen=True)
class TallyFacts:
    """A tally that may hold something."""

    key: int
    period: int


@dataclass(frozen=True)
class TicketFacts:
    """An unbonding ticket."""

    provider: int
    owner: str
    ticket: int
    release: int


@dataclass(frozen=True)
class PoolFacts:
    """Stake of a provider in gwei, the stake it needs, and when it was last below."""

    provider: int
    assets: int
    required: int
    last_below: int


@dataclass(frozen=True)
class SettlerView:
    """One block's worth of facts.

    `newest`: newest usable epoch, 0 = none; `usable`: epoch -> time since which it is usable (1 = it has left the ring,
    absent = it is not); `top`: highest epoch reported; `closed`: periods whose price is fixed; `closable`: those that
    no report has closed until ABANDON after their end; `uptime(node, epoch)`: the rebuilt header and leaf; `gas_price`
    in wei.
    """

    now: int
    calendar: Calendar
    newest: int
    top: int
    usable: Mapping[int, int]
    uptime: Uptime
    leases: tuple[LeaseFacts, ...]
    nodes: tuple[NodeFacts, ...]
    tallies: tuple[TallyFacts, ...]
    tickets: tuple[TicketFacts, ...]
    pools: tuple[PoolFacts, ...]
    closed: frozenset[int]
    closable: frozenset[int]
    own: int
    gas_price: int
    policy: Policy
    limits: Limits


@dataclass(frozen=True)
class Action:
    """Something to send. `subject` and `kind` name it; `ids` are leases (several: one batch); `epoch` the epoch of the
    proof, `first` that of a second proof (None = none); `after`: (subject, kind) that must be mined first."""

    kind: str
    subject: str
    ids: tuple[int, ...] = ()
    node: int = 0
    epoch: int = 0
    first: int | None = None
    key: int = 0
    periods: tuple[int, ...] = ()
    provider: int = 0
    owner: str = ""
    ticket: int = 0
    after: tuple[str, str] | None = None
    bounty: int = 0


@dataclass(frozen=True)
class Skipped:
    """Why something that one might expect is not done."""

    kind: str
    subject: str
    reason: str


@dataclass(frozen=True)
class SettlerPlan:
    """Actions in the order in which they should be mined, and what was skipped."""

    actions: tuple[Action, ...]
    skipped: tuple[Skipped, ...]


@dataclass
class _Draft:
    actions: list[Action] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)

    def skip(self, kind: str, subject: str, reason: str) -> None:
        self.skipped.append(Skipped(kind, subject, reason))


def decide(view: SettlerView) -> SettlerPlan:
    """Everything that is due at `view.now`, at most `policy.max_actions` actions."""
    draft = _Draft()
    settle: list[tuple[LeaseFacts, Action]] = []
    finish: list[Action] = []
    for lease in view.leases:
        _lease(view, lease, draft, settle, finish)
    draft.actions += _batches(settle)
    draft.actions += finish
    for node in view.nodes:
        _node(view, node, draft)
    if view.policy.upkeep:
        draft.actions += [Action("close_period", f"period-{p}", periods=(p,)) for p in sorted(view.closable)]
    _redeem(view, draft)
    for ticket in view.tickets:
        _withdraw(view, ticket, draft)
    for pool in view.pools:
        _poke(view, pool, draft)
    kept = draft.actions[: view.policy.max_actions]
    for action in draft.actions[len(kept) :]:
        draft.skip(action.kind, action.subject, "enough for one cycle")
    return SettlerPlan(tuple(kept), tuple(draft.skipped))


# ---------------------------------------------------------------------- leases


def lease_name(lease_id: int) -> str:
    """Subject of a lease."""
    return f"lease-{lease_id:064x}"


def _mine(view: SettlerView, provider: int) -> bool:
    return view.policy.upkeep or provider in view.policy.providers


def _lease(
    view: SettlerView,
    lease: LeaseFacts,
    draft: _Draft,
    settle: list[tuple[LeaseFacts, Action]],
    finish: list[Action],
) -> None:
    terms, money, calendar = lease.terms, lease.money, view.calendar
    name = lease_name(lease.id)
    stop = effective_stop(terms, money)
    if not terms.stopped and view.now >= stop:
        if _mine(view, terms.provider):
            draft.actions.append(Action("stop", name, (lease.id,)))
        else:
            draft.skip("stop", name, "not our business")
    if stop <= terms.start:
        if terms.stopped and _mine(view, terms.provider):
            finish.append(Action("finish", name, (lease.id,)))
        return
    anchor = _anchor_epoch(view, terms)
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


def _anchor_epoch(view: SettlerView, terms: Terms) -> int:
    return max(view.calendar.epoch(terms.start), view.top - RING + 1)


def _anchor_leaves(view: SettlerView, anchor: int) -> bool:
    return anchor in view.usable and view.top - RING + 1 + ANCHOR_MARGIN >= anchor


def _base(view: SettlerView, lease: LeaseFacts, anchor: int) -> int | None:
    if lease.money.base is not None:
        return lease.money.base
    found = view.uptime(lease.terms.node, anchor) if anchor in view.usable else None
    return None if found is None else base_of(lease.terms, view.calendar, anchor, *found)


def _settlement(
    view: SettlerView, lease: LeaseFacts, anchor: int, epoch: int, stop: int, draft: _Draft
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
    bounty = 0 if view.own == terms.provider else paid * view.limits.bounty_bps // BPS
    cost = GAS[kind] * view.gas_price * view.policy.native_usd // 10**12
    if bounty * BPS <= cost * (BPS + view.policy.margin_bps) and terms.provider not in view.policy.providers:
        draft.skip("settle", name, "unprofitable")
        return None
    first = anchor if money.base is None else None
    return Action(kind, name, (lease.id,), node=terms.node, epoch=epoch, first=first, bounty=bounty)


def _batches(settle: list[tuple[LeaseFacts, Action]]) -> list[Action]:
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
            bounty = sum(action.bounty for _, action in part)
            single.append(Action("settle_many", f"batch-{epoch}-{ids[0]:064x}", ids, epoch=epoch, bounty=bounty))
    return single


def _dark(view: SettlerView, lease: LeaseFacts, anchor: int, last: int, draft: _Draft) -> bool:
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
    if not _mine(view, terms.provider):
        draft.skip("stop_dark", name, "not our business")
        return False
    draft.actions.append(Action("stop_dark", name, (lease.id,), node=terms.node, epoch=epoch, first=anchor))
    return True


def harmless(view: SettlerView, lease: LeaseFacts) -> bool:
    """Whether nothing can be claimed any more, so that anybody may finish at once (LeaseEscrow)."""
    terms, length = lease.terms, lease.terms.stop_after
    if length >= lease.sheet.dark_limit:
        return False
    if lease.sheet.table == 0:
        return True
    whole = view.calendar.start(view.calendar.epoch(terms.start + view.calendar.epoch_seconds - 1))
    return whole + view.calendar.period_seconds > terms.start + length


def _finish(
    view: SettlerView,
    lease: LeaseFacts,
    anchor: int,
    last: int,
    stop: int,
    planned: Action | None,
    draft: _Draft,
    finish: list[Action],
) -> None:
    terms, name = lease.terms, lease_name(lease.id)
    if not _mine(view, terms.provider):
        draft.skip("finish", name, "not our business")
        return
    since = view.usable.get(last, 0)
    if since > 1:
        if not harmless(view, lease) and view.now < since + view.limits.claim:
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
    if _abandoned(view, last, stop):
        finish.append(Action("finish", name, (lease.id,)))
        return
    draft.skip("finish", name, "the report of the stop is not usable yet")


def _abandoned(view: SettlerView, last: int, stop: int) -> bool:
    """LeaseEscrow: no report of the stop's epoch stands ABANDON after it, or none is usable 2·ABANDON after it, or
    RING epochs have passed."""
    if view.now < stop + view.limits.abandon:
        return False
    if view.now >= stop + RING * view.calendar.epoch_seconds:
        return True
    if last > view.top:
        return True
    return view.now >= stop + 2 * view.limits.abandon and last not in view.usable


# ---------------------------------------------------------------------- nodes


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


def _node(view: SettlerView, node: NodeFacts, draft: _Draft) -> None:
    name = f"node-{node.node}"
    if not view.policy.upkeep or view.newest == 0:
        return
    if node.status == PENDING:
        epoch = _clean_epoch(view, node, max(1, node.first))
        if epoch is None:
            draft.skip("activate", name, "no clean usable epoch yet")
        else:
            draft.actions.append(Action("activate", name, node=node.node, epoch=epoch))
    elif node.status in (JAILED, FAULTED):
        epoch = _clean_epoch(view, node, node.since + UNJAIL_AFTER + 1)
        if epoch is None:
            draft.skip("unjail", name, "no clean usable epoch after its term")
        else:
            draft.actions.append(Action("unjail", name, node=node.node, epoch=epoch))
    elif node.status == ACTIVE:
        _jail(view, node, draft)


def _jail(view: SettlerView, node: NodeFacts, draft: _Draft) -> None:
    name, b = f"node-{node.node}", view.newest
    a = max(node.clean, b - JAIL_SPAN)
    if not node.clean <= a < b or a not in view.usable or b not in view.usable:
        return
    before, after = view.uptime(node.node, a), view.uptime(node.node, b)
    if before is None or after is None:
        return
    length, slot = view.calendar.epoch_seconds, view.calendar.slot
    faults = fault_seconds(*after, length, slot) - fault_seconds(*before, length, slot)
    if faults <= JAIL_FAULTS * slot and after[1].missed - before[1].missed < JAIL_MISSED:
        return
    if not view.policy.jail:
        draft.skip("jail", name, "switched off")
        return
    draft.actions.append(Action("jail", name, node=node.node, epoch=b, first=a))


# ---------------------------------------------------------------------- money and stake


def _redeem(view: SettlerView, draft: _Draft) -> None:
    periods: dict[int, list[int]] = {}
    for tally in view.tallies:
        name = f"tally-{tally.key:x}-{tally.period}"
        ours = tally.key == view.own or tally.key in view.policy.providers
        if not ours and not (view.policy.redeem and view.policy.upkeep):
            draft.skip("redeem", name, "not our business")
        elif tally.period not in view.closed:
            draft.skip("redeem", name, "its period is open")
        else:
            periods.setdefault(tally.key, []).append(tally.period)
    for key, closed in sorted(periods.items()):
        closed.sort()
        for place in range(0, len(closed), MAX_PERIODS):
            part = tuple(closed[place : place + MAX_PERIODS])
            subject = f"tally-{key:x}-{part[0]}-{part[-1]}"
            draft.actions.append(Action("redeem", subject, key=key, periods=part))


def _withdraw(view: SettlerView, ticket: TicketFacts, draft: _Draft) -> None:
    name = f"ticket-{ticket.provider}-{ticket.owner}-{ticket.ticket}"
    if view.now < ticket.release:
        draft.skip("withdraw", name, "not mature")
    elif not _mine(view, ticket.provider):
        draft.skip("withdraw", name, "not our business")
    else:
        draft.actions.append(
            Action("withdraw", name, provider=ticket.provider, owner=ticket.owner, ticket=ticket.ticket)
        )


def _poke(view: SettlerView, pool: PoolFacts, draft: _Draft) -> None:
    """A pool that is below its required stake is marked once a period."""
    if pool.assets >= pool.required or not view.policy.upkeep:
        return
    period = view.calendar.period(view.now)
    name = f"pool-{pool.provider}-{period}"
    if pool.last_below >= view.calendar.period_start(period):
        draft.skip("poke", name, "marked in this period")
        return
    draft.actions.append(Action("poke", name, provider=pool.provider))


# ---------------------------------------------------------------------- when to look again


def next_due(view: SettlerView) -> int | None:
    """The next second at which time alone makes something due; events and new usable epochs come besides."""
    moments = [ticket.release for ticket in view.tickets]
    for lease in view.leases:
        stop = effective_stop(lease.terms, lease.money)
        if not lease.terms.stopped:
            moments.append(stop)
            continue
        since = view.usable.get(view.calendar.epoch(max(stop - 1, lease.terms.start)), 0)
        if since > 1 and not harmless(view, lease):
            moments.append(since + view.limits.claim)
        moments += [stop + view.limits.abandon, stop + 2 * view.limits.abandon]
    return min((moment for moment in moments if moment > view.now), default=None)

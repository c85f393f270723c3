"""What a settler finds due, by plain calls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from keepers.protocol.counters import Header, Leaf
from keepers.protocol.epochs import Calendar
from keepers.protocol.leases import NO_LIMIT, Cause, Money, Reason, Sheet, Terms
from keepers.protocol.nodes import Status
from keepers.roles.settler.decide import decide, lease_name, next_due
from keepers.roles.settler.facts import (
    Action,
    LeaseFacts,
    Limits,
    NodeFacts,
    Policy,
    PoolFacts,
    SettlerPlan,
    SettlerView,
    TallyFacts,
    TicketFacts,
)

CALENDAR = Calendar(1_000_000, 300, 4)
E, P = CALENDAR.epoch_seconds, CALENDAR.period_seconds
START = CALENDAR.start(10) + 100
SHEET = Sheet(3_600, 300, 86_400, NO_LIMIT)
RATE = 10**14
OWN = 0xABC


def header(epoch: int, indet: int = 0) -> Header:
    return Header(epoch=epoch, count=8, indet=indet)


def up(node: int, epoch: int) -> tuple[Header, Leaf] | None:
    """Every node up for ever."""
    return header(epoch), Leaf()


def terms(**changes: object) -> Terms:
    return replace(Terms(RATE, 1, 3, 7, START, 40_000, 0), **changes)  # type: ignore[arg-type]


def lease(
    credits: int = 40_000 * RATE, sheet: Sheet = SHEET, money: Money | None = None, **changes: object
) -> LeaseFacts:
    return LeaseFacts(5, terms(**changes), money or Money(credits, credits), sheet)


def view(now: int, newest: int, *leases: LeaseFacts, **changes: object) -> SettlerView:
    usable: Mapping[int, int] = dict.fromkeys(range(1, newest + 1), 2)
    base = SettlerView(
        now=now, calendar=CALENDAR, newest=newest, top=newest + 1, usable=usable, uptime=up, leases=leases, nodes=(),
        tallies=(), tickets=(), pools=(), closed=frozenset(), closable=frozenset(), own=OWN, gas_price=10**9,
        policy=Policy(), limits=Limits(100, 7_200, 500_000),
    )  # fmt: skip
    return replace(base, **changes)  # type: ignore[arg-type]


def kinds(plan: SettlerPlan) -> list[str]:
    return [action.kind for action in plan.actions]


def reasons(plan: SettlerPlan, kind: str) -> set[str]:
    return {skip.reason for skip in plan.skipped if skip.kind == kind}


# ---------------------------------------------------------------------- leases


def test_running_lease_is_settled_once_a_period_is_due() -> None:
    before = decide(view(START + 3 * E, 12, lease()))
    assert kinds(before) == [] and reasons(before, "settle") == {"less than a period is due"}
    after = decide(view(START + 5 * E, 14, lease()))
    (action,) = after.actions
    assert (action.kind, action.epoch, action.first) == ("settle_first", 14, 10)
    due = CALENDAR.end(14) - START
    assert action.bounty == due * RATE // 100


def test_anchored_lease_needs_one_proof() -> None:
    money = Money(40_000 * RATE, 1, settled=0, base=0)
    (action,) = decide(view(START + 5 * E, 14, lease(money=money))).actions
    assert (action.kind, action.first) == ("settle", None)


def test_leases_of_one_epoch_go_in_one_batch_sorted_by_node() -> None:
    money = Money(40_000 * RATE, 1, base=0)
    many = [LeaseFacts(100 + i, terms(node=9 - i % 5), money, SHEET) for i in range(70)]
    plan = decide(view(START + 5 * E, 14, *many))
    assert [(a.kind, len(a.ids)) for a in plan.actions] == [("settle_many", 64), ("settle_many", 6)]
    nodes = [next(lease.terms.node for lease in many if lease.id == i) for i in plan.actions[0].ids]
    assert nodes == sorted(nodes)


def test_bond_of_a_short_lease_is_freed_before_its_report() -> None:
    stop = {"stop_after": 3_599, "reason": Reason.RENTER_CLOSED}
    short = replace(lease(**stop), bond=9)
    now = START + 4_000
    assert kinds(decide(view(now, 9, short))) == ["free_bond"]
    # unknown or ended already; long enough to have earned it; the host's fault; a limit that may still be proven
    for other in (
        replace(short, bond=0),
        replace(short, terms=replace(short.terms, stop_after=3_600)),
        replace(short, terms=replace(short.terms, reason=Reason.HOST_EXIT)),
        replace(short, sheet=Sheet(3_600, 300, 86_400, 3_000)),
    ):
        assert "free_bond" not in kinds(decide(view(now, 9, other)))
    # once the report is usable, finish does it
    assert "free_bond" not in kinds(decide(view(START + 9 * E, 12, short)))


def test_lapsed_lease_is_stopped_at_once_and_settled_when_its_epoch_is_usable() -> None:
    short = lease(credits=4_000 * RATE)
    lapse = START + 4_000
    assert kinds(decide(view(lapse - 1, 9, short))) == []
    assert kinds(decide(view(lapse, 9, short))) == ["stop"]
    assert kinds(decide(view(lapse + 2 * E, 11, short))) == ["stop", "settle_first"]


def test_stopped_lease_waits_for_its_last_report_then_ends() -> None:
    stopped = lease(stop_after=4_000, reason=Reason.RENTER_CLOSED)
    early = decide(view(START + 4_100, 10, stopped))
    assert kinds(early) == [] and reasons(early, "finish") == {"the report of the stop is not usable yet"}
    plan = decide(view(START + 3 * E, 11, stopped))
    assert kinds(plan) == ["settle_first", "finish"]
    settle, finish = plan.actions
    assert (settle.epoch, settle.first, finish.epoch) == (11, 10, 11)
    assert finish.after == (lease_name(5), "settle_first")
    assert settle.bounty == 4_000 * RATE // 100, "a lease that has stopped pays a bounty whatever its length"


def test_nothing_attested_is_anchored_and_finished() -> None:
    def dark(node: int, epoch: int) -> tuple[Header, Leaf] | None:
        # dark since before the lease
        return header(epoch), Leaf(mask=0xFFF, u=1, last=2, down=12, fault=12)

    stopped = lease(stop_after=4_000, reason=Reason.RENTER_CLOSED)
    plan = decide(view(START + 3 * E, 11, stopped, uptime=dark))
    assert kinds(plan) == ["anchor", "finish"]
    assert plan.actions[1].after == (lease_name(5), "anchor")
    assert reasons(plan, "settle") == {"nothing due"}


def test_lease_of_no_length_ends_without_proof() -> None:
    stopped = lease(stop_after=0, reason=Reason.HOST_EXIT, cause=Cause.HOST)
    (action,) = decide(view(START + 10, 9, stopped)).actions
    assert (action.kind, action.epoch) == ("finish", 0)


def test_claims_keep_a_lease_open_for_others() -> None:
    limited = Sheet(3_600, 300, 86_400, 1_800)
    stopped = lease(
        sheet=limited, stop_after=4_000, reason=Reason.RENTER_CLOSED, money=Money(10 * RATE, 1, settled=4_000, base=0)
    )
    usable = {**dict.fromkeys(range(1, 12), 2), 11: START + 9_000}
    at = view(START + 9_000 + 7_199, 11, stopped, usable=usable)
    assert kinds(decide(at)) == [] and reasons(decide(at), "finish") == {"claims are open"}
    assert next_due(at) == START + 9_000 + 7_200
    assert kinds(decide(replace(at, now=START + 9_000 + 7_200))) == ["finish"]


def test_abandoned_lease_ends_without_proof() -> None:
    stopped = lease(stop_after=4_000, reason=Reason.RENTER_CLOSED)
    stop = START + 4_000
    assert kinds(decide(view(stop + 499_999, 9, stopped, top=9))) == []
    (action,) = decide(view(stop + 500_000, 9, stopped, top=9)).actions
    assert (action.kind, action.epoch) == ("finish", 0), "no report of that epoch ever came"
    assert kinds(decide(view(stop + 500_000, 9, stopped, top=11))) == [], "one stands, so its window is waited for"
    assert kinds(decide(view(stop + 1_000_000, 9, stopped, top=11))) == ["finish"]


def test_dark_node_ends_the_lease_for_the_host() -> None:
    def dark(node: int, epoch: int) -> tuple[Header, Leaf] | None:
        return header(epoch), Leaf(mask=0xFFF, u=1, last=11, down=12, fault=12) if epoch >= 11 else Leaf()

    limited = Sheet(3_600, 300, 86_400, 3_000)
    plan = decide(view(START + 3 * E, 11, lease(sheet=limited), uptime=dark))
    (action,) = plan.actions
    assert (action.kind, action.epoch, action.first) == ("stop_dark", 11, 10)
    assert kinds(decide(view(START + 3 * E, 11, lease(sheet=replace(limited, dark_limit=3_600)), uptime=dark))) == []
    stopped = lease(sheet=limited, stop_after=8_000, reason=Reason.RENTER_CLOSED)
    assert "stop_dark" in kinds(decide(view(START + 4 * E, 12, stopped, uptime=dark))), "until it is finished"
    again = lease(sheet=limited, stop_after=8_000, reason=Reason.HOST_DOWN, cause=Cause.HOST)
    assert "stop_dark" not in kinds(decide(view(START + 4 * E, 12, again, uptime=dark)))


def test_unprofitable_settlement_is_left_to_the_provider() -> None:
    dear = Policy(native_usd=2_500 * 10**12)
    now, newest = START + 5 * E, 14
    # 95,000 gas at 100 gwei and $2,500: $23.75; the bounty is 1 % of about $1.8
    plan = decide(view(now, newest, lease(), policy=dear, gas_price=100 * 10**9))
    assert kinds(plan) == [] and reasons(plan, "settle") == {"unprofitable"}
    cheap = decide(view(now, newest, lease(), policy=dear, gas_price=10**6))
    assert kinds(cheap) == ["settle_first"]
    own = replace(dear, providers=frozenset({7}))
    assert kinds(decide(view(now, newest, lease(), policy=own, gas_price=100 * 10**9))) == ["settle_first"]


def test_without_upkeep_only_paid_work_is_done() -> None:
    paid_only = Policy(upkeep=False)
    stopped = lease(stop_after=4_000, reason=Reason.RENTER_CLOSED)
    plan = decide(view(START + 3 * E, 11, stopped, policy=paid_only))
    assert kinds(plan) == ["settle_first"] and reasons(plan, "finish") == {"not our business"}


def test_anchor_is_saved_before_its_root_leaves_the_ring() -> None:
    empty = lease(money=Money(40_000 * RATE, 1))

    def dark(node: int, epoch: int) -> tuple[Header, Leaf] | None:
        return header(epoch), Leaf(mask=0xFFF, u=1, last=2, down=12, fault=12)

    now = START + 3 * E
    assert kinds(decide(view(now, 12, empty, uptime=dark, top=12))) == []
    assert kinds(decide(view(now, 12, empty, uptime=dark, top=10 + 2_047 - 240))) == ["anchor"]


def test_uptime_that_is_not_rebuilt_yet_is_waited_for() -> None:
    stopped = lease(stop_after=4_000, reason=Reason.RENTER_CLOSED)
    plan = decide(view(START + 3 * E, 11, stopped, uptime=lambda node, epoch: None))
    assert kinds(plan) == []
    assert reasons(plan, "settle") == reasons(plan, "finish") == {"uptime is not rebuilt yet"}


# ---------------------------------------------------------------------- nodes


def node(status: int, **changes: object) -> NodeFacts:
    return replace(NodeFacts(3, status, 5, 5, 5, True), **changes)  # type: ignore[arg-type]


def at_nodes(newest: int, *nodes: NodeFacts, **changes: object) -> SettlerPlan:
    return decide(view(CALENDAR.end(newest) + 10, newest, nodes=nodes, **changes))


def test_pending_node_is_activated_by_a_clean_epoch_since_its_first() -> None:
    assert kinds(at_nodes(4, node(Status.PENDING))) == []
    (action,) = at_nodes(6, node(Status.PENDING)).actions
    assert (action.kind, action.epoch) == ("activate", 6)

    def late(n: int, epoch: int) -> tuple[Header, Leaf] | None:
        return header(epoch), Leaf(mask=1, last=7) if epoch >= 7 else Leaf()

    (action,) = at_nodes(7, node(Status.PENDING), uptime=late).actions
    assert action.epoch == 6, "the newest clean one"


def test_challenged_class_needs_a_passed_challenge() -> None:
    challenged = node(Status.PENDING, liveness=False)
    assert kinds(at_nodes(6, challenged)) == []

    def proven(n: int, epoch: int) -> tuple[Header, Leaf] | None:
        return Header(epoch=epoch, count=8, challenged=epoch == 5), Leaf()

    (action,) = at_nodes(6, challenged, uptime=proven).actions
    assert action.epoch == 5


def test_node_that_is_not_counted_yet_waits() -> None:
    assert kinds(at_nodes(6, node(Status.PENDING, node=8))) == []


@pytest.mark.parametrize("status", [Status.JAILED, Status.FAULTED])
def test_unjailed_after_24_epochs(status: int) -> None:
    assert kinds(at_nodes(29, node(status))) == []
    (action,) = at_nodes(30, node(status)).actions
    assert (action.kind, action.epoch) == ("unjail", 30)


def test_jailed_for_more_than_half_a_day_of_faults() -> None:
    def faulty(slots: int):  # type: ignore[no-untyped-def]
        def read(n: int, epoch: int) -> tuple[Header, Leaf] | None:
            return header(epoch), Leaf(last=30, down=slots, fault=slots) if epoch >= 30 else Leaf()

        return read

    assert kinds(at_nodes(40, node(Status.ACTIVE), uptime=faulty(144))) == []
    (action,) = at_nodes(40, node(Status.ACTIVE), uptime=faulty(145)).actions
    assert (action.kind, action.first, action.epoch) == ("jail", 16, 40)
    (action,) = at_nodes(40, node(Status.ACTIVE, clean=20), uptime=faulty(145)).actions
    assert action.first == 20, "not before it was clean"
    plan = at_nodes(40, node(Status.ACTIVE), uptime=faulty(145), policy=Policy(jail=False))
    assert kinds(plan) == [] and reasons(plan, "jail") == {"switched off"}


def test_jailed_for_three_missed_challenges() -> None:
    def missing(n: int, epoch: int) -> tuple[Header, Leaf] | None:
        return header(epoch), Leaf(last=30, missed=3) if epoch >= 30 else Leaf()

    assert kinds(at_nodes(40, node(Status.ACTIVE), uptime=missing)) == ["jail"]


# ---------------------------------------------------------------------- money and stake


def test_closed_periods_are_redeemed_together() -> None:
    tallies = (*(TallyFacts(7, p) for p in range(40)), TallyFacts(OWN, 3), TallyFacts(8, 90))
    plan = decide(view(START, 9, tallies=tallies, closed=frozenset(range(40))))
    assert [(a.key, len(a.periods)) for a in plan.actions] == [(7, 32), (7, 8), (OWN, 1)]
    assert reasons(plan, "redeem") == {"its period is open"}
    own = decide(view(START, 9, tallies=tallies, closed=frozenset(range(40)), policy=Policy(redeem=False)))
    assert [a.key for a in own.actions] == [OWN]


def test_period_that_no_report_closed_is_closed_by_hand() -> None:
    plan = decide(view(START, 9, tallies=(TallyFacts(7, 3),), closable=frozenset({3})))
    assert kinds(plan) == ["close_period"] and reasons(plan, "redeem") == {"its period is open"}


def test_mature_ticket_is_withdrawn() -> None:
    ticket = TicketFacts(7, "0x" + "11" * 20, 2, START + 50)
    assert kinds(decide(view(START + 49, 9, tickets=(ticket,)))) == []
    assert next_due(view(START + 49, 9, tickets=(ticket,))) == START + 50
    (action,) = decide(view(START + 50, 9, tickets=(ticket,))).actions
    assert (action.kind, action.provider, action.owner, action.ticket) == ("withdraw", 7, "0x" + "11" * 20, 2)


def test_pool_below_its_stake_is_poked_once_a_period() -> None:
    below = PoolFacts(7, 99, 100, 0)
    assert kinds(decide(view(START, 9, pools=(below, PoolFacts(8, 100, 100, 0))))) == ["poke"]
    marked = replace(below, last_below=CALENDAR.period_start(CALENDAR.period(START)))
    assert kinds(decide(view(START, 9, pools=(marked,)))) == []


def test_a_cycle_is_bounded() -> None:
    nodes = tuple(node(Status.PENDING, node=i) for i in range(8))
    plan = at_nodes(6, *nodes, policy=Policy(max_actions=3))
    assert len(plan.actions) == 3 and reasons(plan, "activate") == {"enough for one cycle"}


def test_next_due_is_the_next_lapse() -> None:
    assert next_due(view(START, 9, lease(credits=4_000 * RATE), lease())) == START + 4_000
    assert next_due(view(START, 9)) is None


def test_same_view_same_plan() -> None:
    at = view(START + 5 * E, 14, lease(), nodes=(node(Status.PENDING),))
    assert decide(at) == decide(at)
    assert isinstance(decide(at).actions[0], Action)

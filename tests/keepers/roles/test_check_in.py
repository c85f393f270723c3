"""Checking in by itself: when, how often, with whose money; and that a checked-in slot counts in the report."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

import pytest

from keepers.protocol.nodes import CHECK_IN_GAS, Status
from keepers.roles.agent.decide import CheckIn, CheckInPolicy, SlotFacts, check_in
from tests.keepers.roles.town import Town
from tests.keepers.roles.world_chain import GAS_PRICE

KEY = "0x" + "ab" * 20
FACTS = SlotFacts(
    node=3, epoch=9, slot=5, heard=1, seats=4, own_key=KEY, chain_key=KEY, status=Status.ACTIVE, first=2, since=2,
    checked_in=False, under_way=False, balance=10**15, cost=10**14, spent=0,
)  # fmt: skip
POLICY = CheckInPolicy(daily_wei=10**15, tip=10**8)
COST = CHECK_IN_GAS * (2 * 10**9 + POLICY.tip)


def decided(daily: int = 10**15, **changes: object) -> CheckIn:
    return check_in(replace(FACTS, **changes), daily)  # type: ignore[arg-type]


@pytest.mark.parametrize(("heard", "seats", "sent"), [
    (0, 1, True), (1, 1, False), (0, 3, True), (1, 3, False), (1, 4, True), (2, 4, False), (10, 31, True),
])  # fmt: skip
def test_fewer_than_f_and_one(heard: int, seats: int, sent: bool) -> None:
    assert decided(heard=heard, seats=seats).send is sent


@pytest.mark.parametrize(
    ("changes", "reason", "says"),
    [
        ({"checked_in": True}, "on-chain", ""),
        ({"chain_key": "0x" + "cd" * 20}, "not-its-key", ""),
        ({"first": 10}, "not-its-key", ""),
        ({"status": Status.RETIRED, "since": 8}, "retired", ""),
        ({"under_way": True}, "under-way", "is not mined yet"),
        ({"balance": 10**14 - 1}, "no-gas", f"{KEY} holds 0.000100 and one costs up to 0.000100"),
        ({"spent": 9 * 10**14 + 1}, "daily-cap", "agent.check_in_daily is 0.001000"),
    ],
)
def test_not_sent__for_a_named_reason(changes: dict[str, object], reason: str, says: str) -> None:
    made = decided(**changes)
    assert (made.send, made.reason) == (False, reason)
    assert says in made.text and bool(made.text) == bool(says)


def test_sent__at_the_edges() -> None:
    assert decided(balance=10**14).send and decided(spent=9 * 10**14).send
    assert decided(status=Status.RETIRED, since=9).send, "retired in this very epoch: it still counts"
    assert "slot 9.5 was acknowledged by 1/4 attesters, 2 count: checks in on chain" in decided().text


# ---- on virtual time


def deaf(town: Town, seats: Iterable[int]) -> None:
    """These seats cannot be reached, until `town.transport.down` is cleared: in the middle of an epoch they lose beats
    only."""
    town.transport.down |= {f"seat-{seat}" for seat in seats}


def mask(town: Town, node: int, epoch: int) -> int:
    return town.chain.attestations.leaf(node, epoch) & 0xFFF


def counted(town: Town, result: str, node: int = 0) -> int:
    assert town.app.metrics is not None
    pattern = rf'^hearth_agent_check_ins_total{{network="\w+",node="{node}",result="{result}"}} (\d+)'
    found = re.search(pattern, town.app.metrics.text().decode(), re.M)
    return int(found[1]) if found else 0


def run_slots(town: Town, epoch: int, first: int, last: int, seats: Iterable[int]) -> None:
    """Deaf seats in slots first..last of an epoch, seconds after the late beats of the slot before have come."""
    town.run(town.calendar.slot_start(epoch, first) - 1)
    deaf(town, seats)
    town.run(town.calendar.slot_start(epoch, last) + town.calendar.slot + 31)
    town.transport.down.clear()


def test_no_attester_hears_it__it_checks_in__and_the_report_counts_it() -> None:
    town = Town(check_in=POLICY)
    town.run_epochs(1)
    run_slots(town, 2, 4, 6, range(4))
    town.run_epochs(2)
    assert town.world.hub.last_epoch == 3
    assert [mask(town, node, 2) for node in range(3)] == [0, 0, 0], "up in every slot"
    assert town.chain.attestations.check_ins(2) == dict.fromkeys(range(3), 0b0111_0000)
    assert town.outcomes("check_in") == ["ok"] * 9, "once a slot and node"
    assert counted(town, "sent") == 3 and counted(town, "daily-cap") == 0


def test_without_it__the_same_outage_costs_the_slots() -> None:
    town = Town()
    town.run_epochs(1)
    run_slots(town, 2, 4, 6, range(4))
    town.run_epochs(2)
    assert mask(town, 0, 2) == 0b0111_0000
    assert town.chain.senders.keys() == {seat.address for seat in town.seat_keys} | {town.settler_key.address}


@pytest.mark.parametrize(("away", "sent"), [((0, 1), 0), ((0, 1, 2), 1)])
def test_f_and_one_are_enough(away: tuple[int, ...], sent: int) -> None:
    town = Town(check_in=POLICY)
    town.run_epochs(1)
    run_slots(town, 2, 4, 4, away)
    town.run_epochs(2)
    assert len(town.outcomes("check_in")) == 3 * sent
    assert mask(town, 0, 2) == 0


def test_a_quiet_network__asks_and_sends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    town = Town(check_in=POLICY)
    asked: list[str] = []
    monkeypatch.setattr("keepers.roles.agent.role.observe_slot", lambda *_: asked.append("asked"))
    town.run_epochs(4)
    assert (asked, town.outcomes("check_in")) == ([], [])


def test_the_daily_cap_ends_it(caplog: pytest.LogCaptureFixture) -> None:
    town = Town(nodes=1, check_in=POLICY)
    town.run_epochs(1)
    run_slots(town, 2, 1, 10, range(4))
    town.run_epochs(2)
    affordable = 1 + (POLICY.daily_wei - COST) // GAS_PRICE
    assert 0 < affordable < 10
    assert town.outcomes("check_in") == ["ok"] * affordable
    assert (counted(town, "sent"), counted(town, "daily-cap")) == (affordable, 10 - affordable)
    assert mask(town, 0, 2) == 0x7FE & ~(((1 << affordable) - 1) << 1)
    assert "agent.check_in_daily is 0.001000" in caplog.text


def test_a_key_without_gas__is_told_once_a_slot(caplog: pytest.LogCaptureFixture) -> None:
    town = Town(check_in=POLICY)
    town.chain.balances[town.node_keys[1].address] = COST - 1
    town.run_epochs(1)
    run_slots(town, 2, 4, 4, range(4))
    assert len(town.outcomes("check_in")) == 2
    assert counted(town, "no-gas", 1) == 1
    assert f"{town.node_keys[1].address} holds" in caplog.text


def test_a_node_that_does_not_beat__does_not_check_in() -> None:
    town = Town(check_in=POLICY)
    town.run_epochs(1)
    town.agent.beater.muted.add(1)
    run_slots(town, 2, 4, 4, range(4))
    assert len(town.outcomes("check_in")) == 2


@pytest.mark.parametrize(("away", "sent"), [((0, 1), 0), ((0, 1, 2), 3)])
def test_restarted_within_the_slot__knows_who_had_it(away: tuple[int, ...], sent: int) -> None:
    town = Town(check_in=POLICY)
    town.run_epochs(1)
    town.run(town.calendar.slot_start(2, 4) - 1)
    deaf(town, away)
    town.run(town.calendar.slot_start(2, 4) + 200)
    town.restart_agent()
    town.run(town.calendar.slot_start(2, 5) + 31)
    assert len(town.outcomes("check_in")) == sent


def test_restarted_after_it_checked_in__does_not_twice() -> None:
    town = Town(check_in=POLICY)
    town.run_epochs(1)
    town.run(town.calendar.slot_start(2, 4) - 1)
    deaf(town, range(4))
    town.run(town.calendar.slot_start(2, 4) + 250)
    assert len(town.outcomes("check_in")) == 3
    town.restart_agent()
    from keepers.runtime.ticker import Trigger

    town.agent.cycle(Trigger("check-in", town.clock.now(), 2 * 12 + 4))
    town.app.pulse()
    assert len(town.outcomes("check_in")) == 3 and counted(town, "on-chain") == 1

"""Whole networks on virtual time: reports, dark nodes, dead and silent attesters, late beats, money."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence

import pytest
from sqlalchemy import func, select

from keepers.chain.attestations import Attestations, MultiProof, Proof
from keepers.protocol.counters import Leaf
from keepers.protocol.errors import HearthError
from keepers.protocol.hashing import keccak
from keepers.protocol.leases import Reason
from keepers.protocol.merge import Body
from keepers.protocol.messages import Report, SignedObservation
from keepers.protocol.nodes import Status
from keepers.protocol.rebuild import EpochLog
from keepers.protocol.refute import find
from keepers.protocol.report import Facts, pack_signatures
from keepers.protocol.uptime_tree import UptimeTree
from keepers.roles.attester.decide import AttesterPlan, Propose
from keepers.roles.attester.prices import PriceUnavailable
from keepers.roles.attester.role import Attester
from keepers.roles.attester.signlog import ROWS
from keepers.roles.settler.decide import Policy, SettlerPlan, TicketFacts
from keepers.runtime.role import Fatal
from keepers.runtime.ticker import Trigger
from keepers.simulate.refuter import SignedReport
from keepers.store.migrations import open_store
from keepers.wire.codec import (
    AskedRow,
    Beat,
    ObsBody,
    OpenedRow,
    Proposal,
    SeatSignature,
    SignedAnswer,
    SignedObs,
    encode,
)
from keepers.wire.routing import Request, Router
from keepers.wire.signatures import compact
from tests.keepers.roles.town import GENESIS, OWNER, PRICE, Town, number
from tests.keepers.roles.world_chain import ADDRESSES


def test_quiet_network_reports_every_epoch_without_records() -> None:
    town = Town()
    town.run_epochs(6)
    assert town.world.hub.last_epoch == 6
    assert town.outcomes("report") == ["ok"] * 6, "one transaction an epoch, none in vain"
    first, *rest = [event for event in town.chain.log if event.name == "Report"]
    # the nodes count from epoch 1 on and were up: silence is free
    assert all(event["data"] == b"" for event in rest)
    assert first["facts"] & 0xFFFFFF == 3
    assert town.world.hub.price_word.spot == PRICE


def test_keepers_started_before_genesis_say_so_wait_and_report_every_epoch(caplog: pytest.LogCaptureFixture) -> None:
    """A clock that stands before genesis (a machine without a battery) has no epoch, and nobody dies of it."""
    caplog.set_level("WARNING")
    town = Town(begin=GENESIS - 3_600)
    assert "WARNING" in caplog.text and "epoch 1 begins at 2027-01-15 09:00:00 UTC, 7200 s from now" in caplog.text
    town.run(GENESIS - 60)
    block = Trigger("block", 0.0)
    for role in (*town.attesters, town.agent, town.settler):
        assert role.cycle(block if role is not town.agent else Trigger("epoch", 0.0)) in ("done", "skipped")
    beat = Beat(0, 1, 0, 1, bytes(32), bytes(32), bytes(65))
    assert town.attesters[0].desk.ingest.take([beat]) == ["early"]
    town.run_epochs(3)
    assert town.world.hub.last_epoch == 3
    assert town.outcomes("report") == ["ok"] * 3
    assert "bug" not in caplog.text


def test_nodes_become_active_when_their_first_report_is_usable() -> None:
    town = Town()
    town.run_epochs(3)
    assert {town.world.registry.nodes[i].status for i in range(3)} == {Status.ACTIVE}
    assert set(town.outcomes("activate")) == {"ok"}


def test_dark_node_is_recorded_and_only_it() -> None:
    town = Town()
    town.run_epochs(3)
    epoch = town.calendar.epoch(town.clock.now())
    town.run(town.calendar.slot_start(epoch, 4) - 1)
    town.agent.beater.muted.add(1)
    town.run(town.calendar.slot_start(epoch, 7) - 1)
    town.agent.beater.muted.clear()
    town.run_epochs(2)
    assert town.world.hub.last_epoch >= epoch
    leaf = [town.chain.attestations.leaf(i, epoch) for i in range(3)]
    assert leaf[0] == leaf[2] == 0
    assert leaf[1] & 0xFFF == 0b0000_0111_0000
    reports = [event for event in town.chain.log if event.name == "Report"]
    assert sum(len(event["data"]) // 5 for event in reports) == 1, "one record of five bytes, the rest is silence"


def test_one_dead_attester_changes_nothing() -> None:
    town = Town()
    town.kill(2)
    town.run_epochs(6)
    assert town.world.hub.last_epoch == 6
    # seat 2 leads view 0 of epochs 2 and 6: there the next leader proposes
    for event in town.chain.log:
        if event.name == "Report":
            assert event["who"] == 0b1011
            view = event["facts"] >> 40 & 0xFFFF
            assert view == (1 if (event["epoch"]) % 4 == 2 else 0)


def test_two_dead_attesters_of_four_stop_the_reports() -> None:
    town = Town()
    town.run_epochs(2)
    for seat in (0, 1):
        town.kill(seat)
    town.run_epochs(3)
    assert town.world.hub.last_epoch == 2, "a quorum is three"


@pytest.mark.attack("C54")
def test_silent_network_is_voided_once_attesters_are_back() -> None:
    town = Town()
    town.run_epochs(2)
    asleep = [attester.cycle for attester in town.attesters]
    for attester in town.attesters:
        attester.cycle = lambda trigger: "asleep"  # type: ignore[method-assign]
    town.run_epochs(3)
    assert town.world.hub.last_epoch == 2
    for attester, cycle in zip(town.attesters, asleep, strict=True):
        attester.cycle = cycle  # type: ignore[method-assign]
        attester.desk.started = town.clock.precise()
        attester.desk.seen._masks.clear()
    town.run_epochs(3)
    voided = [event for event in town.chain.log if event.name == "Voided"]
    assert voided and voided[0]["first"] == 3
    assert town.world.hub.last_epoch >= 5
    assert town.world.hub.header.void_epochs >= 2


def test_silent_leader_costs_a_view() -> None:
    town = Town()
    town.run_epochs(1)
    mute = town.attesters[2]
    mute.hand.propose = lambda step: None  # type: ignore[method-assign]
    town.run_epochs(2)
    report = next(e for e in town.chain.log if e.name == "Report" and e["epoch"] == 2)
    assert report["facts"] >> 40 & 0xFFFF == 1, "epoch 2 is led by seat 2, then by seat 3"
    assert report["who"].bit_count() == 3


@pytest.mark.attack("A09")
def test_body_of_a_wrong_length_harms_nobody() -> None:
    """A byzantine seat signs bytes that fit its hash and no snapshot: reports go on, in the first view, without it."""
    town = Town()
    town.run_epochs(2)
    liar = town.attesters[3]
    liar.hand._draft = lambda epoch, snapshot, now: (b"x" * 7, PRICE)  # type: ignore[method-assign]
    town.run_epochs(3)
    assert town.world.hub.last_epoch == 5
    reports = [event for event in town.chain.log if event.name == "Report"][2:]
    assert [event["facts"] >> 40 & 0xFFFF for event in reports if event["epoch"] % 4 != 3] == [0, 0]
    for attester in town.attesters[:3]:
        assert sorted(attester.desk.exchange.held(5)) == [0, 1, 2]
        assert attester.desk.last == 5, "nobody stumbles over it after the report either"


@pytest.mark.attack("A25")
def test_seat_that_tells_every_other_one_something_else_stops_nothing() -> None:
    """Three observations of one seat, each other seat has one or two of them: the leader's set is followed anyway."""
    town = Town()
    town.run_epochs(2)
    town.kill(3)
    end = town.calendar.end(3)
    town.run(end + 70)
    domain = town.attesters[0].desk.domain
    bodies = [Body((0xFFF, 0xFFF, n)).encode() for n in range(3)]
    told = []
    for n, body in enumerate(bodies):
        message = SignedObservation(1, 3, 3, keccak(body), PRICE + n)
        signature = town.seat_keys[3].sign_digest(message.digest(domain))
        told.append(ObsBody(SignedObs(1, 3, 3, keccak(body), PRICE + n, signature), body))
    for seat in range(3):
        for n in (seat, (seat + 1) % 3):
            town.attesters[seat].desk.exchange.take_observation(told[n])
    town.run(end + 200)
    assert town.world.hub.last_epoch == 3
    report = next(event for event in town.chain.log if event.name == "Report" and event["epoch"] == 3)
    assert report["facts"] >> 40 & 0xFFFF == 1, "view 0 is led by the seat that is gone"


@pytest.mark.attack("A25")
def test_observation_that_one_seat_alone_had_in_time_costs_one_view() -> None:
    """Given to one seat in the last second: the others hear of it from that one, every one of them."""
    town = Town()
    town.run_epochs(3)
    town.kill(3)
    end = town.calendar.end(4)
    town.run(end + 75)
    body = Body((0xFFF, 0xFFF, 0xFFF)).encode()
    message = SignedObservation(1, 4, 3, keccak(body), PRICE)
    signature = town.seat_keys[3].sign_digest(message.digest(town.attesters[0].desk.domain))
    told = ObsBody(SignedObs(1, 4, 3, keccak(body), PRICE, signature), body)
    town.attesters[2].desk.exchange.take_observation(told)
    town.run(end + 140)
    assert town.world.hub.last_epoch == 3, "seat 2 does not follow seat 0, which lacks it"
    assert all(3 in town.attesters[seat].desk.exchange.held(4) for seat in range(3))
    town.run(end + 200)
    assert town.world.hub.last_epoch == 4


def test_late_heartbeat_counts_within_its_window_only() -> None:
    town = Town()
    town.run_epochs(2)
    epoch = town.calendar.epoch(town.clock.now())
    seats = {f"seat-{i}" for i in range(4)}
    # slot 3: nobody can be reached until 20 s after its end, within the allowance of 30 s
    town.run(town.calendar.slot_start(epoch, 3) - 1)
    town.transport.down |= seats
    town.run(town.calendar.slot_start(epoch, 4) + 19)
    town.transport.down -= seats
    # slot 6: nobody can be reached until 100 s after its end
    town.run(town.calendar.slot_start(epoch, 6) - 1)
    town.transport.down |= seats
    town.run(town.calendar.slot_start(epoch, 7) + 100)
    town.transport.down -= seats
    town.run_epochs(2)
    for node in range(3):
        mask = town.chain.attestations.leaf(node, epoch) & 0xFFF
        assert mask == 1 << 6, "slot 3 arrived late but in time, slot 6 too late, slot 7 by repetition"


def outage(town: Town, seats: Sequence[int], epoch: int, begins: float, seconds: float) -> list[int]:
    """Seats that answer nobody for a while, from `begins` seconds after the start of slot 5; the nodes' masks then."""
    hosts = {f"seat-{seat}" for seat in seats}
    start = town.calendar.slot_start(epoch, 5) + begins
    town.run(int(start))
    town.transport.down |= hosts
    town.run(int(start + seconds))
    town.transport.down -= hosts
    town.run(town.calendar.end(epoch) + 200)
    assert town.world.hub.last_epoch == epoch
    return [town.chain.attestations.leaf(node, epoch) & 0xFFF for node in range(3)]


@pytest.mark.parametrize("begins", [-1, 100, 250])
@pytest.mark.parametrize("seats", [[0], [1, 3]])
def test_attester_outage_of_five_minutes_costs_an_honest_node_nothing(seats: list[int], begins: float) -> None:
    """As long as f + 1 seats are there; those that were away have the beats that were sent again in time."""
    town = Town()
    town.run_epochs(2)
    assert outage(town, seats, 3, begins, 300) == [0, 0, 0]
    back = [town.attesters[seat].desk.exchange.held(3)[seat] for seat in seats]
    bits = [Body.decode(held.body, 3).bits for held in back]
    assert all(word | 1 << 5 == 0xFFF for own in bits for word in own), "slot 5 at most is missing in their own account"


@pytest.mark.parametrize(("seconds", "lost"), [(300, 0), (340, 1)])
def test_outage_of_every_attester_costs_the_slot_whose_whole_window_it_covers(seconds: float, lost: int) -> None:
    """Five minutes from just before the beats on: they are sent again until 30 s after the slot. What no seat could
    hear by then no seat can attest: an outage of all that covers a beat and the rest of its window costs that slot."""
    town = Town()
    town.run_epochs(2)
    assert outage(town, range(4), 3, -1, seconds) == [lost << 5] * 3


def test_lease_is_paid_for_attested_seconds_and_redeemed() -> None:
    town = Town()
    town.run_epochs(3)
    epoch = town.calendar.epoch(town.clock.now())
    town.run(town.calendar.slot_start(epoch, 1))
    before = town.clock.now()
    lease = town.rent(0, 20_000)
    town.run(town.calendar.slot_start(epoch, 6) - 1)
    town.agent.beater.muted.add(0)
    town.run(town.calendar.slot_start(epoch, 8) - 1)
    town.agent.beater.muted.clear()
    town.run(town.calendar.slot_start(epoch, 10))
    town.stop(lease)
    length = town.clock.now() - before
    town.run_epochs(14)
    terms = town.world.escrow.leases[lease]
    assert terms is not None and terms.finished and terms.reason == Reason.RENTER_CLOSED
    attested = length - 2 * town.calendar.slot
    assert town.world.escrow.moneys[lease].settled == attested
    settled = [event for event in town.chain.log if event.name == "Settled"]
    paid = attested * 10**14
    assert sum(event["credits"] for event in settled) == paid
    assert sum(event["bounty"] for event in settled) == paid // 100, "the settler's one percent"
    redeemed = [event for event in town.chain.log if event.name == "Redeemed"]
    assert sum(event["credits"] for event in redeemed) == paid, "provider and settler, everything"
    assert all(balance.credits == 0 for balance in town.world.escrow.tallies.values())
    assert set(town.outcomes("redeem")) == {"ok"}
    assert set(town.outcomes("settle_first")) | set(town.outcomes("finish")) == {"ok"}


def test_lapsed_leases_of_one_epoch_are_settled_together() -> None:
    town = Town(nodes=4)
    town.run_epochs(3)
    leases = [town.rent(node, 3_000) for node in (3, 0, 2)] + [town.rent(0, 2_500)]
    town.run_epochs(8)
    for lease in leases:
        terms = town.world.escrow.leases[lease]
        assert terms is not None and terms.finished and terms.reason == Reason.TERM
        assert town.world.escrow.moneys[lease].settled in (3_000, 2_500)
    assert "revert" not in town.outcomes("finish")


@pytest.mark.parametrize("depth", [0, 14])
def test_running_lease_is_settled_every_period_in_a_batch(depth: int) -> None:
    """Also where the final block, from which the settler reads, lies an epoch behind what it has sent."""
    town = Town(depth=depth)
    town.run_epochs(3)
    leases = [town.rent(node, 80_000) for node in (0, 1, 2)]
    town.run_epochs(13)
    many = town.outcomes("settle_many")
    assert many and set(many) == {"ok"}
    for lease in leases:
        assert town.world.escrow.moneys[lease].settled >= 8 * 3_600
    bounties = [event["bounty"] for event in town.chain.log if event.name == "Settled"]
    assert all(bounties), "only settlements that pay a bounty are made"


def test_proof_that_cannot_be_read_holds_up_its_own_lease_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Three leases of one batch: that of node 1 waits until its proof can be read again, the others are paid."""
    town = Town()
    town.run_epochs(3)
    leases = [town.rent(node, 80_000) for node in range(3)]
    proof, multiproof = Attestations.proof, Attestations.multiproof

    def broken(node: int) -> None:
        if node == 1:
            raise HearthError("H6302", "node 1 was not there")

    def one(book: Attestations, node: int, epoch: int) -> Proof:
        broken(node)
        return proof(book, node, epoch)

    def many(book: Attestations, nodes: Sequence[int], epoch: int) -> MultiProof:
        for node in nodes:
            broken(node)
        return multiproof(book, nodes, epoch)

    monkeypatch.setattr(Attestations, "proof", one)
    monkeypatch.setattr(Attestations, "multiproof", many)
    with caplog.at_level("WARNING", "hearth"):
        town.run_epochs(10)
    waited = {record.getMessage() for record in caplog.records if getattr(record, "code", "") == "H6302"}
    assert waited and all(f"{leases[1]:064x}" in words for words in waited), "only the one that cannot be proven"

    def settled(lease: int) -> int:
        return town.world.escrow.moneys[lease].settled

    assert settled(leases[1]) == 0 and min(settled(leases[0]), settled(leases[2])) >= 4 * 3_600
    monkeypatch.undo()
    town.run_epochs(5)
    assert min(map(settled, leases)) >= 8 * 3_600


def test_dark_lease_is_stopped_for_the_host() -> None:
    town = Town(dark_limit=1_200)
    town.run_epochs(3)
    lease = town.rent(1, 80_000)
    town.agent.beater.muted.add(1)
    town.run_epochs(4)
    terms = town.world.escrow.leases[lease]
    assert terms is not None and terms.reason == Reason.HOST_DOWN
    assert town.outcomes("stop_dark") == ["ok"]


@pytest.mark.parametrize("jail", [True, False])
def test_jail_can_be_switched_off(jail: bool) -> None:
    # four equal providers stay up, so that one in the dark is a fault and no correlated outage
    town = Town(nodes=6, policy=Policy(jail=jail))
    town.run_epochs(3)
    town.agent.beater.muted.add(1)
    town.run_epochs(16)
    expected = Status.JAILED if jail else Status.ACTIVE
    assert town.world.registry.nodes[1].status == expected
    assert bool(town.outcomes("jail")) == jail
    assert town.world.registry.nodes[0].status == Status.ACTIVE


def test_reports_go_on_after_a_committee_change() -> None:
    town = Town()
    town.run_epochs(3)
    seats = [number(seat) for seat in town.seat_keys[:3]] + [0xDEAD]
    start = town.calendar.epoch(town.clock.now()) + 2
    town.world.warp(town.clock.now())
    town.world.call("hub", "set_committee", start, seats, [""] * 4, sender=OWNER)
    town.chain.mine(town.clock.now())
    town.run_epochs(5)
    last = [event for event in town.chain.log if event.name == "Report"][-1]
    assert last["epoch"] > start and last["who"] == 0b0111


def test_attesters_restarted_at_every_stage_sign_one_digest_a_view() -> None:
    town = Town()
    town.run_epochs(2)
    for epoch in (3, 4, 5):
        end = town.calendar.end(epoch)
        for offset in (31, 46, 76, 91, 101, 111):
            town.run(end + offset)
            town.restart((epoch + offset) % 4)
            town.restart(epoch % 4)
        town.run(end + 200)
    town.ended = 5
    assert town.world.hub.last_epoch == 5
    with town.kept.read() as connection:
        places = connection.execute(
            select(func.count()).select_from(ROWS).group_by(ROWS.c.scope, ROWS.c.kind, ROWS.c.epoch, ROWS.c.view)
        ).all()
    assert places and all(count == 1 for (count,) in places)
    reports = [event for event in town.chain.log if event.name == "Report"]
    assert [event["facts"] >> 40 & 0xFFFF for event in reports[2:]] == [0, 0, 0], "no view was lost either"


def test_agent_restarted_within_a_slot_loses_nothing() -> None:
    town = Town()
    town.run_epochs(2)
    epoch = town.calendar.epoch(town.clock.now())
    seats = {f"seat-{i}" for i in range(4)}
    town.run(town.calendar.slot_start(epoch, 5) - 1)
    town.transport.down |= seats
    town.run(town.calendar.slot_start(epoch, 5) + 2)
    town.restart_agent()
    town.transport.down -= seats
    town.run_epochs(2)
    assert all(town.chain.attestations.leaf(node, epoch) == 0 for node in range(3))


def test_seat_with_a_lost_sign_log_does_not_start() -> None:
    town = Town()
    town.run_epochs(3)
    again = Attester(town.seat_keys[0], town.prices)
    context = town.app.context
    context.store = open_store("sqlite://", threaded=False)
    again.mount(context)
    with pytest.raises(Fatal) as caught:
        again.start()
    assert caught.value.error.code == "H6401" and caught.value.error.exit_code == 6


def test_seat_that_is_used_elsewhere_stops() -> None:
    town = Town()
    town.run_epochs(2)
    town.attesters[0].desk.exchange.impostor = True
    with pytest.raises(Fatal) as caught:
        town.run_epochs(1)
    assert caught.value.error.code == "H6403"


def test_fixed_price_is_refused_on_a_public_network() -> None:
    town = Town()
    context = town.app.context
    context.deployment = context.deployment.model_copy(update={"local": False})
    with pytest.raises(HearthError) as caught:
        Attester(town.seat_keys[0], town.prices).mount(context)
    assert caught.value.code == "H1501"


def test_attester_without_a_price_signs_nothing_and_the_others_go_on() -> None:
    town = Town()
    town.attesters[1].prices = (Silent(),)
    town.run_epochs(3)
    assert town.world.hub.last_epoch == 3
    assert 1 not in town.attesters[0].desk.exchange.held(3), "no price, no observation"


@pytest.mark.attack("A13")
def test_clock_that_is_off_signs_nothing_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    town = Town()
    town.run_epochs(2)
    before, signed = town.world.hub.last_epoch, signatures(town)
    monkeypatch.setattr(town.clock, "skew", lambda: -31.0)
    town.run_epochs(2)
    assert town.world.hub.last_epoch == before and signatures(town) == signed, "neither observed nor signed"
    seat = town.attesters[0]
    assert seat.desk.clock_fault() is not None
    assert seat.context.metrics is not None and seat.context.health is not None
    text = seat.context.metrics.text().decode()
    assert re.search(r'hearth_attester_errors_total{code="H6001",network="\w+"} [1-9]', text)
    assert "31.0 s behind" in seat.context.health.readyz()[1]["clock"]
    monkeypatch.undo()
    town.run_epochs(4)
    assert town.world.hub.last_epoch > before and signatures(town) > signed, "goes on by itself"
    assert "clock" not in seat.context.health.readyz()[1]


@pytest.mark.attack("A13")
def test_clock_set_between_the_decision_and_the_signature_is_noticed() -> None:
    town = Town()
    town.run_epochs(1)
    hand, signed = town.attesters[1].hand, signatures(town)
    town.clock.skew = lambda: 45.0  # type: ignore[method-assign]
    codes: list[str] = []
    hand._failed = codes.append
    hand.carry_out(AttesterPlan((Propose(2, 0, 1, 2),)))
    assert codes == ["H6001"] and signatures(town) == signed


def signatures(town: Town) -> int:
    """Rows of all sign logs."""
    with town.kept.read() as connection:
        return len(connection.execute(select(ROWS)).all())


def test_attester_gauges_after_a_report() -> None:
    town = Town()
    town.run_epochs(4)
    metrics = town.attesters[0].context.metrics
    assert metrics is not None
    text = metrics.text().decode()
    for name in ("peer_agreement_ratio", "report_digest_match", "report_exceptions", "report_indeterminate_slots"):
        assert re.search(rf"^hearth_attester_{name}{{", text, re.M), name
    assert re.search(r'^hearth_attester_peer_agreement_ratio{network="\w+",peer="1",seat="0"} 1.0', text, re.M)
    assert re.search(r"^hearth_agent_heartbeat_acks{", text, re.M)
    assert re.search(r"^hearth_agent_gpus_leased{", text, re.M)
    assert re.search(r"^hearth_settler_overdue_seconds{", text, re.M)


def test_settler_started_anew_repeats_nothing() -> None:
    town = Town()
    town.run_epochs(3)
    lease = town.rent(0, 3_000)
    town.run_epochs(2)
    town.restart_settler()
    town.run_epochs(6)
    town.restart_settler()
    town.run_epochs(1)
    terms = town.world.escrow.leases[lease]
    assert terms is not None and terms.finished
    for function in ("settle_first", "finish", "redeem", "stop"):
        assert set(town.outcomes(function)) == {"ok"}, function


@pytest.mark.attack("T51")
def test_every_write_of_an_attester_needs_a_signature() -> None:
    town = Town()
    town.run_epochs(2)
    at = (1, 3, 0, b"b" * 32, 5, bytes(65))
    unsigned = SignedObs(*at)
    bodies = {
        "/v1/heartbeats": encode(Beat(0, 4, 0, 1, b"b" * 32, b"t" * 32, b"\x01" * 64 + b"\x1b")),
        "/v1/observations": encode(ObsBody(unsigned, b"")),
        "/v1/proposals": encode(Proposal(0, 3, 3, 0, [], b"d" * 32, 3, bytes(64), bytes(192), bytes(65))),
        "/v1/signatures": encode(SeatSignature(0, 3, 0, b"d" * 32, 1, bytes(64), bytes(192))),
        "/v1/answers": encode(SignedAnswer(0, 3, 1, 1, b"r" * 32, bytes(65))),
        "/v1/openings": encode(OpenedRow(0, 3, b"r" * 32, AskedRow(0, 0, 0), b"", b"", bytes(32), b"")),
    }
    town.run(town.calendar.end(3) + 5)
    router = Router(town.attesters[0].routes())
    writes = [route for route in router.routes if route.method != "GET"]
    assert {route.path for route in writes} == set(bodies)
    for route in writes:
        for body in (b"", b"{}", b"null", bodies[route.path]):
            status = router.dispatch(Request(route.method, route.path, body)).status
            assert status in (400, 401, 403, 404, 409), (route.path, body, status)
    reads = [
        route.path.replace("{epoch}", "2")
        .replace("{node}", "0")
        .replace("{seat}", "1")
        .replace("{class}", "0")
        .replace("{first}", "0")
        for route in router.routes
        if route.method == "GET"
    ]
    assert all(router.dispatch(Request("GET", path)).status == 200 for path in reads)
    assert router.dispatch(Request("GET", "/v1/nodes/1e3")).status == 400


def test_snapshot_built_anew_is_the_one_that_was_carried_forward() -> None:
    town = Town(nodes=4)
    town.run_epochs(3)
    w, boss = town.world, number(town.operators[2])
    w.warp(town.clock.now())
    w.call("pool", "stake_own", 2, 10**13, sender=boss)
    w.call("pool", "unstake_own", 0, 10**12, sender=number(town.operators[0]))
    w.call("registry", "retire_node", 3, sender=number(town.operators[3]))
    town.chain.mine(town.clock.now())
    town.run_epochs(2)
    epoch = town.calendar.epoch(town.clock.now())
    town.restart(1)
    head = town.chain.head()
    old, new = (town.attesters[seat].desk.snapshots.of(epoch, head) for seat in (0, 1))
    assert old is not None and new is not None
    assert (old.nodes, old.keys, old.weights) == (new.nodes, new.keys, new.weights)
    assert old.nodes[3].retired and set(old.weights) == {0, 1, 2, 3} and old.weights[2] > 0


def test_correlated_outage_is_nobodys_fault() -> None:
    town = Town(nodes=6)
    town.run_epochs(3)
    town.restart(3)
    epoch = town.calendar.epoch(town.clock.now())
    town.run(town.calendar.slot_start(epoch, 5) - 1)
    town.agent.beater.muted |= {0, 1, 2, 3}
    town.run(town.calendar.slot_start(epoch, 6) - 1)
    town.agent.beater.muted.clear()
    town.run_epochs(2)
    report = town.chain.attestations.report(epoch)
    assert report.header.indet == 1 << 5 and report.who.bit_count() == 3
    leaf = Leaf.unpack(town.chain.attestations.leaf(0, epoch))
    assert (leaf.down, leaf.fault) == (1, 0), "unpaid, not blamed"


class Silent:
    """A price source that never answers."""

    name = "silent"

    def fetch(self, now: int) -> int:
        raise PriceUnavailable("H6301", "silent: nothing")


def block(town: Town) -> str:
    """What the settler's cycle says when it is woken by a block."""
    head = town.chain.head()
    return town.settler.cycle(Trigger("block", head.timestamp, head.number, head))


def test_settler_whose_look_failed_looks_again_at_the_next_block(monkeypatch: pytest.MonkeyPatch) -> None:
    town = Town()
    town.run_epochs(3)
    town.rent(0, 80_000)
    town.run_epochs(1)
    assert block(town) == "skipped", "all is quiet"

    def away(*_: object) -> None:
        raise HearthError("H2001", "no endpoint answers")

    with monkeypatch.context() as broken:
        broken.setattr(town.settler.index, "leases_facts", away)
        head = town.chain.head()
        assert town.settler.cycle(Trigger("epoch", head.timestamp, 5)) == "retry"
    assert (block(town), block(town)) == ("done", "skipped"), "not only at the next epoch"


def test_settler_with_something_due_looks_again_after_a_slot() -> None:
    town = Town()
    town.run_epochs(3)
    town.rent(0, 80_000)
    town.run_epochs(1)
    assert block(town) == "skipped", "all is quiet"
    now = town.clock.now()
    ticket = TicketFacts(0, "0x" + "11" * 20, 0, now - 1)
    view = town.settler.observe(Trigger("epoch", now, 5), town.chain.head())
    plan = town.settler.decide(dataclasses.replace(view, tickets=(ticket,)))
    assert [action.kind for action in plan.actions] == ["withdraw"]
    town.settler.act(SettlerPlan((), ()))  # as if the outbox had refused its row
    assert block(town) == "skipped"
    town.clock.move_to(now + town.calendar.slot)
    assert block(town) == "done"


def node_key(town: Town, node: int) -> int:
    return number(town.node_keys[node])


def test_a_cancelled_report_is_signed_again_with_the_next_view() -> None:
    """Everybody notices, takes up the observations that are kept, and the epochs are reported anew, in order."""
    town = Town()
    town.run_epochs(8)
    hub = town.world.hub
    assert hub.last_epoch == 8
    before = town.chain.attestations
    tree = before._at(7)
    town.world.call("hub", "cancel", tree.root, tree.header.pack(), sender=ADDRESSES["refuter"])
    town.run_epochs(1)
    assert hub.last_epoch == 9
    assert (hub.cancels(7), hub.cancels(8), hub.cancels(9)) == (0, 1, 0)
    views = [(e["epoch"], e["facts"] >> 56 & 255) for e in town.chain.log if e.name == "Report" and e["epoch"] > 6]
    assert views == [(7, 0), (8, 0), (8, 1), (9, 0)]
    assert [a.desk.last for a in town.attesters] == [9] * 4
    assert town.chain.attestations.last == 9


@pytest.mark.attack("A15")
def test_a_slot_checked_in_on_chain_is_up_whatever_was_seen() -> None:
    """Nobody hears the node, its key checks in: the report says it was up in that slot."""
    town = Town()
    town.run_epochs(3)
    epoch = town.calendar.epoch(town.clock.now())
    town.run(town.calendar.slot_start(epoch, 4) - 1)
    town.agent.beater.muted.add(1)
    town.run(town.calendar.slot_start(epoch, 5) + 30)
    town.world.warp(town.clock.now(), 1)
    town.world.call("hub", "check_in", 1, sender=node_key(town, 1))
    town.run(town.calendar.slot_start(epoch, 7) - 1)
    town.agent.beater.muted.clear()
    town.run_epochs(2)
    leaf = town.chain.attestations.leaf(1, epoch)
    assert leaf & 0xFFF == 0b0000_0101_0000, "slot 5 was checked in, 4 and 6 were not seen"
    assert town.chain.attestations.check_ins(epoch) == {1: 1 << 5}


def test_nobody_signs_on_a_false_root_and_its_refutation_frees_the_network() -> None:
    """A quorum's keys sign a root of garbage outside of any view: the honest programs stop, until it falls."""
    town = Town()
    town.run_epochs(2)
    hub, e = town.world.hub, 3
    town.run(town.calendar.end(e))
    town.world.warp(town.clock.now(), 5)
    tree = UptimeTree.at(town.chain.attestations.tree.snapshot())
    challenged = hub._challenged(e)
    header = tree.header.reported(count=3, challenged=challenged)
    root = keccak(b"garbage")
    facts = Facts(3, 0, 9, PRICE).pack()
    x = keccak(keccak(b"") + root)
    digest = Report(1, e, tree.ring_word, root, facts, x).digest(hub.domain)
    who, sigs = pack_signatures({i: compact(town.seat_keys[i].sign_digest(digest)) for i in range(3)})
    town.world.call("hub", "report", e, tree.ring_word, root, facts, [], b"", who, sigs, sender=OWNER)
    log = EpochLog(header.pack(), root, ((b"", root),))
    town.run(town.calendar.end(e) + 1_800)
    assert hub.last_epoch == e
    found = find(tree, log, facts, 1)
    assert found is not None
    struct, *rest = found.args
    town.world.warp(town.clock.now(), 6)
    town.world.call("refuter", "refute", SignedReport(*struct), *rest, sender=OWNER)
    assert hub.last_epoch == e - 1
    town.ended = e
    town.run_epochs(2)
    assert hub.last_epoch == e + 2
    assert (hub.cancels(e), hub.cancels(e + 1)) == (1, 0)
    assert town.chain.attestations.tree.ring_word == hub.ring_word(e + 2)

"""The simulated committee: small runs of every kind, and a judge that finds what it is there to find."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from keepers.protocol.merge import quorum
from keepers.roles.attester.desk import Desk
from keepers.roles.attester.signlog import SignLog
from keepers.roles.attester.view import Ground
from keepers.simulate.attestation.byzantine import STRATEGIES
from keepers.simulate.attestation.net import Weather
from keepers.simulate.attestation.run import Run, Scenario
from keepers.wire.codec import ObsBody, SeatSignature, SignedObs
from tests.keepers.cli.conftest import Call, hearth, home

__all__ = ["hearth", "home"]
SMALL = Scenario(seed=3, epochs=8, seats=4, nodes=12, crash=0.0, partition=0.0, checkin=0.0, cancel=0.0)
CALM = Weather(loss=0.0, lost_answer=0.0, slow=0.0)


def test_quiet_committee_reports_in_the_first_view() -> None:
    verdict = Run(replace(SMALL, byzantine=0, skew=0.0, weather=CALM)).play()
    assert (verdict.reports, verdict.failed) == (8, 0) and verdict.live
    assert verdict.slowest_s <= 120 and verdict.counts["transactions that reverted"] == 0
    assert verdict.counts["observations in time everywhere"] == 32


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_f_byzantine_seats_change_nothing_that_honest_ones_agree_on(strategy: str) -> None:
    verdict = Run(replace(SMALL, strategy=strategy)).play()
    assert verdict.failures == () and verdict.safe and verdict.live
    assert (verdict.slots_lost, verdict.slots_invented, verdict.wrong_roots, verdict.signed_twice) == (0, 0, 0, 0)


def test_everything_at_once() -> None:
    """Drawn strategies, loss, partitions, crashes between any two messages, reboots and restored sign logs."""
    scenario = Scenario(seed=5, epochs=30, seats=7, nodes=12, crash=0.01, restored=0.4, partition=0.1, cancel=0.1)
    verdict = Run(scenario).play()
    assert verdict.failures == () and verdict.missing == 0
    counts = verdict.counts
    assert counts["crashes"] >= 10 and counts["folders restored from an older copy"] >= 3 and counts["partitions"] >= 1


def test_reports_that_fall_are_signed_again_with_the_check_in_that_they_lacked() -> None:
    verdict = Run(replace(SMALL, epochs=12, nodes=60, cancel=0.4, checkin=1.0)).play()
    assert verdict.failures == () and verdict.live and verdict.reports == 12
    counts = verdict.counts
    assert counts["cancels"] >= 3 and counts["reports that fell"] > counts["cancels"] and counts["check-ins"] >= 6


def test_judge_sees_that_a_check_in_was_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keepers.roles.attester.facts.Ground", lambda *given: Ground(*given[:5]))
    verdict = Run(replace(SMALL, nodes=60, byzantine=0, checkin=1.0)).play()
    assert verdict.slots_lost > 0 and not verdict.safe


def test_seats_that_do_not_count_cancels_are_stuck(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Desk, "cancels", property(lambda desk: 0, lambda desk, value: None), raising=False)
    verdict = Run(replace(SMALL, epochs=3, nodes=60, byzantine=0, cancel=1.0)).play()
    assert verdict.missing > 0 and not verdict.live


def test_committee_lives_with_as_many_dead_as_it_is_made_for() -> None:
    dead = 7 - quorum(7)
    verdict = Run(replace(SMALL, seats=7, byzantine=0, dead=dead)).play()
    assert verdict.failures == () and verdict.live and verdict.reports == 8


def test_without_a_quorum_there_is_no_report() -> None:
    verdict = Run(replace(SMALL, epochs=2, byzantine=0, dead=2)).play()
    assert (verdict.reports, verdict.missing) == (0, 2) and verdict.safe and not verdict.live


def test_largest_committee() -> None:
    verdict = Run(replace(SMALL, epochs=1, seats=31, nodes=20)).play()
    assert verdict.failures == () and verdict.live


def test_seed_repeats_a_run() -> None:
    scenario = replace(SMALL, crash=0.005, partition=0.2)
    first, again, other = Run(scenario).play(), Run(scenario).play(), Run(replace(scenario, seed=4)).play()
    assert first == again and first.counts != other.counts


# ---------------------------------------------------------------------- the judge


def test_judge_sees_an_honest_seat_that_signs_twice() -> None:
    judge = Run(SMALL).judge
    for seat, digest in ((0, b"a"), (0, b"a"), (1, b"b"), (0, b"b")):
        judge.heard(seat, SeatSignature(0, 3, 0, digest * 32, seat, bytes(64), bytes(192)))
    assert judge.signed_twice == 1 and judge.failed == 1
    for price in (5, 5, 6):
        judge.heard(2, ObsBody(SignedObs(1, 3, 2, b"b" * 32, price, bytes(65)), b""))
    assert judge.signed_twice == 2


def test_seats_that_trust_an_old_sign_log_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """The care for restored logs taken out: the same run that is clean with it has seats that sign twice."""
    torn = Scenario(seed=1, epochs=10, seats=4, nodes=6, byzantine=0, crash=0.03, restored=1.0, partition=0.0)
    clean = Run(torn).play()
    assert clean.failures == () and clean.counts["folders restored from an older copy"] >= 5
    monkeypatch.setattr("keepers.roles.attester.start._signed_on_chain", lambda *given: 0)
    monkeypatch.setattr("keepers.roles.attester.start.unknown_signature", lambda *given: None)
    monkeypatch.setattr("keepers.roles.attester.doppelganger.unknown_signature", lambda *given: None)
    monkeypatch.setattr(SignLog, "unsure_until", property(lambda log: 0.0))
    monkeypatch.setattr(SignLog, "_may_add", lambda *given: None)
    monkeypatch.setattr(Desk, "earlier_self", lambda *given: True)
    assert Run(torn).play().signed_twice > 0


def test_judge_sees_a_slot_that_was_taken_from_a_node(monkeypatch: pytest.MonkeyPatch) -> None:
    """A merge that wants one hand too many: 2f + 1 instead of f + 1."""
    from keepers.protocol import merge

    monkeypatch.setattr(merge, "slots_up", _greedy)
    verdict = Run(replace(SMALL, byzantine=0, nodes=60)).play()
    assert verdict.wrong_roots > 0 and verdict.slots_lost > 0 and not verdict.safe


def _greedy(observations: Any, index: int, n: int) -> int:
    words = [o.bits[index] for o in observations]
    return sum((sum(w >> k & 1 for w in words) == len(words)) << k for k in range(12))


def test_judge_sees_a_slot_that_nobody_saw(monkeypatch: pytest.MonkeyPatch) -> None:
    from keepers.protocol import merge

    monkeypatch.setattr(merge, "slots_up", lambda observations, index, n: 0xFFF)
    verdict = Run(replace(SMALL, byzantine=0, nodes=60)).play()
    assert verdict.slots_invented > 0 and not verdict.safe


# ---------------------------------------------------------------------- the command


def test_command_prints_the_verdict(hearth: Call) -> None:
    arguments = ("simulate", "attestation", "--epochs", "2", "--seats", "4", "--nodes", "5", "--seed", "2")
    said = hearth(*arguments)
    assert said.code == 0 and "2 of 2 epochs" in said.out and "0 by honest seats" in said.out
    data = json.loads(hearth(*arguments, "--json").out)["data"]
    assert (data["reports"], data["failed"], data["scenario"]["seed"]) == (2, 0, 2)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--byzantine", "2"),
        ("--dead", "1"),
        ("--strategy", "kind"),
        ("--seats", "32"),
        ("--epochs", "0"),
        ("--crash", "2"),
    ],
)
def test_command_refuses_what_no_committee_stands(hearth: Call, arguments: tuple[str, ...]) -> None:
    assert hearth("simulate", "attestation", "--seats", "4", *arguments).code != 0


def test_command_exits_9_where_a_report_is_missing(hearth: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keepers.roles.attester.act.Hand.propose", lambda self, step: None)
    assert hearth("simulate", "attestation", "--epochs", "1", "--seats", "4", "--nodes", "2").code == 9

"""Networks whose class is challenged: agents answer, seats judge, reports prove, the settler activates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from keepers.gpu.backends.cpu import CpuBackend
from keepers.gpu.prover import InlineProver
from keepers.protocol.counters import Header
from keepers.protocol.nodes import Status
from keepers.roles.attester.observe import Snapshot
from tests.keepers.roles.town import Town
from tests.support.spoilt_backend import Spoilt

SMALL = (256, 2, 60)


def prover() -> InlineProver:
    return InlineProver(CpuBackend())


def statuses(town: Town) -> list[Status]:
    return [town.world.registry.nodes[i].status for i in range(town.nodes)]


def headers(town: Town) -> list[Header]:
    return [Header.unpack(event["header"]) for event in town.chain.log if event.name == "Report"]


def test_a_challenged_class__answered__becomes_active_and_misses_nothing() -> None:
    town = Town(nodes=2, challenge=SMALL, prover=prover())
    town.run_epochs(7)
    assert town.outcomes("report") == ["ok"] * 7
    assert any(header.challenged for header in headers(town))
    assert statuses(town) == [Status.ACTIVE] * 2
    tree = town.attesters[0].desk.tree
    assert tree is not None
    assert [(tree.leaf(i).u, tree.leaf(i).missed) for i in range(2)] == [(0, 0)] * 2


def test_a_challenged_class__that_nobody_answers__stays_pending() -> None:
    town = Town(nodes=2, challenge=SMALL)
    town.run_epochs(7)
    assert town.outcomes("report") == ["ok"] * 7
    assert statuses(town) == [Status.PENDING] * 2
    tree = town.attesters[0].desk.tree
    assert tree is not None
    assert [tree.leaf(i).u for i in range(2)] == [1, 1]


def test_an_agent_without_a_prover__in_a_challenged_class__is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    town = Town(nodes=2, challenge=SMALL)
    with caplog.at_level("ERROR", logger="hearth.agent"):
        town.run_epochs(3)
    said = [record.message for record in caplog.records if 'prover = "off"' in record.message]
    assert len(said) == 2 and said[0].startswith("node 0: its class is challenged")
    caplog.clear()
    liveness = Town(nodes=1)
    liveness.run_epochs(2)
    assert not [record for record in caplog.records if "prover" in record.message]


@pytest.mark.attack("C62")
def test_a_seat_that_died__the_others_pass_the_nodes_all_the_same() -> None:
    town = Town(nodes=2, challenge=SMALL, prover=prover())
    town.kill(3)
    town.run_epochs(7)
    assert statuses(town) == [Status.ACTIVE] * 2


def test_a_false_answer__fails_with_every_seat_and_leaves_evidence() -> None:
    town = Town(nodes=1, gpus=1, challenge=SMALL, prover=InlineProver(Spoilt()))
    town.run_epochs(5)
    assert statuses(town) == [Status.PENDING]
    epochs = [header.epoch for header in headers(town) if header.challenged]
    for attester in town.attesters:
        shown = [row for epoch in epochs for row in attester.desk.answers.wrong(epoch)]
        assert shown and {row.answer.node for row in shown} == {0}


@pytest.mark.parametrize("gpus", [1, 2])
def test_a_leased_gpu__is_not_asked(gpus: int) -> None:
    town = Town(nodes=1, gpus=2, challenge=SMALL, prover=prover())
    town.world.challenge.rate = 10_000  # the lot falls on everybody
    town.run_epochs(7)
    assert statuses(town) == [Status.ACTIVE]
    town.rent(0, 6 * 3_600, gpus=gpus)
    asked: list[int] = []

    def note(answers: Any) -> None:
        take = answers.take_answer

        def heard(signed: Any) -> Sequence[Any]:
            said: Sequence[Any] = take(signed)
            asked.append(max(row.gpu for row in said) + 1)
            return said

        answers.take_answer = heard

    for attester in town.attesters:
        note(attester.desk.answers)
    town.run_epochs(3)
    assert asked == [] if gpus == 2 else set(asked) == {1}
    assert town.outcomes("report") == ["ok"] * 10


def test_snapshot__knows_class_and_status() -> None:
    town = Town(nodes=1, challenge=SMALL, prover=prover())
    town.run_epochs(1)
    snapshot = town.attesters[0].desk.snapshots.of(1, town.chain.head())
    assert isinstance(snapshot, Snapshot)
    assert snapshot.nodes[0].challenged_class and snapshot.nodes[0].status is Status.PENDING

"""Canaries: a node that fails on purpose names the seat that passes everybody, and no other; nothing can be refuted."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from msgspec import structs

from keepers.gpu.backends.cpu import CpuBackend
from keepers.gpu.prover import InlineProver
from keepers.protocol import canary
from keepers.protocol.errors import HearthError
from keepers.protocol.merge import PASSED, Body
from keepers.protocol.messages import Domain
from keepers.protocol.nodes import Status
from keepers.roles.agent.canaries import stored
from keepers.roles.attester.role import Attester
from keepers.wire import canary_file
from keepers.wire.canary_file import Canary
from keepers.wire.codec import ObsBody, SignedObs
from keepers.wire.committee import Committees
from tests.keepers.roles.town import Town, record

SMALL = (256, 2, 60)
LAZY = 1


def lazy(attester: Attester) -> None:
    """Looks at no answer: everybody has passed."""

    def everybody(epoch: int, drawn: Any) -> dict[int, int]:
        return dict.fromkeys(range(64), PASSED)

    attester.desk.answers.bits = everybody  # type: ignore[method-assign]


def town_of(how: str, monkeypatch: pytest.MonkeyPatch, nodes: int = 1, epochs: int = 5) -> Town:
    """A town whose agents fail what they can, in one way, with one lazy seat of four."""
    monkeypatch.setattr(canary, "HOWS", (how,))
    town = Town(nodes=nodes, gpus=1, challenge=SMALL, prover=InlineProver(CpuBackend()), canary_bps=10_000)
    lazy(town.attesters[LAZY])
    town.run_epochs(epochs)
    return town


def domains(town: Town) -> tuple[Domain, Domain]:
    found = record([seat.address for seat in town.seat_keys], town.parameters)
    return tuple(Domain(31_337, found.address(name)) for name in ("AttestationHub", "ComputeChallenge"))  # type: ignore[return-value]


def accused(town: Town, found: Canary) -> list[int]:
    committees = Committees(town.chain, 0)
    committees.refresh(town.chain.head())
    hub, challenge = domains(town)
    return [one.seat for one in canary_file.check(found, town.chain, committees, hub, challenge, town.chain.head())]


@pytest.mark.attack("A38")
@pytest.mark.parametrize("how", canary.HOWS)
def test_a_lazy_seat__is_named_and_no_other(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    town = town_of(how, monkeypatch)
    played = [row for row in stored(town.kept) if row.played]
    assert played and all(row.canary.how == how and row.collected for row in played)
    for row in played:
        assert accused(town, row.canary) == [LAZY]
        assert [one.signed.seat for one in row.canary.observations] == [LAZY]
    wrong = [row for seat in town.attesters for e in range(1, 7) for row in seat.desk.answers.wrong(e)]
    assert wrong == [], "nothing of a canary is evidence of a false answer"
    assert town.world.registry.nodes[0].status is Status.ACTIVE, "once in a PERIOD: the next answer is honest"


def test_honest_seats__nobody_is_accused(monkeypatch: pytest.MonkeyPatch) -> None:
    town = Town(nodes=2, gpus=1, challenge=SMALL, prover=InlineProver(CpuBackend()), canary_bps=10_000)
    town.run_epochs(6)
    rows = [row for row in stored(town.kept) if row.played and row.canary.epoch < town.ended]
    assert rows and all(row.collected and row.canary.observations == () for row in rows)
    with pytest.raises(HearthError, match="H1006"):
        accused(town, rows[0].canary)


def test_a_canary__once_in_a_period() -> None:
    town = Town(nodes=1, gpus=1, challenge=SMALL, prover=InlineProver(CpuBackend()), canary_bps=10_000)
    town.run_epochs(10)
    epochs = [row.canary.epoch for row in stored(town.kept) if row.played]
    apart = town.calendar.epochs_per_period
    assert epochs and all(b - a >= apart for a, b in pairwise(epochs))
    assert [canary.allowed(e, 9, 4) for e in (9, 12, 13)] == [False, False, True] and canary.allowed(1, 0, 4)


def test_off__nothing_is_announced() -> None:
    town = Town(nodes=1, gpus=1, challenge=SMALL, prover=InlineProver(CpuBackend()))
    town.run_epochs(5)
    assert stored(town.kept) == []
    assert town.agent.canaries is not None and town.agent.canaries.mark(0, 6, 0) == b""


def test_restart_after_the_draw__the_same_canary_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(canary, "HOWS", (canary.SPOILT,))
    town = Town(nodes=1, gpus=1, challenge=SMALL, prover=InlineProver(CpuBackend()), canary_bps=10_000)
    lazy(town.attesters[LAZY])
    town.run(town.calendar.start(2) + 40)  # slot 0 has begun, no seed is there yet
    (before,) = [row.canary for row in stored(town.kept) if row.canary.epoch == 2]
    town.restart_agent()
    town.run_epochs(5)
    (after,) = [row for row in stored(town.kept) if row.canary.epoch == 2]
    assert replace(after.canary, observations=()) == before
    assert after.played and accused(town, after.canary) == [LAZY]


def test_started_within_an_epoch__no_draw_before_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    town = Town(nodes=1, gpus=1, challenge=SMALL, prover=InlineProver(CpuBackend()), canary_bps=10_000)
    assert town.agent.canaries is not None
    assert town.agent.canaries.mark(0, 3, 1) == b"", "a seed of this epoch may be known"
    mark = town.agent.canaries.mark(0, 4, 0)
    assert len(mark) == 32 and town.agent.canaries.mark(0, 4, 7) == mark
    assert town.agent.canaries.how(0, 4) == "", "no beat has announced it"


# ---------------------------------------------------------------------- the document


@pytest.fixture(scope="module")
def opened() -> tuple[Town, Canary]:
    patch = pytest.MonkeyPatch()
    try:
        town = town_of(canary.SPOILT, patch)
    finally:
        patch.undo()
    return town, next(row.canary for row in stored(town.kept) if row.played)


def test_document__read_again_is_the_same(opened: tuple[Town, Canary]) -> None:
    town, found = opened
    hub, challenge = domains(town)
    text = json.dumps(canary_file.document(found, hub, challenge))
    again = canary_file.read(text, hub, challenge)
    assert again == found and accused(town, again) == [LAZY]


CHANGES: dict[str, tuple[str, dict[str, Any]]] = {
    "another way": ("announces something else", {"how": "late"}),
    "another salt": ("announces something else", {"salt": bytes(32)}),
    "another telemetry": ("not the one of the beat", {"telemetry": b"{}"}),
    "another node": ("of another node or epoch", {"node": 7}),
    "no observation": ("no seat says", {"observations": ()}),
}


@pytest.mark.attack("A38")
@pytest.mark.parametrize("name", CHANGES)
def test_check__what_does_not_fit__proves_nothing(opened: tuple[Town, Canary], name: str) -> None:
    town, found = opened
    words, change = CHANGES[name]
    town.world.registry.nodes[7] = town.world.registry.nodes[0]
    with pytest.raises(HearthError) as caught:
        accused(town, replace(found, **change))
    assert words in caught.value.why[0]


def test_check__a_beat_of_another_key(opened: tuple[Town, Canary]) -> None:
    town, found = opened
    other = replace(found, beat=structs.replace(found.beat, signature=found.beat.signature[:64] + b"\x00"))
    with pytest.raises(HearthError) as caught:
        accused(town, other)
    assert "not signed by the node's key" in caught.value.why[0]


@pytest.mark.attack("A38")
def test_check__observations_that_no_seat_signed__or_with_another_body(opened: tuple[Town, Canary]) -> None:
    town, found = opened
    (one,) = found.observations
    forged = [
        structs.replace(one, signed=structs.replace(one.signed, signature=bytes(65))),
        structs.replace(one, signed=structs.replace(one.signed, seat=2)),
        structs.replace(one, signed=structs.replace(one.signed, generation=9)),
        structs.replace(one, body=b"\xff" * len(one.body)),
    ]
    for each in forged:
        with pytest.raises(HearthError) as caught:
            accused(town, replace(found, observations=(each,)))
        assert "no seat says" in caught.value.why[0]


def test_read__what_is_no_document__says_why(opened: tuple[Town, Canary]) -> None:
    town, found = opened
    hub, challenge = domains(town)
    good = canary_file.document(found, hub, challenge)
    for change in (
        {"schema": "x"}, {"chain_id": 1}, {"hub": "0x" + "00" * 20}, {"node": -1}, {"node": True}, {"salt": "0x12"},
        {"how": "loud"}, {"beat": "0x12"}, {"beat": 1}, {"observations": "x"}, {"observations": ["x"]},
        {"observations": [good["observations"][0]] * 32},
    ):  # fmt: skip
        with pytest.raises(HearthError) as caught:
            canary_file.read(json.dumps({**good, **change}), hub, challenge)
        assert caught.value.code == "H1006", change
    del good["salt"]
    with pytest.raises(HearthError) as caught:
        canary_file.read(json.dumps(good), hub, challenge)
    assert "'salt' is missing" in caught.value.why[0]


def test_says_passed__reads_the_two_bytes_of_the_node_and_not_the_clock() -> None:
    signed = SignedObs(1, 2, 0, bytes(32), 1, bytes(65))
    body = Body((PASSED, 0), clock_offset_ms=-1).encode()
    says = [canary_file.says_passed(ObsBody(signed, body), node) for node in range(4)]
    assert says == [True, False, False, False]


def test_commitment__names_everything() -> None:
    domain = Domain(1, "0x" + "ab" * 20)
    base = canary.commitment(domain, 3, 9, canary.LATE, bytes(32))
    others = [
        canary.commitment(Domain(2, domain.contract), 3, 9, canary.LATE, bytes(32)),
        canary.commitment(Domain(1, "0x" + "ac" * 20), 3, 9, canary.LATE, bytes(32)),
        canary.commitment(domain, 4, 9, canary.LATE, bytes(32)),
        canary.commitment(domain, 3, 10, canary.LATE, bytes(32)),
        canary.commitment(domain, 3, 9, canary.SILENT, bytes(32)),
        canary.commitment(domain, 3, 9, canary.LATE, b"\x01" * 32),
    ]
    assert len({base, *others}) == 7
    for how, salt in (("loud", bytes(32)), (canary.LATE, bytes(31))):
        with pytest.raises(ValueError, match="a canary is one of"):
            canary.commitment(domain, 3, 9, how, salt)

"""Agents ask seats whether a draw is still owed, and believe no seat without a proof."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from keepers.chain.ports import BlockRef
from keepers.gpu.backends.cpu import CpuBackend
from keepers.gpu.prover import InlineProver
from keepers.protocol.counters import Header
from keepers.protocol.nodes import Status
from keepers.protocol.records import Record
from keepers.protocol.uptime_tree import UptimeTree
from keepers.roles.agent import observe
from keepers.roles.agent.leaves import Leaves
from keepers.wire.attester_client import AttesterClient, Declined, Unreachable
from keepers.wire.codec import ShownLeaf, encode
from keepers.wire.routing import Request
from tests.keepers.roles.town import Town

AT = BlockRef(1, bytes(32), 1_800_000_000)
EPOCH = 1


def tree() -> UptimeTree:
    """Four nodes after a challenged epoch in which node 2 passed no draw."""
    made = UptimeTree()
    made.apply_report(Header(epoch=EPOCH, count=4, challenged=True, challenged_epochs=1), [Record(2, 1, 1, 0)])
    return made


def shown(node: int) -> ShownLeaf:
    """An honest seat's answer."""
    now = tree()
    header, leaf = (value.to_bytes(32, "big") for value in (now.header.pack(), now.word(node)))
    return ShownLeaf(EPOCH, node, header, leaf, b"".join(now.proof(node)))


class Seat:
    """Answers what it is told to, and counts how often it was asked."""

    def __init__(self, *answers: ShownLeaf) -> None:
        self.answers = {answer.node: answer for answer in answers}
        self.asked = 0

    def leaf(self, epoch: int, node: int) -> ShownLeaf:
        self.asked += 1
        if node not in self.answers:
            raise Unreachable("H2007", "gone")
        return self.answers[node]


def leaves(*seats: Seat, epoch: int = EPOCH + 1) -> Leaves:
    hub = SimpleNamespace(ring_word=lambda e, at: tree().ring_word if e == EPOCH else bytes(32))
    context = cast("Any", SimpleNamespace(suite=SimpleNamespace(hub=hub)))
    return Leaves(context, epoch, cast("list[AttesterClient]", list(seats)), AT)


@pytest.mark.parametrize(("node", "owed"), [(0, False), (2, True), (3, False)])
def test_leaf__with_its_proof__tells_whether_a_draw_is_owed(node: int, owed: bool) -> None:
    assert leaves(Seat(shown(node))).unproven(node) is owed


def flipped(word: bytes) -> bytes:
    return word[:-1] + bytes([word[-1] ^ 1])


@pytest.mark.parametrize(
    "forged",
    [
        lambda s: {"leaf": shown(1).leaf},  # of a node that owes nothing
        lambda s: {"leaf": flipped(s.leaf)},
        lambda s: {"header": flipped(s.header)},
        lambda s: {"path": s.path[:-32]},
        lambda s: {"path": s.path[:-1]},
        lambda s: {"path": flipped(s.path)},
        lambda s: {"node": 1},
        lambda s: {"epoch": EPOCH + 1},
    ],
)
def test_leaf__forged__is_passed_over_for_the_next_seat(forged: Any) -> None:
    honest = shown(2)
    values = {name: getattr(honest, name) for name in ("epoch", "node", "header", "leaf", "path")}
    lying = Seat()
    lying.answers[2] = ShownLeaf(**{**values, **forged(honest)})
    asked = leaves(Seat(honest), Seat(honest), lying)  # node 2 asks seat 2 first
    assert asked.unproven(2) is True
    assert lying.asked == 1
    assert leaves(lying).unproven(2) is None


def test_seat_that_is_gone__is_asked_once() -> None:
    gone, there = Seat(), Seat(shown(0), shown(2))
    asked = leaves(gone, there)
    assert (asked.unproven(0), asked.unproven(2)) == (False, True)
    assert gone.asked == 1


def test_no_seat__and_the_first_epoch__say_nothing() -> None:
    assert leaves().unproven(0) is None
    assert leaves(Seat(shown(0)), epoch=1).unproven(0) is None


def test_agent_that_follows_no_reports__answers_only_what_it_owes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observe, "_unproven", lambda context, node, epoch: None)
    town = Town(nodes=2, challenge=(256, 2, 60), prover=InlineProver(CpuBackend()))
    town.run_epochs(7)
    assert [town.world.registry.nodes[i].status for i in range(2)] == [Status.ACTIVE] * 2
    taken: list[int] = []
    for attester in town.attesters:
        desk: Any = attester.desk
        monkeypatch.setattr(
            desk.answers,
            "take_answer",
            lambda signed, take=desk.answers.take_answer: (taken.append(signed.epoch), take(signed))[1],
        )
    first = town.agent.context.epoch() + 1
    seen: list[Any] = []
    real = observe.owed
    monkeypatch.setattr(observe, "owed", lambda facts: (seen.append(facts), real(facts))[1])
    town.run_epochs(4)
    drawn = {facts.epoch for facts in seen if facts.drawn}
    assert {facts.epoch for facts in seen} >= set(range(first, first + 3))
    assert set(taken) == drawn


def test_route__serves_the_newest_epoch_alone() -> None:
    town = Town(nodes=2, challenge=(256, 2, 60), prover=InlineProver(CpuBackend()))
    town.run_epochs(3)
    seat = town.attesters[0]
    route = next(r for r in seat.routes() if r.path == "/v1/leaves/{epoch}/{node}")
    last = seat.desk.last
    answer = route.handler(Request("GET", "", params={"epoch": str(last), "node": "1"}))
    now = seat.desk.tree
    assert now is not None
    honest = ShownLeaf(
        last, 1, now.header.pack().to_bytes(32, "big"), now.word(1).to_bytes(32, "big"), b"".join(now.proof(1))
    )
    assert answer.body == encode(honest)
    for epoch, node in ((last - 1, 0), (last + 1, 0), (last, 2)):
        with pytest.raises(Exception, match="is not the newest here") as error:
            route.handler(Request("GET", "", params={"epoch": str(epoch), "node": str(node)}))
        assert cast("Any", error.value).status == 404


def test_seat_that_lags__says_later() -> None:
    class Lagging(Seat):
        def leaf(self, epoch: int, node: int) -> ShownLeaf:
            raise Declined("H2007", "HTTP 404")

    asked = leaves(Lagging(), Seat(shown(0)))
    assert (asked.unproven(0), asked.later) == (False, True)
    gone = leaves(Seat())
    assert (gone.unproven(0), gone.later) == (None, False)

"""Answering challenges: who answers, that it is signed once, and what each attester gets."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from keepers.chain.challenges import Drawn, Size
from keepers.chain.contracts import Suite
from keepers.chain.keys import LocalSigner
from keepers.chain.ports import BlockRef, Call
from keepers.gpu.backends.cpu import CpuBackend
from keepers.gpu.prover import InlineProver, Prover, Result
from keepers.gpu.stand_in import StandIn
from keepers.protocol.challenge import Opening, Place, Work, opened_root
from keepers.protocol.errors import HearthError
from keepers.protocol.hashing import keccak
from keepers.protocol.messages import Answer, Domain
from keepers.protocol.nodes import Node, Status
from keepers.roles.agent.answering import Answerer
from keepers.roles.agent.decide import Owed, OwedFacts, owed
from keepers.roles.agent.heartbeat import NodeKey
from keepers.roles.agent.role import Agent
from keepers.runtime.clock import VirtualClock
from keepers.runtime.metrics import Metrics
from keepers.runtime.role import Context
from keepers.runtime.ticker import Trigger
from keepers.store.engine import Store
from keepers.store.migrations import open_store
from keepers.wire.attester_client import AttesterClient, Endpoint, make_http
from keepers.wire.codec import AskedRow, OpenedRow, SignedAnswer, encode
from keepers.wire.committee import Committee
from keepers.wire.direct import DirectTransport
from keepers.wire.routing import Request, Response, Route, Router
from keepers.wire.signatures import recover
from tests.keepers.chain.test_challenges import CALENDAR, Chain

CONTRACT = "0x" + "22" * 20
DOMAIN = Domain(1, CONTRACT)
COMMITTEE = Committee(1, 1, tuple(Endpoint(i, f"0x{i:040x}", f"http://seat-{i}") for i in range(4)))
SEED_TIME = 5_000
DRAWN = Drawn(5, 77, SEED_TIME, 33)
SIZE = Size(256, 2, 30)
KEYS = [LocalSigner(keccak(bytes([i]))) for i in range(2)]
FACTS = OwedFacts(
    node=0, epoch=5, known=True, status=Status.ACTIVE, first=1, since=1, own_key=True, muted=False, challenged=True,
    free=1, drawn=True, unproven=False, opt_in=False,
)  # fmt: skip


@dataclass
class Seat:
    """An attester that asks for the same rows each time and keeps what it was sent."""

    rows: list[AskedRow] = field(default_factory=lambda: [AskedRow(0, 1, 200), AskedRow(0, 0, 3)])
    status: int = 200
    answers: list[SignedAnswer] = field(default_factory=list)
    openings: list[OpenedRow] = field(default_factory=list)

    def answer(self, request: Request) -> Response:
        self.answers.append(msgspec.json.decode(request.body, type=SignedAnswer))
        return Response(self.status, encode(self.rows))

    def opening(self, request: Request) -> Response:
        self.openings.append(msgspec.json.decode(request.body, type=OpenedRow))
        return Response(200, b"[]")


class Slow:
    """A prover that is finished when it is told, and may fail."""

    def __init__(self, inner: Prover, ready: bool = False) -> None:
        self.inner, self.ready = inner, ready
        self.error: HearthError | None = None
        self.started: list[tuple[Work, tuple[int, ...]]] = []
        self.forgotten: list[int] = []
        self.root: bytes | None = None

    def start(self, work: Work, devices: Any = ()) -> None:
        self.started.append((work, tuple(devices)))
        self.inner.start(work)

    def result(self, work: Work, wait_s: float = 0.0) -> Result | None:
        if self.error is not None:
            raise self.error
        found = self.inner.result(work) if self.ready else None
        return replace(found, list_root=self.root) if found and self.root else found

    def open(self, work: Work, place: Place) -> Opening:
        return self.inner.open(work, place)

    def forget(self, epoch: int) -> None:
        self.forgotten.append(epoch)

    def close(self) -> None:
        pass


class Net:
    """An answerer before four seats, at a time that is set."""

    def __init__(
        self, store: Store | None = None, ready: bool = True, nodes: int = 1, pool: Executor | None = None
    ) -> None:
        self.now = float(SEED_TIME + 3)
        self.drawn: Drawn | None = DRAWN
        self.seats = [Seat() for _ in range(4)]
        self.transport = DirectTransport()
        for i, seat in enumerate(self.seats):
            routes = [
                Route("POST", "/v1/answers", seat.answer, limit=10_000),
                Route("POST", "/v1/openings", seat.opening, limit=400_000),
            ]
            self.transport.mount(f"seat-{i}", Router(routes))
        http = make_http(transport=self.transport)
        clients = [AttesterClient(endpoint, http) for endpoint in COMMITTEE.endpoints]
        self.store = store or open_store("sqlite://", threaded=False)
        self.prover = Slow(InlineProver(CpuBackend()), ready)
        context: Any = SimpleNamespace(
            clock=SimpleNamespace(precise=lambda: self.now),
            reader=SimpleNamespace(head=lambda: None),
            store=self.store,
            metrics=None,
            deployment=SimpleNamespace(chain_id=1, address=lambda name: CONTRACT, allowances=SimpleNamespace()),
        )
        challenges: Any = SimpleNamespace(of=lambda epoch, at: self.drawn)
        keys = [NodeKey(i, KEYS[i], StandIn("RTX-4090-24GB", 2, f"n{i}"), (4 + i, 6 + i)) for i in range(nodes)]
        self.answerer = Answerer(context, keys, self.prover, challenges, lambda committee: clients, pool)

    def take(self, *facts: OwedFacts) -> None:
        chosen: list[Owed] = [owed(each) for each in facts or (FACTS,)]
        self.answerer.take(self.drawn, chosen, {each.facts.node: (2, SIZE) for each in chosen}, 4)

    def step(self, after: float = 1) -> None:
        self.now += after
        self.answerer.step(COMMITTEE)


# ---- the answer


def test_step__finished__every_seat_has_the_answer_and_its_rows(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    net = Net()
    net.take()
    net.step()
    work = Work(0, 5, 77, 33, 2, 256, 2, 1)
    for seat in net.seats:
        (answer,) = seat.answers
        message = Answer(0, 5, 77, 33, answer.root)
        assert recover(message.digest(DOMAIN), answer.signature) == KEYS[0].address
        assert [row.place for row in seat.openings] == seat.rows
        for row in seat.openings:
            split = [tuple(p[i : i + 32] for i in range(0, len(p), 32)) for p in (row.path, row.list_path)]
            place = Place(row.place.gpu, row.place.round, row.place.row)
            opening = Opening(place, row.row, split[0], row.previous, split[1])
            assert opened_root(opening, work) == answer.root == row.root
    assert not net.answerer.open() and net.prover.forgotten == [5]
    assert "challenge of epoch 5: answered in 4 s of 30 by 4/4 attesters" in caplog.text


def test_step__still_computing__sends_nothing() -> None:
    net = Net(ready=False)
    net.take()
    net.step()
    assert net.answerer.open() and not any(seat.answers for seat in net.seats)


def test_step__a_silent_seat_and_one_that_refuses__are_asked_again_alone() -> None:
    net = Net()
    net.transport.down.add("seat-1")
    net.seats[2].status = 404
    net.take()
    net.step()
    assert net.answerer.open()
    net.transport.down.clear()
    net.seats[2].status = 200
    net.step()
    assert [len(seat.answers) for seat in net.seats] == [1, 1, 2, 1]
    assert [len(seat.openings) for seat in net.seats] == [2, 2, 2, 2] and not net.answerer.open()


def test_step__the_window_is_over__gives_up(caplog: pytest.LogCaptureFixture) -> None:
    net = Net()
    net.transport.down.add("seat-1")
    net.take()
    net.step()
    net.step(100)
    assert not net.answerer.open() and "seats [1] did not take" in caplog.text


def test_step__a_seat_asks_other_places__gets_what_is_there_only() -> None:
    net = Net()
    net.seats[3].rows = [AskedRow(5, 0, 0), AskedRow(0, 1, 9)] + [AskedRow(0, 0, 1)] * 20
    net.take()
    net.step()
    assert [row.place for row in net.seats[3].openings] == [AskedRow(0, 1, 9)] + [AskedRow(0, 0, 1)] * 6


def test_step__late__signs_nothing_and_says_why() -> None:
    net = Net(ready=False)
    net.take()
    net.step(27)
    net.prover.ready = True
    net.step()
    assert not any(seat.answers for seat in net.seats) and "more than 30 s" in net.answerer.notes[0]


def test_step__the_prover_fails__is_noted(caplog: pytest.LogCaptureFixture) -> None:
    net = Net()
    net.prover.error = HearthError("H3122", "the prover died 2 times")
    net.take()
    net.step()
    assert "[H3122]" in net.answerer.notes[0] and "[H3122]" in caplog.text
    assert not net.answerer.open() and not any(seat.answers for seat in net.seats)


def test_step__a_reorg_drew_another_seed__the_first_is_never_signed() -> None:
    net = Net()
    net.take()
    net.drawn = replace(DRAWN, seed=78)
    net.step()
    assert not any(seat.answers for seat in net.seats) and net.answerer.drawn is None
    net.take()
    net.step()
    assert [[answer.seed for answer in seat.answers] for seat in net.seats] == [[78]] * 4


def test_take__the_seed_is_gone__drops_the_work() -> None:
    net = Net(ready=False)
    net.take()
    net.drawn = None
    net.take()
    assert not net.answerer.open()


@pytest.mark.attack("D24")
def test_take__restarted__the_stored_answer_goes_out_before_it_is_computed_again() -> None:
    first = Net()
    first.transport.down |= {"seat-2", "seat-3"}
    first.take()
    first.step()
    second = Net(first.store, ready=False)
    second.take(replace(FACTS, drawn=False))
    second.step()
    assert [len(seat.answers) for seat in second.seats] == [0, 0, 1, 1]
    assert second.seats[2].answers == first.seats[0].answers
    second.prover.ready = True
    second.step()
    assert [len(seat.openings) for seat in second.seats] == [0, 0, 2, 2]


def test_step__restarted_and_computes_another_root__signs_no_second() -> None:
    first = Net()
    first.transport.down.add("seat-2")
    first.take()
    first.step()
    second = Net(first.store)
    second.prover.root = b"\1" * 32
    second.take()
    second.step()
    second.step()
    assert second.seats[2].answers == first.seats[0].answers and not second.seats[2].openings
    assert "another answer than the one that was signed" in second.answerer.notes[0]


@pytest.mark.parametrize("changes", [{"free": 0}, {"challenged": False}])
def test_take__owes_nothing__starts_nothing(changes: dict[str, Any]) -> None:
    net = Net()
    net.take(replace(FACTS, **changes))
    assert not net.prover.started and not net.answerer.open()


def test_take__two_gpus_and_two_nodes__a_work_each_on_its_devices() -> None:
    net = Net(nodes=2)
    net.take(replace(FACTS, free=2), replace(FACTS, node=1))
    assert [(work.node, work.gpus, devices) for work, devices in net.prover.started] == [(0, 2, (4, 6)), (1, 1, (5,))]
    net.step()
    assert [[answer.node for answer in seat.answers] for seat in net.seats] == [[0, 1]] * 4
    assert not net.answerer.open()


def test_step__a_seat_that_hangs__delays_neither_the_caller_nor_the_others(tmp_path: Path) -> None:
    let_go = threading.Event()
    with ThreadPoolExecutor(4) as pool:
        net = Net(open_store(f"sqlite:///{tmp_path}/a.db"), pool=pool)
        answer = net.seats[1].answer
        net.transport.mount(
            "seat-1",
            Router(
                [Route("POST", "/v1/answers", lambda r: answer(r) if let_go.wait(20) else Response(500), limit=9_999)]
            ),
        )
        net.take()
        net.step()
        ends = time.monotonic() + 10
        while [len(seat.openings) for seat in net.seats] != [2, 0, 2, 2] and time.monotonic() < ends:
            time.sleep(0.01)
        assert [len(seat.openings) for seat in net.seats] == [2, 0, 2, 2] and not net.seats[1].answers
        net.step()
        net.answerer.stop()
        let_go.set()
    assert [len(seat.answers) for seat in net.seats] == [1, 1, 1, 1], "served once at a time"
    net.store.close()


# ---- the role, on a chain


class NodeChain(Chain):
    """The chain of `test_challenges` with a registry of one node, of a class that asks for n = 256, two rounds."""

    status = Status.PENDING

    def read(self, call: Call, at: BlockRef) -> Any:
        if call.function == "count":
            return 1
        if call.function == "node":
            return Node(class_id=2, gpus=1, status=self.status, first=1).pack()
        return KEYS[0].address if call.function == "key_of" else super().read(call, at)


class Committees:
    """One committee, always."""

    def refresh(self, at: BlockRef) -> None:
        pass

    def of_epoch(self, epoch: int) -> Committee:
        return COMMITTEE


def mounted(net: Net, chain: NodeChain, muted: bool = False) -> Agent:
    chain.height = 62  # second 1,820
    chain.seeds = {4: (11, 1_690), 5: (77, 1_810)}
    deployment: Any = SimpleNamespace(
        chain_id=1, network="town", first_block=0, attesters=[], address=lambda name: CONTRACT,
        contracts={"ComputeChallenge": None}, allowances=SimpleNamespace(late=1),
    )  # fmt: skip
    context = Context(
        chain, VirtualClock(1_820), CALENDAR, deployment, Suite.over(chain), net.store, transport=net.transport,
        metrics=Metrics("town"),
    )  # fmt: skip
    agent = Agent([NodeKey(0, KEYS[0], StandIn("RTX-4090-24GB", 1, "n"))], prover=InlineProver(CpuBackend()))
    agent.mount(context)
    agent._committees = Committees()  # type: ignore[assignment]
    if muted:
        agent.beater.muted.add(0)
    return agent


def test_cycle__a_seed_is_on_chain__answers_once() -> None:
    net, chain = Net(), NodeChain()
    agent = mounted(net, chain)
    assert "challenge" in [timer.name for timer in agent.timers()]
    assert agent.cycle(Trigger("challenge", 1_820)) == "done"
    assert agent.cycle(Trigger("challenge", 1_822)) == "skipped"
    assert [[(answer.epoch, answer.seed) for answer in seat.answers] for seat in net.seats] == [[(5, 77)]] * 4
    assert agent.context.metrics is not None
    assert 'hearth_agent_challenge_seconds{network="town",node="0"} 10.0' in agent.context.metrics.text().decode()


def test_cycle__another_seed_after_a_reorg__answers_that_one_too() -> None:
    net, chain = Net(), NodeChain()
    agent = mounted(net, chain)
    agent.cycle(Trigger("challenge", 1_820))
    chain.seeds[5] = (78, 1_812)
    chain.forks[62] = b"f" * 32
    assert agent.cycle(Trigger("challenge", 1_822)) == "done"
    assert [answer.seed for answer in net.seats[0].answers] == [77, 78]


def test_cycle__switched_off__answers_nothing() -> None:
    net, chain = Net(), NodeChain()
    agent = mounted(net, chain, muted=True)
    agent.cycle(Trigger("challenge", 1_820))
    assert not net.seats[0].answers

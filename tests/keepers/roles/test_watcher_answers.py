"""False answers to the compute challenge: seats show them, the watcher judges, commits, refutes, and is paid."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from msgspec import structs

from keepers.gpu.backends.cpu import CpuBackend
from keepers.gpu.prover import InlineProver
from keepers.protocol.nodes import Status
from keepers.roles.watcher.answers import FalseAnswers
from keepers.roles.watcher.facts import ANSWER, Policy, State
from keepers.roles.watcher.role import EVIDENCE, Watcher
from keepers.runtime.health import Health
from keepers.runtime.role import Context
from keepers.runtime.ticker import Trigger
from keepers.store.engine import Store
from keepers.store.migrations import open_store
from keepers.wire.attester_client import AttesterClient, Endpoint, make_http
from keepers.wire.codec import ShownRow, encode
from keepers.wire.committee import Committee
from keepers.wire.direct import DirectTransport
from keepers.wire.false_answers import MAX_PAGES
from keepers.wire.refuting import Judge
from keepers.wire.routing import Request, Response, Route, Router
from tests.keepers.roles.town import Town, key
from tests.keepers.roles.watched import made_suite
from tests.support.bad_answers import EPOCH, NODE, Chain
from tests.support.spoilt_backend import Spoilt

SMALL = (256, 2, 60)
GWEI = 10**9


def lying_town(nodes: int = 1) -> Town:
    return Town(nodes=nodes, gpus=1, challenge=SMALL, prover=InlineProver(Spoilt()))


def watcher_of(town: Town, name: str = "finder", submit: bool = True, store: Store | None = None) -> Watcher:
    """A watcher of a town, outside its ticker."""
    signer = key(name)
    made = Watcher(signer, Policy(submit=submit))
    context: Context = replace(
        town.app.context, suite=made_suite(town.chain), store=store or open_store("sqlite://", threaded=False),
        health=Health(), rng=random.Random(3), senders={signer.address: town.chain.sender(signer)},
    )  # fmt: skip
    made.mount(context)
    made.start()
    return made


def asks(watcher: Watcher, town: Town) -> str:
    return watcher.cycle(Trigger(EVIDENCE, town.clock.now()))


def looks(town: Town, *watchers: Watcher, times: int = 1) -> None:
    """Every watcher looks at the head; then a block comes with what they sent."""
    for _ in range(times):
        for watcher in watchers:
            watcher.cycle(Trigger("block", town.clock.now()))
        town.chain.mine(town.clock.now() + 12)
        town.clock.move_to(town.clock.now() + 12)


def rows(watcher: Watcher) -> list[Any]:
    return [row for row in watcher.findings.all() if row.finding.kind == ANSWER]


def sent(town: Town) -> list[tuple[str, str]]:
    return [(name, outcome) for _, name, outcome in town.chain.mined if name in ("commit", "refute")]


def challenged_epoch(town: Town) -> int:
    """Runs until a seat holds a false answer; its epoch."""
    for _ in range(8):
        town.run_epochs(1)
        for epoch in range(1, town.ended + 2):
            if any(attester.desk.answers.wrong(epoch) for attester in town.attesters):
                return epoch
    raise AssertionError("nobody lied")


def own(town: Town, node: int = 0) -> int:
    """Gwei that the node's provider has staked."""
    return int(town.world.pool.bucket[town.world.registry.nodes[node].provider].assets)


def test_false_answer__committed_refuted_paid__and_settled() -> None:
    town = lying_town()
    epoch = challenged_epoch(town)
    watcher, staked = watcher_of(town), own(town)
    assert asks(watcher, town) == "skipped"
    (row,) = rows(watcher)
    assert (row.finding.epoch, row.finding.node, row.state) == (epoch, 0, State.OPEN)
    looks(town, watcher)
    assert [verdict.code for verdict in watcher.verdicts] == ["H6707"] and "H6707" in str(watcher._alarm())
    looks(town, watcher, times=5)
    assert sent(town) == [("commit", "ok"), ("refute", "ok")]
    assert town.world.registry.nodes[0].status is Status.FAULTED
    (row,) = rows(watcher)
    assert row.state is State.OURS and watcher.verdicts == ()
    taken = (staked - own(town)) * GWEI
    assert town.world.token.balance[int(watcher.account, 16)] == row.finding.bounty == taken // 5 > 0
    # the same rows are still shown, and nothing more is sent
    asks(watcher, town)
    looks(town, watcher, times=3)
    assert len(rows(watcher)) == 1 and len(sent(town)) == 2


def test_honest_answers__nothing_is_found() -> None:
    town = Town(nodes=2, challenge=SMALL, prover=InlineProver(CpuBackend()))
    town.run_epochs(4)
    watcher = watcher_of(town)
    asks(watcher, town)
    looks(town, watcher, times=2)
    assert rows(watcher) == [] and sent(town) == [] and watcher._alarm() is None


def test_several_nodes__each_is_refuted() -> None:
    town = lying_town(nodes=3)
    challenged_epoch(town)
    watcher = watcher_of(town)
    asks(watcher, town)
    looks(town, watcher, times=8)
    assert {row.finding.node: row.state for row in rows(watcher)} == dict.fromkeys(
        {row.finding.node for row in rows(watcher)}, State.OURS
    )
    faulted = [i for i in range(3) if town.world.registry.nodes[i].status is Status.FAULTED]
    assert faulted == sorted(row.finding.node for row in rows(watcher)) != []


def test_looks_only__alarms_and_sends_nothing() -> None:
    town = lying_town()
    challenged_epoch(town)
    watcher = watcher_of(town, submit=False)
    watcher.look(town.chain.head())
    assert [verdict.code for verdict in watcher.verdicts] == ["H6707"]
    looks(town, watcher, times=3)
    assert sent(town) == [] and rows(watcher)[0].state is State.OPEN


def test_two_watchers__one_is_paid__the_other_says_so() -> None:
    town = lying_town()
    challenged_epoch(town)
    first, second = watcher_of(town), watcher_of(town, "another finder")
    for watcher in (first, second):
        asks(watcher, town)
    looks(town, first, second, times=8)
    refutes = [outcome for name, outcome in sent(town) if name == "refute"]
    assert refutes.count("ok") == 1
    assert sorted(rows(watcher)[0].state for watcher in (first, second)) == sorted([State.OURS, State.OTHER])
    assert first.verdicts == second.verdicts == ()


def test_restart_between_commitment_and_proof__it_goes_on() -> None:
    town = lying_town()
    challenged_epoch(town)
    store = open_store("sqlite://", threaded=False)
    watcher = watcher_of(town, store=store)
    asks(watcher, town)
    looks(town, watcher)
    assert sent(town) == [("commit", "ok")]
    for seat in range(4):
        town.kill(seat)  # nobody shows the rows any more
    again = watcher_of(town, store=store)
    looks(town, again, times=5)
    assert sent(town) == [("commit", "ok"), ("refute", "ok")]
    assert rows(again)[0].state is State.OURS


def test_window_over__said_and_nothing_is_sent() -> None:
    town = lying_town()
    town.world.challenge.answer_window = town.calendar.epoch_seconds
    epoch = challenged_epoch(town)
    watcher = watcher_of(town)
    asks(watcher, town)
    after = town.calendar.end(epoch) + town.calendar.epoch_seconds + 1
    town.chain.mine(after)
    town.clock.move_to(after)
    looks(town, watcher)
    assert rows(watcher)[0].state is State.LATE and sent(town) == []
    assert [verdict.code for verdict in watcher.verdicts] == ["H6707"]


def test_faulted_without_stake__costs_no_gas() -> None:
    """A node that has nothing left to lose and no work could have watchers pay for its lies for ever."""
    town = lying_town()
    challenged_epoch(town)
    node = town.world.registry.nodes[0]
    town.world.registry.nodes[0] = replace(node, status=Status.FAULTED, fault=0)
    town.world.pool.bucket[node.provider] = replace(town.world.pool.bucket[node.provider], assets=0)
    town.chain.mine(town.clock.now() + 1)
    watcher = watcher_of(town)
    asks(watcher, town)
    looks(town, watcher, times=2)
    assert rows(watcher)[0].state is State.GONE and sent(town) == []


# ---------------------------------------------------------------------- what seats show


class Seats:
    """Seats that show what a test wants: `pages(first)` by seat."""

    def __init__(self, *shows: Callable[[int], list[ShownRow]]) -> None:
        self.asked: list[tuple[int, int]] = []
        self.transport = DirectTransport()
        endpoints = tuple(Endpoint(i, key(f"seat {i}").address, f"http://seat-{i}") for i in range(len(shows)))
        self.committee = Committee(1, 1, endpoints)
        for i, show in enumerate(shows):
            self.transport.mount(
                f"seat-{i}", Router([Route("GET", "/v1/answers/{epoch}/false/{first}", self._of(i, show))])
            )

    def _of(self, seat: int, show: Callable[[int], list[ShownRow]]) -> Callable[[Request], Response]:
        def answer(request: Request) -> Response:
            first = int(request.params["first"])
            self.asked.append((seat, first))
            return Response(200, encode(show(first)))

        return answer

    def of_epoch(self, epoch: int) -> Committee:
        return self.committee

    def clients(self, committee: Committee) -> list[AttesterClient]:
        http = make_http(1.0, self.transport)
        return [AttesterClient(endpoint, http) for endpoint in committee.endpoints]

    def gather(self, chain: Chain, made: FalseAnswers | None = None) -> list[str]:
        """Keys of what is found."""
        made = made or self.over(chain)
        known = lambda epoch, node: False  # noqa: E731
        return [finding.key for finding, _ in made.gather([EPOCH], self.clients, None, known, chain.head())]

    def over(self, chain: Chain) -> FalseAnswers:
        return FalseAnswers(Judge(chain, chain.calendar, chain.domain), self)  # type: ignore[arg-type]


def once(*shown: ShownRow) -> Callable[[int], list[ShownRow]]:
    return lambda first: [row for row in shown if row.answer.node >= first]


def _opened(shown: ShownRow, **changes: object) -> ShownRow:
    return structs.replace(shown, opened=structs.replace(shown.opened, **changes))


def test_seats__the_same_answer_of_two__is_found_once() -> None:
    chain = Chain()
    seats = Seats(once(chain.shown()), once(chain.shown()))
    (found,) = seats.gather(chain)
    assert found.startswith(f"answer-{EPOCH}-{NODE}-")
    assert seats.asked == [(0, 0), (1, 0), (0, NODE + 1), (1, NODE + 1)], "until a page is empty"


JUNK: dict[str, Callable[[Chain], ShownRow]] = {
    "an honest row": lambda chain: chain.shown(row=6),
    "an honest answer": lambda chain: chain.shown(false=False),
    "a row of nothing signed": lambda chain: _opened(chain.shown(), previous=bytes(32)),
    "signed by another": lambda chain: chain.shown(signer=key("somebody")),
}


@pytest.mark.attack("A37")
@pytest.mark.parametrize("name", JUNK)
def test_seats__a_row_that_is_not_false__that_seat_is_not_asked_again(name: str) -> None:
    """An honest one costs a whole product: never. What nobody signed costs little: not in this look."""
    chain = Chain()
    seats = Seats(once(JUNK[name](chain)), once(chain.shown()))
    made = seats.over(chain)
    assert len(seats.gather(chain, made)) == 1, "the other seat is heard all the same"
    assert seats.asked.count((0, 0)) == 1 and (0, NODE + 1) not in seats.asked
    seats.asked.clear()
    seats.gather(chain, made)
    assert {seat for seat, _ in seats.asked} == ({1} if "honest" in name else {0, 1})


def test_seats__other_seeds__is_no_lie_of_the_seat() -> None:
    for seeds in ((1, 2), (0, 0)):
        chain = Chain(seeds=seeds)
        seats = Seats(once(chain.shown()))
        assert seats.gather(chain) == []
        assert seats.asked == [(0, 0), (0, NODE + 1)]


def test_seats__one_that_does_not_answer__is_asked_once_a_look() -> None:
    chain = Chain()
    seats = Seats(once(chain.shown()), once(chain.shown()))
    seats.transport.down.add("seat-0")
    made = seats.over(chain)
    asked: list[int] = []

    def clients(committee: Committee) -> list[AttesterClient]:
        found = seats.clients(committee)
        for client in found:
            get = client.get
            client.get = lambda path, get=get, seat=client.endpoint.seat: (asked.append(seat), get(path))[1]  # type: ignore[method-assign,misc,assignment]
        return found

    found = list(made.gather([EPOCH, EPOCH + 1, EPOCH + 2], clients, None, lambda epoch, node: False, chain.head()))
    assert len(found) == 1 and asked.count(0) == 1


@pytest.mark.attack("A37")
def test_seats__pages_that_go_in_circles__end() -> None:
    chain = Chain()
    seats = Seats(lambda first: [chain.shown()])
    assert len(seats.gather(chain)) == 1
    assert seats.asked == [(0, 0), (0, NODE + 1)]


@pytest.mark.attack("A37")
def test_seats__pages_without_end__end(monkeypatch: pytest.MonkeyPatch) -> None:
    chain = Chain()

    def endless(first: int) -> list[ShownRow]:
        shown = chain.shown()
        return [structs.replace(shown, answer=structs.replace(shown.answer, node=first))]

    seats = Seats(endless)
    assert seats.gather(chain) == [] and seats.asked == [(0, 0)], "the first one is signed by nobody of the network"
    monkeypatch.setattr("keepers.roles.watcher.answers._JUNK", ())
    seats.asked.clear()
    seats.gather(chain)
    assert len(seats.asked) == MAX_PAGES


def test_seats__another_epochs_rows__are_refused() -> None:
    chain = Chain()
    shown = chain.shown()
    other = structs.replace(shown, answer=structs.replace(shown.answer, epoch=EPOCH + 1))
    assert Seats(once(other)).gather(chain) == []

"""The agent: when it beats, what it keeps until it is acknowledged, what it says about its nodes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import func, select

from keepers.chain.keys import LocalSigner
from keepers.chain.ports import BlockRef
from keepers.gpu.sampler import Telemetry
from keepers.gpu.stand_in import StandIn
from keepers.protocol.epochs import Calendar
from keepers.protocol.hashing import keccak
from keepers.protocol.messages import Domain, Heartbeat
from keepers.protocol.nodes import Status
from keepers.roles.agent.decide import NodeFacts, decide, judge
from keepers.roles.agent.heartbeat import Beater, NodeKey, moment, spread
from keepers.roles.agent.tables import AgentBatch
from keepers.store.engine import Store
from keepers.store.migrations import open_store
from keepers.wire.attester_client import AttesterClient, Endpoint, make_http
from keepers.wire.codec import Beat, encode, unpack_beats
from keepers.wire.committee import Committee
from keepers.wire.direct import DirectTransport
from keepers.wire.routing import Request, Response, Route, Router
from keepers.wire.signatures import recover

CALENDAR = Calendar(1_000_000, 300, 24)
DOMAIN = Domain(1, "0x" + "11" * 20)
HEAD = BlockRef(9, b"h" * 32, 1_000_000)
COMMITTEE = Committee(1, 1, tuple(Endpoint(i, f"0x{i:040x}", f"http://seat-{i}") for i in range(4)))


class Seat:
    """An attester that answers `word` and remembers what it was sent."""

    def __init__(self, word: str = "counted") -> None:
        self.word = word
        self.status = 200
        self.batches: list[list[Beat]] = []

    def handle(self, request: Request) -> Response:
        self.batches.append(unpack_beats(request.body))
        return Response(self.status, encode([self.word] * len(self.batches[-1])))


class Net:
    """A beater of two nodes before four seats."""

    def __init__(self, store: Store | None = None) -> None:
        self.seats = [Seat() for _ in range(4)]
        self.transport = DirectTransport()
        for i, seat in enumerate(self.seats):
            self.transport.mount(f"seat-{i}", Router([Route("POST", "/v1/heartbeats", seat.handle, limit=100_000)]))
        http = make_http(transport=self.transport)
        self.clients = [AttesterClient(endpoint, http) for endpoint in COMMITTEE.endpoints]
        self.store = store or open_store("sqlite://", threaded=False)
        self.keys = [LocalSigner(keccak(bytes([i]))) for i in range(2)]
        nodes = [NodeKey(i, key, StandIn("RTX-4090-24GB", 1, f"n{i}")) for i, key in enumerate(self.keys)]
        self.beater = Beater(nodes, CALENDAR, DOMAIN, self.store, lambda committee: self.clients, 30)

    def rows(self) -> int:
        with self.store.read() as connection:
            return connection.execute(select(func.count()).select_from(AgentBatch)).scalar() or 0


@pytest.mark.attack("D32")
def test_moments_lie_before_the_allowance_is_used_up_and_differ() -> None:
    assert spread(300, 30) == 20, "an outage of 300 s that begins before it ends 10 s before the beat is late"
    assert (spread(10, 30), spread(1, 2), spread(60, 1)) == (5, 1, 1), "the first half; slots of a second"
    key = LocalSigner(keccak(b"k")).address
    moments = [moment(key, 5, slot, 20) for slot in range(12)]
    assert all(0 <= m < 20 for m in moments) and len(set(moments)) > 6
    assert moments == [moment(key, 5, slot, 20) for slot in range(12)]


def test_one_batch_a_slot_to_each_seat_signed_by_each_node() -> None:
    net = Net()
    result = net.beater.beat(5, 3, HEAD, COMMITTEE)
    assert (result.signed, result.acknowledged, result.refused) == (2, 4, {})
    assert [len(seat.batches) for seat in net.seats] == [1, 1, 1, 1]
    for beat in net.seats[0].batches[0]:
        message = Heartbeat(beat.node, 5, 3, 9, b"h" * 32, beat.telemetry)
        assert recover(message.digest(DOMAIN), beat.signature) == net.keys[beat.node].address
    assert net.rows() == 0 and not net.beater.waiting(), "acknowledged by all: nothing is kept"


def test_what_is_not_acknowledged_is_repeated_to_that_seat_only() -> None:
    net = Net()
    net.transport.down.add("seat-2")
    result = net.beater.beat(5, 3, HEAD, COMMITTEE)
    assert result.acknowledged == 3 and set(result.refused) == {2}
    assert net.rows() == 1 and net.beater.waiting()
    net.transport.down.clear()
    assert net.beater.flush(CALENDAR.slot_start(5, 3) + 100, lambda epoch: COMMITTEE, HEAD) == 0
    assert [len(seat.batches) for seat in net.seats] == [1, 1, 1, 1]
    assert net.rows() == 0


def test_transient_refusal_is_repeated_final_one_is_not() -> None:
    net = Net()
    net.seats[1].word, net.seats[2].word = "unknown-head", "wrong-key"
    assert net.beater.beat(5, 3, HEAD, COMMITTEE).refused == {1: "unknown-head", 2: "wrong-key"}
    net.seats[1].word = "counted"
    net.beater.flush(CALENDAR.slot_start(5, 3) + 100, lambda epoch: COMMITTEE, HEAD)
    assert [len(seat.batches) for seat in net.seats] == [1, 2, 1, 1]
    assert not net.beater.waiting()


@pytest.mark.parametrize("word", ["unknown-head", "stale-head"])
def test_block_that_a_seat_does_not_take_is_replaced_by_the_present_head(word: str) -> None:
    net = Net()
    net.seats[1].word = word
    net.transport.down.add("seat-2")
    net.beater.beat(5, 3, HEAD, COMMITTEE)
    net.seats[1].word = "counted"
    later = BlockRef(10, b"i" * 32, 1_000_012)
    net.transport.down.clear()
    assert net.beater.flush(CALENDAR.slot_start(5, 3) + 100, lambda epoch: COMMITTEE, later) == 0
    assert [len(seat.batches) for seat in net.seats] == [1, 2, 1, 1]
    for beat in (*net.seats[1].batches[1], *net.seats[2].batches[0]):
        assert (beat.number, beat.block) == (10, b"i" * 32)
        message = Heartbeat(beat.node, 5, 3, 10, b"i" * 32, beat.telemetry)
        assert recover(message.digest(DOMAIN), beat.signature) == net.keys[beat.node].address
    assert net.rows() == 0


def test_stale_block_is_not_sent_again_before_there_is_a_newer_one() -> None:
    net = Net()
    for seat in net.seats:
        seat.word = "stale-head"
    net.beater.beat(5, 3, HEAD, COMMITTEE)
    assert net.beater.flush(CALENDAR.slot_start(5, 3) + 100, lambda epoch: COMMITTEE, HEAD) == 1
    assert [len(seat.batches) for seat in net.seats] == [1, 1, 1, 1]


def test_single_beat_that_is_refused_by_status_is_understood() -> None:
    """For one beat alone the status says what the word says: it must not pass for a seat that cannot be reached."""
    net = Net()
    net.beater.muted.add(1)
    net.seats[0].status, net.seats[0].word = 403, "wrong-key"
    net.seats[1].status, net.seats[1].word = 400, "stale-head"
    assert net.beater.beat(5, 3, HEAD, COMMITTEE).refused == {0: "wrong-key", 1: "stale-head"}
    net.seats[1].status, net.seats[1].word = 200, "counted"
    later = BlockRef(10, b"i" * 32, 1_000_012)
    assert net.beater.flush(CALENDAR.slot_start(5, 3) + 100, lambda epoch: COMMITTEE, later) == 0
    assert [len(seat.batches) for seat in net.seats] == [1, 2, 1, 1]


def test_seat_that_hangs_costs_one_request_for_all_slots_that_wait() -> None:
    net = Net()
    net.transport.down.add("seat-2")
    net.beater.beat(5, 3, HEAD, COMMITTEE)
    net.beater.beat(5, 4, HEAD, COMMITTEE)
    net.transport.down.clear()
    assert net.beater.flush(CALENDAR.slot_start(5, 4) + 10, lambda epoch: COMMITTEE, HEAD) == 0
    assert [len(seat.batches) for seat in net.seats] == [2, 2, 1, 2]
    assert {beat.slot for beat in net.seats[2].batches[0]} == {3, 4}


def test_slot_that_all_have_acknowledged_is_not_signed_again() -> None:
    net = Net()
    first = net.beater.beat(5, 3, HEAD, COMMITTEE)
    assert net.beater.signed(5, 3) and not net.beater.signed(5, 4)
    assert net.beater.beat(5, 3, replace(HEAD, number=10), COMMITTEE) == first
    assert [len(seat.batches) for seat in net.seats] == [1, 1, 1, 1]


def test_lost_answer_is_repeated_with_the_same_bytes() -> None:
    net = Net()
    import httpx

    net.transport.fault = lambda host, path: httpx.ReadTimeout("lost") if host == "seat-0" else None
    net.beater.beat(5, 3, HEAD, COMMITTEE)
    net.transport.fault = None
    net.beater.flush(CALENDAR.slot_start(5, 3) + 100, lambda epoch: COMMITTEE, HEAD)
    assert net.seats[0].batches[0] == net.seats[0].batches[1]


def test_too_late_is_dropped() -> None:
    net = Net()
    net.transport.down |= {f"seat-{i}" for i in range(4)}
    net.beater.beat(5, 3, HEAD, COMMITTEE)
    assert net.beater.flush(CALENDAR.slot_start(5, 4) + 30, lambda epoch: COMMITTEE, HEAD) == 1
    assert net.beater.flush(CALENDAR.slot_start(5, 4) + 31, lambda epoch: COMMITTEE, HEAD) == 0
    assert net.rows() == 0


def test_restart_goes_on_where_it_was() -> None:
    net = Net()
    net.transport.down |= {"seat-1", "seat-3"}
    net.beater.beat(5, 3, HEAD, COMMITTEE)
    again = Net(net.store)
    again.beater.restore(lambda epoch: COMMITTEE)
    again.beater.beat(5, 3, replace(HEAD, number=10), COMMITTEE)
    assert [len(seat.batches) for seat in again.seats] == [0, 1, 0, 1]
    assert again.seats[1].batches[0][0].number == 9, "the beat that was signed, not another one"
    assert again.rows() == 0


def test_muted_and_unreadable_nodes_do_not_beat() -> None:
    net = Net()
    net.beater.muted.add(0)
    net.beater.beat(5, 3, HEAD, COMMITTEE)
    assert [beat.node for beat in net.seats[0].batches[0]] == [1]

    class Blind:
        def sample(self) -> Telemetry:
            return Telemetry("nvml", "unknown", cause="H3101 NVML lists no GPU")

    blind = [NodeKey(4, net.keys[0], Blind())]
    beater = Beater(blind, CALENDAR, DOMAIN, net.store, lambda committee: net.clients, 30)
    assert beater.beat(5, 4, HEAD, COMMITTEE).signed == 0
    assert len(net.seats[0].batches) == 1, "unknown hardware is not a beat"


def test_degraded_hardware_still_beats() -> None:
    net = Net()

    class Hot:
        def sample(self) -> Telemetry:
            return Telemetry("nvml", "degraded")

    beater = Beater([NodeKey(4, net.keys[0], Hot())], CALENDAR, DOMAIN, net.store, lambda committee: net.clients, 30)
    assert beater.beat(5, 4, HEAD, COMMITTEE).signed == 1


@pytest.mark.parametrize("nodes", [[], ["same", "same"]])
def test_nodes_are_named_once(nodes: list[str]) -> None:
    net = Net()
    keys = [NodeKey(1, net.keys[0], StandIn("T4-16GB", 1, name)) for name in nodes]
    with pytest.raises(ValueError, match="node"):
        Beater(keys, CALENDAR, DOMAIN, net.store, lambda committee: net.clients, 30)


FACTS = NodeFacts(3, 20, Status.ACTIVE, 5, 0, "0xaa", "0xaa", "ok")


@pytest.mark.parametrize(
    ("changes", "level", "word"),
    [
        ({}, "info", "active"),
        ({"known": False}, "error", "not registered"),
        ({"chain_key": "0xbb"}, "error", "0xbb"),
        ({"status": Status.RETIRED}, "warning", "retired"),
        ({"hardware": "unknown", "reserved": 2}, "error", "2 GPUs are leased and stay so"),
        ({"status": Status.FAULTED}, "error", "faulted"),
        ({"status": Status.JAILED}, "warning", "jailed"),
        ({"hardware": "degraded", "reserved": 1}, "error", "leased"),
        ({"hardware": "degraded"}, "warning", "degraded"),
        ({"epoch": 4}, "info", "from epoch 5"),
        ({"status": Status.PENDING}, "info", "pending"),
    ],
)
def test_what_is_said_about_a_node(changes: dict[str, object], level: str, word: str) -> None:
    note = judge(replace(FACTS, **changes))  # type: ignore[arg-type]
    assert note.level == level and word in note.text


def test_only_news_is_told() -> None:
    first = decide((FACTS,), {})
    assert len(first.notes) == 1
    assert decide((FACTS,), {3: first.notes[0].text}).notes == ()

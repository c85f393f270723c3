"""Attesters that are away: what a node loses by it (nothing, for five minutes, whenever they begin and whoever it is).

Real agents' `Beater`s and real `Ingest`s with their admission, head log and store, second by second. In a *restart* the
process is gone, connections are refused at once, and what comes back knows only its store and the chain. In a *loss*
of the network the process goes on, and a send hangs until its timeout.

HEARTH_OUTAGE_STEP=1 begins an outage in every second of a slot (a minute); `make keepers-test` takes every fifteenth.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import pytest
from sqlmodel import SQLModel

from keepers.chain.deployment import Allowances
from keepers.chain.keys import LocalSigner
from keepers.chain.ports import BlockRef
from keepers.gpu.stand_in import StandIn
from keepers.protocol.counters import Leaf
from keepers.protocol.epochs import Calendar
from keepers.protocol.hashing import keccak
from keepers.protocol.merge import faults
from keepers.protocol.messages import Domain
from keepers.roles.agent.heartbeat import Beater, NodeKey, moment, spread
from keepers.roles.agent.role import FLUSH_S, SEND_TIMEOUT_S
from keepers.roles.agent.tables import AgentBatch
from keepers.roles.attester.ingest import Ingest, make_admission
from keepers.roles.attester.observe import HeadLog, Seen
from keepers.roles.attester.tables import AttesterBeats
from keepers.runtime.ticker import Trigger
from keepers.store.engine import Store
from keepers.wire.attester_client import AttesterClient, Endpoint, Unreachable, make_http
from keepers.wire.codec import Beat
from keepers.wire.committee import Committee
from keepers.wire.direct import DirectTransport
from tests.keepers.roles.town import Town

CALENDAR, DOMAIN, LIMITS = Calendar(1_200_000, 300, 24), Domain(1, "0x" + "11" * 20), Allowances()
EPOCH, SLOT = 5, 11  # the outage begins in the last slot of an epoch, and reaches into the next one
START = CALENDAR.slot_start(EPOCH, SLOT)
SLOTS = ((EPOCH, SLOT), (EPOCH + 1, 0))
SPREAD = spread(CALENDAR.slot, LIMITS.late)
STEP = int(os.environ.get("HEARTH_OUTAGE_STEP", "15"))
N = 7
F = faults(N)
HTTP = make_http(transport=DirectTransport())
_TABLES: list[Any] = [AgentBatch.__table__, AttesterBeats.__table__]  # type: ignore[attr-defined]


@lru_cache
def latest(place: tuple[int, int]) -> LocalSigner:
    """A key whose moment in a slot is the last that there is."""
    keys = (LocalSigner(keccak(bytes((place[1], i % 256, i // 256)))) for i in range(4_096))
    return next(key for key in keys if moment(key.address, *place, SPREAD) == SPREAD - 1)


@dataclass
class World:
    """Time, and a chain with a block every 12 seconds. Blocks from `fork` on have other hashes from `forked` on."""

    now: float = START - 30
    fork: int = 1 << 40
    forked: float = float("inf")

    def block(self, number: int) -> BlockRef | None:
        if number > self.height:
            return None
        other = number >= self.fork and self.now >= self.forked
        return BlockRef(number, keccak(bytes((other,)) + number.to_bytes(8, "big")), 12 * number)

    @property
    def height(self) -> int:
        return int(self.now) // 12

    def head(self) -> BlockRef:
        found = self.block(self.height)
        assert found is not None
        return found


def opened() -> Store:
    store = Store.open("sqlite://", threaded=False)
    SQLModel.metadata.create_all(store.engine, tables=_TABLES)
    return store


class Seat:
    """An attester's intake. `away` is "" while it can be reached."""

    def __init__(self, world: World, keys: Sequence[str]) -> None:
        self.world, self.keys, self.store, self.away = world, keys, opened(), ""
        self.start()

    def start(self) -> None:
        """A new process on what the store holds."""
        world, self.seen = self.world, Seen()
        keep = LIMITS.head + LIMITS.late + 2 * CALENDAR.slot
        self.heads = HeadLog(world.head, world.block, lambda: world.now, keep)
        admission = make_admission(CALENDAR, LIMITS, DOMAIN, lambda node, epoch: self.keys[node], self.heads, self.seen)
        self.ingest = Ingest("me", self.store, self.seen, admission, lambda: world.now, lambda: True)
        self.heads.look()
        self.ingest.restore()


class Line(AttesterClient):
    """From one agent to one seat."""

    def __init__(self, number: int, seat: Seat, agent: Agent) -> None:
        super().__init__(Endpoint(number, f"0x{number:040x}", f"http://seat-{number}"), HTTP)
        self.seat, self.agent = seat, agent

    def send_heartbeats(self, beats: Sequence[Beat]) -> list[str]:
        if self.seat.away == "loss":
            self.agent.busy_until = self.seat.world.now + SEND_TIMEOUT_S
        if self.seat.away:
            raise Unreachable("H2007", self.seat.away)
        return self.seat.ingest.take(beats)


@dataclass
class Agent:
    """A process of one node: the beat at its moment, repeats in the worst rhythm there is; one send at a time."""

    number: int
    key: LocalSigner
    seats: Sequence[Seat]
    busy_until: float = 0.0
    next_flush: float = START
    lines: list[Line] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.lines = [Line(i, seat, self) for i, seat in enumerate(self.seats)]
        self.committee = Committee(1, 1, tuple(line.endpoint for line in self.lines))
        node = NodeKey(self.number, self.key, StandIn("T4-16GB", 1, "node"))
        self.beater = Beater([node], CALENDAR, DOMAIN, opened(), lambda committee: self.lines, LIMITS.late)

    def second(self, now: float, head: BlockRef) -> None:
        if now < self.busy_until:
            return
        for place in SLOTS:
            due = CALENDAR.slot_start(*place) + self.beater.offset(*place)
            if due <= now < due + CALENDAR.slot // 2 and not self.beater.signed(*place):
                self.beater.beat(*place, head, self.committee)
                return
        if now >= self.next_flush:
            self.next_flush = now + FLUSH_S
            self.beater.flush(now, lambda epoch: self.committee, head)


def outage(kind: str, out: int, begins: float, seconds: float, world: World | None = None) -> int:
    """Slots of nodes that fewer than f + 1 seats count, of two slots and two nodes, when `out` seats are away."""
    world = world or World()
    keys = [latest(place) for place in SLOTS]
    seats = [Seat(world, [key.address for key in keys]) for _ in range(N)]
    agents = [Agent(i, key, seats) for i, key in enumerate(keys)]
    while world.now < START + 2 * CALENDAR.slot + LIMITS.late + 5:
        for seat in seats[:out]:
            if world.now == begins:
                seat.away = kind
            if world.now == begins + seconds:
                seat.away = ""
                if kind == "restart":
                    seat.start()
        if world.now % 4 == 0:
            for seat in seats:
                if seat.away != "restart":
                    seat.heads.look()
        for agent in agents:
            agent.second(world.now, world.head())
        world.now += 1
    counted = [[sum(s.seen.has(n, *place) for s in seats) for place in SLOTS] for n in range(len(keys))]
    for seat in seats:
        seat.store.close()
    for agent in agents:
        agent.beater._store.close()
    return sum(count < F + 1 for counts in counted for count in counts)


@pytest.mark.parametrize("kind", ["restart", "loss"])
@pytest.mark.parametrize("out", [1, F, N])
def test_five_minutes_without_attesters_cost_nothing_whenever_they_begin(kind: str, out: int) -> None:
    """One seat, f seats, all seats: away for 300 s from any second of a slot on."""
    worst = (0, SPREAD - 1, SPREAD, 29, 30, 31, 299)  # around the beats and the end of the slot before
    begins = sorted({*range(0, CALENDAR.slot, STEP), *worst})
    lost = {at: outage(kind, out, START + at, 300.0) for at in begins}
    assert {at: slots for at, slots in lost.items() if slots} == {}


@pytest.mark.parametrize("kind", ["restart", "loss"])
def test_longest_outage_of_all_seats_that_costs_nothing(kind: str) -> None:
    """From just before the last beat on: a slot and its allowance, less the spread and one round of repeats."""
    begins = START + SPREAD - 2
    round_s = FLUSH_S + (SEND_TIMEOUT_S if kind == "loss" else 0)
    harmless = CALENDAR.slot + LIMITS.late - SPREAD - round_s
    assert harmless >= CALENDAR.slot
    assert outage(kind, N, begins, harmless) == 0
    assert outage(kind, N, begins, CALENDAR.slot + LIMITS.late) == 1, "the whole window of a beat"


def test_without_f_seats_no_outage_is_long_enough_to_cost_anything() -> None:
    assert outage("restart", F, START - 20, 2 * CALENDAR.slot + 80) == 0


def test_block_that_a_reorg_removed_while_all_seats_were_away() -> None:
    """No seat that starts anew can know the block of the beat: the agent signs over one that it knows."""
    begins = START + SPREAD - 2
    signed_over = (int(begins) + 1) // 12
    world = World(fork=signed_over, forked=begins + 100)
    assert outage("restart", N, begins, 300.0, world) == 0


def test_seat_that_starts_anew_knows_heads_of_the_time_before_by_the_chain() -> None:
    world = World(now=float(START))
    seat = Seat(world, ["0xaa"])
    old, older = world.block(START // 12 - 2), world.block(START // 12 - 20)
    assert old is not None and older is not None
    assert seat.heads.last_head_at(old.number, old.hash) == 12 * (old.number + 1), "until its successor's time"
    assert seat.heads.last_head_at(older.number, older.hash) == 12 * (older.number + 1), "too old, and known to be"
    assert seat.heads.last_head_at(old.number, keccak(b"never on the chain")) is None


@pytest.mark.parametrize("begins", [-290, -150, -20, 10, 40, 80, 100])
def test_all_processes_killed_around_the_end_of_an_epoch(begins: int) -> None:
    """Observations are signed late, a later view reports them, and nobody lacks a slot."""
    town = Town(nodes=2)
    end = town.calendar.end(1)
    town.run(end + begins)
    for seat in range(4):
        town.kill(seat)
    town.run(end + begins + 300)
    for seat in range(4):
        town.transport.down.discard(f"seat-{seat}")
        town.restart(seat)
    for _ in range(20):  # on virtual time nothing else wakes them in the later views
        for attester in town.attesters:
            attester.cycle(Trigger("poll", town.clock.precise(), 0))
        town.app.pulse()
        town.run(town.clock.now() + 10)
    town.run(town.calendar.end(2) + 300)
    attestations = town.app.context.attestations
    assert attestations is not None
    attestations.refresh(town.chain.head())
    assert attestations.last == 2
    for epoch in (1, 2):
        report = attestations.report(epoch)
        assert not report.header.void and [leaf_down(attestations.leaf(node, epoch)) for node in range(2)] == [0, 0]
    assert attestations.report(1).block.timestamp <= end + begins + 300 + 130, "two views after they are back"


def leaf_down(word: int) -> int:
    return Leaf.unpack(word).down


def test_agent_that_was_down_at_its_moment_beats_when_it_is_back() -> None:
    town = Town(nodes=2)
    town.run(town.calendar.slot_start(1, 3) - 1)
    beat, town.agent.cycle = town.agent.cycle, lambda trigger: "down"  # type: ignore[method-assign]
    town.run(town.calendar.slot_start(1, 3) + 200)
    assert all(not attester.desk.seen.has(0, 1, 3) for attester in town.attesters)
    town.agent.cycle = beat  # type: ignore[method-assign]
    town.restart_agent()
    town.run(town.calendar.slot_start(1, 3) + 210)
    assert all(attester.desk.seen.has(node, 1, 3) for attester in town.attesters for node in range(2))

"""`Beater`: signs the beats of a slot and repeats them until each attester has acknowledged.

Buffered in the store before the first send, so that a restart within a slot loses nothing. Several node keys of one
process make one batch a slot to each attester. What is acknowledged, or can no longer count, is dropped; what a seat
turns away for its block (a reorg removed it while the seat was down, or our endpoint lagged) is signed anew over the
present head.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec
from sqlalchemy import Connection, and_, delete, insert, select, update

from keepers.chain.keys import Signer
from keepers.chain.ports import BlockRef
from keepers.gpu.sampler import UNKNOWN, Samples, Telemetry
from keepers.protocol.epochs import Calendar
from keepers.protocol.hashing import keccak
from keepers.protocol.messages import Domain, Heartbeat, beat_offset
from keepers.roles.agent.tables import AgentBatch
from keepers.store.engine import Store
from keepers.wire import admission
from keepers.wire.attester_client import AttesterClient, Unreachable
from keepers.wire.codec import Beat, encode
from keepers.wire.committee import Committee

_BEATS = msgspec.json.Decoder(list[Beat])
_BATCHES: Any = AgentBatch.__table__  # type: ignore[attr-defined]
_log = logging.getLogger("hearth.agent")


@dataclass(frozen=True)
class NodeKey:
    """A node of this agent: its index in the registry, its signing key, what samples its GPUs, and which devices of the
    machine those are (none named: 0, 1, …)."""

    node: int
    signer: Signer
    sampler: Samples
    devices: tuple[int, ...] = ()


class Announcer(Protocol):
    """What a node's beats of an epoch announce (`canaries.Canaries`)."""

    def mark(self, node: int, epoch: int, slot: int) -> bytes:
        """A commitment of 32 bytes, or none (b"")."""
        ...

    def announced(self, beat: Beat, telemetry: bytes) -> None:
        """The beat that names it is signed, and not sent yet."""
        ...


@dataclass
class _Batch:
    epoch: int
    slot: int
    generation: int
    beats: list[Beat]
    waiting: dict[int, list[Beat]]  # seat -> beats it has not acknowledged
    refused: dict[int, str] = field(default_factory=dict)  # seat -> what it said the last time
    heard: dict[int, set[int]] = field(default_factory=dict)  # node -> seats that acknowledged its beat
    unknown: bool = False  # a seat does not know the block
    stale: bool = False  # the block is too old: these bytes are not worth another try

    def open(self) -> set[int]:
        """Seats that have not acknowledged all."""
        return {seat for seat, beats in self.waiting.items() if beats}


@dataclass(frozen=True)
class SlotResult:
    """What became of a slot's beats so far: signed, seats that acknowledged all, words of refusal by seat, and which
    seats those were that acknowledged all."""

    signed: int
    acknowledged: int
    seats: int
    refused: dict[int, str]
    took: tuple[int, ...] = ()


def spread(slot_seconds: int, late: float) -> int:
    """Seconds from a slot's start in which its beats are first sent: two thirds of `late`, in the slot's first half.

    A beat counts until `late` after its slot. So an outage of all attesters that is as long as a slot spares a moment
    only if it lies less than `late` after the start; the last third is for the repeats that find the first seat back.
    """
    return max(1, min(slot_seconds // 2, int(late * 2 / 3)))


def moment(key: str, epoch: int, slot: int, seconds: int) -> int:
    """Second of the slot, below `seconds`, at which a key beats: drawn from keccak(key ‖ slot ordinal)."""
    seed = keccak(bytes.fromhex(key[2:]) + (12 * epoch + slot).to_bytes(8, "big"))
    return beat_offset(seed, seconds)


class Beater:
    """Signs and delivers. `clients(committee)` gives a client for each seat; `pool` sends to seats in parallel.

    `muted` holds nodes that the operator switched off: they are not sampled and do not beat. `announcer` is asked what
    a node's telemetry has to announce.
    """

    def __init__(
        self,
        nodes: Sequence[NodeKey],
        calendar: Calendar,
        domain: Domain,
        store: Store,
        clients: Callable[[Committee], Sequence[AttesterClient]],
        late: float,
        pool: Executor | None = None,
    ) -> None:
        if not nodes:
            raise ValueError("an agent needs at least one node")
        if len({key.node for key in nodes}) != len(nodes):
            raise ValueError("a node is named twice")
        self.nodes = tuple(nodes)
        self.muted: set[int] = set()
        self.announcer: Announcer | None = None
        self.telemetry: dict[int, Telemetry] = {}
        self._calendar = calendar
        self._domain = domain
        self._store = store
        self._clients = clients
        self._late = late
        self._spread = spread(calendar.slot, late)
        self._pool = pool
        self._lock = threading.Lock()  # the beat has a worker of its own beside the role's, and both deliver
        self._batches: dict[tuple[int, int], _Batch] = {}
        self._newest: tuple[tuple[int, int], SlotResult] | None = None  # the slot that was signed last
        self._heard: dict[tuple[int, int], dict[int, set[int]]] = {}  # of slots whose batch may be delivered and gone

    def restore(self, committee_of: Callable[[int], Committee | None]) -> None:
        """Take over what an earlier run had not delivered."""
        with self._store.read() as connection:
            rows = connection.execute(select(_BATCHES)).all()
        for row in rows:
            beats = _BEATS.decode(row.beats)
            committee = committee_of(row.epoch)
            seats = [e.seat for e in committee.endpoints] if committee else []
            waiting = {seat: list(beats) for seat in seats if row.waiting >> seat & 1}
            batch = self._batches[row.epoch, row.slot] = _Batch(row.epoch, row.slot, row.generation, beats, waiting)
            self._remember(batch, {seat for seat in seats if seat not in waiting})

    def offset(self, epoch: int, slot: int) -> int:
        """Second of the slot at which this process beats: the draw of its first key."""
        return moment(self.nodes[0].signer.address, epoch, slot, self._spread)

    def signed(self, epoch: int, slot: int) -> bool:
        """Whether this process has the beats of a slot, or has delivered them."""
        return (epoch, slot) in self._batches or (self._newest is not None and self._newest[0] == (epoch, slot))

    def sign(self, epoch: int, slot: int, head: BlockRef) -> list[Beat]:
        """A signed beat for every node that is not muted and whose hardware answers."""
        beats = []
        for key in self.nodes:
            if key.node in self.muted:
                continue
            telemetry = key.sampler.sample()
            self.telemetry[key.node] = telemetry
            if telemetry.state == UNKNOWN:
                _log.warning("node %d does not beat: %s", key.node, telemetry.cause)
                continue
            mark = self.announcer.mark(key.node, epoch, slot) if self.announcer is not None else b""
            if mark:
                telemetry = telemetry.announcing(mark)
            digest = telemetry.digest()
            message = Heartbeat(key.node, epoch, slot, head.number, head.hash, digest)
            signature = key.signer.sign_digest(message.digest(self._domain))
            beats.append(Beat(key.node, epoch, slot, head.number, head.hash, digest, signature))
            if mark and self.announcer is not None:
                self.announcer.announced(beats[-1], telemetry.encode())
        return beats

    def beat(self, epoch: int, slot: int, head: BlockRef, committee: Committee) -> SlotResult:
        """Sign, store, deliver the beats of a slot. A slot that was signed already is only delivered again."""
        place = (epoch, slot)
        with self._lock:
            batch = self._batches.get(place)
            if batch is None:
                if self._newest is not None and self._newest[0] == place:
                    return self._newest[1]
                beats = self.sign(epoch, slot, head)
                seats = [e.seat for e in committee.endpoints]
                waiting = {seat: list(beats) for seat in seats} if beats else {}
                batch = _Batch(epoch, slot, committee.generation, beats, waiting)
                if beats:
                    self._batches[place] = batch
                    self._remember(batch, set())
                    self._save(batch)
            self._deliver([(batch, committee)])
            took = tuple(
                e.seat for e in committee.endpoints if not batch.waiting.get(e.seat) and e.seat not in batch.refused
            )
            result = SlotResult(len(batch.beats), len(took), committee.n, dict(batch.refused), took)
            self._newest = (place, result)
            return result

    def flush(self, now: float, committee_of: Callable[[int], Committee | None], head: BlockRef) -> int:
        """Drop what can no longer count, deliver the rest again, over `head` where its block was turned away; returns
        the batches still waiting."""
        with self._lock:
            again: list[tuple[_Batch, Committee]] = []
            for batch in list(self._batches.values()):
                end = self._calendar.slot_start(batch.epoch, batch.slot) + self._calendar.slot
                committee = committee_of(batch.epoch)
                if now > end + self._late:
                    _log.warning("slot %d.%d never reached seats %s", batch.epoch, batch.slot, sorted(batch.open()))
                    self._drop(batch)
                elif committee is not None:
                    if (batch.unknown or batch.stale) and batch.beats[0].block != head.hash:
                        self._renew(batch, head)
                    if not batch.stale:
                        again.append((batch, committee))
            self._deliver(again)
            return len(self._batches)

    def heard(self, epoch: int, slot: int) -> dict[int, int] | None:
        """Node -> seats that acknowledged its beat of the slot so far; None where this process signed none."""
        with self._lock:
            found = self._heard.get((epoch, slot))
            return None if found is None else {node: len(seats) for node, seats in found.items()}

    def _remember(self, batch: _Batch, took: set[int]) -> None:
        """Begin to count a slot's acknowledgements, with those that are known; of older slots only the last is kept."""
        batch.heard = {beat.node: set(took) for beat in batch.beats}
        self._heard[batch.epoch, batch.slot] = batch.heard
        for old in sorted(self._heard)[:-2]:
            del self._heard[old]

    def waiting(self) -> bool:
        """Whether anything is undelivered."""
        return bool(self._batches)

    def _renew(self, batch: _Batch, head: BlockRef) -> None:
        """The same beats over another block. Attesters count one of a node and slot, whichever comes first."""
        signers = {key.node: key.signer for key in self.nodes if key.node not in self.muted}
        fresh: dict[int, Beat] = {}
        for beat in batch.beats:
            if beat.node in signers:
                message = Heartbeat(beat.node, beat.epoch, beat.slot, head.number, head.hash, beat.telemetry)
                signature = signers[beat.node].sign_digest(message.digest(self._domain))
                beat = Beat(beat.node, beat.epoch, beat.slot, head.number, head.hash, beat.telemetry, signature)
            fresh[beat.node] = beat
        batch.beats = list(fresh.values())
        batch.waiting = {seat: [fresh[beat.node] for beat in beats] for seat, beats in batch.waiting.items()}
        batch.unknown = batch.stale = False
        self._save(batch)

    def _deliver(self, wanted: Sequence[tuple[_Batch, Committee]]) -> None:
        """Bring each seat what it has not acknowledged, of all slots in one request: a seat that hangs costs one
        timeout. Who has acknowledged is remembered in the store."""
        letters: dict[AttesterClient, list[_Batch]] = {}
        before = {id(batch): batch.open() for batch, _ in wanted}
        for batch, committee in wanted:
            batch.refused = {}
            for client in self._clients(committee):
                if batch.waiting.get(client.endpoint.seat):
                    letters.setdefault(client, []).append(batch)
        self._each(lambda client: _send(client, letters[client]), letters)
        for batch, _ in wanted:
            for seat, word in batch.refused.items():
                _log.info("slot %d.%d: seat %d: %s", batch.epoch, batch.slot, seat, word)
            if not batch.open():
                self._drop(batch)
            elif batch.open() != before[id(batch)]:
                self._mark(batch)

    def _each(self, do: Callable[[AttesterClient], None], clients: Iterable[AttesterClient]) -> None:
        list(map(do, clients) if self._pool is None else self._pool.map(do, clients))

    def _save(self, batch: _Batch) -> None:
        row = {
            "epoch": batch.epoch,
            "slot": batch.slot,
            "generation": batch.generation,
            "waiting": sum(1 << seat for seat in batch.open()),
            "beats": encode(batch.beats),
        }

        def work(connection: Connection) -> None:
            connection.execute(delete(_BATCHES).where(_is(batch)))
            connection.execute(insert(_BATCHES).values(row))

        self._store.write(work)

    def _mark(self, batch: _Batch) -> None:
        mask = sum(1 << seat for seat in batch.open())
        self._store.write(lambda c: c.execute(update(_BATCHES).where(_is(batch)).values(waiting=mask)))

    def _drop(self, batch: _Batch) -> None:
        if self._batches.pop((batch.epoch, batch.slot), None) is None:
            return
        self._store.write(lambda c: c.execute(delete(_BATCHES).where(_is(batch))))


def _send(client: AttesterClient, batches: Sequence[_Batch]) -> None:
    """One request to one seat; what came of it is noted in the batches."""
    seat = client.endpoint.seat
    sent = [(batch, beat) for batch in batches for beat in batch.waiting[seat]]
    try:
        words = client.send_heartbeats([beat for _, beat in sent])
    except Unreachable as error:
        for batch in batches:
            batch.refused[seat] = error.why[0] if error.why else error.message
        return
    for batch in batches:
        batch.waiting[seat] = []
    for (batch, beat), word in zip(sent, words, strict=True):
        if word in admission.TRANSIENT or word == admission.STALE_HEAD:
            batch.waiting[seat].append(beat)
        batch.unknown |= word == admission.UNKNOWN_HEAD
        batch.stale |= word == admission.STALE_HEAD
        if word not in admission.ACKNOWLEDGED:
            batch.refused[seat] = word
        elif beat.node in batch.heard:
            batch.heard[beat.node].add(seat)


def _is(batch: _Batch) -> Any:
    return and_(_BATCHES.c.epoch == batch.epoch, _BATCHES.c.slot == batch.slot)

"""`Beater`: signs the beats of a slot and repeats them until each attester has acknowledged.

Buffered in the store before the first send, so that a restart within a slot loses nothing. Several node keys of one
process make one batch a slot to each attester. What is acknowledged, or can no longer count, is dropped.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

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
    """A node of this agent: its index in the registry, its signing key, and what samples its GPUs."""

    node: int
    signer: Signer
    sampler: Samples


@dataclass
class _Batch:
    epoch: int
    slot: int
    generation: int
    beats: list[Beat]
    waiting: dict[int, list[Beat]]  # seat -> beats it has not acknowledged


@dataclass(frozen=True)
class SlotResult:
    """What became of a slot's beats so far: signed, seats that acknowledged all, words of refusal by seat, and which
    seats those were that acknowledged all."""

    signed: int
    acknowledged: int
    seats: int
    refused: dict[int, str]
    took: tuple[int, ...] = ()


def moment(key: str, epoch: int, slot: int, slot_seconds: int) -> int:
    """Second of the slot, in its first half, at which a key beats: drawn from keccak(key ‖ slot ordinal)."""
    seed = keccak(bytes.fromhex(key[2:]) + (12 * epoch + slot).to_bytes(8, "big"))
    return beat_offset(seed, slot_seconds // 2)


class Beater:
    """Signs and delivers. `clients(committee)` gives a client for each seat; `pool` sends to seats in parallel.

    `muted` holds nodes that the operator switched off: they are not sampled and do not beat.
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
        self.telemetry: dict[int, Telemetry] = {}
        self._calendar = calendar
        self._domain = domain
        self._store = store
        self._clients = clients
        self._late = late
        self._pool = pool
        self._lock = threading.Lock()  # the beat has a worker of its own beside the role's, and both deliver
        self._batches: dict[tuple[int, int], _Batch] = {}
        self._heard: dict[tuple[int, int], dict[int, set[int]]] = {}  # slot -> node -> seats that acknowledged its beat

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
        return moment(self.nodes[0].signer.address, epoch, slot, self._calendar.slot)

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
            digest = telemetry.digest()
            message = Heartbeat(key.node, epoch, slot, head.number, head.hash, digest)
            signature = key.signer.sign_digest(message.digest(self._domain))
            beats.append(Beat(key.node, epoch, slot, head.number, head.hash, digest, signature))
        return beats

    def beat(self, epoch: int, slot: int, head: BlockRef, committee: Committee) -> SlotResult:
        """Sign, store, deliver the beats of a slot. A slot that was signed already is only delivered again."""
        with self._lock:
            batch = self._batches.get((epoch, slot))
            if batch is None:
                beats = self.sign(epoch, slot, head)
                seats = [e.seat for e in committee.endpoints]
                waiting = {seat: list(beats) for seat in seats} if beats else {}
                batch = _Batch(epoch, slot, committee.generation, beats, waiting)
                if beats:
                    self._batches[epoch, slot] = batch
                    self._remember(batch, set())
                    self._save(batch)
            return self._deliver(batch, committee)

    def flush(self, now: float, committee_of: Callable[[int], Committee | None]) -> int:
        """Drop what can no longer count, deliver the rest again; returns the batches still waiting."""
        with self._lock:
            for batch in list(self._batches.values()):
                end = self._calendar.slot_start(batch.epoch, batch.slot) + self._calendar.slot
                committee = committee_of(batch.epoch)
                if now > end + self._late:
                    lost = sorted(seat for seat, beats in batch.waiting.items() if beats)
                    _log.warning("slot %d.%d never reached seats %s", batch.epoch, batch.slot, lost)
                    self._drop(batch)
                elif committee is not None:
                    self._deliver(batch, committee)
            return len(self._batches)

    def heard(self, epoch: int, slot: int) -> dict[int, int] | None:
        """Node -> seats that acknowledged its beat of the slot so far; None where this process signed none."""
        with self._lock:
            found = self._heard.get((epoch, slot))
            return None if found is None else {node: len(seats) for node, seats in found.items()}

    def _remember(self, batch: _Batch, took: set[int]) -> None:
        """Begin to count a slot's acknowledgements, with those that are known; of older slots only the last is kept."""
        self._heard[batch.epoch, batch.slot] = {beat.node: set(took) for beat in batch.beats}
        for old in sorted(self._heard)[:-2]:
            del self._heard[old]

    def waiting(self) -> bool:
        """Whether anything is undelivered."""
        return bool(self._batches)

    def _deliver(self, batch: _Batch, committee: Committee) -> SlotResult:
        clients = [c for c in self._clients(committee) if batch.waiting.get(c.endpoint.seat)]
        before = {seat for seat, beats in batch.waiting.items() if beats}
        refused: dict[int, str] = {}
        heard = self._heard.get((batch.epoch, batch.slot), {})

        def one(client: AttesterClient) -> None:
            seat = client.endpoint.seat
            try:
                words = client.send_heartbeats(batch.waiting[seat])
            except Unreachable as error:
                refused[seat] = error.why[0] if error.why else error.message
                return
            left = []
            for beat, word in zip(list(batch.waiting[seat]), words, strict=True):
                if word in admission.TRANSIENT:
                    left.append(beat)
                if word not in admission.ACKNOWLEDGED:
                    refused[seat] = word
                elif beat.node in heard:
                    heard[beat.node].add(seat)
            batch.waiting[seat] = left

        if self._pool is None:
            for client in clients:
                one(client)
        else:
            list(self._pool.map(one, clients))
        for seat, word in refused.items():
            _log.info("slot %d.%d: seat %d: %s", batch.epoch, batch.slot, seat, word)
        after = {seat for seat, beats in batch.waiting.items() if beats}
        if batch.beats:
            if not after:
                self._drop(batch)
            elif after != before:
                self._mark(batch, after)
        took = tuple(e.seat for e in committee.endpoints if e.seat not in after and e.seat not in refused)
        done = len(took)
        return SlotResult(len(batch.beats), done, len(committee.endpoints), refused, took)

    def _save(self, batch: _Batch) -> None:
        row = {
            "epoch": batch.epoch,
            "slot": batch.slot,
            "generation": batch.generation,
            "waiting": sum(1 << seat for seat in batch.waiting),
            "beats": encode(batch.beats),
        }

        def work(connection: Connection) -> None:
            connection.execute(delete(_BATCHES).where(_is(batch)))
            connection.execute(insert(_BATCHES).values(row))

        self._store.write(work)

    def _mark(self, batch: _Batch, seats: set[int]) -> None:
        mask = sum(1 << seat for seat in seats)
        self._store.write(lambda c: c.execute(update(_BATCHES).where(_is(batch)).values(waiting=mask)))

    def _drop(self, batch: _Batch) -> None:
        if self._batches.pop((batch.epoch, batch.slot), None) is None:
            return
        self._store.write(lambda c: c.execute(delete(_BATCHES).where(_is(batch))))


def _is(batch: _Batch) -> Any:
    return and_(_BATCHES.c.epoch == batch.epoch, _BATCHES.c.slot == batch.slot)

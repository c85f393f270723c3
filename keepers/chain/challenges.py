"""What the chain says about an epoch's challenge: its seeds, the size of a class's work, and which GPUs were free.

A GPU is free at the seed iff no lease holds it in the state after the last block with timestamp < T_seed: one that
exists there, whose stop is not recorded, and that is funded beyond T_seed. So a lease to oneself that is opened when
the seed is known frees nobody. Source: docs/protocol.md §8, "Who".
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace

from keepers.chain.contracts import Suite
from keepers.chain.heads import last_before
from keepers.chain.ports import BlockRef, Call, Reader
from keepers.protocol.challenge import first_seeded
from keepers.protocol.epochs import Calendar
from keepers.protocol.leases import Money, Terms, until
from keepers.protocol.nodes import Node
from keepers.protocol.report import is_challenged
from keepers.protocol.units import M32, field

KEEP_EPOCHS = 100  # more than a report can be late with a committee that still observes it


@dataclass(frozen=True)
class Drawn:
    """The seed of an epoch, the second T_seed at which it was drawn, and the seed of its PERIOD's B."""

    epoch: int
    seed: int
    seed_time: int
    seed_b: int


@dataclass(frozen=True)
class Size:
    """What a class asks: n and rounds (0: liveness only), deadline in seconds after T_seed."""

    n: int
    rounds: int
    deadline: int

    @classmethod
    def unpack(cls, row: int) -> Size:
        """Reads the registry's word of a class; of none (0) everything is 0."""
        return cls(field(row, 96, 32), field(row, 64, 32), row >> 128 & M32)

    @property
    def challenged(self) -> bool:
        """Whether nodes of the class owe answers at all."""
        return self.rounds != 0


@dataclass(frozen=True)
class _Lease:
    """Node, block of its opening; block and second of its end (0 = none seen)."""

    node: int
    opened: int
    finished: int = 0
    finished_at: int = 0


class Challenges:
    """Reads of one network, remembered by block where they cannot change. Thread-safe."""

    def __init__(self, reader: Reader, suite: Suite, calendar: Calendar, first_block: int) -> None:
        self._reader = reader
        self._suite = suite
        self._calendar = calendar
        self._lock = threading.Lock()
        self._first = first_block
        self._next = first_block  # where the escrow's events were not read yet
        self._leases: dict[int, _Lease] = {}
        self._read_to: BlockRef | None = None
        self._sizes: dict[int, Size] = {}
        self._rate: int | None = None

    def of(self, epoch: int, at: BlockRef) -> Drawn | None:
        """The seeds of an epoch as seen from block `at`; None where the epoch has none, or its period none, or the
        seed came too late for it to be challenged."""
        hub = self._suite.hub
        first = first_seeded(epoch, self._calendar.epochs_per_period)
        if first > epoch:
            return None
        answers = self._reader.read_many([hub.view("seed", epoch), hub.view("seed", first)], at)
        (seed, seed_time), (seed_b, _) = answers
        if not is_challenged(int(seed_time), self._calendar.start(epoch), self._calendar.epoch_seconds):
            return None
        return Drawn(epoch, int(seed), int(seed_time), int(seed_b)) if seed_b else None

    def rate(self, at: BlockRef) -> int:
        """Part of the nodes on which the lot falls in an epoch, bps; never changes."""
        if self._rate is None:
            self._rate = int(self._reader.read(Call("ComputeChallenge", "RATE"), at))
        return self._rate

    def size(self, class_id: int, at: BlockRef) -> Size:
        """A class's work; a row never changes."""
        if class_id not in self._sizes:
            row = int(self._suite.registry.class_word(class_id, at=at))
            if not row:
                return Size(0, 0, 0)
            self._sizes[class_id] = Size.unpack(row)
        return self._sizes[class_id]

    def free(self, nodes: Mapping[int, Node], seed_time: int, at: BlockRef) -> dict[int, int]:
        """Free GPUs at the seed of each node given (index -> node word at any block: GPUs never change)."""
        with self._lock:
            block = last_before(self._reader.block, seed_time, at)
            self._follow(at)
            wanted = [
                number
                for number, lease in sorted(self._leases.items())
                if lease.node in nodes and lease.opened <= block.number and not 0 < lease.finished <= block.number
            ]
        held = self._held(wanted, seed_time, block)
        return {index: max(0, node.gpus - held.get(index, 0)) for index, node in nodes.items()}

    def _held(self, leases: list[int], moment: int, block: BlockRef) -> dict[int, int]:
        escrow = self._suite.escrow
        calls = [escrow.view("terms", i) for i in leases] + [escrow.view("money", i) for i in leases]
        answers = self._reader.read_many(calls, block) if calls else []
        held: dict[int, int] = {}
        for place in range(len(leases)):
            terms = Terms.unpack(int(answers[place]))
            money = Money.unpack(int(answers[len(leases) + place]))
            if terms.rate and not terms.stopped and until(terms, money) > moment:
                held[terms.node] = held.get(terms.node, 0) + terms.gpus
        return held

    def _follow(self, at: BlockRef) -> None:
        """Leases that opened or ended up to `at`; a reorg reads anew what is not final."""
        known = self._read_to
        if known is not None:
            here = self._reader.block(known.number)
            if here is None or here.hash != known.hash or at.number < known.number:
                self._undo(self._reader.final().number)
        for event in self._reader.events(self._next, at.number, "LeaseEscrow", ("Opened", "Finished")):
            number = int(event["id"])
            if event.name == "Opened":
                self._leases[number] = _Lease(Terms.unpack(int(event["terms"])).node, event.block_number)
            elif number in self._leases:
                ended = replace(self._leases[number], finished=event.block_number, finished_at=event.timestamp)
                self._leases[number] = ended
        self._next, self._read_to = at.number + 1, at
        # no report that is still to come asks for a seed so old
        old = at.timestamp - KEEP_EPOCHS * self._calendar.epoch_seconds
        for number in [n for n, lease in self._leases.items() if 0 < lease.finished_at < old]:
            del self._leases[number]

    def _undo(self, final: int) -> None:
        kept = {}
        for number, lease in self._leases.items():
            if lease.opened <= final:
                kept[number] = lease if lease.finished <= final else replace(lease, finished=0, finished_at=0)
        self._leases = kept
        self._next = min(self._next, max(self._first, final + 1))

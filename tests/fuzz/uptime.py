"""Two implementations of `apply` and of the readings of a leaf against each other and against counting slots.

    python -m tests.fuzz.uptime --budget 600 --seed 0

A network lives: nodes come (the tree grows over powers of two) and retire, epochs are void, unchallenged or partly
indeterminate, and sometimes hundreds pass in which nothing is recorded. Beside it three accounts are kept: the keepers'
words (plain and packed), the contracts' modules, and for each node every slot counted one by one. They must agree bit
for bit, and the flat tree with the sparse one.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from keepers.protocol.counters import (
    EMPTY,
    Header,
    Leaf,
    apply,
    down_seconds,
    fault_seconds,
    mask_of,
    proven,
    unproven,
)
from keepers.protocol.epochs import SLOTS
from keepers.protocol.leaf_words import check_leaf, record_word
from keepers.protocol.merkle import SparseTree, depth_of, leaf_hash, root_from_proof
from keepers.protocol.records import DARK, FULL_MASK, Record
from keepers.protocol.uptime_tree import UptimeTree

SLOT = 300
BATCH = 64  # what the mock takes at a call
MAX_NODES = 70  # crosses 2, 4, … 64


class Differs(AssertionError):
    """Two accounts of one thing; the text says which."""


@dataclass
class Node:
    """What happened to one node, slot by slot: sums through the epoch before, and this epoch's slots."""

    down: int = 0
    fault: int = 0
    unproven: int = 0
    slots: list[tuple[bool, bool]] = field(default_factory=list)  # (down, fault) of each slot of the present epoch
    predicted: tuple[int, int] = (0, 0)
    retired: bool = False
    leaf: Leaf = EMPTY

    def close(self) -> None:
        """The present epoch is over."""
        self.down += sum(d for d, _ in self.slots)
        self.fault += sum(f for _, f in self.slots)
        self.slots = []

    def seconds(self, which: int, offset: int) -> int:
        """Seconds not attested (0) or at fault (1) before `offset` seconds of the present epoch, one slot at a time."""
        total = SLOT * (self.fault if which else self.down)
        for k, slot in enumerate(self.slots):
            if slot[which]:
                total += min(max(offset - k * SLOT, 0), SLOT)
        return total


@dataclass(frozen=True)
class Applied:
    """One record applied: words before and after, for the contracts' account."""

    leaf: int
    record: int
    before: int
    header: int
    after: int


@dataclass(frozen=True)
class Reading:
    """One leaf read: D, F and U that a count gives."""

    header: int
    leaf: int
    offset: int
    found: tuple[int, int, int]


class Duel:
    """One network. `applied` and `readings` collect what the contracts' modules must give too."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.tree, self.sparse = UptimeTree(), SparseTree(1)
        self.nodes: list[Node] = []
        self.voids = 0
        self.applied: list[Applied] = []
        self.readings: list[Reading] = []
        self.marks: list[tuple[Header, list[Leaf], list[int]]] = []  # for what was proven between two epochs
        self.compared = 0

    def step(self) -> None:
        """Something happens: mostly one epoch, sometimes a long quiet or dark stretch."""
        rng, roll = self.rng, self.rng.random()
        if roll < 0.03:
            for _ in range(rng.choice((5, 40, 300))):
                self._epoch(quiet=True)
        elif roll < 0.12:
            for _ in range(rng.randrange(1, 25)):
                self._void()
        else:
            if rng.random() < 0.25:
                self._grow(rng.choice((1, 1, 2, 9)))
            self._epoch(quiet=False)
        self._compare()

    def _grow(self, more: int) -> None:
        for _ in range(min(more, MAX_NODES - len(self.nodes))):
            # a leaf without a record is down in every void epoch, old or new, and nothing else
            self.nodes.append(Node(down=SLOTS * self.voids))
        if self.nodes and self.rng.random() < 0.1:
            self.rng.choice(self.nodes).retired = True

    def _void(self) -> None:
        self.voids += 1
        self.tree.void(self.tree.header.epoch + 1)
        for node in self.nodes:
            node.close()
            node.slots = [(True, False)] * SLOTS

    def _epoch(self, quiet: bool) -> None:
        rng, before = self.rng, self.tree.header
        indet = rng.getrandbits(12) & rng.getrandbits(12) & rng.getrandbits(12) if rng.random() < 0.5 else 0
        header = before.reported(count=len(self.nodes), indet=indet, challenged=rng.random() < 0.8)
        records: list[Record] = []
        for index, node in enumerate(self.nodes):
            node.close()
            mask, u, x = *node.predicted, 0
            if not quiet and not node.retired:
                if rng.random() < 0.4:
                    mask = rng.choice((0, 0, FULL_MASK, DARK, 1, rng.getrandbits(12)))
                    u = int(mask == FULL_MASK or rng.random() < 0.3)
                x = int(rng.random() < 0.03)
            if (mask, u) != node.predicted or x:
                records.append(Record(index, x, u, mask))
            node.predicted = (FULL_MASK, 1) if mask & DARK else (0, u)
            node.slots = [(bool(mask >> k & 1), bool(mask >> k & 1 and not indet >> k & 1)) for k in range(SLOTS)]
            node.unproven += u if header.challenged else 0
        for record in records:
            node = self.nodes[record.index]
            after = apply(node.leaf, record, before, header)
            check_leaf(after.pack(), header)
            self.applied.append(
                Applied(node.leaf.pack(), record_word(record), before.pack(), header.pack(), after.pack())
            )
            node.leaf = after
        self.tree.apply_report(header, records)
        self.sparse.grow(depth_of(header.count))
        self.sparse.update({r.index: leaf_hash(r.index, self.nodes[r.index].leaf.pack()) for r in records})

    def _compare(self) -> None:
        header, tree = self.tree.header, self.tree
        if tree.root != self.sparse.root:
            raise Differs(f"epoch {header.epoch}: two roots of the same leaves")
        for index in self.rng.sample(range(len(self.nodes)), min(4, len(self.nodes))):
            node = self.nodes[index]
            if tree.leaf(index) != node.leaf:
                raise Differs(f"epoch {header.epoch}: packed and plain records give node {index} two leaves")
            if root_from_proof(index, tree.word(index), tree.proof(index)) != tree.root:
                raise Differs(f"epoch {header.epoch}: the proof of node {index} does not hold")
            mask = sum(1 << k for k, (down, _) in enumerate(node.slots) if down)
            if node.slots and mask_of(header, node.leaf) != mask:
                raise Differs(f"epoch {header.epoch}: M of node {index} is not its slots")
            offset = self.rng.choice((0, SLOTS * SLOT, self.rng.randrange(SLOTS * SLOT + 1)))
            ours = (
                down_seconds(header, node.leaf, offset, SLOT),
                fault_seconds(header, node.leaf, offset, SLOT),
                unproven(header, node.leaf),
            )
            counted = (node.seconds(0, offset), node.seconds(1, offset), node.unproven)
            if ours != counted:
                raise Differs(f"epoch {header.epoch}, node {index}, offset {offset}: {ours} read, {counted} counted")
            self.readings.append(Reading(header.pack(), node.leaf.pack(), offset, counted))
            self.compared += 1
        self._compare_proven(header)

    def _compare_proven(self, header: Header) -> None:
        rng = self.rng
        if rng.random() < 0.1:
            self.marks.append((header, [n.leaf for n in self.nodes], [n.unproven for n in self.nodes]))
            del self.marks[:-8]
        if self.marks and self.nodes:
            then, leaves, counts = rng.choice(self.marks)
            if leaves:
                i = rng.randrange(len(leaves))
                challenged = header.challenged_epochs - then.challenged_epochs
                counted = challenged - (self.nodes[i].unproven - counts[i])
                if proven(then, leaves[i], header, self.nodes[i].leaf) != counted:
                    raise Differs(f"epoch {header.epoch}: proven epochs of node {i} since {then.epoch}")


def against(mock: Any, duel: Duel) -> int:
    """What the duel collected, asked of the contracts' modules; returns how many answers agreed."""
    asked = 0
    for part in _batches(duel.applied):
        given = mock.apply_many(
            [a.leaf for a in part], [a.record for a in part], [a.before for a in part], [a.header for a in part]
        )
        for one, found in zip(part, given, strict=True):
            if found != one.after:
                raise Differs(f"apply({one.leaf:#x}, {one.record:#x}): contracts {found:#x}, keepers {one.after:#x}")
        asked += len(part)
    for read in _batches(duel.readings):
        answers = mock.read_many([r.header for r in read], [r.leaf for r in read], [r.offset for r in read], SLOT)
        for reading, answer in zip(read, answers, strict=True):
            if tuple(answer) != reading.found:
                raise Differs(f"leaf {reading.leaf:#x}: contracts read {tuple(answer)}, counted {reading.found}")
        asked += len(read)
    duel.applied.clear()
    duel.readings.clear()
    return asked


def _batches(rows: list[Any]) -> Iterator[list[Any]]:
    for at in range(0, len(rows), BATCH):
        yield rows[at : at + BATCH]


def play(seed: int, steps: int, mock: Any | None) -> tuple[int, int, int]:
    """(epochs, leaves compared, answers of the contracts) of one duel. Raises Differs."""
    duel, asked = Duel(seed), 0
    for step in range(steps):
        try:
            duel.step()
            if mock is not None and step % 32 == 31:
                asked += against(mock, duel)
        except Differs as error:
            raise Differs(f"seed {seed}, step {step}: {error}") from None
    if mock is not None:
        asked += against(mock, duel)
    return duel.tree.header.epoch, duel.compared, asked


def main() -> int:
    """Duels until the budget is used; exit code 1 and the seed at the first difference."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.uptime", description=__doc__.splitlines()[0])
    parser.add_argument("--budget", type=float, default=600, help="seconds")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=200, help="steps of one duel")
    options = parser.parse_args()
    from tests.fuzz.mock import Mock

    mock = Mock()
    end, seed, sums = time.monotonic() + options.budget, options.seed, [0, 0, 0]
    while time.monotonic() < end:
        try:
            sums = [a + b for a, b in zip(sums, play(seed, options.steps, mock), strict=True)]
        except Differs as error:
            print(f"DIFFERS {error}\n  again: python -m tests.fuzz.uptime --seed {seed} --budget 1", file=sys.stderr)
            return 1
        seed += 1
    done = f"{sums[0]:,} epochs, {sums[1]:,} leaves by slots, {sums[2]:,} by contracts"
    print(f"uptime   {seed - options.seed} duels, {done}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

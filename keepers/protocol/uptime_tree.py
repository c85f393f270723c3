"""All leaves of the network and their tree, rebuilt from logged records alone.

Attesters build a report's root with it, settlers its proofs: one function, so no proof is ever asked of an attester.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from keepers.protocol.counters import EMPTY, GENESIS_HEADER, Header, Leaf, RecordRefused, apply
from keepers.protocol.merkle import SparseTree, depth_of, leaf_hash, multiproof
from keepers.protocol.records import Record, groups_of


@dataclass(frozen=True)
class Applied:
    """Result of a report: the root after it, and the root after each group of 64 records."""

    root: bytes
    running: tuple[bytes, ...]


@dataclass(frozen=True)
class Snapshot:
    """State of an UptimeTree at one moment; opaque, for `restore` and `UptimeTree.at`."""

    header: Header
    leaves: dict[int, Leaf]
    tree: SparseTree


class UptimeTree:
    """Leaves by node index, the tree over them and the header of the last epoch."""

    def __init__(self) -> None:
        self._header = GENESIS_HEADER
        self._leaves: dict[int, Leaf] = {}
        self._tree = SparseTree(depth_of(0))

    @classmethod
    def at(cls, snapshot: Snapshot) -> UptimeTree:
        """A tree of its own in the state of `snapshot`."""
        tree = cls()
        tree.restore(snapshot)
        return tree

    @property
    def header(self) -> Header:
        """Header of the last epoch reported or voided."""
        return self._header

    @property
    def root(self) -> bytes:
        """Root after that epoch."""
        return self._tree.root

    @property
    def depth(self) -> int:
        """Depth of the tree."""
        return self._tree.depth

    @property
    def ring_word(self) -> bytes:
        """w of that epoch."""
        return self._header.ring_word(self._tree.root)

    def leaf(self, index: int) -> Leaf:
        """The leaf of a node; the empty one if no record of it was ever written."""
        return self._leaves.get(index, EMPTY)

    def leaves(self) -> Iterator[tuple[int, Leaf]]:
        """(index, leaf) of every node that has a record, ascending."""
        return iter(sorted(self._leaves.items()))

    def proof(self, index: int) -> list[bytes]:
        """Siblings of the node's leaf from the leaf up."""
        return self._tree.proof(index)

    def multiproof(self, indices: Sequence[int]) -> list[bytes]:
        """Positional multiproof of several nodes, ascending, as `LeaseEscrow.settle_many` reads it."""
        return multiproof(self._tree, indices)

    def apply_report(self, header: Header, records: Sequence[Record]) -> Applied:
        """Applies one epoch's records, group by group. All or nothing.

        Raises RecordRefused for a record that the rules do not allow, ValueError for a header that does not follow.
        """
        if header != self._header.reported(count=header.count, indet=header.indet, challenged=header.challenged):
            raise ValueError(f"header {header} does not follow {self._header}")
        before = self._header
        fresh: dict[int, Leaf] = {}
        hashes: list[dict[int, bytes]] = []
        for group in groups_of(records):
            row: dict[int, bytes] = {}
            for record in group:
                leaf = apply(fresh.get(record.index, self.leaf(record.index)), record, before, header)
                fresh[record.index] = leaf
                row[record.index] = leaf_hash(record.index, leaf.pack())
            hashes.append(row)
        # nothing below can fail, so a refused record leaves the tree as it was
        self._tree.grow(depth_of(header.count))
        running = tuple(self._tree.update(row) for row in hashes)
        self._leaves.update(fresh)
        self._header = header
        return Applied(self._tree.root, running)

    def void(self, hi: int) -> bytes:
        """Declares the epochs after the last through `hi` void; returns the root. Raises ValueError if hi ≤ last."""
        if hi <= self._header.epoch:
            raise ValueError(f"epoch {hi} is already reported; the last is {self._header.epoch}")
        while self._header.epoch < hi:
            self._header = self._header.voided()
        return self._tree.root

    def snapshot(self) -> Snapshot:
        """The present state, independent of later changes."""
        return Snapshot(self._header, dict(self._leaves), self._tree.copy())

    def restore(self, snapshot: Snapshot) -> None:
        """Returns to a state taken by `snapshot`."""
        self._header = snapshot.header
        self._leaves = dict(snapshot.leaves)
        self._tree = snapshot.tree.copy()


__all__ = ["Applied", "RecordRefused", "Snapshot", "UptimeTree"]

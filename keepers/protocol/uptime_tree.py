"""All leaves of the network and their tree, rebuilt from logged records alone.

Attesters build a report's root with it, settlers its proofs: one function, so no proof is ever asked of an attester.
Leaves are kept as words and the tree as flat rows: a month of 100,000 nodes is rebuilt in seconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from keepers.protocol.counters import EMPTY, GENESIS_HEADER, Header, Leaf, RecordRefused
from keepers.protocol.flat_tree import FlatTree, leaf_hashes
from keepers.protocol.leaf_words import apply_words, record_word
from keepers.protocol.merkle import depth_of, multiproof
from keepers.protocol.records import GROUP, Record


@dataclass(frozen=True)
class Applied:
    """Result of a report: the root after it, and the root after each group of 64 records."""

    root: bytes
    running: tuple[bytes, ...]


@dataclass(frozen=True)
class Snapshot:
    """State of an UptimeTree at one moment; opaque, for `restore` and `UptimeTree.at`."""

    header: Header
    words: list[int]
    tree: FlatTree


@dataclass(frozen=True)
class _Undo:
    """What the last report changed: header and reach of the leaf words before it, and those that it replaced."""

    header: Header
    reach: int
    indices: list[int]
    words: list[int]


class UptimeTree:
    """Leaf words by node index, the tree over them and the header of the last epoch."""

    def __init__(self) -> None:
        self._header = GENESIS_HEADER
        self._words: list[int] = []
        self._tree = FlatTree(depth_of(0))
        self._undo: _Undo | None = None

    @classmethod
    def at(cls, snapshot: Snapshot) -> UptimeTree:
        """A tree of its own in the state of `snapshot`."""
        tree = cls()
        tree.restore(snapshot)
        return tree

    @classmethod
    def of(cls, header: Header, words: Sequence[int]) -> UptimeTree:
        """The tree of leaf words by index, hashed anew. Nothing is checked: the root says whether they are right.

        Raises ValueError for more words than the header counts nodes.
        """
        if len(words) > header.count:
            raise ValueError(f"{len(words)} leaves, but the header counts {header.count} nodes")
        tree = cls()
        tree._header, tree._words = header, list(words)
        tree._tree = FlatTree.of(words, header.count)
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

    @property
    def words(self) -> Sequence[int]:
        """Leaf words by index, as far as records reach; beyond them all are 0. Read it, never change it."""
        return self._words

    def word(self, index: int) -> int:
        """The leaf word of a node; 0 if no record of it was ever written."""
        return self._words[index] if 0 <= index < len(self._words) else 0

    def leaf(self, index: int) -> Leaf:
        """The leaf of a node; the empty one if no record of it was ever written."""
        word = self.word(index)
        return Leaf.unpack(word) if word else EMPTY

    def leaves(self) -> Iterator[tuple[int, Leaf]]:
        """(index, leaf) of every node that has a record, ascending."""
        return ((index, Leaf.unpack(word)) for index, word in enumerate(self._words) if word)

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
        return self.apply_words(header, [record_word(record) for record in records])

    def apply_words(self, header: Header, records: Sequence[int]) -> Applied:
        """`apply_report` for records as the integers of their 5 bytes (`leaf_words.record_words`)."""
        return self.apply_groups(header, [records[at : at + GROUP] for at in range(0, len(records), GROUP)])

    def apply_groups(self, header: Header, groups: Sequence[Sequence[int]]) -> Applied:
        """`apply_words` for records that stand in groups already: one running root a group, which may be short."""
        before = self._header
        if header != before.reported(count=header.count, indet=header.indet, challenged=header.challenged):
            raise ValueError(f"header {header} does not follow {before}")
        depth = depth_of(header.count)
        indices, words = apply_words(self._words, [record for group in groups for record in group], before, header)
        # nothing below can fail, so a refused record leaves the tree as it was
        self._undo = _Undo(before, len(self._words), indices, [self.word(index) for index in indices])
        tree = self._tree
        tree.grow(depth)
        running = self._put(indices, words, [len(group) for group in groups])
        self._header = header
        return Applied(tree.root, running)

    def _put(self, indices: list[int], words: list[int], sizes: Sequence[int]) -> tuple[bytes, ...]:
        """Writes leaf words that are not empty; the root after each group of the given sizes."""
        if indices:
            self._words.extend([0] * (max(indices) + 1 - len(self._words)))
        hashes = leaf_hashes(indices, words)
        for index, word in zip(indices, words, strict=True):
            self._words[index] = word
        running, at = [], 0
        for size in sizes:
            part = zip(indices[at : at + size], hashes[at : at + size], strict=True)
            running.append(self._tree.update(dict(part)))
            at += size
        return tuple(running)

    def take_back(self) -> None:
        """Undoes the last `apply_report`, once. Raises ValueError where there is nothing to take back."""
        undo = self._undo
        if undo is None:
            raise ValueError("there is no report to take back")
        self._undo = None
        hashes = [leaf_hashes((i,), (w,))[0] if w else bytes(32) for i, w in zip(undo.indices, undo.words, strict=True)]
        self._tree.update(dict(zip(undo.indices, hashes, strict=True)))
        for index, word in zip(undo.indices, undo.words, strict=True):
            self._words[index] = word
        self._tree.shrink(depth_of(undo.header.count))
        del self._words[undo.reach :]
        self._header = undo.header

    def void(self, hi: int) -> bytes:
        """Declares the epochs after the last through `hi` void; returns the root. Raises ValueError if hi ≤ last."""
        if hi <= self._header.epoch:
            raise ValueError(f"epoch {hi} is already reported; the last is {self._header.epoch}")
        self._undo = None
        while self._header.epoch < hi:
            self._header = self._header.voided()
        return self._tree.root

    def snapshot(self) -> Snapshot:
        """The present state, independent of later changes."""
        return Snapshot(self._header, self._words.copy(), self._tree.copy())

    def restore(self, snapshot: Snapshot) -> None:
        """Returns to a state taken by `snapshot`."""
        self._header = snapshot.header
        self._words = snapshot.words.copy()
        self._tree = snapshot.tree.copy()
        self._undo = None


__all__ = ["Applied", "RecordRefused", "Snapshot", "UptimeTree"]

"""The tree of a whole network: one flat row of hashes a level, so that an epoch costs little more than its hashes.

The same roots and proofs as `merkle.SparseTree`, which stays the plain statement of the rules and the yardstick of the
tests. A row reaches as far as nodes were ever touched; beyond it stands the empty subtree of that level. Rows share
their hashes, so a copy costs 8 bytes a node. Source: docs/protocol.md §7, "Tree".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from sha3 import keccak_256

from keepers.protocol.merkle import MAX_DEPTH, ZERO, depth_of


def leaf_hashes(indices: Iterable[int], words: Iterable[int]) -> list[bytes]:
    """Hashes of leaf words at their indices; `merkle.leaf_hash` for many, none of which is the empty word 0."""
    hashed = keccak_256
    # 33 bytes of an index are the byte 0x00 and its word
    return [
        hashed(index.to_bytes(33, "big") + value.to_bytes(32, "big")).digest()
        for index, value in zip(indices, words, strict=True)
    ]


class FlatTree:
    """Hashes by level and position, level 0 = leaves. Mutable; memory follows the highest index ever touched."""

    __slots__ = ("_rows", "depth")

    def __init__(self, depth: int = 1) -> None:
        if not 0 <= depth <= MAX_DEPTH:
            raise ValueError(f"depth is {depth}; it must be 0 … {MAX_DEPTH}")
        self.depth = depth
        self._rows: list[list[bytes]] = [[] for _ in range(depth)] + [[ZERO[depth]]]

    @classmethod
    def of(cls, words: Sequence[int], count: int) -> FlatTree:
        """The tree of `count` nodes over leaf words by index; words beyond the sequence are empty."""
        tree = cls(depth_of(count))
        full = [i for i, word in enumerate(words) if word]
        tree.update(dict(zip(full, leaf_hashes(full, [words[i] for i in full]), strict=True)))
        return tree

    @property
    def root(self) -> bytes:
        """The root, 32 bytes."""
        return self._rows[self.depth][0]

    def node(self, level: int, position: int) -> bytes:
        """The hash at `position` of `level` (0 = leaves)."""
        row = self._rows[level]
        return row[position] if position < len(row) else ZERO[level]

    def update(self, leaves: Mapping[int, bytes]) -> bytes:
        """Puts leaf hashes, each inner node hashed once; returns the new root. Raises ValueError out of range."""
        if not leaves:
            return self.root
        highest = max(leaves)
        if min(leaves) < 0 or highest >> self.depth:
            raise ValueError(f"an index of {min(leaves)} … {highest} does not fit a tree of depth {self.depth}")
        rows, hashed = self._rows, keccak_256
        row = self._reach(0, highest)
        for index, value in leaves.items():
            row[index] = value
        touched = {index >> 1 for index in leaves}
        for d in range(1, self.depth + 1):
            highest >>= 1
            above = self._reach(d, highest)
            for p in touched:
                above[p] = hashed(row[2 * p] + row[2 * p + 1]).digest()
            touched = {p >> 1 for p in touched}
            row = rows[d]
        return self.root

    def _reach(self, level: int, position: int) -> list[bytes]:
        """The row, long enough for a node and its sibling."""
        row = self._rows[level]
        need = (position | 1) + 1 if level < self.depth else 1
        if len(row) < need:
            row.extend([ZERO[level]] * (need - len(row)))
        return row

    def grow(self, depth: int) -> bytes:
        """Lifts the tree to `depth`; the same leaves, a new root. Raises ValueError if it would shrink."""
        if depth < self.depth:
            raise ValueError(f"a tree of depth {self.depth} does not shrink to {depth}")
        if depth > MAX_DEPTH:
            raise ValueError(f"depth is {depth}; it must be 0 … {MAX_DEPTH}")
        while self.depth < depth:
            d = self.depth
            self._rows[d].append(ZERO[d])
            self._rows.append([keccak_256(self._rows[d][0] + ZERO[d]).digest()])
            self.depth = d + 1
        return self.root

    def shrink(self, depth: int) -> bytes:
        """Undoes `grow`. Raises ValueError where a leaf stands beyond the first 2**depth."""
        while self.depth > depth:
            d = self.depth - 1
            if any(value != ZERO[d] for value in self._rows[d][1:]):
                raise ValueError(f"the tree has leaves beyond depth {d}")
            self._rows.pop()
            for level in range(d + 1):
                del self._rows[level][1 << (d - level) :]
            if not self._rows[d]:
                self._rows[d].append(ZERO[d])
            self.depth = d
        return self.root

    def proof(self, index: int) -> list[bytes]:
        """Siblings of `index` from the leaf up, `depth` of them. Raises ValueError out of range."""
        if not 0 <= index < 1 << self.depth:
            raise ValueError(f"index {index} does not fit a tree of depth {self.depth}")
        return [self.node(d, (index >> d) ^ 1) for d in range(self.depth)]

    def copy(self) -> FlatTree:
        """An independent copy: 8 bytes a stored node."""
        other = FlatTree.__new__(FlatTree)
        other.depth = self.depth
        other._rows = [row.copy() for row in self._rows]
        return other

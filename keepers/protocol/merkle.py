"""The positional Merkle tree of leaves: depth at most 24, empty subtrees known by heart, one proof or many at once.

Leaf hash = 0 for word 0, else keccak(0x00 ‖ index ‖ word) (65 bytes); node = keccak(left ‖ right) (64 bytes).
Source: docs/protocol.md §7; contracts/modules/merkle.vy.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Protocol

from keepers.protocol.hashing import ZERO32, keccak, word

MAX_DEPTH = 24


def _zeros() -> tuple[bytes, ...]:
    out = [ZERO32]
    for _ in range(MAX_DEPTH):
        out.append(keccak(out[-1] + out[-1]))
    return tuple(out)


ZERO = _zeros()  # ZERO[d] = root of an empty tree of depth d


def depth_of(count: int) -> int:
    """Depth of the tree of `count` nodes: max(1, bit length of max(count, 1) - 1). Raises ValueError above 2**24."""
    depth = max(1, (max(count, 1) - 1).bit_length())
    if depth > MAX_DEPTH:
        raise ValueError(f"{count} nodes need a tree deeper than {MAX_DEPTH}")
    return depth


def leaf_hash(index: int, value: int) -> bytes:
    """Hash of the leaf word at `index`; 32 zero bytes for the empty leaf."""
    return ZERO32 if value == 0 else keccak(b"\x00" + word(index) + word(value))


def lift(root: bytes, depth: int, to: int) -> bytes:
    """The root of the same leaves in a tree of depth `to` ≥ `depth`: R becomes keccak(R ‖ Z_d) level by level."""
    for d in range(depth, to):
        root = keccak(root + ZERO[d])
    return root


def root_from_proof(index: int, value: int, proof: Sequence[bytes]) -> bytes:
    """Root that `proof` (siblings from the leaf up) gives. Raises ValueError if the index is not used up."""
    h = leaf_hash(index, value)
    x = index
    for sibling in proof:
        h = keccak(sibling + h) if x & 1 else keccak(h + sibling)
        x >>= 1
    if x:
        raise ValueError(f"proof of {len(proof)} siblings is too short for index {index}")
    return h


class SparseTree:
    """A tree that stores only what is not empty. Mutable; `copy` is cheap in the number of stored nodes."""

    def __init__(self, depth: int = 1) -> None:
        if not 0 <= depth <= MAX_DEPTH:
            raise ValueError(f"depth is {depth}; it must be 0 … {MAX_DEPTH}")
        self.depth = depth
        self._levels: list[dict[int, bytes]] = [{} for _ in range(depth + 1)]

    @property
    def root(self) -> bytes:
        """The root, 32 bytes."""
        return self._levels[self.depth].get(0, ZERO[self.depth])

    def node(self, level: int, position: int) -> bytes:
        """The hash at `position` of `level` (0 = leaves)."""
        return self._levels[level].get(position, ZERO[level])

    def set(self, index: int, leaf: bytes) -> bytes:
        """Puts a leaf hash at `index`; returns the new root."""
        return self.update({index: leaf})

    def update(self, leaves: Mapping[int, bytes]) -> bytes:
        """Puts leaf hashes, each inner node hashed once; returns the new root. Raises ValueError out of range."""
        for index in leaves:
            if not 0 <= index < 1 << self.depth:
                raise ValueError(f"index {index} does not fit a tree of depth {self.depth}")
        below = self._levels[0]
        below.update(leaves)
        touched = {index >> 1 for index in leaves}
        for d in range(self.depth):
            below, above, zero = self._levels[d], self._levels[d + 1], ZERO[d]
            for p in touched:
                above[p] = keccak(below.get(2 * p, zero) + below.get(2 * p + 1, zero))
            touched = {p >> 1 for p in touched}
        return self.root

    def grow(self, depth: int) -> bytes:
        """Lifts the tree to `depth`; the same leaves, a new root. Raises ValueError if it would shrink."""
        if depth < self.depth:
            raise ValueError(f"a tree of depth {self.depth} does not shrink to {depth}")
        while self.depth < depth:
            root, d = self.root, self.depth
            top: dict[int, bytes] = {} if root == ZERO[d] else {0: keccak(root + ZERO[d])}
            self._levels.append(top)
            self.depth = d + 1
        return self.root

    def proof(self, index: int) -> list[bytes]:
        """Siblings of `index` from the leaf up, `depth` of them. Raises ValueError out of range."""
        if not 0 <= index < 1 << self.depth:
            raise ValueError(f"index {index} does not fit a tree of depth {self.depth}")
        return [self.node(d, (index >> d) ^ 1) for d in range(self.depth)]

    def copy(self) -> SparseTree:
        """An independent copy."""
        other = SparseTree(self.depth)
        other._levels = [dict(level) for level in self._levels]
        return other


class Nodes(Protocol):
    """Any tree whose hashes can be asked for: `SparseTree`, or `flat_tree.FlatTree`."""

    depth: int

    def node(self, level: int, position: int) -> bytes:
        """The hash at `position` of `level` (0 = leaves)."""
        ...


def multiproof(tree: Nodes, indices: Iterable[int]) -> list[bytes]:
    """Siblings that prove several leaves at once, in the order in which `LeaseEscrow.settle_many` uses them.

    Level by level from the leaves, left to right; a sibling that is itself computed is not sent, so no flags are
    needed. `indices` must be strictly ascending (ValueError else).
    """
    positions = list(indices)
    if not positions or any(b <= a for a, b in pairwise(positions)):
        raise ValueError("indices of a multiproof must be strictly ascending, at least one")
    out: list[bytes] = []
    for d in range(tree.depth):
        above: list[int] = []
        j = 0
        while j < len(positions):
            a = positions[j]
            j += 1
            if a & 1 == 0 and j < len(positions) and positions[j] == a + 1:
                j += 1
            else:
                out.append(tree.node(d, a ^ 1))
            above.append(a >> 1)
        positions = above
    return out


def root_from_multiproof(indices: Sequence[int], hashes: Sequence[bytes], depth: int, proof: Sequence[bytes]) -> bytes:
    """Root that a multiproof gives for leaf hashes at strictly ascending `indices`. Raises ValueError on a misfit."""
    if len(indices) != len(hashes) or not indices:
        raise ValueError("a multiproof needs as many leaves as indices, at least one")
    if any(b <= a for a, b in pairwise(indices)):
        raise ValueError("indices of a multiproof must be strictly ascending")
    row = list(zip(indices, hashes, strict=True))
    used = 0
    for _ in range(depth):
        above: list[tuple[int, bytes]] = []
        j = 0
        while j < len(row):
            a, h = row[j]
            j += 1
            if a & 1 == 0 and j < len(row) and row[j][0] == a + 1:
                h = keccak(h + row[j][1])
                j += 1
            else:
                if used == len(proof):
                    raise ValueError("multiproof is too short")
                h = keccak(proof[used] + h) if a & 1 else keccak(h + proof[used])
                used += 1
            above.append((a >> 1, h))
        row = above
    if len(row) != 1 or row[0][0] != 0:
        raise ValueError("multiproof does not end in one root")
    if used != len(proof):
        raise ValueError("multiproof is too long")
    return row[0][1]

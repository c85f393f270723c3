"""A second, slow account of uptime for tests: slot-by-slot truth beside the deviation leaves and their tree.

Written from docs/protocol.md alone ("Leaf", "Record", "Tree"); shares no code with the contracts or the keepers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

from tests.support.actors import keccak, words
from tests.support.constants import M32, SLOTS

ALL = 0xFFF
DARK = 1 << 11
U_BIT = 1 << 12


@cache
def zero(d: int) -> bytes:
    """Z_d: root of an empty tree of depth d."""
    return bytes(32) if d == 0 else keccak(zero(d - 1) * 2)


def depth_of(count: int) -> int:
    return max(1, (max(count, 1) - 1).bit_length())


def leaf_hash(index: int, value: int) -> bytes:
    return bytes(32) if value == 0 else keccak(b"\0" + words(index, value))


def tree_level(nodes: Mapping[int, bytes], d: int) -> dict[int, bytes]:
    """The level above the given one (whose empty places hold Z_d)."""
    return {x: keccak(nodes.get(2 * x, zero(d)) + nodes.get(2 * x + 1, zero(d))) for x in {i >> 1 for i in nodes}}


def root_of(leaves: Mapping[int, int], depth: int) -> bytes:
    level = {i: leaf_hash(i, v) for i, v in leaves.items() if v}
    for d in range(depth):
        level = tree_level(level, d)
    return level.get(0, zero(depth))


def proof_of(leaves: Mapping[int, int], depth: int, index: int) -> list[bytes]:
    level = {i: leaf_hash(i, v) for i, v in leaves.items() if v}
    out = []
    for d in range(depth):
        out.append(level.get(index ^ 1, zero(d)))
        level = tree_level(level, d)
        index >>= 1
    return out


def header_word(
    epoch: int, v: int, q: int, i: int, count: int, indet: int = 0, void: bool = False, challenged: bool = False
) -> int:
    counters = epoch | v << 32 | q << 64 | i << 96 | count << 128
    return counters | indet << 160 | int(void) << 172 | int(challenged) << 173


def pick(word: int, at: int, bits: int = 32) -> int:
    return (word >> at) & ((1 << bits) - 1)


def apply_record(leaf: int, mask: int, u: int, x: int, before: int, header: int) -> int:
    """The leaf after a record of the header's epoch ("Record"). `before` is the header of the epoch before."""
    m = pick(header, 0) - pick(header, 32)
    last, down, fault, unproven = pick(leaf, 32), pick(leaf, 64), pick(leaf, 96), pick(leaf, 128)
    assert last < m, "a second record of one epoch"
    dark = leaf & DARK != 0
    g = SLOTS * (m - 1 - last) if dark else 0
    down += g + mask.bit_count()
    fault += g - (pick(before, 96) - pick(leaf, 160) if dark else 0) + (mask & ~pick(header, 160, 12)).bit_count()
    if dark or leaf & U_BIT:
        unproven += pick(before, 64) - pick(leaf, 192)
    unproven += u * (header >> 173 & 1)
    missed = pick(leaf, 224) + x
    counters = unproven << 128 | fault << 96 | down << 64
    return missed << 224 | pick(header, 64) << 192 | pick(header, 96) << 160 | counters | m << 32 | u << 12 | mask


@dataclass
class Truth:
    """What happened in one epoch: the slots that were not attested, by node (absent = none)."""

    header: int
    masks: dict[int, int]
    unproven: dict[int, int]


@dataclass
class Uptime:
    """The tree after each epoch and the truth behind it."""

    slot: int = 300
    header: int = 0
    leaves: dict[int, int] = field(default_factory=dict)
    history: list[Truth] = field(default_factory=list)

    @property
    def count(self) -> int:
        return pick(self.header, 128, 24)

    @property
    def depth(self) -> int:
        return depth_of(self.count)

    @property
    def root(self) -> bytes:
        return root_of(self.leaves, self.depth)

    @property
    def word(self) -> bytes:
        """w of the last epoch."""
        return keccak(self.root + words(self.header))

    def leaf(self, i: int) -> int:
        return self.leaves.get(i, 0)

    def proof(self, i: int) -> list[bytes]:
        return proof_of(self.leaves, self.depth, i)

    def report(
        self,
        down: Mapping[int, int] | None = None,
        count: int | None = None,
        indet: int = 0,
        challenged: bool = False,
        missed: Mapping[int, int] | None = None,
        failed: Mapping[int, int] | None = None,
    ) -> bytes:
        """Apply one epoch and give its records, 5 bytes each.

        `down` masks by node; `missed` x by node; `failed` u by node (else the rule of a class without rounds).
        """
        down, missed, failed = down or {}, missed or {}, failed or {}
        before = self.header
        header = header_word(
            pick(before, 0) + 1,
            pick(before, 32),
            pick(before, 64) + int(challenged),
            pick(before, 96) + indet.bit_count(),
            self.count if count is None else count,
            indet,
            challenged=challenged,
        )
        records, unproven = b"", {}
        for i in range(pick(header, 128, 24)):
            leaf = self.leaf(i)
            dark = leaf & DARK != 0
            mask, x = down.get(i, 0), missed.get(i, 0)
            expected_u = 1 if dark else leaf >> 12 & 1
            u = 1 if mask == ALL else failed.get(i, expected_u)
            unproven[i] = u
            if (mask, u) != (ALL if dark else 0, expected_u) or x:
                records += (i << 16 | x << 13 | u << 12 | mask).to_bytes(5, "big")
                self.leaves[i] = apply_record(leaf, mask, u, x, before, header)
        self.header = header
        self.history.append(Truth(header, {i: m for i, m in down.items() if m}, unproven))
        return records

    def void(self, n: int = 1) -> int:
        """n epochs without observation; the header of the last."""
        for _ in range(n):
            h = self.header
            self.header = header_word(pick(h, 0) + 1, pick(h, 32) + 1, pick(h, 64), pick(h, 96), self.count, void=True)
            self.history.append(Truth(self.header, {}, {}))
        return self.header

    # -- slot by slot
    def true_mask(self, e: int, i: int) -> int:
        truth = self.history[e - 1]
        return ALL if truth.header >> 172 & 1 else truth.masks.get(i, 0)

    def true_down(self, e: int, i: int, offset: int) -> int:
        """Seconds not attested from start(1) to start(e) + offset."""
        total = 0
        for a in range(1, e + 1):
            for k in range(SLOTS):
                if self.true_mask(a, i) >> k & 1:
                    total += self.slot if a < e else max(0, min(self.slot, offset - k * self.slot))
        return total

    def true_fault(self, e: int, i: int, offset: int) -> int:
        total = 0
        for a in range(1, e + 1):
            header = self.history[a - 1].header
            if header >> 172 & 1:
                continue
            mask = self.true_mask(a, i) & ~pick(header, 160, 12)
            for k in range(SLOTS):
                if mask >> k & 1:
                    total += self.slot if a < e else max(0, min(self.slot, offset - k * self.slot))
        return total

    def true_unproven(self, e: int, i: int) -> int:
        return sum(t.unproven.get(i, 0) for t in self.history[:e] if t.header >> 173 & 1)


def lift(root: bytes, old: int, new: int) -> bytes:
    """The same leaves under a deeper root."""
    for d in range(old, new):
        root = keccak(root + zero(d))
    return root


__all__ = [
    "ALL",
    "M32",
    "Truth",
    "Uptime",
    "apply_record",
    "depth_of",
    "header_word",
    "leaf_hash",
    "lift",
    "pick",
    "proof_of",
    "root_of",
    "zero",
]

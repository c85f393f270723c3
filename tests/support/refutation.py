"""False reports and the proofs that fell them, written from docs/protocol.md ("Record", "Dispute") alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tests.support.actors import RELAYER, Actor, keccak, words
from tests.support.suite import Suite, facts_word, records_hash
from tests.support.uptime import apply_record, depth_of, header_word, leaf_hash, pick, root_of, tree_level, zero

GROUP = 64
GROUP_BYTES = 352


def record(index: int, mask: int = 7, u: int = 0, x: int = 0, spare: int = 0) -> bytes:
    """5 bytes."""
    return (index << 16 | spare << 14 | x << 13 | u << 12 | mask).to_bytes(5, "big")


def multiproof(leaves: Mapping[int, int], depth: int, indices: Sequence[int]) -> bytes:
    """Siblings that no leaf of `indices` gives, level by level, left to right."""
    level = {i: leaf_hash(i, v) for i, v in leaves.items() if v}
    out, at = b"", list(indices)
    for d in range(depth):
        inside = set(at)
        for i in at:
            if i ^ 1 not in inside:
                out += level.get(i ^ 1, zero(d))
        at = sorted({i >> 1 for i in at})
        level = tree_level(level, d)
    return out


def advance(leaves: Mapping[int, int], data: bytes, before: int, header: int) -> dict[int, int]:
    """Leaves after the records of one group."""
    out = dict(leaves)
    for r in records_of(data):
        i = r >> 16
        out[i] = apply_record(out.get(i, 0), r & 0xFFF, r >> 12 & 1, r >> 13 & 1, before, header)
    return out


def records_of(data: bytes) -> list[int]:
    return [int.from_bytes(data[at : at + 5], "big") for at in range(0, len(data), 5)]


def groups_of(data: bytes) -> Iterator[bytes]:
    """Records of each group of a part."""
    last = max(0, len(data) - 1) // GROUP_BYTES
    for g in range(last + 1):
        yield data[g * GROUP_BYTES : g * GROUP_BYTES + (5 * GROUP if g < last else len(data))]


@dataclass(frozen=True)
class Report:
    """One report of the next epoch, true or false. `parts`: (bytes, root after them), the last one travels with it."""

    header: int
    header_before: int
    root_before: bytes
    leaves: Mapping[int, int]  # before it
    parts: list[tuple[bytes, bytes]]
    price: int
    view: int = 0
    generation: int = 1
    seats: tuple[int, ...] | None = None

    @property
    def epoch(self) -> int:
        return pick(self.header, 0)

    @property
    def root(self) -> bytes:
        return self.parts[-1][1]

    @property
    def depth(self) -> int:
        return depth_of(pick(self.header, 128, 24))

    @property
    def facts(self) -> int:
        return facts_word(pick(self.header, 128, 24), self.price, pick(self.header, 160, 12), self.view)

    @property
    def previous(self) -> bytes:
        return keccak(self.root_before + words(self.header_before))

    @property
    def all_words(self) -> list[bytes]:
        """h_1, R_1 … of all parts."""
        return [w for data, root in self.parts for w in (keccak(data), root)]

    def digest(self, net: Suite) -> bytes:
        x = records_hash(self.all_words[:-2], self.parts[-1][0], self.root)
        return net.report_digest(self.generation, self.epoch, self.previous, self.root, self.facts, x)

    def send(self, net: Suite, sender: Actor = RELAYER) -> None:
        """Post the parts, sign and report; the tests' own account of uptime does not move."""
        for data, _ in self.parts[:-1]:
            net.hub.post(data, sender=sender.address)
        if net.now < net.parameters.end(self.epoch):
            net.at(net.parameters.end(self.epoch))
        who, sigs = net.sign(self.digest(net), self.seats, self.generation)
        net.hub.report(
            self.epoch, self.previous, self.root, self.facts, self.all_words[:-2], self.parts[-1][0], who, sigs,
            sender=sender.address,
        )  # fmt: skip

    @property
    def struct(self) -> tuple[Any, ...]:
        """As ReportRefuter reads it."""
        return (
            self.generation, self.header, self.root, self.facts, self.all_words, self.header_before, self.root_before,
        )  # fmt: skip

    def state_before(self, part: int, group: int) -> dict[int, int]:
        """Leaves before a group, as far as the records before it can be applied."""
        leaves = dict(self.leaves)
        for p, (data, _) in enumerate(self.parts[: part + 1]):
            for g, records in enumerate(groups_of(data)):
                if (p, g) == (part, group):
                    return leaves
                leaves = advance(leaves, records, self.header_before, self.header)
        raise AssertionError("no such group")

    def opening(self, part: int, group: int) -> tuple[bytes, bytes]:
        """(leaves, siblings) of a group."""
        leaves = self.state_before(part, group)
        data = list(groups_of(self.parts[part][0]))[group]
        indices = [r >> 16 for r in records_of(data)]
        if not indices:
            return b"", b""
        return b"".join(words(leaves.get(i, 0)) for i in indices), multiproof(leaves, self.depth, indices)

    def arguments(self, part: int = 0, group: int = 0, opened: bool = True) -> list[Any]:
        """Of `refute`; without an opening where a record is refused by itself."""
        leaves, siblings = self.opening(part, group) if opened else (b"", b"")
        return [self.struct, part, group, self.parts[part][0], leaves, siblings]

    def but(self, **changes: Any) -> Report:
        return replace(self, **changes)


def draft(
    net: Suite, records: Sequence[bytes] = (), *, count: int | None = None, indet: int = 0, view: int = 0,
    cut: Sequence[int] = (),
) -> Report:  # fmt: skip
    """The true report of the next epoch with these records. `cut`: groups of each posted part."""
    before = net.uptime.header
    e = pick(before, 0) + 1
    count = pick(before, 128, 24) if count is None else count
    if net.now < net.parameters.end(e):
        net.at(net.parameters.end(e))
    challenged = net.challenged(e)
    header = header_word(
        e, pick(before, 32), pick(before, 64) + int(challenged), pick(before, 96) + indet.bit_count(), count, indet,
        challenged=challenged,
    )  # fmt: skip
    leaves = dict(net.uptime.leaves)
    depth = depth_of(count)
    groups = [b"".join(records[at : at + GROUP]) for at in range(0, len(records), GROUP)] or [b""]
    roots = []
    for data in groups:
        leaves = advance(leaves, data, before, header)
        roots.append(root_of(leaves, depth))
    parts, at = [], 0
    for size in (*cut, len(groups) - sum(cut)):
        data = b""
        for g in range(at, at + size):
            data += groups[g] + (roots[g] if g < at + size - 1 else b"")
        parts.append((data, roots[at + size - 1] if size else roots[at - 1]))
        at += size
    price = int(net.hub.price()) >> 192
    generation = int(net.hub.committee(e)[0])
    return Report(header, before, net.uptime.root, dict(net.uptime.leaves), parts, price, view, generation)


__all__ = ["GROUP", "GROUP_BYTES", "Report", "draft", "groups_of", "multiproof", "record"]

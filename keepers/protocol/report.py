"""The report of an epoch: facts, parts and what its digest covers. Source: docs/protocol.md §7, "Report"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from keepers.protocol.counters import Header
from keepers.protocol.hashing import keccak
from keepers.protocol.merge import Merged
from keepers.protocol.merkle import depth_of, lift
from keepers.protocol.messages import Domain, Report, VoidReport
from keepers.protocol.records import Part, split_parts
from keepers.protocol.units import M24, M64, field, fits
from keepers.protocol.uptime_tree import UptimeTree

MAX_VOID_EPOCHS = 24  # a call
SEED_SHARE = 3  # an epoch is challenged iff its seed came in the first third of it


@dataclass(frozen=True)
class Facts:
    """count 24 @0 | indet 12 @24 | view 24 @40 (cancels << 16 | view) | price 64 @64 (12 decimals)."""

    count: int
    indet: int
    view: int
    price: int

    def pack(self) -> int:
        """The facts word. Raises ValueError where a field does not fit."""
        return (
            fits("count", self.count, 24)
            | fits("indet", self.indet, 12) << 24
            | fits("view", self.view, 24) << 40
            | fits("price", self.price, 64) << 64
        )

    @classmethod
    def unpack(cls, value: int) -> Facts:
        """Reads a facts word."""
        return cls(value & M24, field(value, 24, 12), field(value, 40, 24), value >> 64 & M64)


def view_number(cancels: int, view: int) -> int:
    """What is signed as the view: (cancels of the epoch mod 256) << 16 | view. Raises ValueError for a wider view.

    The hub takes no other, so a cancelled report cannot be sent again.
    """
    return (cancels & 255) << 16 | fits("view", view, 16)


def is_challenged(seed_time: int, start: int, epoch_seconds: int) -> bool:
    """Whether the epoch that begins at `start` is challenged: it has a seed (time not 0), drawn in its first third."""
    return seed_time != 0 and seed_time <= start + epoch_seconds // SEED_SHARE


def records_hash(parts: Sequence[Part]) -> bytes:
    """X = keccak(h_1 ‖ R_1 ‖ h_2 ‖ R_2 …)."""
    return keccak(b"".join(p.hash + p.root for p in parts))


@dataclass(frozen=True)
class BuiltReport:
    """A report ready to sign: header, the ring word it builds on, root, facts and parts (the last one is `data`)."""

    header: Header
    previous: bytes
    root: bytes
    facts: Facts
    parts: tuple[Part, ...]

    @property
    def records(self) -> bytes:
        """X of the digest."""
        return records_hash(self.parts)

    @property
    def posted(self) -> tuple[Part, ...]:
        """Parts that `post` must publish first."""
        return self.parts[:-1]

    @property
    def data(self) -> bytes:
        """The last or only part, sent with the report."""
        return self.parts[-1].data

    @property
    def part_words(self) -> list[bytes]:
        """h_1, R_1, h_2, R_2 … of the posted parts, the argument `parts` of the hub's `report`."""
        return [w for p in self.posted for w in (p.hash, p.root)]

    def message(self, generation: int) -> Report:
        """What the seats of committee `generation` sign."""
        return Report(generation, self.header.epoch, self.previous, self.root, self.facts.pack(), self.records)

    def digest(self, generation: int, domain: Domain) -> bytes:
        """The digest that the seats sign, 32 bytes."""
        return self.message(generation).digest(domain)


def build(tree: UptimeTree, merged: Merged, *, count: int, view: int, challenged: bool) -> BuiltReport:
    """The report of the epoch after the tree's last, with `count` nodes at the snapshot. Advances `tree`.

    Callers that may not keep the result take `tree.snapshot()` first. Raises RecordRefused or ValueError like
    `UptimeTree.apply_report`, and leaves the tree unchanged then.
    """
    previous = tree.ring_word
    before = tree.header
    kept = lift(tree.root, depth_of(before.count), depth_of(count))
    header = before.reported(count=count, indet=merged.indet, challenged=challenged)
    facts = Facts(count, merged.indet, view, merged.price)
    applied = tree.apply_report(header, merged.records)
    parts = split_parts(merged.records, applied.running, kept)
    return BuiltReport(header, previous, applied.root, facts, parts)


def void_report(tree: UptimeTree, hi: int, view: int, generation: int) -> VoidReport:
    """The proposal that the epochs after the tree's last through `hi` (at most 24) had no observation.

    Raises ValueError for a range that is empty or too long.
    """
    first = tree.header.epoch + 1
    if not first <= hi < first + MAX_VOID_EPOCHS:
        raise ValueError(f"a void report goes from {first} through at most {first + MAX_VOID_EPOCHS - 1}, not {hi}")
    return VoidReport(generation, first, hi, tree.ring_word, view)


def pack_signatures(signatures: dict[int, bytes]) -> tuple[int, bytes]:
    """(who, sigs) of the hub's calls from seat → signature (r ‖ s, 64 bytes, v = 27), seats ascending.

    Raises ValueError for a signature of another length.
    """
    who, out = 0, bytearray()
    for seat in sorted(signatures):
        if len(signatures[seat]) != 64:
            raise ValueError(f"signature of seat {seat} has {len(signatures[seat])} bytes, not 64")
        who |= 1 << seat
        out += signatures[seat]
    return who, bytes(out)

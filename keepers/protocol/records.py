"""Records of a report, 5 bytes each, and the parts in which they are published.

A record: index 24 @16 | spare 2 @14 (zero) | x 1 @13 | u 1 @12 | mask 12 @0, big-endian.
A part: groups of 64 records; after each full group but the last of the part stands the running root, 32 bytes.
Source: docs/protocol.md §7.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from keepers.protocol.hashing import keccak

RECORD_BYTES = 5
GROUP = 64  # records between two running roots
GROUP_BYTES = GROUP * RECORD_BYTES + 32
MAX_POSTED_GROUPS = 180  # 63,328 bytes: below the 128 KiB limit of transaction pools with room for encoding
MAX_POSTED_BYTES = (MAX_POSTED_GROUPS - 1) * GROUP_BYTES + GROUP * RECORD_BYTES
MAX_PARTS = 33  # of a report: 32 posted ones and the last
MAX_DATA_GROUPS = 23  # 8,064 bytes: the last or only part travels in the report itself, which takes 8,192
FULL_MASK = 0xFFF
DARK = 0x800  # bit 11: the last slot of the epoch


@dataclass(frozen=True, order=True)
class Record:
    """One node's deviation in one epoch: dense index, missed challenge x, unproven u, mask of slots not attested."""

    index: int
    x: int
    u: int
    mask: int

    def encode(self) -> bytes:
        """The 5 bytes of the record. Raises ValueError where a field does not fit."""
        if not (0 <= self.index < 2**24 and self.x in (0, 1) and self.u in (0, 1) and 0 <= self.mask <= FULL_MASK):
            raise ValueError(f"record does not fit its fields: {self}")
        return (self.index << 16 | self.x << 13 | self.u << 12 | self.mask).to_bytes(RECORD_BYTES, "big")

    @classmethod
    def decode(cls, data: bytes) -> Record:
        """Reads 5 bytes. Raises ValueError for another length or a spare bit that is set."""
        if len(data) != RECORD_BYTES:
            raise ValueError(f"a record has 5 bytes, not {len(data)}")
        v = int.from_bytes(data, "big")
        if v >> 14 & 3:
            raise ValueError("spare bits of a record must be zero")
        return cls(v >> 16, v >> 13 & 1, v >> 12 & 1, v & FULL_MASK)


@dataclass(frozen=True)
class Part:
    """One published part: its bytes and the root after it."""

    data: bytes
    root: bytes

    @property
    def hash(self) -> bytes:
        """keccak of the bytes: h of the digest."""
        return keccak(self.data)


def groups_of(records: Sequence[Record]) -> list[Sequence[Record]]:
    """The records in groups of 64, the last one shorter; no group for no record."""
    return [records[i : i + GROUP] for i in range(0, len(records), GROUP)]


def record_count(length: int) -> int:
    """Records in a part of `length` bytes."""
    full, rest = divmod(length, GROUP_BYTES)
    return full * GROUP + rest // RECORD_BYTES


def split_parts(records: Sequence[Record], roots: Sequence[bytes], empty_root: bytes | None = None) -> tuple[Part, ...]:
    """Cuts records into parts, the last of which fits the report itself (at most 23 groups).

    `roots[i]` is the root after group i of 64 records. The cut is a function of the number of records alone, so that
    every attester signs the same digest: posted parts take up to 180 groups, as few as leave 23 for the last.
    Without a record the one part is empty and its root is `empty_root` (the previous root at the new depth).
    Raises ValueError where the number of roots does not match.
    """
    groups = groups_of(records)
    if len(groups) != len(roots):
        raise ValueError(f"{len(groups)} groups of records need as many roots, got {len(roots)}")
    if not groups:
        if empty_root is None:
            raise ValueError("a report without records needs the root that it keeps")
        return (Part(b"", empty_root),)
    parts: list[Part] = []
    first = 0
    while first < len(groups):
        left = len(groups) - first
        take = left if left <= MAX_DATA_GROUPS else min(MAX_POSTED_GROUPS, left - MAX_DATA_GROUPS)
        last = first + take - 1
        out = bytearray()
        for g in range(first, last + 1):
            for record in groups[g]:
                out += record.encode()
            if g != last:
                out += roots[g]
        parts.append(Part(bytes(out), roots[last]))
        first += take
    return tuple(parts)


def parse_part(data: bytes) -> tuple[list[list[Record]], list[bytes]]:
    """Groups of records of a part and the running roots between them (one fewer than groups).

    Raises ValueError unless the length is 0 or 352·a + 5·b with 1 ≤ b ≤ 64, and where a spare bit is set.
    """
    groups: list[list[Record]] = []
    roots: list[bytes] = []
    if not data:
        return groups, roots
    at = 0
    while len(data) - at > GROUP * RECORD_BYTES:
        if len(data) - at <= GROUP_BYTES:
            raise ValueError(f"part of {len(data)} bytes: after its last running root a record must follow")
        groups.append(_records(data[at : at + GROUP * RECORD_BYTES]))
        roots.append(data[at + GROUP * RECORD_BYTES : at + GROUP_BYTES])
        at += GROUP_BYTES
    if (len(data) - at) % RECORD_BYTES:
        raise ValueError(f"part of {len(data)} bytes: its last group is no multiple of 5 bytes")
    groups.append(_records(data[at:]))
    return groups, roots


def _records(data: bytes) -> list[Record]:
    return [Record.decode(data[i : i + RECORD_BYTES]) for i in range(0, len(data), RECORD_BYTES)]

"""`counters.apply` for many records at once, on packed words: what a month of a large network is rebuilt with.

A leaf is its word, a record the 40 bits of its encoding. The formulas are those of `counters.py`, where they can be
read; the tests compare the two bit for bit. Source: docs/protocol.md §7, "Record".
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from keepers.protocol.counters import Header, RecordRefused
from keepers.protocol.records import DARK, RECORD_BYTES, Record
from keepers.protocol.units import M32

#: Above it 12 slots an epoch would not fit the 32 bits of a counter: half a million years of hours.
MAX_ORDINAL = M32 // 12
SPARE = 0xC000  # bits 14 and 15 of a record
_COUNTERS = ((1 << 96) - 1) << 64  # down, fault, unproven
_MISSED = M32 << 224
_U = 1 << 12


def record_word(record: Record) -> int:
    """A record as the integer of its 5 bytes. Its fields are taken as they are."""
    return record.index << 16 | record.x << 13 | record.u << 12 | record.mask


def record_words(data: bytes) -> list[int]:
    """The records of a group, 5 bytes each. Raises ValueError for another length or a spare bit that is set."""
    count, rest = divmod(len(data), RECORD_BYTES)
    if rest:
        raise ValueError(f"a group of {len(data)} bytes is no multiple of 5 bytes")
    halves = struct.unpack(">" + "BI" * count, data)
    words = [high << 32 | low for high, low in zip(halves[::2], halves[1::2], strict=True)]
    for word in words:
        if word & SPARE:
            raise ValueError("spare bits of a record must be zero")
    return words


def apply_words(
    leaves: Sequence[int], records: Sequence[int], before: Header, header: Header
) -> tuple[list[int], list[int]]:
    """(indices, leaf words after) of an epoch's records, in their order; `leaves` by index, missing ones empty.

    `leaves` is only read. `before` is the header of the epoch before `header`'s. Raises RecordRefused, as `apply`, for
    the first record that the rules do not allow; ValueError for an epoch that no counter could hold.
    """
    m = header.ordinal
    if not 0 <= m <= MAX_ORDINAL:
        raise ValueError(f"epoch ordinal {m} is beyond what 32-bit counters hold")
    known, count, indet = len(leaves), header.count, header.indet
    i_before, q_before = before.indeterminate, before.challenged_epochs
    stamp = m << 32 | header.indeterminate << 160 | header.challenged_epochs << 192
    challenged = int(header.challenged)
    indices: list[int] = []
    words: list[int] = []
    for record in records:
        index = record >> 16
        if index >= count or record & SPARE:
            raise _refused(leaves, records, m, count)
        leaf = leaves[index] if index < known else 0
        if leaf >> 32 & M32 >= m:
            raise _refused(leaves, records, m, count)
        mask, u = record & 0xFFF, record >> 12 & 1
        down = mask.bit_count()
        fault = (mask & ~indet).bit_count()
        unproven = u * challenged
        if leaf & DARK:
            gap = 12 * (m - 1 - (leaf >> 32 & M32))
            down += gap
            fault += gap - i_before + (leaf >> 160 & M32)
            unproven += q_before - (leaf >> 192 & M32)
        elif leaf & _U:
            unproven += q_before - (leaf >> 192 & M32)
        indices.append(index)
        words.append(
            (leaf & _COUNTERS) + (down << 64) + (fault << 96) + (unproven << 128)
            | (leaf & _MISSED) + ((record >> 13 & 1) << 224)
            | stamp
            | record & 0x1FFF
        )
    if len(set(indices)) != len(indices):
        raise _refused(leaves, records, m, count)
    return indices, words


def first_refused(leaves: Sequence[int], records: Sequence[int], m: int, count: int) -> tuple[int, str] | None:
    """(place, why) of the first record that the rules do not allow in the epoch with ordinal m; None if all are."""
    seen: set[int] = set()
    for place, record in enumerate(records):
        index = record >> 16
        if record & SPARE:
            return place, f"record {place} of node {index} has spare bits set"
        if index >= count:
            return place, f"record {place} is of node {index}, but the report counts {count} nodes"
        leaf = leaves[index] if index < len(leaves) else 0
        if index in seen or leaf >> 32 & M32 >= m:
            return place, f"record {place}: node {index} already has a record of this epoch"
        seen.add(index)
    return None


def _refused(leaves: Sequence[int], records: Sequence[int], m: int, count: int) -> RecordRefused:
    found = first_refused(leaves, records, m, count)
    return RecordRefused(found[1] if found else "a record is not allowed")


def check_leaf(value: int, header: Header) -> None:
    """Raises ValueError unless the word can stand in a tree of that header: what a leaf from elsewhere must pass."""
    last, down = value >> 32 & M32, value >> 64 & M32
    fault, unproven, missed = value >> 96 & M32, value >> 128 & M32, value >> 224
    if not 0 <= value < 1 << 256 or value >> 13 & 0x7FFFF:
        raise ValueError("a leaf word has bits where none may be")
    if value and not 0 < last <= header.ordinal:
        raise ValueError(f"a leaf was written in ordinal {last}; the tree ends with {header.ordinal}")
    if down > 12 * last or fault > down or missed > last or unproven > last:
        raise ValueError("a leaf counts more than time can hold")
    if value >> 160 & M32 > header.indeterminate or value >> 192 & M32 > header.challenged_epochs:
        raise ValueError("a leaf is ahead of its tree's header")

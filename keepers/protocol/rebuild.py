"""Whether a reported root is what its records give: the judgement behind `hearth rebuild`.

One epoch at a time, from what the hub logged and nothing else. Where a report does not hold, the first place is named:
its header, a part, a record that the rules do not allow, or the group of records after which the root is another one.
Source: docs/protocol.md §7, "Record", "Report", "Dispute".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from keepers.protocol.counters import Header, RecordRefused
from keepers.protocol.leaf_words import first_refused, record_words
from keepers.protocol.records import GROUP, GROUP_BYTES, RECORD_BYTES
from keepers.protocol.uptime_tree import UptimeTree


@dataclass(frozen=True, slots=True)
class EpochLog:
    """One epoch as the chain logged it. `parts`: (bytes, root after them); a void epoch has none, and no root (b"")."""

    header: int
    root: bytes
    parts: tuple[tuple[bytes, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class Fault:
    """The first thing that is wrong with a report. `part`, `group`, `first`, `last` count from 0 and are -1 where they
    name nothing; `first` … `last` are places of records in the whole report; `node` is that of a refused record."""

    epoch: int
    why: str
    part: int = -1
    group: int = -1
    first: int = -1
    last: int = -1
    node: int = -1


@dataclass(frozen=True, slots=True)
class _Group:
    part: int
    number: int
    words: list[int]
    claimed: bytes


class _Malformed(ValueError):
    def __init__(self, part: int, why: str) -> None:
        super().__init__(why)
        self.part = part


def advance(tree: UptimeTree, log: EpochLog) -> Fault | None:
    """Applies one epoch to `tree`; the fault if the report does not hold, and then the tree stays as it was."""
    header = Header.unpack(log.header)
    if header.void:
        return _void(tree, log, header)
    before = tree.header
    try:
        follows = before.reported(count=header.count, indet=header.indet, challenged=header.challenged)
    except ValueError as error:
        return Fault(header.epoch, f"its header does not follow: {error}")
    if follows.pack() != log.header:
        return Fault(header.epoch, f"its header does not follow that of epoch {before.epoch}")
    try:
        groups = list(_groups(log.parts))
    except _Malformed as error:
        return Fault(header.epoch, str(error), part=error.part)
    try:
        if any(group.words != sorted(group.words) for group in groups):
            return _refused(tree, header, groups)
        applied = tree.apply_groups(header, [group.words for group in groups])
    except RecordRefused:
        return _refused(tree, header, groups)
    except ValueError as error:
        return Fault(header.epoch, str(error))
    fault = _roots(header.epoch, groups, applied.running, log, applied.root)
    if fault is not None:
        tree.take_back()
    return fault


def _void(tree: UptimeTree, log: EpochLog, header: Header) -> Fault | None:
    if tree.header.voided().pack() != log.header:
        return Fault(header.epoch, f"its void header does not follow that of epoch {tree.header.epoch}")
    if log.root not in (b"", tree.root):
        return Fault(header.epoch, "a void epoch keeps the root, and this one is another")
    tree.void(header.epoch)
    return None


def _groups(parts: Sequence[tuple[bytes, bytes]]) -> Iterator[_Group]:
    """The groups of all parts with the root that is claimed after each. Raises _Malformed for a wrong part length."""
    number = 0
    for part, (data, root) in enumerate(parts):
        left = len(data)
        full, rest = divmod(left, GROUP_BYTES)
        if left and (rest == 0 or rest > GROUP * RECORD_BYTES or rest % RECORD_BYTES):
            raise _Malformed(part, f"part {part} has {left} bytes: not 352·a + 5·b with b of 1 … 64")
        for at in range(0, left, GROUP_BYTES):
            end = min(at + GROUP * RECORD_BYTES, left)
            claimed = data[end : end + 32] if at < full * GROUP_BYTES else root
            yield _Group(part, number, _words(data[at:end]), claimed)
            number += 1
        if not left:
            yield _Group(part, number, [], root)
            number += 1


def _words(data: bytes) -> list[int]:
    """Records with their spare bits, which `apply_words` refuses by name."""
    try:
        return record_words(data)
    except ValueError:
        return [int.from_bytes(data[at : at + RECORD_BYTES], "big") for at in range(0, len(data), RECORD_BYTES)]


def _refused(tree: UptimeTree, header: Header, groups: Sequence[_Group]) -> Fault:
    """The first thing that is wrong where a record is not allowed: it, or a root that was claimed before its group.
    What comes after a wrong root cannot be shown: leaves are proven against the root that stands before their group."""
    fault = _refused_record(tree, header, groups)
    sound = groups[: max(0, fault.group)]
    applied = UptimeTree.at(tree.snapshot()).apply_groups(header, [group.words for group in sound])
    return _running_roots(header.epoch, sound, applied.running) or fault


def _refused_record(tree: UptimeTree, header: Header, groups: Sequence[_Group]) -> Fault:
    """The first record that is not allowed, or that does not ascend in its group (a refutation opens a group so)."""
    records = [word for group in groups for word in group.words]
    found = first_refused(tree.words, records, header.ordinal, header.count) or (len(records), "")
    at = 0
    for group in groups:
        for place, (one, other) in enumerate(pairwise(group.words), at + 1):
            if other >> 16 < one >> 16 and place < found[0]:
                found = place, f"record {place} of node {other >> 16} stands after that of node {one >> 16}"
        at += len(group.words)
    place, why = found
    at = 0
    for group in groups:
        if place < at + len(group.words):
            return Fault(header.epoch, why, group.part, group.number, place, place, records[place] >> 16)
        at += len(group.words)
    return Fault(header.epoch, "one of its records is not allowed")


def _roots(epoch: int, groups: Sequence[_Group], running: Sequence[bytes], log: EpochLog, root: bytes) -> Fault | None:
    fault = _running_roots(epoch, groups, running)
    if fault is None and root != log.root:
        return Fault(epoch, f"its records give the root 0x{root.hex()}, not 0x{log.root.hex()}")
    return fault


def _running_roots(epoch: int, groups: Sequence[_Group], running: Sequence[bytes]) -> Fault | None:
    at = 0
    for group, after in zip(groups, running, strict=True):
        size = len(group.words)
        if group.claimed != after:
            last = at + size - 1 if size else -1
            place = f"records {at} to {last}" if size else "a part without records"
            return Fault(
                epoch,
                f"after {place} the root is 0x{after.hex()}, not 0x{group.claimed.hex()}",
                group.part,
                group.number,
                at if size else -1,
                last,
            )
        at += size
    return None

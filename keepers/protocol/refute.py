"""The proof that fells a false report: one group of records, the leaves before it and their siblings.

`find` looks for it, `refutation` opens a group that is known to be false. Both start from the tree of the epoch before,
which nobody has to give: it is rebuilt from the chain. Source: docs/protocol.md §7, "Dispute";
contracts/consensus/ReportRefuter.vy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from keepers.protocol.counters import Header
from keepers.protocol.hashing import keccak, word
from keepers.protocol.leaf_words import SPARE
from keepers.protocol.messages import Domain, Report
from keepers.protocol.rebuild import EpochLog, Fault, advance
from keepers.protocol.records import GROUP, GROUP_BYTES, RECORD_BYTES
from keepers.protocol.uptime_tree import UptimeTree


@dataclass(frozen=True, slots=True)
class Refutation:
    """Arguments of `ReportRefuter.refute`. `leaves` and `siblings` are words of 32 bytes each, one after another."""

    generation: int
    log: EpochLog
    facts: int
    header_before: int
    root_before: bytes
    part: int
    group: int
    leaves: bytes
    siblings: bytes

    @property
    def epoch(self) -> int:
        """Of the false report."""
        return Header.unpack(self.log.header).epoch

    @property
    def words(self) -> list[bytes]:
        """h_1, R_1, h_2, R_2 … of all parts."""
        return [w for data, root in self.log.parts for w in (keccak(data), root)]

    @property
    def struct(self) -> tuple[int, int, bytes, int, list[bytes], int, bytes]:
        """The report, as the refuter reads it."""
        log = self.log
        return self.generation, log.header, log.root, self.facts, self.words, self.header_before, self.root_before

    @property
    def args(self) -> tuple[tuple[int, int, bytes, int, list[bytes], int, bytes], int, int, bytes, bytes, bytes]:
        """In the order of the call."""
        return self.struct, self.part, self.group, self.log.parts[self.part][0], self.leaves, self.siblings

    def digest(self, domain: Domain) -> bytes:
        """What the seats signed."""
        previous = keccak(self.root_before + word(self.header_before))
        records = keccak(b"".join(self.words))
        return Report(self.generation, self.epoch, previous, self.log.root, self.facts, records).digest(domain)

    def commitment(self, finder: int, domain: Domain) -> bytes:
        """What the finder commits a block or more before, to be paid. `finder`: its address as a number."""
        proof = keccak(self.leaves) + keccak(self.siblings)
        return keccak(word(finder) + self.digest(domain) + word(self.part) + word(self.group) + proof)


def find(tree: UptimeTree, log: EpochLog, facts: int, generation: int) -> Refutation | None:
    """The refutation of a report on top of `tree`, which stays as it is; None where the report holds, or where what is
    wrong with it is no matter of its records (a header that does not follow is not the committee's but the hub's)."""
    fault = advance(UptimeTree.at(tree.snapshot()), log)
    if fault is None or fault.part < 0:
        return None
    group = 0 if fault.group < 0 else fault.group - sum(_groups(data) for data, _ in log.parts[: fault.part])
    return refutation(tree, log, facts, generation, fault.part, group, fault)


def refutation(
    tree: UptimeTree, log: EpochLog, facts: int, generation: int, part: int, group: int, fault: Fault | None = None
) -> Refutation:
    """The refutation that opens `group` (from 0) of `part`. Records that are refused by themselves need no leaves."""
    header = Header.unpack(log.header)
    leaves = siblings = b""
    if fault is None or fault.group >= 0:
        before = [_records(data, g) for data, _ in log.parts[:part] for g in range(_groups(data))]
        before += [_records(log.parts[part][0], g) for g in range(group)]
        records = _records(log.parts[part][0], group)
        if records and not _refused_alone(records, header.count):
            leaves, siblings = _opening(tree, header, before, [r >> 16 for r in records])
    return Refutation(generation, log, facts, tree.header.pack(), tree.root, part, group, leaves, siblings)


def _groups(data: bytes) -> int:
    return max(0, len(data) - 1) // GROUP_BYTES + 1


def _records(data: bytes, group: int) -> list[int]:
    at = group * GROUP_BYTES
    end = min(len(data), at + GROUP * RECORD_BYTES)
    return [int.from_bytes(data[i : i + RECORD_BYTES], "big") for i in range(at, end, RECORD_BYTES)]


def _refused_alone(records: Sequence[int], count: int) -> bool:
    last = -1
    for record in records:
        if record & SPARE or record >> 16 >= count or record >> 16 <= last:
            return True
        last = record >> 16
    return False


def _opening(
    tree: UptimeTree, header: Header, before: Sequence[Sequence[int]], indices: Sequence[int]
) -> tuple[bytes, bytes]:
    """(leaves, siblings) of nodes after the groups that come before."""
    state = UptimeTree.at(tree.snapshot())
    state.apply_groups(header, before)
    return b"".join(word(state.word(i)) for i in indices), b"".join(state.multiproof(indices))


__all__ = ["Refutation", "find", "refutation"]

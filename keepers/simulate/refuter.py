"""ReportRefuter in memory: false reports fall by proof. Source: docs/protocol.md §7, "Dispute"; contracts/consensus."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from keepers.protocol import counters
from keepers.protocol.counters import Header, Leaf, mask_of
from keepers.protocol.epochs import SLOTS, Calendar
from keepers.protocol.hashing import keccak, to_int, word
from keepers.protocol.leaf_words import SPARE
from keepers.protocol.merkle import depth_of, leaf_hash, lift
from keepers.protocol.messages import Report
from keepers.protocol.records import GROUP, GROUP_BYTES, MAX_PARTS, RECORD_BYTES, Record
from keepers.protocol.units import M32
from keepers.simulate.hub import Hub, proven_root
from keepers.simulate.state import Context, Event, Journal, Store, require


@dataclass(frozen=True)
class SignedReport:
    """A report as the hub logged it, with the epoch before: the struct of the interface."""

    generation: int
    header: int
    root: bytes
    facts: int
    parts: list[bytes]
    header_before: int
    root_before: bytes


class Refuter:
    """Takes back false reports, and remembers who signed and who found them."""

    def __init__(self, journal: Journal, context: Context, calendar: Calendar, hub: Hub, address: int) -> None:
        self._journal = journal
        self._context = context
        self._calendar = calendar
        self._hub = hub
        self.address = address
        self.committed: Store[bytes, int] = Store(journal, 0)
        self.faults: Store[tuple[int, int], int] = Store(journal, 0)

    def commit(self, commitment: bytes, *, sender: int) -> None:
        """Claims a refutation before it is shown."""
        require(self.committed[commitment] == 0, "refuter: committed already")
        self.committed[commitment] = self._context.now
        self._log("Committed", commitment)

    def refute(
        self, report: SignedReport, part: int, group: int, data: bytes, leaves: bytes, siblings: bytes, *, sender: int
    ) -> None:
        """Fells a report in dispute one of whose groups is not what the records give."""
        e, now = report.header & M32, self._context.now
        meta, w = self._hub.meta(e), self._hub.ring_word(e)
        require(counters.ring_word(report.root, report.header) == w, "refuter: header")
        digest = self._digest(report, e)
        require(to_int(digest) >> 64 == meta >> 64, "refuter: other report")
        require(part < MAX_PARTS and 2 * part + 1 < len(report.parts), "refuter: no such part")
        require(keccak(data) == report.parts[2 * part], "refuter: other part")
        if _well_formed(len(data)):
            require(group <= _last_group(len(data)), "refuter: no such group")
            false = judge(report, part, group, data, leaves, siblings)
            require(false, "refuter: the group holds")
        claim = word(sender) + digest + word(part) + word(group) + keccak(leaves) + keccak(siblings)
        committed = self.committed[keccak(claim)]
        finder = sender if 0 < committed < now else 0
        cancels, who = self._hub.cancels(e), meta >> 32 & M32
        self.faults[e, cancels] = finder << 96 | report.generation << 72 | who << 40 | now
        self._log("Refuted", e, cancels, report.generation, who, finder, part, group)
        self._hub.cancel(report.root_before, report.header_before, sender=self.address)

    def refute_checkin(
        self,
        node: int,
        slot: int,
        header: int,
        leaf: int,
        proof: list[bytes],
        header_before: int,
        root_before: bytes,
        *,
        sender: int,
    ) -> None:
        """Fells a report that calls a node down where its key checked in."""
        e = header & M32
        w = self._hub.ring_word(e)
        require(counters.ring_word(proven_root(node, leaf, proof), header) == w, "refuter: proof")
        h = Header.unpack(header)
        require(not h.void, "refuter: void epoch")
        require(node < h.count, "refuter: not counted")
        came = slot < SLOTS and self._hub.check_ins(e, node) >> slot & 1
        require(bool(came), "refuter: no check-in")
        require(bool(mask_of(h, Leaf.unpack(leaf)) >> slot & 1), "refuter: reported up")
        require(header_before & M32 == e - 1, "refuter: epoch before")
        self._log("CheckInRefuted", e, node, slot, sender)
        self._hub.cancel(root_before, header_before, sender=self.address)

    # ---- views
    def committed_at(self, commitment: bytes) -> int:
        """Second of a commitment, 0 = never."""
        return self.committed[commitment]

    def fault_of(self, e: int, cancels: int) -> int:
        """finder 160 @96 | generation 16 @72 | who 32 @40 | time 40 @0 of a refuted report; 0 = not refuted."""
        return self.faults[e, cancels]

    def state(self, e: int) -> str:
        """What stands of an epoch, in words."""
        now = self._context.now
        if e == 0:
            return "before the first epoch"
        if now < self._calendar.genesis or self._calendar.epoch(now) <= e:
            return "not over"
        since = self._hub.usable_at(e)
        if since == 0:
            cancelled = self._hub.cancels(e) != 0
            return "cancelled, waiting to be signed again" if cancelled else "over, waiting for its report"
        if since == 1:
            return "was usable, has left the ring"
        return "reported, may be refuted" if now < since else "usable"

    # ---- internal
    def _digest(self, report: SignedReport, e: int) -> bytes:
        previous = counters.ring_word(report.root_before, report.header_before)
        records = keccak(b"".join(report.parts))
        message = Report(report.generation, e, previous, report.root, report.facts, records)
        return message.digest(self._hub.domain)

    def _log(self, name: str, *values: Any) -> None:
        self._journal.events.append(Event("ReportRefuter", name, values))


def judge(report: SignedReport, part: int, group: int, data: bytes, leaves: bytes, siblings: bytes) -> bool:
    """Whether a group of a well-formed part is false; refuses a proof that does not lead to the root before it."""
    header, before = Header.unpack(report.header), Header.unpack(report.header_before)
    at, last = group * GROUP_BYTES, group == _last_group(len(data))
    if group:
        start = data[at - 32 : at]
    elif part:
        start = report.parts[2 * part - 1]
    else:
        start = lift(report.root_before, depth_of(before.count), depth_of(header.count))
    full = at + GROUP * RECORD_BYTES
    end = report.parts[2 * part + 1] if last else data[full : full + 32]
    stop = len(data) if last else full
    records = [int.from_bytes(data[i : i + RECORD_BYTES], "big") for i in range(at, stop, RECORD_BYTES)]
    if not records:
        return start != end
    indices = [r >> 16 for r in records]
    ascend = all(a < b for a, b in pairwise(indices))
    if not ascend or indices[-1] >= header.count or any(r & SPARE for r in records):
        return True
    require(len(leaves) == 32 * len(records), "refuter: leaves")
    words = [to_int(leaves[i : i + 32]) for i in range(0, len(leaves), 32)]
    old = [leaf_hash(i, w) for i, w in zip(indices, words, strict=True)]
    depth = depth_of(header.count)
    # only leaves that are proven are looked at
    require(_root(indices, old, depth, siblings) == start, "refuter: multiproof")
    if any(w >> 32 & M32 >= header.ordinal for w in words):
        return True
    new = [_applied(w, r, before, header) for w, r in zip(words, records, strict=True)]
    return _root(indices, new, depth, siblings) != end


def _last_group(length: int) -> int:
    return max(0, length - 1) // GROUP_BYTES


def _well_formed(length: int) -> bool:
    rest = length - _last_group(length) * GROUP_BYTES
    return rest <= GROUP * RECORD_BYTES and rest % RECORD_BYTES == 0


def _applied(leaf: int, record: int, before: Header, header: Header) -> bytes:
    index = record >> 16
    told = Record(index, record >> 13 & 1, record >> 12 & 1, record & 0xFFF)
    return leaf_hash(index, counters.apply(Leaf.unpack(leaf), told, before, header).pack())


def _root(indices: Sequence[int], hashes: Sequence[bytes], depth: int, siblings: bytes) -> bytes:
    """Root over leaf hashes at ascending positions; refuses where siblings are missing or left over."""
    row, used = list(zip(indices, hashes, strict=True)), 0
    for _ in range(depth):
        above: list[tuple[int, bytes]] = []
        j = 0
        while j < len(row):
            x, h = row[j]
            j += 1
            if x & 1 == 0 and j < len(row) and row[j][0] == x + 1:
                h = keccak(h + row[j][1])
                j += 1
            else:
                require(used + 32 <= len(siblings))
                sibling = siblings[used : used + 32]
                used += 32
                h = keccak(sibling + h) if x & 1 else keccak(h + sibling)
            above.append((x >> 1, h))
        row = above
    require(used == len(siblings), "refuter: siblings")
    return row[0][1]


__all__ = ["Refuter", "SignedReport", "judge"]

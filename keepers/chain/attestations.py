"""Rebuilds every leaf and proof from the reports that the hub logged. No attester is ever asked.

`refresh(at)` brings it to a block; after that `proof(node, epoch)` answers for every epoch that the hub's ring still
holds. Older states are kept as checkpoints plus the records of each epoch, and rolled forward on demand: settlements
ask for few epochs at a time and mostly in order. The chain's own root is compared after every epoch; where it differs,
the report is false and nothing after it is believed (H6301).
"""

from __future__ import annotations

import logging
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from threading import RLock

from keepers.chain.ports import BlockRef, Event, Reader
from keepers.protocol.counters import GENESIS_HEADER, Header, RecordRefused
from keepers.protocol.epochs import RING
from keepers.protocol.errors import HearthError
from keepers.protocol.hashing import keccak
from keepers.protocol.records import Record, parse_part
from keepers.protocol.uptime_tree import Snapshot, UptimeTree

log = logging.getLogger("hearth.chain")
CHECKPOINT = 32  # epochs between two full states
TREES = 8  # rolled-forward trees that are kept
MARKS = 64  # blocks at which a refresh ended, to find back after a reorg
PARTS = 256  # posted parts that wait for their report
CHECK_IN_EPOCHS = 64  # epochs whose check-ins are kept: those that a report is still built for
NAMES = ("Report", "Part", "Voided", "Cancelled", "CheckedIn")


@dataclass(frozen=True, slots=True)
class Reported:
    """One epoch as reported or voided on chain. `digest`, `who` and `records` of a void epoch are empty."""

    header: Header
    root: bytes
    records: tuple[Record, ...]
    digest: bytes
    who: int
    facts: int
    block: BlockRef

    @property
    def epoch(self) -> int:
        """Its number."""
        return self.header.epoch


@dataclass(frozen=True, slots=True)
class Proof:
    """What a contract wants to see of a node at an epoch: header word, leaf word, siblings from the leaf up."""

    node: int
    epoch: int
    header: int
    leaf: int
    siblings: tuple[bytes, ...]

    @property
    def args(self) -> tuple[int, int, list[bytes]]:
        """(header, leaf, proof) in the order of every contract function that takes one."""
        return self.header, self.leaf, list(self.siblings)


@dataclass(frozen=True, slots=True)
class MultiProof:
    """The same for several nodes, ascending and distinct, as `LeaseEscrow.settle_many` reads it."""

    nodes: tuple[int, ...]
    epoch: int
    header: int
    leaves: tuple[int, ...]
    siblings: tuple[bytes, ...]


class Attestations:
    """The process's one follower of reports. Roles on several threads hold `lock` while they refresh or read it."""

    def __init__(self, reader: Reader, first_block: int) -> None:
        self.lock = RLock()
        self._reader = reader
        self._first = first_block
        self._reset()

    def _reset(self) -> None:
        self._tip = UptimeTree()
        self._epochs: dict[int, Reported] = {}
        self._marks: list[BlockRef] = []
        self._parts: OrderedDict[bytes, bytes] = OrderedDict()
        self._checkpoints: dict[int, Snapshot] = {0: self._tip.snapshot()}
        self._trees: OrderedDict[int, UptimeTree] = OrderedDict()
        self._came: list[tuple[int, int, int, int]] = []  # block, epoch, node, slot of each check-in
        self._cancelled: list[tuple[int, int, int]] = []  # block, time, first epoch that fell

    # what stands

    @property
    def last(self) -> int:
        """The last epoch reported or voided as of the last refresh."""
        return self._tip.header.epoch

    @property
    def tree(self) -> UptimeTree:
        """The tree through `last`. Read it, never change it."""
        return self._tip

    def header(self, epoch: int) -> Header:
        """Header of a followed epoch (0 = before the first). Raises H6302 for one that is not there."""
        return GENESIS_HEADER if epoch == 0 else self.report(epoch).header

    def report(self, epoch: int) -> Reported:
        """What the chain says about an epoch. Raises H6302 where it is not followed (any more)."""
        found = self._epochs.get(epoch)
        if found is None:
            raise HearthError(
                "H6304" if epoch > self.last else "H6302",
                f"epoch {epoch} cannot be read",
                why=(f"epochs {max(1, self.last - RING + 1)} to {self.last} are known",),
            )
        return found

    def cancelled_at(self, epoch: int) -> int:
        """When a report of this very epoch was last refuted, in seconds; 0 if it never was."""
        return max((time for _, time, first in self._cancelled if first == epoch), default=0)

    def check_ins(self, epoch: int) -> dict[int, int]:
        """Slots (12 bits) of an epoch in which a node's key checked in on chain, by node."""
        found: dict[int, int] = {}
        for _, e, node, slot in self._came:
            if e == epoch:
                found[node] = found.get(node, 0) | 1 << slot
        return found

    # proofs

    def leaf(self, node: int, epoch: int) -> int:
        """Leaf word of a node through the end of an epoch."""
        return self._at(epoch).leaf(node).pack()

    def proof(self, node: int, epoch: int) -> Proof:
        """Proof of a node's leaf against the root of an epoch. Raises H6302 (epoch or node not there)."""
        tree = self._of(epoch, [node])
        return Proof(node, epoch, tree.header.pack(), tree.leaf(node).pack(), tuple(tree.proof(node)))

    def multiproof(self, nodes: Sequence[int], epoch: int) -> MultiProof:
        """One proof for several nodes, which must be ascending and distinct (ValueError)."""
        tree = self._of(epoch, nodes)
        leaves = tuple(tree.leaf(node).pack() for node in nodes)
        return MultiProof(tuple(nodes), epoch, tree.header.pack(), leaves, tuple(tree.multiproof(list(nodes))))

    def _of(self, epoch: int, nodes: Sequence[int]) -> UptimeTree:
        tree = self._at(epoch)
        for node in nodes:
            if not 0 <= node < max(1, tree.header.count):
                raise HearthError(
                    "H6302", f"node {node} was not there in epoch {epoch}: {tree.header.count} nodes were"
                )
        return tree

    def _at(self, epoch: int) -> UptimeTree:
        """A tree in the state after `epoch`, rolled forward from the nearest one at or before it."""
        return self._tip if epoch == self.last else self._older(epoch)

    def _older(self, epoch: int) -> UptimeTree:
        if epoch != 0:
            self.report(epoch)
        if epoch in self._trees:
            self._trees.move_to_end(epoch)
            return self._trees[epoch]
        base = max(e for e in self._checkpoints if e <= epoch)
        near = max((e for e in self._trees if e <= epoch), default=-1)
        snapshot = self._trees[near].snapshot() if near > base else self._checkpoints[base]
        tree = UptimeTree.at(snapshot)
        while tree.header.epoch < epoch:
            self._forward(tree, self._epochs[tree.header.epoch + 1])
        self._trees[epoch] = tree
        while len(self._trees) > TREES:
            self._trees.popitem(last=False)
        return tree

    @staticmethod
    def _forward(tree: UptimeTree, reported: Reported) -> None:
        if reported.header.void:
            tree.void(reported.epoch)
        else:
            tree.apply_report(reported.header, reported.records)

    # following

    def refresh(self, at: BlockRef) -> int:
        """Follow to block `at`; returns how many epochs are new.

        Raises H6301 where a report's root is not what its records give, and what the reader raises.
        """
        self._take_back()
        first = self._marks[-1].number + 1 if self._marks else self._first
        if self._marks and at.number <= self._marks[-1].number:
            return 0
        before = self.last
        for event in standing(self._reader.events(first, at.number, "AttestationHub", NAMES)):
            if event.name == "Part":
                self._keep_part(event)
            elif event.name == "CheckedIn":
                self._came.append((event.block_number, int(event["epoch"]), int(event["node"]), int(event["slot"])))
            elif event.name == "Cancelled":
                self._cancel(event)
            else:
                self._epoch_event(event)
        self._marks.append(at)
        del self._marks[:-MARKS]
        return self.last - before

    def _take_back(self) -> None:
        """Forget what a reorg removed: go back to the newest block we know that the chain still has."""
        known = len(self._marks)
        while self._marks:
            mark = self._marks[-1]
            block = self._reader.block(mark.number)
            if block is not None and block.hash == mark.hash:
                break
            if block is None and len(self._marks) == known and self._reader.head().number < mark.number:
                return  # the endpoint lags; nothing says that the block is gone
            self._marks.pop()
        if len(self._marks) == known:
            return
        if not self._marks:
            log.warning("reorg beyond memory: reports are read anew")
            self._reset()
            return
        number = self._marks[-1].number
        self._came = [came for came in self._came if came[0] <= number]
        fell = [first for block, _, first in self._cancelled if block > number]
        if fell:
            # what fell may stand again, and was forgotten when it did
            log.warning("a cancellation was taken back: reports are read anew")
            self._reset()
            return
        gone = [e for e, r in self._epochs.items() if r.block.number > number]
        if gone:
            self._back_to(min(gone) - 1)

    def _back_to(self, epoch: int) -> None:
        log.warning("reports taken back", extra={"to_epoch": epoch, "from_epoch": self.last})
        self._tip = UptimeTree.at(self._at(epoch).snapshot())
        self._epochs = {e: r for e, r in self._epochs.items() if e <= epoch}
        self._checkpoints = {e: s for e, s in self._checkpoints.items() if e <= epoch}
        self._trees = OrderedDict((e, t) for e, t in self._trees.items() if e <= epoch)

    def _cancel(self, event: Event) -> None:
        first = int(event["first"])
        block = None if event.timestamp else self._reader.block(event.block_number)
        self._cancelled.append((event.block_number, block.timestamp if block else event.timestamp, first))
        if first <= self.last:
            self._back_to(first - 1)

    def _keep_part(self, event: Event) -> None:
        data = bytes(event["data"])
        if keccak(data) == bytes(event["hash"]):
            self._parts[bytes(event["hash"])] = data
            while len(self._parts) > PARTS:
                self._parts.popitem(last=False)

    def _epoch_event(self, event: Event) -> None:
        header = Header.unpack(int(event["header"]))
        first = int(event["first"]) if event.name == "Voided" else header.epoch
        if first <= self.last:  # signed again after a cancellation
            self._back_to(first - 1)
        if first != self.last + 1:
            raise _false(first, f"epoch {self.last + 1} was to come, not {first}")
        block = BlockRef(event.block_number, event.block_hash, event.timestamp)
        if event.name == "Voided":
            for _ in range(first, int(event["last"]) + 1):
                void = self._tip.header.voided()
                reported = Reported(void, self._tip.root, (), bytes(event["digest"]), int(event["who"]), 0, block)
                self._add(reported)
            if self._tip.header != header:
                raise _false(first, "the header of the void report does not follow")
            return
        records = tuple(self._records(event))
        self._add(
            Reported(
                header,
                bytes(event["root"]),
                records,
                bytes(event["digest"]),
                int(event["who"]),
                int(event["facts"]),
                block,
            )
        )

    def _add(self, reported: Reported) -> None:
        try:
            self._forward(self._tip, reported)
        except (ValueError, RecordRefused) as error:  # nothing was changed
            raise _false(reported.epoch, str(error)) from error
        if self._tip.root != reported.root:
            self._tip = UptimeTree.at(self._older(reported.epoch - 1).snapshot())
            raise _false(reported.epoch, "its root is not what its records give")
        epoch = reported.epoch
        self._epochs[epoch] = reported
        if self._came and self._came[0][1] < epoch - CHECK_IN_EPOCHS:
            self._came = [came for came in self._came if came[1] >= epoch - CHECK_IN_EPOCHS]
        if epoch % CHECKPOINT == 0:
            self._checkpoints[epoch] = self._tip.snapshot()
            self._forget(epoch - RING - CHECKPOINT)

    def _forget(self, below: int) -> None:
        """Drop epochs that left the ring, keeping the checkpoint from which the oldest provable one is reached."""
        kept = sorted(e for e in self._checkpoints)
        base = kept[max(0, bisect_right(kept, below) - 1)]
        self._checkpoints = {e: s for e, s in self._checkpoints.items() if e >= base}
        self._epochs = {e: r for e, r in self._epochs.items() if e > base}

    def _records(self, event: Event) -> list[Record]:
        """The records of a report: of its posted parts by their hashes, then of its own data."""
        words = [bytes(word) for word in event["parts"]]  # h_1, R_1, h_2, R_2 … of the posted parts only
        parts = [self._part(word, event) for word in words[::2]] + [bytes(event["data"])]
        out: list[Record] = []
        for part in parts:
            try:
                groups, _ = parse_part(part)
            except ValueError as error:
                raise _false(int(event["epoch"]), str(error)) from error
            out += [record for group in groups for record in group]
        return out

    def _part(self, wanted: bytes, event: Event) -> bytes:
        found = self._parts.pop(wanted, None)
        if found is not None:
            return found
        for old in self._reader.events(self._first, event.block_number, "AttestationHub", ("Part",)):
            if bytes(old["hash"]) == wanted:
                return bytes(old["data"])
        raise _false(int(event["epoch"]), "one of its parts was never posted")


def standing(events: Sequence[Event]) -> list[Event]:
    """Events of the hub without the reports that fell among them: a false one is not judged once it is refuted."""
    kept: list[Event] = []
    lowest = 1 << 64
    for event in reversed(events):
        if event.name == "Cancelled":
            lowest = min(lowest, int(event["first"]))
        reported = {"Report": "epoch", "Voided": "first"}.get(event.name)
        if reported is None or int(event[reported]) < lowest:
            kept.append(event)
    kept.reverse()
    return kept


def _false(epoch: int, why: str) -> HearthError:
    return HearthError(
        "H6301",
        f"the report of epoch {epoch} does not hold",
        why=(why,),
        next=("nothing that rests on it is signed or settled; docs/audit.md says what was compared",),
    )

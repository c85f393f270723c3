"""Rebuilding every leaf and every root from the chain alone: an endpoint, a deployment record, and no attester asked.

`Audit.rebuild` judges each standing report by its own records and compares the roots with the words that the hub
keeps. `Audit.proof` is what it leads to: a proof of any node and epoch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from keepers.chain.attestations import Proof
from keepers.chain.deployment import Deployment
from keepers.chain.history import HUB, History, Logged, Progress, block_of_report, read_history
from keepers.chain.leaves_file import LeavesHead, read_head, read_leaves, write_leaves
from keepers.chain.ports import BlockRef, Call, Reader
from keepers.protocol.counters import GENESIS_HEADER, Header, ring_word
from keepers.protocol.epochs import RING
from keepers.protocol.errors import HearthError
from keepers.protocol.rebuild import Fault, advance
from keepers.protocol.records import record_count
from keepers.protocol.uptime_tree import UptimeTree

BATCH = 100  # words asked for at once
REPORT_EVERY = 8  # epochs between two signs of progress


@dataclass(frozen=True, slots=True)
class RootRow:
    """One epoch of a rebuild. `right` is None where nothing can be said: an earlier root is wrong already."""

    epoch: int
    void: bool
    records: int
    count: int
    root: bytes
    ring_word: bytes
    block: int
    tx: bytes
    right: bool | None


@dataclass(frozen=True)
class Rebuilt:
    """What a rebuild found.

    `tree`: the state after the last right epoch. `started`: the epoch of the snapshot that it began with (0 = none).
    `fault`: the first thing that is wrong; `compared`: words of the hub's ring that were compared and agree.
    """

    rows: tuple[RootRow, ...]
    tree: UptimeTree
    started: int
    fault: Fault | None
    compared: int
    cancelled: int
    at: BlockRef

    @property
    def right(self) -> bool:
        """Whether every root is what its records give."""
        return self.fault is None

    @property
    def records(self) -> int:
        """Records of all epochs."""
        return sum(row.records for row in self.rows)


class Audit:
    """Over one endpoint and one deployment record. `progress(done, total, what)` is called now and then."""

    def __init__(self, reader: Reader, deployment: Deployment, progress: Progress | None = None) -> None:
        self.reader, self.deployment, self.progress = reader, deployment, progress

    # ---- rebuild

    def rebuild(
        self,
        to: int | None = None,
        start: Path | None = None,
        seen: Callable[[UptimeTree], object] | None = None,
        at: BlockRef | None = None,
    ) -> Rebuilt:
        """Every epoch through `to` (None = all that stand), from the first or from a file of leaves.

        `seen` is called with the tree after each right epoch. Raises H1006 and H6303 for a file that is not the
        chain's, H6302 for an epoch that is not reported, H2006 for an endpoint that leaves logs out.
        """
        at = at or self.reader.head()
        first_block = self.deployment.first_block
        head = self._read_head(start) if start is not None else None
        began = head.header.epoch if head is not None else 0
        block = block_of_report(self.reader, first_block, self.deployment.clock(), began, at)
        history = read_history(self.reader, first_block, at, after=began, start_block=block, progress=self.progress)
        tree = UptimeTree()
        if start is not None and head is not None:
            self._check_start(head, history, at)
            tree = read_leaves(start, head)
        cancelled = history.cancelled
        if to is not None:
            if not began <= to <= history.last:
                raise _not_there(to, began, history.last)
            history.end_at(to)
        if seen is not None and began:
            seen(tree)
        rows, fault = self._walk(tree, history, seen)
        compared = self._compare(rows, at, fault)
        return Rebuilt(tuple(rows), tree, began, fault, compared, cancelled, at)

    def _walk(
        self, tree: UptimeTree, history: History, seen: Callable[[UptimeTree], object] | None
    ) -> tuple[list[RootRow], Fault | None]:
        rows: list[RootRow] = []
        fault: Fault | None = None
        total = len(history.epochs)
        for done, logged in enumerate(history, 1):
            if fault is None:
                fault = advance(tree, logged.log)
                if fault is None and seen is not None:
                    seen(tree)
                rows.append(_row(logged, tree.root if fault is None else logged.log.root, fault is None))
            else:
                rows.append(_row(logged, logged.log.root, None))
            if self.progress and (done % REPORT_EVERY == 0 or done == total):
                self.progress(done, total, f"roots, epoch {logged.epoch}")
        return rows, fault

    def _compare(self, rows: list[RootRow], at: BlockRef, fault: Fault | None) -> int:
        """Compares the words of the hub's ring with ours. Raises H2006 where the logs were not the hub's own."""
        standing = int(self.reader.read(Call(HUB, "last_epoch"), at))
        wanted = [row for row in rows if row.epoch > standing - RING and row.right]
        for low in range(0, len(wanted), BATCH):
            part = wanted[low : low + BATCH]
            words = self.reader.read_many([Call(HUB, "ring_word", (row.epoch,)) for row in part], at)
            for row, word in zip(part, words, strict=True):
                if bytes(word) != row.ring_word:
                    raise HearthError(
                        "H2006",
                        f"epoch {row.epoch}: the hub keeps another word than its logs give",
                        why=(f"hub  0x{bytes(word).hex()}", f"logs 0x{row.ring_word.hex()}"),
                        next=("the endpoint changes or leaves out logs: try another --rpc",),
                    )
            if self.progress:
                self.progress(low + len(part), len(wanted), "words of the hub's ring")
        return len(wanted)

    # ---- files of leaves

    def _read_head(self, path: Path) -> LeavesHead:
        head = read_head(path)
        if (head.chain_id, head.hub) != (self.deployment.chain_id, self.deployment.address(HUB).lower()):
            raise HearthError(
                "H6303",
                f"{path} is of another network",
                why=(f"chain {head.chain_id}, hub {head.hub}",),
                next=("take one of this network, or leave --from out",),
            )
        return head

    def _check_start(self, head: LeavesHead, history: History, at: BlockRef) -> None:
        """Whether header and root are the chain's after that epoch: by the hub's ring, else by that report's event."""
        epoch = head.header.epoch
        if epoch == 0:
            if head.header != GENESIS_HEADER:
                raise _false_start("before the first epoch there are no nodes")
            return
        standing = int(self.reader.read(Call(HUB, "last_epoch"), at))
        if epoch > standing:
            raise _false_start(f"epoch {epoch} is not reported; the last is {standing}")
        if epoch > standing - RING:
            theirs = bytes(self.reader.read(Call(HUB, "ring_word", (epoch,)), at))
        elif history.base is not None and not history.base.void:
            theirs = ring_word(history.base.log.root, history.base.log.header)
        else:
            raise _false_start(f"epoch {epoch} was void or was not found in the logs: use leaves of a reported one")
        if theirs != head.ring_word:
            raise _false_start(f"its header and root give w = 0x{head.ring_word.hex()}, the chain has 0x{theirs.hex()}")

    def write(self, path: Path, tree: UptimeTree) -> int:
        """Writes a file of leaves; returns how many. Raises H1006 where that fails."""
        try:
            return write_leaves(path, tree, self.deployment.chain_id, self.deployment.address(HUB))
        except OSError as error:
            raise HearthError("H1006", f"{path} cannot be written: {error.strerror}") from None

    # ---- proofs

    def proof(self, node: int, epoch: int, start: Path | None = None) -> tuple[Proof, bytes]:
        """(proof, root) of a node's leaf after an epoch, each root up to it checked.

        Raises H6302 where node or epoch is not there, H6301 where a root up to it is wrong.
        """
        found = self.rebuild(epoch, start)
        if found.fault is not None:
            raise wrong(found.fault)
        tree = found.tree
        count = tree.header.count
        if not 0 <= node < max(1, count):
            raise HearthError("H6302", f"node {node} was not there in epoch {epoch}: {count} nodes were")
        siblings = tuple(tree.proof(node))
        return Proof(node, epoch, tree.header.pack(), tree.word(node), siblings), tree.root


def wrong(fault: Fault) -> HearthError:
    """A fault as an error."""
    return HearthError(
        "H6301",
        f"the root of epoch {fault.epoch} is wrong",
        why=(fault.why,),
        next=("nothing that rests on it is right; see docs/audit.md",),
    )


def _row(logged: Logged, root: bytes, right: bool | None) -> RootRow:
    header = Header.unpack(logged.log.header)
    records = sum(record_count(len(data)) for data, _ in logged.log.parts)
    word = ring_word(root, logged.log.header) if root else b""
    return RootRow(logged.epoch, header.void, records, header.count, root, word, logged.block, logged.tx, right)


def _not_there(to: int, began: int, last: int) -> HearthError:
    return HearthError(
        "H6304" if to > last else "H6302",
        f"epoch {to} cannot be rebuilt",
        why=(f"epochs {began} to {last} can",),
        next=("wait for its report" if to > last else "leave --from out, or take leaves of an older epoch",),
    )


def _false_start(why: str) -> HearthError:
    return HearthError(
        "H6303",
        "these leaves are not the chain's",
        why=(why,),
        next=("take them from elsewhere, or leave --from out to rebuild from the first epoch",),
    )

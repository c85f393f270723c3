"""The watcher's own account of uptime: every root derived again from the records that the hub logged.

`refresh(at)` brings it to a block. It stops before the first report that does not hold (`false`) and goes on when that
report has fallen. States of the tree are stored every `CHECKPOINT` epochs, so a restart reads the logs from there on; a
stored state counts only if its block is still the chain's. Reorgs are taken back to the newest block that the chain
still has, cancelled epochs to the one before them.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from keepers.chain.history import (
    HUB,
    Logged,
    left_out,
    logged_report,
    logged_voids,
    pages,
    posted_parts,
    with_parts,
)
from keepers.chain.ports import BlockRef, Call, Event, Reader
from keepers.protocol.counters import Leaf, mask_of
from keepers.protocol.epochs import RING
from keepers.protocol.errors import HearthError
from keepers.protocol.hashing import keccak
from keepers.protocol.rebuild import Fault, advance
from keepers.protocol.uptime_tree import Snapshot, UptimeTree
from keepers.roles.watcher.states import CheckIn, State, States

log = logging.getLogger("hearth.watcher")
CHECKPOINT = 32  # epochs between two states that are kept
MARKS = 64  # blocks at which a refresh ended, to find back after a reorg
PARTS = 256  # posted parts that wait for their report: 16 MB at most
REFUTER, COMMITTEE = "ReportRefuter", "AttesterCommittee"
_NAMES = ("Report", "Part", "Voided", "Cancelled", "CheckedIn")
_WHOLE = 1 << 62  # beyond every log index of a block


@dataclass(frozen=True, slots=True)
class Reported:
    """A report or void epoch as logged, with the block that holds it and w of the epoch before."""

    logged: Logged
    block: BlockRef
    previous: bytes

    @property
    def epoch(self) -> int:
        """Its number."""
        return self.logged.epoch


@dataclass(frozen=True, slots=True)
class FalseReport:
    """A report that its records do not bear out. `above`: the blocks of the epochs that were reported on top of it."""

    found: Reported
    fault: Fault
    above: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Denied:
    """A report that holds and calls a node down in a slot in which its key checked in on chain; with the proof of that
    leaf. `others`: nodes of the same report to which that happened too."""

    found: Reported
    node: int
    slot: int
    leaf: int
    proof: tuple[bytes, ...]
    header_before: int
    root_before: bytes
    others: int


@dataclass(frozen=True, slots=True)
class Fallen:
    """A report that was refuted: its number among those of its epoch, who signed, who found it (0x0… = nobody)."""

    epoch: int
    cancels: int
    generation: int
    who: int
    finder: str
    block: int


@dataclass(frozen=True, slots=True)
class Equivocated:
    """A seat against which an equivocation was proven, and the two digests."""

    account: str
    digests: frozenset[bytes]
    block: int


class _Again(Exception):
    """An older state was taken up: the logs are read again from there."""


class Books:
    """One a watcher. `tree` is the state after `last`, the newest report that holds; read it, never change it."""

    def __init__(self, reader: Reader, states: States, first_block: int, dispute: int) -> None:
        """`dispute`: seconds in which a report can fall, so that a state from before is kept."""
        self._reader, self._states, self._first, self._dispute = reader, states, first_block, dispute
        self.checked = 0  # epochs judged since the start of this process
        self._start(None)

    def _start(self, state: State | None) -> None:
        self.tree = UptimeTree() if state is None else state.tree()
        self.false: FalseReport | None = None
        self.epochs: dict[int, Reported] = {}
        self.denied: dict[int, Denied] = {}
        self.fallen: dict[tuple[int, int], Fallen] = {}
        self.equivocated: list[Equivocated] = []
        self._snapshots: dict[int, Snapshot] = {self.last: self.tree.snapshot()}
        # that hold the reports of these
        self._blocks = {self.last: BlockRef(0, b"", 0) if state is None else state.block}
        self._came: list[CheckIn] = [] if state is None else list(state.came)
        self._parts: OrderedDict[bytes, bytes] = OrderedDict()
        self._falls: list[tuple[int, int]] = []  # block, first epoch that fell
        self._marks: list[BlockRef] = [] if state is None else [state.block]
        # the block of the state is read again: it may hold more than that report
        self._cursor = (self._first - 1, _WHOLE) if state is None else (state.block.number, -1)

    @property
    def last(self) -> int:
        """The newest epoch that holds."""
        return self.tree.header.epoch

    def resume(self) -> int:
        """Take up a stored state that is still the chain's; its epoch, 0 where there is none."""
        self._start(self._stored())
        return self.last

    # ------------------------------------------------------------------ following

    def refresh(self, at: BlockRef) -> int:
        """Follow to block `at`; returns how many epochs were judged.

        Raises H2006 where an endpoint's logs cannot be the hub's: then the next call reads again from the newest stored
        state, for what was left out once would be missed for ever. Also what the reader raises: the next call goes on.
        """
        try:
            return self._follow(at)
        except HearthError as error:
            if error.code == "H2006":
                self._start(self._stored())
            raise

    def _follow(self, at: BlockRef) -> int:
        before = self.checked
        while True:
            try:
                if self._lags(at):
                    return self.checked - before
                self._take_back()
                self._read_on(at)
                break
            except _Again:
                continue
        self._compare(at)
        return self.checked - before

    def _lags(self, at: BlockRef) -> bool:
        """Whether the endpoint is behind what we know: nothing says that a block is gone."""
        return bool(self._marks) and at.number < self._marks[-1].number

    def _read_on(self, at: BlockRef) -> None:
        start = self._cursor[0] if self._cursor[1] != _WHOLE else self._cursor[0] + 1
        if at.number < start:
            return
        for contract, name, take in (
            (REFUTER, "Refuted", self._refuted),
            (COMMITTEE, "Equivocated", self._proven_twice),
        ):
            for event in pages(self._reader, start, at.number, contract, (name,)):
                take(event)
        newest: Event | None = None
        try:
            for event in pages(self._reader, start, at.number, HUB, _NAMES):
                if (event.block_number, event.index) > self._cursor:
                    self._take(event)
                    self._cursor, newest = (event.block_number, event.index), event
        except _Again:
            raise
        except BaseException:
            if newest is not None:
                self._mark(BlockRef(newest.block_number, newest.block_hash, newest.timestamp))
            raise
        self._cursor = (at.number, _WHOLE)
        self._mark(at)

    def _mark(self, block: BlockRef) -> None:
        self._marks.append(block)
        del self._marks[:-MARKS]

    def _take(self, event: Event) -> None:
        if event.name == "Part":
            self._keep_part(event)
        elif event.name == "CheckedIn":
            self._came.append((event.block_number, int(event["epoch"]), int(event["node"]), int(event["slot"])))
        elif event.name == "Cancelled":
            self._cancelled(event)
        elif event.name == "Report":
            self._reported(event, iter((logged_report(event),)))
        else:
            self._reported(event, logged_voids(event))

    def _keep_part(self, event: Event) -> None:
        data = bytes(event["data"])
        if keccak(data) == bytes(event["hash"]):
            self._parts[bytes(event["hash"])] = data
            while len(self._parts) > PARTS:
                self._parts.popitem(last=False)

    def _reported(self, event: Event, epochs: Iterator[Logged]) -> None:
        block = BlockRef(event.block_number, event.block_hash, self._time(event))
        for logged in epochs:
            if logged.epoch <= self.last:
                self._known(logged)
            elif self.false is not None:
                self.false = replace(self.false, above=(*self.false.above, block.number))
            elif logged.epoch != self.last + 1:
                raise left_out(f"epoch {self.last + 1} is missing before epoch {logged.epoch}")
            else:
                self._judge(logged, block)

    def _known(self, logged: Logged) -> None:
        """What is logged of an epoch that holds is what was read before, or the endpoint leaves out a cancellation."""
        known = self.epochs.get(logged.epoch)
        if known is not None and known.logged.digest != logged.digest:
            raise left_out(f"epoch {logged.epoch} is reported twice, and nothing was cancelled")

    def _judge(self, logged: Logged, block: BlockRef) -> None:
        found = Reported(self._whole(logged), block, self.tree.ring_word)
        header, root = self.tree.header.pack(), self.tree.root
        self.checked += 1
        fault = advance(self.tree, found.logged.log)
        if fault is not None:
            self.false = FalseReport(found, fault)
            return
        self.epochs[found.epoch] = found
        self._look_for_denied(found, header, root)
        if found.epoch % CHECKPOINT == 0:
            self._keep_state(found)

    def _whole(self, logged: Logged) -> Logged:
        named = {data for data, _ in logged.log.parts[:-1]}
        found = {key: self._parts.pop(key) for key in named & set(self._parts)}
        if named - set(found):  # posted long before
            found |= posted_parts(self._reader, named - set(found), ((self._first, logged.block),))
        return with_parts(logged, found)

    def _look_for_denied(self, found: Reported, header_before: int, root_before: bytes) -> None:
        header = self.tree.header
        came = self.check_ins(found.epoch)
        if header.void or not came:
            return
        denied = {
            node: missed
            for node, slots in sorted(came.items())
            if node < header.count and (missed := mask_of(header, Leaf.unpack(self.tree.word(node))) & slots)
        }
        if denied:
            node, missed = next(iter(denied.items()))
            slot = (missed & -missed).bit_length() - 1
            proof = tuple(self.tree.proof(node))
            self.denied[found.epoch] = Denied(
                found, node, slot, self.tree.word(node), proof, header_before, root_before, len(denied) - 1
            )

    def check_ins(self, epoch: int) -> dict[int, int]:
        """Slots (12 bits) of an epoch in which a node's key checked in on chain, by node."""
        found: dict[int, int] = {}
        for _, e, node, slot in self._came:
            if e == epoch:
                found[node] = found.get(node, 0) | 1 << slot
        return found

    def _cancelled(self, event: Event) -> None:
        first = int(event["first"])
        self._falls.append((event.block_number, first))
        if self.false is not None and first <= self.false.found.epoch:
            self.false = None
        elif self.false is not None:
            self.false = replace(self.false, above=self.false.above[: first - 1 - self.false.found.epoch])
        if first <= self.last:
            self._back_to(first - 1)

    def _refuted(self, event: Event) -> None:
        made = Fallen(
            int(event["epoch"]), int(event["cancels"]), int(event["generation"]), int(event["who"]),
            str(event["finder"]).lower(), event.block_number,
        )  # fmt: skip
        self.fallen[made.epoch, made.cancels] = made

    def _proven_twice(self, event: Event) -> None:
        digests = frozenset((bytes(event["first"]), bytes(event["second"])))
        made = Equivocated(str(event["seat"]).lower(), digests, event.block_number)
        if made not in self.equivocated:
            self.equivocated.append(made)

    def _time(self, event: Event) -> int:
        if event.timestamp:
            return event.timestamp
        block = self._reader.block(event.block_number)
        if block is None:
            raise left_out(f"block {event.block_number} holds a log and is not there")
        return block.timestamp

    def _compare(self, at: BlockRef) -> None:
        """The hub's own counters and ring word: an endpoint that leaves logs out must not make us believe anything."""
        if at.number < self._first:
            return
        standing = int(self._reader.read(Call(HUB, "last_epoch"), at))
        ours = self.last if self.false is None else self.false.found.epoch + len(self.false.above)
        if standing != ours:
            raise left_out(f"the hub counts {standing} epochs at block {at.number}, its logs give {ours}")
        if self.last == 0:
            return
        word = bytes(self._reader.read(Call(HUB, "ring_word", (self.last,)), at))
        if word != self.tree.ring_word:
            raise left_out(f"the hub keeps w = 0x{word.hex()} of epoch {self.last}, its logs another")

    # ------------------------------------------------------------------ going back

    def _take_back(self) -> None:
        """Forget what a reorg removed: go back to the newest block that we know and the chain still has."""
        known = len(self._marks)
        while self._marks:
            mark = self._marks[-1]
            block = self._reader.block(mark.number)
            if block is not None and block.hash == mark.hash:
                break
            self._marks.pop()
        if len(self._marks) == known:
            return
        if not self._marks:
            log.warning("a reorg beyond memory: an older state is taken up")
            self._start(self._stored())
            return
        number = self._marks[-1].number
        if number < min(block.number for block in self._blocks.values()):
            log.warning("a reorg beyond memory: an older state is taken up")
            self._start(self._stored(block=number))
            return
        fell = [first for block_number, first in self._falls if block_number > number]
        if fell:
            # what fell may stand again, and was forgotten when it did
            log.warning("a cancellation was taken back: an older state is taken up")
            self._start(self._stored(min(fell) - 1, number))
            return
        self._forget_after(number)
        self._cursor = (number, _WHOLE)

    def _forget_after(self, number: int) -> None:
        self._came = [came for came in self._came if came[0] <= number]
        self.fallen = {key: fallen for key, fallen in self.fallen.items() if fallen.block <= number}
        self.equivocated = [one for one in self.equivocated if one.block <= number]
        false = self.false
        if false is not None:
            above = tuple(block for block in false.above if block <= number)
            self.false = replace(false, above=above) if false.found.block.number <= number else None
        gone = [epoch for epoch, found in self.epochs.items() if found.block.number > number]
        if gone:
            self._back_to(min(gone) - 1)

    def _back_to(self, epoch: int) -> None:
        """The state after an earlier epoch; _Again where an older one had to be taken up instead."""
        log.warning("reports taken back", extra={"to_epoch": epoch, "from_epoch": self.last})
        self._states.drop_after(epoch)
        base = max((e for e in self._snapshots if e <= epoch), default=None)
        if base is None or any(e not in self.epochs for e in range(base + 1, epoch + 1)):
            self._start(self._stored(epoch))
            raise _Again
        tree = UptimeTree.at(self._snapshots[base])
        for e in range(base + 1, epoch + 1):
            advance(tree, self.epochs[e].logged.log)
        self.tree = tree
        self.epochs = {e: found for e, found in self.epochs.items() if e <= epoch}
        self.denied = {e: found for e, found in self.denied.items() if e <= epoch}
        self._keep_snapshots(lambda e: e <= epoch)

    # ------------------------------------------------------------------ states

    def _keep_state(self, found: Reported) -> None:
        snapshot = self.tree.snapshot()
        self._snapshots[found.epoch] = snapshot
        self._blocks[found.epoch] = found.block
        came = tuple(one for one in self._came if one[1] > found.epoch)
        self._states.keep(State(found.epoch, found.block, snapshot.header.pack(), tuple(snapshot.words), came))
        final = found.block.timestamp - self._dispute
        oldest = max((e for e, block in self._blocks.items() if block.timestamp <= final), default=0)
        self._keep_snapshots(lambda e: e >= oldest)
        self.epochs = {e: f for e, f in self.epochs.items() if e > oldest}
        self.denied = {e: d for e, d in self.denied.items() if e > oldest}
        self._came = [one for one in self._came if one[1] > oldest]
        self._states.drop_before(oldest)

    def _keep_snapshots(self, keep: Callable[[int], bool]) -> None:
        self._snapshots = {e: found for e, found in self._snapshots.items() if keep(e)}
        self._blocks = {e: found for e, found in self._blocks.items() if keep(e)}

    def _stored(self, epoch: int = 1 << 62, block: int = 1 << 62) -> State | None:
        """The newest stored state up to an epoch and a block whose block is the chain's and whose root is the hub's.

        It lies before every epoch in dispute: what can still be proven is judged again, for proofs are not stored.
        """
        at = self._reader.head()
        standing = int(self._reader.read(Call(HUB, "last_epoch"), at)) if at.number >= self._first else 0
        for state in self._states.newest_first():
            if state.epoch > min(epoch, standing) or state.block.number > block:
                continue
            if state.block.timestamp > at.timestamp - self._dispute:
                continue
            there = self._reader.block(state.block.number)
            if there is not None and there.hash == state.block.hash and self._is_the_hubs(state, standing, at):
                return state
        return None

    def _is_the_hubs(self, state: State, standing: int, at: BlockRef) -> bool:
        """Whether the hub keeps the word that the state gives; where it no longer does, the block has answered."""
        if state.epoch <= standing - RING:
            return True
        return bytes(self._reader.read(Call(HUB, "ring_word", (state.epoch,)), at)) == state.tree().ring_word


__all__ = ["Books", "Denied", "Equivocated", "Fallen", "FalseReport", "Reported"]

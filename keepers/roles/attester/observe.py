"""What an attester sees: the chain's snapshot of an epoch, the blocks that were head, the beats that were counted."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from keepers.chain.contracts import Suite
from keepers.chain.heads import last_before
from keepers.chain.ports import BlockRef, Event, Reader
from keepers.protocol.epochs import SLOTS, Calendar
from keepers.protocol.merge import FAILED, PASSED, Body, SnapshotNode
from keepers.protocol.nodes import Node, Status
from keepers.protocol.stake import Need, Own, backed_units
from keepers.wire.codec import Beat
from keepers.wire.committee import Committee, Committees

_NODE_EVENTS = ("NodeRegistered", "NodeKeyRotated", "NodeRetired", "StatusSet", "OptInSet")
_POOL_EVENTS = ("PoolOpened", "Staked", "Unbonding", "BondEnded", "Slashed", "UnitsSet")
KEEP_EPOCHS = 64


@dataclass(frozen=True)
class Snapshot:
    """Registry, stake and committee of an epoch: after the last block with timestamp < start(epoch) (protocol.md §3).

    `keys[i]` is the key of node i in that epoch, lower-case; `weights` as `protocol.merge` wants them; `words[i]` what
    the registry holds of node i. `final` is False while an earlier block may still appear.
    """

    epoch: int
    block: BlockRef
    committee: Committee
    nodes: tuple[SnapshotNode, ...]
    keys: tuple[str, ...]
    weights: dict[int, int]
    final: bool = False
    words: tuple[Node, ...] = ()

    def key_of(self, node: int) -> str | None:
        """Key of a node that may beat in this epoch: registered, started, not retired."""
        if node >= len(self.nodes) or self.nodes[node].retired or self.nodes[node].first > self.epoch:
            return None
        return self.keys[node]


@dataclass
class _Base:
    """Registry and pool words at one block, brought forward by events."""

    block: BlockRef
    nodes: list[Node] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    stakes: dict[int, tuple[int, int]] = field(default_factory=dict)  # provider -> units, own assets in gwei


class Snapshots:
    """Snapshots by epoch, each built from the one before by the events between them. Thread-safe."""

    def __init__(
        self,
        reader: Reader,
        suite: Suite,
        calendar: Calendar,
        committees: Committees,
        first_block: int,
        challenged: Callable[[int, BlockRef], bool] = lambda class_id, at: False,
    ) -> None:
        """`challenged(class_id, at)`: whether a class has rounds to be asked for; it never changes."""
        self._challenged = challenged
        self._reader = reader
        self._suite = suite
        self._calendar = calendar
        self._committees = committees
        self._first_block = first_block
        self._lock = threading.Lock()
        self._known: dict[int, Snapshot] = {}
        self._checked: dict[int, bytes] = {}  # epoch -> head at which its snapshot was last found to stand
        self._base: _Base | None = None

    def known(self, epoch: int) -> Snapshot | None:
        """The snapshot if it was built already; never asks the chain."""
        return self._known.get(epoch)

    def of(self, epoch: int, at: BlockRef) -> Snapshot | None:
        """The snapshot of an epoch that has begun, as seen from block `at`; None where no committee is in force."""
        with self._lock:
            known = self._known.get(epoch)
            if known is not None and (known.final or self._checked.get(epoch) == at.hash or self._still(known, at)):
                self._checked[epoch] = at.hash
                return self._known.get(epoch)
            found = self._build(epoch, at)
            if found is not None:
                self._known[epoch] = found
                self._checked[epoch] = at.hash
                for old in [e for e in self._known if e < epoch - KEEP_EPOCHS]:
                    del self._known[old]
                    self._checked.pop(old, None)
            return found

    def _still(self, known: Snapshot, at: BlockRef) -> bool:
        """Whether nothing has come between the snapshot's block and the start of the epoch, and it still stands."""
        start = self._calendar.start(known.epoch)
        here = self._reader.block(known.block.number)
        if here is None or here.hash != known.block.hash:
            return False
        after = self._reader.block(known.block.number + 1) if at.number > known.block.number else None
        if after is None:
            return True
        if after.timestamp < start:
            return False
        if self._reader.final().number >= known.block.number:
            self._known[known.epoch] = Snapshot(**{**vars(known), "final": True})
        return True

    def _build(self, epoch: int, at: BlockRef) -> Snapshot | None:
        block = last_before(self._reader.block, self._calendar.start(epoch), at)
        self._committees.refresh(at)
        committee = self._committees.of_epoch(epoch)
        if committee is None:
            return None
        base = self._forward(block, epoch)
        price = int(self._suite.pool.stake_price(at=block)) if base.stakes else 0
        weights = {p: backed_units(units, assets, price) for p, (units, assets) in base.stakes.items()}
        asked = {c: self._challenged(c, block) for c in {word.class_id for word in base.nodes}}
        nodes = tuple(_as_snapshot(word, epoch, asked[word.class_id]) for word in base.nodes)
        return Snapshot(epoch, block, committee, nodes, tuple(base.keys), weights, words=tuple(base.nodes))

    def _forward(self, block: BlockRef, epoch: int) -> _Base:
        base = self._base
        usable = base is not None and base.block.number <= block.number
        if usable and base is not None:
            here = self._reader.block(base.block.number)
            usable = here is not None and here.hash == base.block.hash
        if not usable or base is None:
            base = _Base(block)
            count = self._suite.registry.count(at=block) if block.number >= self._first_block else 0
            providers = self._suite.registry.provider_count(at=block) if count else 0
            self._read_nodes(base, range(count), epoch, block)
            self._read_stakes(base, range(providers), block)
            self._base = base
            return base
        events = self._events(base.block.number + 1, block.number)
        touched = {int(event["node"]) for event in events if event.name in _NODE_EVENTS}
        pools = {int(event["provider"]) for event in events if event.contract == "StakingPool"}
        pools |= {int(event["provider"]) for event in events if event.name == "NodeRegistered"}
        if touched or pools or base.block != block:
            base = _Base(block, list(base.nodes), list(base.keys), dict(base.stakes))
            self._read_nodes(base, sorted(touched), epoch, block)
            self._read_stakes(base, sorted(pools), block)
            self._base = base
        return base

    def _events(self, first: int, last: int) -> list[Event]:
        if first > last:
            return []
        return [
            *self._reader.events(first, last, "NodeRegistry", _NODE_EVENTS),
            *self._reader.events(first, last, "StakingPool", _POOL_EVENTS),
        ]

    def _read_nodes(self, base: _Base, indices: range | list[int], epoch: int, block: BlockRef) -> None:
        registry = self._suite.registry
        calls = [registry.view("node", i) for i in indices] + [registry.view("key_of", i, epoch) for i in indices]
        answers = self._reader.read_many(calls, block) if calls else []
        for place, index in enumerate(indices):
            node = Node.unpack(int(answers[place]))
            key = str(answers[len(indices) + place]).lower()
            while len(base.nodes) <= index:
                base.nodes.append(node)
                base.keys.append(key)
            base.nodes[index], base.keys[index] = node, key

    def _read_stakes(self, base: _Base, providers: range | list[int], block: BlockRef) -> None:
        pool = self._suite.pool
        calls = [pool.view("need", p) for p in providers] + [pool.view("own", p) for p in providers]
        answers = self._reader.read_many(calls, block) if calls else []
        for place, provider in enumerate(providers):
            units = Need.unpack(int(answers[place])).units
            base.stakes[provider] = (units, Own.unpack(int(answers[len(providers) + place])).assets)


def _as_snapshot(word: Node, epoch: int, challenged: bool) -> SnapshotNode:
    return SnapshotNode(
        word.provider,
        word.first,
        word.status is Status.ACTIVE,
        word.status is Status.RETIRED,
        word.status,
        0 < word.opt_in <= epoch,
        challenged,
    )


class HeadLog:
    """When a block was last head here. `head()` is asked at each question, so that a beat over a block that has just
    come is not turned away.

    Chains make blocks faster than anybody looks: a block of the canonical chain that lies between two heads that were
    seen was head too, until the next one came. A block that a reorg removed counts if it was seen itself.
    """

    def __init__(
        self,
        head: Callable[[], BlockRef],
        block: Callable[[int], BlockRef | None],
        now: Callable[[], float],
        keep_seconds: float,
    ) -> None:
        self._head = head
        self._block = block
        self._now = now
        self._keep = keep_seconds
        self._lock = threading.Lock()
        self._current: tuple[int, bytes] | None = None
        self._past: dict[tuple[int, bytes], float] = {}

    def look(self) -> None:
        """Notice the present head."""
        block = self._head()
        now = self._now()
        with self._lock:
            new = (block.number, block.hash)
            if new == self._current:
                return
            if self._current is not None:
                self._past[self._current] = now
            self._current = new
            self._past.pop(new, None)
            for old in [key for key, moment in self._past.items() if moment < now - self._keep]:
                del self._past[old]

    def last_head_at(self, number: int, block_hash: bytes) -> float | None:
        """The last time at which that block was head (now, if it still is), None if it never was."""
        key = (number, bytes(block_hash))
        if key != self._current:
            self.look()
        with self._lock:
            if key == self._current:
                return self._now()
            if key in self._past:
                return self._past[key]
            if self._current is None or number >= self._current[0]:
                return None
        between, after = self._block(number), self._block(number + 1)
        if between is None or after is None or between.hash != key[1]:
            return None
        with self._lock:
            self._past[key] = float(after.timestamp)
        return float(after.timestamp)


class Seen:
    """Slots in which a node's beat was counted, by epoch. Thread-safe; rebuilt from the store at start."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._masks: dict[int, dict[int, int]] = {}

    def add(self, node: int, epoch: int, slot: int) -> None:
        """Count a beat."""
        with self._lock:
            masks = self._masks.setdefault(epoch, {})
            masks[node] = masks.get(node, 0) | 1 << slot

    def add_many(self, beats: Iterable[Beat]) -> None:
        """Count beats."""
        with self._lock:
            for beat in beats:
                masks = self._masks.setdefault(beat.epoch, {})
                masks[beat.node] = masks.get(beat.node, 0) | 1 << beat.slot

    def has(self, node: int, epoch: int, slot: int) -> bool:
        """Whether it is counted already."""
        return bool(self._masks.get(epoch, {}).get(node, 0) >> slot & 1)

    def masks(self, epoch: int) -> dict[int, int]:
        """Node -> 12 bits of an epoch."""
        with self._lock:
            return dict(self._masks.get(epoch, {}))

    def close_slot(self, epoch: int, slot: int) -> int:
        """Number of nodes that were seen in a slot; nothing counts for it after its window (wire.admission)."""
        with self._lock:
            return sum(mask >> slot & 1 for mask in self._masks.get(epoch, {}).values())

    def last_slot(self, node: int) -> tuple[int, int] | None:
        """The newest (epoch, slot) in which a node was seen."""
        with self._lock:
            for epoch in sorted(self._masks, reverse=True):
                mask = self._masks[epoch].get(node, 0)
                if mask:
                    return epoch, mask.bit_length() - 1
        return None

    def forget(self, before: int) -> None:
        """Drop epochs before one."""
        with self._lock:
            for epoch in [e for e in self._masks if e < before]:
                del self._masks[epoch]


def body_of(snapshot: Snapshot, masks: dict[int, int], skew: float, judged: Mapping[int, int] | None = None) -> Body:
    """The observation of an epoch: 16 bits a node of the snapshot (slots, and of `judged` passed or failed), and the
    clock's offset in milliseconds."""
    bits = judged or {}
    verdict = PASSED | FAILED
    seen = tuple(
        masks.get(index, 0) & ((1 << SLOTS) - 1) | bits.get(index, 0) & verdict for index in range(len(snapshot.nodes))
    )
    offset = max(-(1 << 31), min((1 << 31) - 1, round(skew * 1000)))
    return Body(seen, offset)

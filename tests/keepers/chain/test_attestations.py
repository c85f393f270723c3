"""Reports followed from logs: every proof holds against the ring word that the chain stored, also after reorgs."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest

from keepers.chain.attestations import PARTS, Attestations
from keepers.chain.ports import BlockRef, Event
from keepers.protocol.counters import Header, Leaf, ring_word
from keepers.protocol.errors import HearthError
from keepers.protocol.hashing import keccak
from keepers.protocol.merkle import depth_of, leaf_hash, lift, root_from_multiproof, root_from_proof
from keepers.protocol.records import Record, split_parts
from keepers.protocol.uptime_tree import UptimeTree


class Hub:
    """A hub's logs and ring words, one report a block, written with the pure rules."""

    def __init__(self, seed: int = 1) -> None:
        self.draw = random.Random(seed)
        self.blocks: list[tuple[int, list[Event]]] = [(0, [])]
        self.tree = UptimeTree()
        self.states: list[Any] = [self.tree.snapshot()]
        self.words: dict[int, bytes] = {}
        self.count = 3
        self.lag = 0

    def ref(self, number: int) -> BlockRef:
        return BlockRef(number, keccak(repr([salt for salt, _ in self.blocks[: number + 1]]).encode()), number)

    def head(self) -> BlockRef:
        return self.ref(len(self.blocks) - 1 - self.lag)

    def block(self, number: int) -> BlockRef | None:
        return self.ref(number) if number < len(self.blocks) - self.lag else None

    def events(self, first: int, last: int, contract: str | None = None, names: Sequence[str] = ()) -> list[Event]:
        found = [e for _, events in self.blocks[first : last + 1] for e in events]
        return [e for e in found if e.name in names]

    def _event(self, name: str, **args: Any) -> Event:
        number = len(self.blocks)
        return Event("AttestationHub", name, args, number, b"", 0)

    def _close(self, events: list[Event]) -> None:
        number = len(self.blocks)
        self.blocks.append((self.draw.getrandbits(60), []))
        block_hash = self.ref(number).hash
        self.blocks[-1] = (
            self.blocks[-1][0],
            [Event(e.contract, e.name, e.args, number, block_hash, i) for i, e in enumerate(events)],
        )
        self.states.append(self.tree.snapshot())

    def report(self, share: float = 0.4, posted: bool = False, spoil: str = "") -> None:
        self.count += self.draw.choice([0, 0, 1, 5])
        header = self.tree.header.reported(count=self.count, indet=0, challenged=False)
        records = [
            Record(i, 0, 1 if mask == 0xFFF else 0, mask)
            for i in range(self.count)
            if self.draw.random() < share and (mask := self.draw.choice([0, 0xFFF, 0x800, 0x00F])) >= 0
        ]
        before = self.tree.root
        lifted = lift(before, self.tree.depth, depth_of(self.count))
        applied = self.tree.apply_report(header, records)
        parts = list(split_parts(records, applied.running, lifted))
        events = []
        if posted:  # the same bytes, as a posted part and an empty last one
            events = [self._event("Part", hash=parts[0].hash, data=parts[0].data)]
            words = [parts[0].hash, parts[0].root]
            data = b""
        else:
            words = [w for p in parts[:-1] for w in (p.hash, p.root)]
            data = parts[-1].data
        root = b"\x66" * 32 if spoil == "root" else applied.root
        data = data[:-1] if spoil == "data" and data else data
        events.append(
            self._event(
                "Report", epoch=header.epoch, root=root, header=header.pack(), facts=5, digest=b"\x01" * 32, who=7,
                parts=words, data=data,
            )
        )  # fmt: skip
        self.words[header.epoch] = ring_word(applied.root, header.pack())
        self._close([] if spoil == "unposted" else events)
        if spoil == "unposted":
            self.blocks[-1] = (self.blocks[-1][0], events[1:])

    def void(self, epochs: int) -> None:
        first = self.tree.header.epoch + 1
        for epoch in range(first, first + epochs):
            self.tree.void(epoch)
            self.words[epoch] = ring_word(self.tree.root, self.tree.header.pack())
        last = first + epochs - 1
        header = self.tree.header.pack()
        self._close([self._event("Voided", first=first, last=last, header=header, digest=b"\x02" * 32, who=7)])

    def undo(self, blocks: int) -> None:
        del self.blocks[-blocks:], self.states[-blocks:]
        self.tree = UptimeTree.at(self.states[-1])
        self.words = {e: w for e, w in self.words.items() if e <= self.tree.header.epoch}
        self.count = max(3, self.tree.header.count)


def check(hub: Hub, made: Attestations, epochs: Sequence[int]) -> None:
    for epoch in epochs:
        for node in {0, 1, hub.draw.randrange(made.header(epoch).count or 1)}:
            if node >= made.header(epoch).count:
                continue
            proof = made.proof(node, epoch)
            header, leaf, siblings = proof.args
            assert ring_word(root_from_proof(node, leaf, siblings), header) == hub.words[epoch]
            assert Header.unpack(header).epoch == epoch and made.leaf(node, epoch) == leaf


def test_refresh__reports_voids_and_posted_parts__every_proof_holds() -> None:
    hub = Hub()
    made = Attestations(hub, 0)  # type: ignore[arg-type]
    for step in range(120):
        if step % 17 == 5:
            hub.void(hub.draw.randint(1, 3))
        else:
            hub.report(posted=step % 11 == 3)
        if step % 7 == 0:
            made.refresh(hub.head())
    made.refresh(hub.head())
    assert made.last == hub.tree.header.epoch and made.tree.root == hub.tree.root
    check(hub, made, list(range(1, made.last + 1)))
    check(hub, made, [hub.draw.randint(1, made.last) for _ in range(20)])
    assert made.refresh(hub.head()) == 0


def test_multiproof__scattered_nodes__root_of_the_epoch() -> None:
    hub = Hub(3)
    for _ in range(40):
        hub.report()
    made = Attestations(hub, 0)  # type: ignore[arg-type]
    made.refresh(hub.head())
    epoch = 33
    count = made.header(epoch).count
    nodes = sorted(random.Random(4).sample(range(count), 6))
    many = made.multiproof(nodes, epoch)
    hashes = [leaf_hash(n, w) for n, w in zip(nodes, many.leaves, strict=True)]
    root = root_from_multiproof(nodes, hashes, depth_of(count), many.siblings)
    assert ring_word(root, many.header) == hub.words[epoch]
    assert many.nodes == tuple(nodes) and Leaf.unpack(many.leaves[0]).pack() == many.leaves[0]


@pytest.mark.parametrize("depth", [1, 5, 40])
@pytest.mark.attack("T60")
def test_refresh__reorg__equals_a_fresh_reading(depth: int) -> None:
    hub = Hub(depth)
    made = Attestations(hub, 0)  # type: ignore[arg-type]
    for _ in range(60):
        hub.report()
        made.refresh(hub.head())
    hub.undo(depth)
    for _ in range(depth + 2):
        hub.report()
    made.refresh(hub.head())
    fresh = Attestations(hub, 0)  # type: ignore[arg-type]
    fresh.refresh(hub.head())
    assert made.tree.root == fresh.tree.root == hub.tree.root and made.last == fresh.last
    check(hub, made, range(1, made.last + 1))


def test_refresh__reorg_deeper_than_its_memory__reads_anew() -> None:
    hub = Hub()
    made = Attestations(hub, 0)  # type: ignore[arg-type]
    for _ in range(90):
        hub.report()
        made.refresh(hub.head())
    hub.undo(80)
    for _ in range(85):
        hub.report()
    made.refresh(hub.head())
    assert made.tree.root == hub.tree.root
    check(hub, made, [1, 50, made.last])


def test_refresh__report_taken_back_and_not_repeated__last_falls() -> None:
    hub = Hub()
    made = Attestations(hub, 0)  # type: ignore[arg-type]
    for _ in range(10):
        hub.report()
        made.refresh(hub.head())
    hub.undo(4)
    for _ in range(5):
        hub._close([])
    made.refresh(hub.head())
    assert made.last == 6 and made.tree.root == hub.tree.root


@pytest.mark.attack("A11")
def test_refresh__noise_among_the_parts__found_by_their_hashes() -> None:
    """Strangers post the same part again, before and after, and others of which no report speaks."""
    hub = Hub(11)
    made = Attestations(hub, 0)  # type: ignore[arg-type]
    for step in range(12):
        hub.report(share=0.9, posted=True)
        block, (part, report) = hub.blocks[-1]
        noise = [hub._event("Part", hash=keccak(data), data=data) for data in (b"noise", bytes([step]) * 352)]
        hub.blocks[-1] = (block, [noise[0], part, part, noise[1], report, part, noise[0]])
        made.refresh(hub.head())
    assert made.last == 12 and made.tree.root == hub.tree.root
    check(hub, made, range(1, 13))


@pytest.mark.attack("A11")
def test_refresh__more_parts_posted_than_are_kept__looked_up() -> None:
    """Whoever posts enough to push a part out of memory makes it be read again, no more."""
    hub = Hub(12)
    hub.report(share=0.9, posted=True)
    block, (part, report) = hub.blocks[-1]
    noise = [hub._event("Part", hash=keccak(data), data=data) for data in map(str.encode, map(str, range(PARTS + 1)))]
    hub.blocks[-1] = (block, [noise[0], part, *noise, report])
    made = Attestations(hub, 0)  # type: ignore[arg-type]
    made.refresh(hub.head())
    assert made.last == 1 and made.tree.root == hub.tree.root


def test_refresh__lagging_endpoint__nothing_forgotten() -> None:
    hub = Hub()
    made = Attestations(hub, 0)  # type: ignore[arg-type]
    for _ in range(10):
        hub.report()
        made.refresh(hub.head())
    hub.lag = 5
    assert made.refresh(hub.head()) == 0 and made.last == 10


@pytest.mark.parametrize(
    ("spoil", "why"),
    [("root", "not what its records give"), ("data", "no multiple of 5 bytes"), ("unposted", "never posted")],
)
@pytest.mark.attack("T37")
def test_refresh__false_report__stops_before_it_by_name(spoil: str, why: str) -> None:
    hub = Hub()
    for _ in range(40):
        hub.report()
    made = Attestations(hub, 0)  # type: ignore[arg-type]
    made.refresh(hub.head())
    hub.report(share=1.0, posted=spoil == "unposted", spoil=spoil)
    for _ in range(2):
        with pytest.raises(HearthError, match="the report of epoch 41 does not hold") as caught:
            made.refresh(hub.head())
        assert caught.value.code == "H6301" and why in caught.value.why[0]
    assert made.last == 40
    check(hub, made, [1, 33, 40])


def test_report__unknown_epoch_or_node__named() -> None:
    hub = Hub()
    hub.report()
    made = Attestations(hub, 0)  # type: ignore[arg-type]
    made.refresh(hub.head())
    with pytest.raises(HearthError, match="epoch 2 cannot be read") as caught:
        made.proof(0, 2)
    assert caught.value.code == "H6304" and caught.value.retryable
    with pytest.raises(HearthError, match="was not there in epoch 1") as absent:
        made.proof(5_000, 1)
    assert absent.value.code == "H6302" and not absent.value.retryable
    assert made.header(0).epoch == 0 and made.report(1).who == 7 and made.report(1).block.number == 1


def cancel(hub: Hub, first: int) -> None:
    """Epochs from `first` on fall; the hub's own account goes back with them."""
    last = hub.tree.header.epoch
    made = Attestations(hub, 0)  # type: ignore[arg-type]
    made.refresh(hub.head())
    hub.tree = UptimeTree.at(made._at(first - 1).snapshot())
    hub.words = {e: w for e, w in hub.words.items() if e < first}
    hub.count = max(3, hub.tree.header.count)
    hub._close([hub._event("Cancelled", first=first, last=last)])


@pytest.mark.parametrize("back", [1, 3, 40])
def test_refresh__cancelled_epochs__are_forgotten_and_followed_anew(back: int) -> None:
    hub = Hub(back)
    for _ in range(60):
        hub.report()
    made = Attestations(hub, 0)  # type: ignore[arg-type]
    made.refresh(hub.head())
    cancel(hub, 61 - back)
    made.refresh(hub.head())
    assert made.last == 60 - back and made.tree.root == hub.tree.root
    assert made.cancelled_at(61 - back) == len(hub.blocks) - 1 and made.cancelled_at(60 - back) == 0
    for _ in range(back + 2):
        hub.report()
    made.refresh(hub.head())
    fresh = Attestations(hub, 0)  # type: ignore[arg-type]
    fresh.refresh(hub.head())
    assert made.tree.root == fresh.tree.root == hub.tree.root and made.last == fresh.last == 62
    check(hub, made, range(1, made.last + 1))


def test_refresh__a_false_report_that_fell__is_never_judged() -> None:
    hub = Hub(5)
    for _ in range(5):
        hub.report()
    state = hub.tree.snapshot()
    made = Attestations(hub, 0)  # type: ignore[arg-type]
    made.refresh(hub.head())
    hub.report(spoil="root")
    hub.report()
    with pytest.raises(HearthError) as error:
        made.refresh(hub.head())
    assert error.value.code == "H6301"
    hub.tree = UptimeTree.at(state)
    hub.words = {e: w for e, w in hub.words.items() if e <= 5}
    hub._close([hub._event("Cancelled", first=6, last=7)])
    hub.report()
    made.refresh(hub.head())
    assert made.last == 6 and made.tree.root == hub.tree.root
    check(hub, made, range(1, 7))


def test_refresh__a_cancellation_that_a_reorg_takes_back__stands_again() -> None:
    hub = Hub(6)
    for _ in range(8):
        hub.report()
    state, words = hub.tree.snapshot(), dict(hub.words)
    made = Attestations(hub, 0)  # type: ignore[arg-type]
    made.refresh(hub.head())
    cancel(hub, 5)
    made.refresh(hub.head())
    assert made.last == 4
    del hub.blocks[-1], hub.states[-1]
    hub.tree, hub.words, hub.count = UptimeTree.at(state), words, max(3, UptimeTree.at(state).header.count)
    hub.report()
    made.refresh(hub.head())
    assert made.last == 9 and made.tree.root == hub.tree.root and made.cancelled_at(5) == 0


@pytest.mark.attack("A15")
def test_check_ins__by_epoch_and_node__gone_with_their_block() -> None:
    hub = Hub(7)
    hub.report()
    made = Attestations(hub, 0)  # type: ignore[arg-type]
    for node, slot in ((3, 0), (3, 11), (5, 4)):
        hub._close([hub._event("CheckedIn", node=node, epoch=2, slot=slot)])
        made.refresh(hub.head())  # block by block: what a reorg leaves is not read anew
    assert made.check_ins(2) == {3: 1 << 11 | 1, 5: 1 << 4} and made.check_ins(1) == {}
    hub.undo(1)
    hub._close([])
    hub._close([])
    made.refresh(hub.head())
    assert made.check_ins(2) == {3: 1 << 11 | 1}

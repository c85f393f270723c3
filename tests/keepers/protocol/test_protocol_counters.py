"""D, F and U read from one leaf, against counting slot by slot, through void, unchallenged and indeterminate epochs."""

import random
from dataclasses import dataclass, field

import pytest

from keepers.protocol.counters import (
    EMPTY,
    Header,
    Leaf,
    RecordRefused,
    apply,
    down_seconds,
    fault_seconds,
    mask_of,
    proven,
    unproven,
)
from keepers.protocol.merkle import depth_of, root_from_multiproof, root_from_proof
from keepers.protocol.merkle import leaf_hash as hash_of
from keepers.protocol.records import DARK, FULL_MASK, Record
from keepers.protocol.uptime_tree import UptimeTree

SLOT = 300


@dataclass
class Truth:
    """What really happened to one node, epoch by epoch: slots down, slots at fault, unproven."""

    down: list[int] = field(default_factory=list)
    fault: list[int] = field(default_factory=list)
    unproven: list[int] = field(default_factory=list)
    predicted: tuple[int, int] = (0, 0)

    def seconds(self, masks: list[int], offset: int) -> int:
        whole = sum(SLOT * m.bit_count() for m in masks[:-1])
        return whole + sum(max(0, min(offset, (k + 1) * SLOT) - k * SLOT) for k in range(12) if masks[-1] >> k & 1)


def advance(rng: random.Random, tree: UptimeTree, truth: dict[int, Truth], count: int) -> None:
    """One random epoch over all nodes, void one time in eight."""
    if rng.random() < 0.12:
        tree.void(tree.header.epoch + 1)
        for t in truth.values():
            t.down.append(FULL_MASK)
            t.fault.append(0)
            t.unproven.append(0)
        return
    indet = rng.getrandbits(12) & rng.getrandbits(12)
    header = tree.header.reported(count=count, indet=indet, challenged=rng.random() < 0.85)
    records = []
    for i, t in truth.items():
        mask = t.predicted[0] if rng.random() < 0.6 else rng.choice((0, FULL_MASK, DARK, rng.getrandbits(12)))
        u = t.predicted[1] if rng.random() < 0.7 else rng.getrandbits(1)
        if (mask, u) != t.predicted:
            records.append(Record(i, rng.getrandbits(1), u, mask))
        t.predicted = (FULL_MASK, 1) if mask & DARK else (0, u)
        t.down.append(mask)
        t.fault.append(mask & ~indet)
        t.unproven.append(u if header.challenged else 0)
    tree.apply_report(header, records)


@pytest.mark.parametrize("seed", range(40))
def test_leaf_agrees_with_counting_slot_by_slot(seed: int) -> None:
    rng = random.Random(seed)
    tree = UptimeTree()
    truth: dict[int, Truth] = {}
    count = 0
    voids: list[bool] = []
    for _ in range(60):
        for i in range(count, count + (rng.choice((0, 0, 0, 1, 2)) if count < 20 else 0)):  # crosses 2, 4, 8 and 16
            # before its first record a leaf looks live and proven; void epochs are down for every leaf, old or new
            truth[i] = Truth([FULL_MASK if v else 0 for v in voids], [0] * len(voids), [0] * len(voids))
            count = i + 1
        advance(rng, tree, truth, count)
        voids.append(tree.header.void)
    header = tree.header
    assert tree.depth == depth_of(header.count)
    for i, t in truth.items():
        leaf = tree.leaf(i)
        offset = rng.randrange(0, 12 * SLOT + 1)
        assert down_seconds(header, leaf, offset, SLOT) == t.seconds(t.down, offset)
        assert fault_seconds(header, leaf, offset, SLOT) == t.seconds(t.fault, offset)
        assert unproven(header, leaf) == sum(t.unproven)
        assert root_from_proof(i, leaf.pack(), tree.proof(i)) == tree.root


@pytest.mark.parametrize("seed", range(40))
def test_seconds_between_two_epochs_are_exact(seed: int) -> None:
    """Differences of D, F and U between two leaves, which is all that money and status ever use."""
    rng = random.Random(1_000 + seed)
    tree = UptimeTree()
    truth = {i: Truth() for i in range(rng.randrange(1, 12))}
    history: list[tuple[Header, dict[int, Leaf]]] = []
    for _ in range(40):
        advance(rng, tree, truth, len(truth))
        history.append((tree.header, {i: tree.leaf(i) for i in truth}))
    for i, t in truth.items():
        for _ in range(10):
            a, b = sorted(rng.sample(range(len(history)), 2))
            (ha, la), (hb, lb) = history[a], history[b]
            oa, ob = rng.randrange(0, 12 * SLOT + 1), rng.randrange(0, 12 * SLOT + 1)
            got = down_seconds(hb, lb[i], ob, SLOT) - down_seconds(ha, la[i], oa, SLOT)
            assert got == t.seconds(t.down[: b + 1], ob) - t.seconds(t.down[: a + 1], oa)
            got = fault_seconds(hb, lb[i], ob, SLOT) - fault_seconds(ha, la[i], oa, SLOT)
            assert got == t.seconds(t.fault[: b + 1], ob) - t.seconds(t.fault[: a + 1], oa)
            assert unproven(hb, lb[i]) - unproven(ha, la[i]) == sum(t.unproven[a + 1 : b + 1])
            challenged = hb.challenged_epochs - ha.challenged_epochs
            assert proven(ha, la[i], hb, lb[i]) == challenged - sum(t.unproven[a + 1 : b + 1])
            # I6: never faster than wall time, fault never above down
            assert down_seconds(hb, lb[i], 12 * SLOT, SLOT) - down_seconds(ha, la[i], 12 * SLOT, SLOT) <= 12 * SLOT * (
                b - a
            )
            assert lb[i].fault <= lb[i].down


@pytest.mark.parametrize("seed", range(10))
def test_end_of_an_epoch_is_the_start_of_the_next(seed: int) -> None:
    rng = random.Random(seed)
    tree = UptimeTree()
    truth = {i: Truth() for i in range(5)}
    before: tuple[Header, list[Leaf]] | None = None
    for _ in range(40):
        advance(rng, tree, truth, 5)
        leaves = [tree.leaf(i) for i in truth]
        if before is not None:
            for old, new in zip(before[1], leaves, strict=True):
                assert down_seconds(before[0], old, 12 * SLOT, SLOT) == down_seconds(tree.header, new, 0, SLOT)
                assert fault_seconds(before[0], old, 12 * SLOT, SLOT) == fault_seconds(tree.header, new, 0, SLOT)
        before = tree.header, leaves


def test_an_outage_costs_two_records_however_long() -> None:
    tree = UptimeTree()
    tree.apply_report(tree.header.reported(count=1), [Record(0, 0, 0, 0xF00)])
    for _ in range(30):
        tree.apply_report(tree.header.reported(count=1), [])
    tree.apply_report(tree.header.reported(count=1), [Record(0, 0, 0, 0)])
    assert down_seconds(tree.header, tree.leaf(0), 12 * SLOT, SLOT) == (4 + 30 * 12) * SLOT
    assert mask_of(tree.header, tree.leaf(0)) == 0


def test_record_is_refused_twice_in_an_epoch_and_beyond_the_count() -> None:
    header = Header().reported(count=2)
    leaf = apply(EMPTY, Record(1, 0, 1, 5), Header(), header)
    with pytest.raises(RecordRefused, match="already"):
        apply(leaf, Record(1, 0, 0, 0), Header(), header)
    with pytest.raises(RecordRefused, match="counts 2 nodes"):
        apply(EMPTY, Record(2, 0, 0, 0), Header(), header)


def test_words_survive_packing_at_their_widest() -> None:
    top = 2**32 - 1
    header = Header(top, top, top, top, 2**24 - 1, FULL_MASK, True, True)
    leaf = Leaf(FULL_MASK, 1, top, top, top, top, top, top, top)
    assert Header.unpack(header.pack()) == header and header.pack() < 2**174
    assert Leaf.unpack(leaf.pack()) == leaf and EMPTY.pack() == 0
    with pytest.raises(ValueError, match="down"):
        Leaf(down=top + 1).pack()
    with pytest.raises(ValueError, match="count"):
        Header(count=2**24).pack()


def test_count_never_falls() -> None:
    with pytest.raises(ValueError, match="never removed"):
        Header(count=4).reported(count=3)


def test_a_refused_record_leaves_the_tree_unchanged() -> None:
    tree = UptimeTree()
    tree.apply_report(tree.header.reported(count=3), [Record(0, 0, 0, 1)])
    root, header, leaf = tree.root, tree.header, tree.leaf(0)
    with pytest.raises(RecordRefused):
        tree.apply_report(tree.header.reported(count=9), [Record(0, 0, 0, 2), Record(0, 0, 0, 3)])
    assert (tree.root, tree.header, tree.leaf(0)) == (root, header, leaf)
    with pytest.raises(ValueError, match="does not follow"):
        tree.apply_report(tree.header, [])
    with pytest.raises(ValueError, match="already reported"):
        tree.void(tree.header.epoch)


def test_snapshot_is_independent_and_restores() -> None:
    tree = UptimeTree()
    tree.apply_report(tree.header.reported(count=3), [Record(2, 0, 0, 1)])
    snapshot = tree.snapshot()
    root = tree.root
    tree.apply_report(tree.header.reported(count=40), [Record(2, 0, 0, 4), Record(33, 0, 1, FULL_MASK)])
    assert tree.root != root
    old = UptimeTree.at(snapshot)
    assert old.root == root and old.header.epoch == 1 and old.leaf(33) == EMPTY
    old.apply_report(old.header.reported(count=3), [Record(0, 0, 0, 7)])
    tree.restore(snapshot)
    assert tree.root == root and list(tree.leaves()) == [(2, tree.leaf(2))]
    indices = [0, 2]
    hashes = [hash_of(i, tree.leaf(i).pack()) for i in indices]
    assert root_from_multiproof(indices, hashes, tree.depth, tree.multiproof(indices)) == root
    assert tree.ring_word == tree.header.ring_word(root)

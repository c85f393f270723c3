"""The flat tree and the packed records against the plain ones, bit for bit."""

from __future__ import annotations

import random

import pytest

from keepers.protocol.counters import EMPTY, Header, Leaf, RecordRefused, apply
from keepers.protocol.flat_tree import FlatTree, leaf_hashes
from keepers.protocol.leaf_words import MAX_ORDINAL, apply_words, check_leaf, record_word, record_words
from keepers.protocol.merkle import ZERO, ZERO32, SparseTree, depth_of, leaf_hash, multiproof
from keepers.protocol.records import DARK, FULL_MASK, Record
from keepers.protocol.uptime_tree import UptimeTree


@pytest.mark.parametrize("seed", range(12))
def test_roots_and_proofs_are_those_of_the_sparse_tree(seed: int) -> None:
    rng = random.Random(seed)
    depth = rng.choice((0, 1, 3, 9, 20))
    flat, sparse = FlatTree(depth), SparseTree(depth)
    for _ in range(12):
        if depth < 22 and rng.random() < 0.4:
            depth += rng.choice((1, 1, 2))
            assert flat.grow(depth) == sparse.grow(depth)
        width = min(1 << depth, 5_000)
        leaves = {rng.randrange(width): keccak_of(rng) for _ in range(rng.randrange(1, 40))}
        assert flat.update(leaves) == sparse.update(leaves)
        for index in (0, (1 << depth) - 1, *leaves):
            assert flat.proof(index) == sparse.proof(index)
        assert multiproof(flat, sorted(leaves)) == multiproof(sparse, sorted(leaves))
    copy = flat.copy()
    before = flat.root
    copy.update({0: keccak_of(rng)})
    assert flat.root == before != copy.root


def keccak_of(rng: random.Random) -> bytes:
    return rng.randbytes(32)


def test_a_leaf_at_the_far_end_costs_no_more_than_its_rows() -> None:
    flat, sparse = FlatTree(24), SparseTree(24)
    assert flat.root == ZERO[24]
    assert flat.update({70_000: b"\x01" * 32}) == sparse.set(70_000, b"\x01" * 32)
    assert flat.proof(2**24 - 1) == sparse.proof(2**24 - 1)


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (lambda t: t.update({8: ZERO32}), "does not fit"),
        (lambda t: t.update({-1: ZERO32}), "does not fit"),
        (lambda t: t.proof(8), "does not fit"),
        (lambda t: t.grow(2), "does not shrink"),
        (lambda t: t.grow(25), "must be 0 … 24"),
        (lambda t: FlatTree(25), "must be 0 … 24"),
    ],
)
def test_out_of_range_is_refused(call, why: str) -> None:
    tree = FlatTree(3)
    with pytest.raises(ValueError, match=why):
        call(tree)
    assert tree.root == ZERO[3]


def test_shrink_undoes_grow_and_nothing_else() -> None:
    tree = FlatTree(2)
    tree.update({0: b"\x01" * 32, 3: b"\x02" * 32})
    before = tree.root
    tree.grow(6)
    assert tree.shrink(2) == before
    tree.grow(6)
    tree.update({40: b"\x03" * 32})
    with pytest.raises(ValueError, match="leaves beyond depth 5"):
        tree.shrink(2)


def test_hashes_of_many_leaves() -> None:
    words = {5: 1, 70_000: 2**255 + 7, 0: 3}
    assert leaf_hashes(words, words.values()) == [leaf_hash(i, w) for i, w in words.items()]


@pytest.mark.parametrize("seed", range(25))
def test_packed_records_apply_as_plain_ones(seed: int) -> None:
    rng = random.Random(seed)
    header, leaves = Header(), [EMPTY] * 9
    for _ in range(40):
        before = header
        if rng.random() < 0.15:
            header = before.voided()
            continue
        header = before.reported(
            count=9, indet=rng.getrandbits(12) & rng.getrandbits(12), challenged=rng.random() < 0.7
        )
        records = [
            Record(i, rng.getrandbits(1), rng.getrandbits(1), rng.choice((0, FULL_MASK, DARK, rng.getrandbits(12))))
            for i in rng.sample(range(9), rng.randrange(10))
        ]
        words = record_words(b"".join(r.encode() for r in records))
        assert words == [record_word(r) for r in records]
        indices, after = apply_words([leaf.pack() for leaf in leaves], words, before, header)
        assert indices == [r.index for r in records]
        for record, word in zip(records, after, strict=True):
            leaves[record.index] = apply(leaves[record.index], record, before, header)
            assert leaves[record.index].pack() == word
            check_leaf(word, header)


@pytest.mark.parametrize(
    ("records", "why"),
    [
        ([1 << 16, 2 << 16, 1 << 16], "record 2: node 1 already has a record"),
        ([1 << 16, 7 << 16], "record 1 is of node 7, but the report counts 7 nodes"),
        ([1 << 16 | 1 << 14], "record 0 of node 1 has spare bits"),
        ([3 << 16], "record 0: node 3 already has a record"),
    ],
)
def test_the_first_record_that_is_not_allowed_is_named(records: list[int], why: str) -> None:
    header = Header().reported(count=7)
    leaves = [0, 0, 0, Leaf(last=1, mask=1, down=1, fault=1).pack()]
    with pytest.raises(RecordRefused, match=why):
        apply_words(leaves, records, Header(), header)


def test_an_ordinal_that_no_counter_holds() -> None:
    before = Header(epoch=MAX_ORDINAL, count=1)
    with pytest.raises(ValueError, match="32-bit counters"):
        apply_words([], [], before, before.reported(count=1))


@pytest.mark.parametrize(
    "leaf",
    [
        Leaf(last=9, mask=1, down=1, fault=1),
        Leaf(last=3, down=37),
        Leaf(last=3, down=3, fault=4),
        Leaf(last=3, missed=4),
        Leaf(last=3, unproven=4),
        Leaf(last=3, indeterminate=2),
        Leaf(last=3, challenged=4),
        Leaf(mask=3),
    ],
)
def test_a_leaf_from_elsewhere_must_fit_its_header(leaf: Leaf) -> None:
    header = Header(epoch=9, void_epochs=1, challenged_epochs=3, indeterminate=1, count=4)
    check_leaf(Leaf(last=8, mask=1, down=1, fault=1).pack(), header)
    with pytest.raises(ValueError, match="leaf"):
        check_leaf(leaf.pack() if leaf.last else leaf.pack() | 1 << 64, header)
    with pytest.raises(ValueError, match="bits where none"):
        check_leaf(1 << 20, header)


@pytest.mark.parametrize("seed", range(8))
def test_take_back_restores_leaves_root_header_and_depth(seed: int) -> None:
    rng = random.Random(seed)
    tree, count = UptimeTree(), 1
    for _ in range(25):
        count += rng.choice((0, 1, 5, 40))
        header = tree.header.reported(count=count, challenged=True)
        records = [
            Record(i, 0, 1, rng.getrandbits(12)) for i in sorted(rng.sample(range(count), rng.randrange(count + 1)))
        ]
        was = (tree.header, tree.root, tree.depth, dict(tree.leaves()))
        first = tree.apply_report(header, records)
        tree.take_back()
        assert (tree.header, tree.root, tree.depth, dict(tree.leaves())) == was
        with pytest.raises(ValueError, match="no report to take back"):
            tree.take_back()
        assert tree.apply_report(header, records) == first
        again = UptimeTree.of(tree.header, tree.words)
        assert (again.root, again.ring_word, again.depth) == (tree.root, tree.ring_word, depth_of(count))
    with pytest.raises(ValueError, match="counts"):
        UptimeTree.of(Header(count=1), [1, 2])

"""The sparse positional tree against a dense one; proofs, multiproofs, growth over powers of two."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepers.protocol.hashing import ZERO32, keccak
from keepers.protocol.merkle import (
    ZERO,
    SparseTree,
    depth_of,
    leaf_hash,
    lift,
    multiproof,
    root_from_multiproof,
    root_from_proof,
)


def dense_root(words: list[int]) -> bytes:
    """Every hash of the whole tree, nothing left out."""
    row = [leaf_hash(i, w) for i, w in enumerate(words)]
    while len(row) > 1:
        row = [keccak(row[j] + row[j + 1]) for j in range(0, len(row), 2)]
    return row[0]


leaves = st.dictionaries(st.integers(0, 31), st.integers(0, 2**256 - 1), max_size=20)


@given(leaves, st.integers(0, 31))
def test_root_and_proof_agree_with_the_dense_tree(words: dict[int, int], index: int) -> None:
    tree = SparseTree(5)
    tree.update({i: leaf_hash(i, w) for i, w in words.items()})
    assert tree.root == dense_root([words.get(i, 0) for i in range(32)])
    assert root_from_proof(index, words.get(index, 0), tree.proof(index)) == tree.root


@given(leaves, st.sets(st.integers(0, 31), min_size=1, max_size=32))
def test_multiproof_proves_any_set(words: dict[int, int], chosen: set[int]) -> None:
    tree = SparseTree(5)
    tree.update({i: leaf_hash(i, w) for i, w in words.items()})
    indices = sorted(chosen)
    hashes = [leaf_hash(i, words.get(i, 0)) for i in indices]
    proof = multiproof(tree, indices)
    assert root_from_multiproof(indices, hashes, 5, proof) == tree.root
    with pytest.raises(ValueError, match="long"):
        root_from_multiproof(indices, hashes, 5, [*proof, ZERO32])
    if proof:
        with pytest.raises(ValueError, match="short"):
            root_from_multiproof(indices, hashes, 5, proof[:-1])


def test_multiproof_of_one_is_the_proof() -> None:
    tree = SparseTree(4)
    tree.update({i: leaf_hash(i, i + 1) for i in range(11)})
    assert multiproof(tree, [6]) == tree.proof(6)


def test_multiproof_of_all_is_empty() -> None:
    tree = SparseTree(3)
    tree.update({i: leaf_hash(i, i + 1) for i in range(8)})
    assert multiproof(tree, range(8)) == []


@given(leaves, st.integers(5, 24))
def test_growing_keeps_the_leaves(words: dict[int, int], depth: int) -> None:
    tree = SparseTree(5)
    tree.update({i: leaf_hash(i, w) for i, w in words.items()})
    lifted = lift(tree.root, 5, depth)
    assert tree.grow(depth) == lifted
    fresh = SparseTree(depth)
    fresh.update({i: leaf_hash(i, w) for i, w in words.items()})
    assert fresh.root == lifted
    for i in words:
        assert root_from_proof(i, words[i], tree.proof(i)) == lifted


@pytest.mark.parametrize(
    ("count", "depth"),
    [(0, 1), (1, 1), (2, 1), (3, 2), (4, 2), (5, 3), (8, 3), (9, 4), (2**17, 17), (2**17 + 1, 18), (2**24, 24)],
)
def test_depth_changes_just_above_powers_of_two(count: int, depth: int) -> None:
    assert depth_of(count) == depth


def test_too_many_nodes_are_refused() -> None:
    with pytest.raises(ValueError, match="deeper"):
        depth_of(2**24 + 1)


def test_empty_tree_has_the_zero_root() -> None:
    assert SparseTree(7).root == ZERO[7]
    assert ZERO[1] == keccak(bytes(64))
    assert leaf_hash(5, 0) == ZERO32


def test_an_inner_node_is_no_leaf() -> None:
    """C50: a leaf is hashed from 65 bytes, a node from 64, so a shorter proof of an inner node cannot hold."""
    tree = SparseTree(2)
    tree.update({i: leaf_hash(i, i + 1) for i in range(4)})
    inner = int.from_bytes(tree.node(1, 0), "big")
    assert root_from_proof(0, inner, [tree.node(1, 1)]) != tree.root


def test_bad_arguments_are_refused() -> None:
    tree = SparseTree(2)
    for call in (lambda: tree.set(4, ZERO32), lambda: tree.proof(4), lambda: tree.grow(1), lambda: SparseTree(25)):
        with pytest.raises(ValueError):
            call()
    with pytest.raises(ValueError, match="ascending"):
        multiproof(tree, [1, 1])
    with pytest.raises(ValueError, match="ascending"):
        multiproof(tree, [])
    with pytest.raises(ValueError, match="short"):
        root_from_proof(2, 1, [ZERO32])
    with pytest.raises(ValueError, match="as many"):
        root_from_multiproof([1], [], 2, [])
    with pytest.raises(ValueError, match="ascending"):
        root_from_multiproof([1, 0], [ZERO32, ZERO32], 2, [])
    with pytest.raises(ValueError, match="one root"):
        root_from_multiproof([0, 3], [ZERO32, ZERO32], 1, [ZERO32, ZERO32])


def test_set_and_update_agree_and_copies_part_ways() -> None:
    rng = random.Random(5)
    one, many = SparseTree(6), SparseTree(6)
    words = {rng.randrange(64): rng.getrandbits(256) for _ in range(30)}
    for i, w in words.items():
        one.set(i, leaf_hash(i, w))
    many.update({i: leaf_hash(i, w) for i, w in words.items()})
    assert one.root == many.root
    other = one.copy()
    other.set(0, leaf_hash(0, 1))
    assert one.root == many.root != other.root

"""modules/merkle.vy: leaf hashes, roots, and what no proof can pretend."""

from __future__ import annotations

import random
from typing import Any

import boa
import pytest

from tests.support.actors import keccak, words
from tests.support.suite import compiled
from tests.support.uptime import leaf_hash, proof_of, root_of, tree_level, zero
from tests.support.vectors import rows


@pytest.fixture(scope="module")
def merkle() -> Any:
    return compiled("mocks/merkle_mock.vy").deploy()


def test_leaf_is_65_bytes_and_the_empty_one_zero(merkle: Any) -> None:
    assert merkle.leaf(5, 9) == keccak(b"\0" + words(5, 9))
    assert merkle.leaf(5, 0) == bytes(32)


@pytest.mark.parametrize("depth", [1, 2, 5, 17, 24])
def test_roots_of_sparse_trees(merkle: Any, depth: int) -> None:
    rng = random.Random(depth)
    leaves = {rng.randrange(2**depth): rng.getrandbits(256) | 1 for _ in range(12)}
    root = root_of(leaves, depth)
    for i in [*leaves, 0, 2**depth - 1, rng.randrange(2**depth)]:
        assert merkle.root(i, leaves.get(i, 0), proof_of(leaves, depth, i)) == root


def test_an_empty_tree_is_z(merkle: Any) -> None:
    for depth in (1, 10, 24):
        assert merkle.root(0, 0, [zero(d) for d in range(depth)]) == zero(depth)


def test_without_siblings_only_index_zero_is_a_root(merkle: Any) -> None:
    assert merkle.root(0, 7, []) == leaf_hash(0, 7)
    with boa.reverts("merkle: proof"):
        merkle.root(1, 7, [])


@pytest.mark.attack("T34")
def test_the_index_must_be_used_up(merkle: Any) -> None:
    leaves = {0: 1, 5: 2}
    proof = proof_of(leaves, 3, 5)
    for i in (5 + 8, 5 + 2**24, 2**255):
        with boa.reverts("merkle: proof"):
            merkle.root(i, 2, proof)


def test_vectors(merkle: Any) -> None:
    for row in rows("merkle", "leaves"):
        assert merkle.leaf(row["index"], row["word"]) == row["hash"]
    for tree in rows("merkle", "trees"):
        for row in tree["proofs"]:
            assert merkle.root(row["index"], row["word"], row["siblings"]) == tree["root"]


@pytest.mark.attack("T34")
def test_no_inner_node_passes_as_a_leaf(merkle: Any) -> None:
    """T34: an inner node is hashed from 64 bytes, a leaf from 65; so a shorter path proves nothing."""
    leaves = {i: i + 1 for i in range(8)}
    root = root_of(leaves, 3)
    level = {i: leaf_hash(i, v) for i, v in leaves.items()}
    inner = tree_level(level, 0)
    assert keccak(inner[0] + inner[1]) == tree_level(inner, 1)[0]
    upper = tree_level(inner, 1)
    for word in (inner[0], inner[1], keccak(level[0] + level[1])):
        assert merkle.root(0, int.from_bytes(word, "big"), [inner[1], upper[1]]) != root
    # beside an empty leaf an inner node is the hash of 64 bytes that begin with 32 zeros, as index 0 would
    del leaves[0], level[0]
    inner = tree_level(level, 0)
    path = [inner[1], tree_level(inner, 1)[1]]
    assert merkle.root(0, 0, [level[1], *path]) == root_of(leaves, 3)
    assert merkle.root(0, int.from_bytes(level[1], "big"), path) != root_of(leaves, 3)


def test_a_proof_of_25_siblings_does_not_fit(merkle: Any) -> None:
    with pytest.raises(Exception, match=r"."):
        merkle.root(0, 1, [bytes(32)] * 25)

"""The specification of the challenge: paths at every place, what is malformed, what is asked for; short campaigns."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from keepers.protocol import challenge
from keepers.protocol.challenge import Place, Work
from keepers.protocol.hashing import keccak, word
from tests.fuzz import answers
from tests.support.products import Answered

WORK = Work(node=5, epoch=9, seed=11, seed_b=12, class_id=1, n=256, rounds=2, gpus=2)


@pytest.fixture(scope="module")
def answer() -> Answered:
    return Answered(WORK)


def test_honest_answers__at_random__none_falls() -> None:
    assert sum(answers.honest(6, 1).values()) == 6


def test_wrong_answers__at_every_size__each_falls() -> None:
    assert sum(answers.wrong(27, 1).values()) == 27


@pytest.mark.parametrize("count", range(1, 34))
def test_list_paths__at_every_position__lead_to_the_root(count: int) -> None:
    roots = [keccak(word(i)) for i in range(count)]
    levels = challenge.list_levels(roots)
    leaves = [challenge.list_leaf(root) for root in roots]
    for i in range(count):
        assert challenge.climb(leaves[i], i, challenge.path_of(levels, i)) == levels[-1][0]
        if i:
            path = challenge.pair_path(levels, i)
            assert challenge.climb_pair(leaves[i - 1], leaves[i], i, path) == levels[-1][0]


@pytest.mark.parametrize("n", [0, 128, 255, 768, 131_072])
def test_a_size__no_power_of_two_of_the_range__is_refused(n: int) -> None:
    with pytest.raises(ValueError, match="no power of two of"):
        challenge.check_size(n, 1)


@pytest.mark.parametrize("rounds", [0, 3, 1 << 32])
def test_rounds__no_power_of_two__are_refused(rounds: int) -> None:
    with pytest.raises(ValueError, match="no power of two below"):
        challenge.check_size(256, rounds)


def test_a_work__of_no_gpu__is_refused() -> None:
    with pytest.raises(ValueError, match="owes no answer"):
        replace(WORK, gpus=0)


@pytest.mark.parametrize("round_", [0, 1])
@pytest.mark.parametrize("gpu", [0, 1])
def test_an_opening__honest__leads_to_the_root(answer: Answered, gpu: int, round_: int) -> None:
    assert challenge.opened_root(answer.opening(gpu, round_, 255), WORK) == answer.root


def test_an_opening__malformed__is_named(answer: Answered) -> None:
    good = answer.opening(1, 0, 7)
    for bad, words in (
        (replace(good, place=Place(2, 0, 7)), "no such place"),
        (replace(good, row=good.row[:-3]), "a row has"),
        (replace(good, path=good.path[:-1]), "a row's path"),
        (replace(good, previous=keccak(b"")), "no root before"),
        (replace(good, list_path=(*good.list_path, bytes(32))), "the list path"),
    ):
        with pytest.raises(ValueError, match=words):
            challenge.opened_root(bad, WORK)


def test_an_opening__of_another_place__leads_elsewhere(answer: Answered) -> None:
    good = answer.opening(1, 0, 7)
    assert challenge.opened_root(replace(good, place=Place(1, 0, 6)), WORK) != answer.root


def test_places__of_a_secret__repeat_and_differ_by_secret_and_digest() -> None:
    first = challenge.places(b"a", b"d", WORK)
    assert first == challenge.places(b"a", b"d", WORK) and len(first) == 8
    assert first != challenge.places(b"b", b"d", WORK) and first != challenge.places(b"a", b"e", WORK)


@pytest.mark.attack("A26", "A29")
def test_the_key_of_a_round__names_seed_node_card_round_and_the_root_before() -> None:
    base = (1, 2, 3, 4, keccak(b"before"))
    others = [(9, 2, 3, 4, base[4]), (1, 9, 3, 4, base[4]), (1, 2, 9, 4, base[4]), (1, 2, 3, 9, base[4]),
              (1, 2, 3, 4, bytes(32))]  # fmt: skip
    assert len({challenge.key_a(*one) for one in (base, *others)}) == 6
    assert len({challenge.key_b(*one) for one in ((1, 2), (9, 2), (1, 9))}) == 3


def test_a_refutation__malformed__is_named(answer: Answered) -> None:
    good = challenge.refutation(answer.opening(1, 1, 7), 200)
    assert len(set(challenge.verdict(WORK, answer.root, good))) == 1, "an honest entry"
    for bad, words in (
        (replace(good, place=Place(1, 2, 7)), "no such entry"),
        (replace(good, place=Place(1, 1, 256)), "no such entry"),
        (replace(good, col=256), "no such entry"),
        (replace(good, chunk=good.chunk[:-3]), "another length"),
        (replace(good, path=(*good.path, bytes(32))), "another length"),
        (replace(good, place=Place(1, 0, 7)), "round 0 has no root before it"),
        (replace(good, col=100), "does not lead to the signed root"),
        (replace(good, previous=bytes(32)), "does not lead to the signed root"),
        (replace(good, place=Place(1, 1, 6)), "does not lead to the signed root"),
        (replace(good, list_path=good.list_path[:-1]), "the path is too short"),
    ):
        with pytest.raises(ValueError, match=words):
            challenge.verdict(WORK, answer.root, bad)
    with pytest.raises(ValueError, match="does not lead to the signed root"):
        challenge.verdict(WORK, keccak(b"other"), good)


def test_paths__that_do_not_fit__are_named() -> None:
    leaves = [keccak(word(i)) for i in range(4)]
    for make, words in (
        (lambda: challenge.tree_levels(leaves[:3]), "3 leaves are no power of two"),
        (lambda: challenge.tree_levels([]), "0 leaves are no power of two"),
        (lambda: challenge.climb(leaves[0], 2, leaves[:1]), "too short for its index"),
        (lambda: challenge.row_levels(bytes(385)), "no whole chunks of 384"),
        (lambda: challenge.climb_pair(leaves[0], leaves[1], 0, []), "too short for its index"),
        (lambda: challenge.climb_pair(leaves[0], leaves[1], 0, leaves[:2]), "no two leaves at this index"),
        (lambda: challenge.climb_pair(leaves[0], leaves[1], 2, leaves[:1]), "too short for its index"),
        (lambda: challenge.climb_pair(leaves[0], leaves[1], 5, leaves[:1]), "too short for its index"),
    ):
        with pytest.raises(ValueError, match=words):
            make()


@pytest.mark.attack("A27")
def test_places__of_many_answers__are_uniform() -> None:
    drawn = Counter((p.gpu, p.round, p.row >> 7) for p in challenge.places(b"s", b"d", WORK, 4_000))
    assert len(drawn) == 8 and all(400 < k < 600 for k in drawn.values())


@pytest.mark.parametrize("epoch, first", [(1, 2), (2, 2), (23, 2), (24, 24), (47, 24), (48, 48)])
def test_seed_b__of_an_epoch__is_the_first_of_its_period(epoch: int, first: int) -> None:
    assert challenge.first_seeded(epoch, 24) == first

"""What a node, a finder and an attester read: the lot, the seeds, the keys, and the referee's product."""

from __future__ import annotations

import random

import boa
import pytest

from keepers.protocol import challenge
from tests.contracts.consensus.compute_challenge.conftest import Court
from tests.fuzz.elements import batches
from tests.support.products import element
from tests.support.suite import Suite


def test_nothing_is_refuted_or_committed_at_first(suite: Suite) -> None:
    assert suite.challenge.fault_of(0) == suite.challenge.committed_at(bytes(32)) == 0


def test_the_lot__falls_as_the_specification_says(suite: Suite) -> None:
    suite.report_until(3)
    seed = suite.hub.seed(4)[0]
    drawn = [suite.challenge.is_challenged(4, node) for node in range(400)]
    assert drawn == [challenge.is_drawn(seed, node, suite.parameters.rate) for node in range(400)]
    assert 0 < sum(drawn) < 40


def test_the_lot__without_a_seed__falls_on_nobody(suite: Suite) -> None:
    suite.report_until(3)
    assert not any(suite.challenge.is_challenged(e, node) for e in (0, 1, 5) for node in range(200))


def test_the_seeds__of_the_first_period__are_of_epoch_2(suite: Suite) -> None:
    suite.report_until(3)
    assert suite.challenge.seeds(2) == (suite.hub.seed(2)[0],) * 2
    assert suite.challenge.seeds(4) == (suite.hub.seed(4)[0], suite.hub.seed(2)[0])
    assert suite.challenge.seeds(0) == suite.challenge.seeds(1) == suite.challenge.seeds(5) == (0, 0)


def test_the_seeds__of_a_later_period__are_of_its_first_epoch(suite: Suite) -> None:
    per = suite.parameters.epochs_per_period
    suite.report_until(per + 1)
    last = suite.hub.seed(2)[0]
    assert suite.challenge.seeds(per - 1) == (suite.hub.seed(per - 1)[0], last)
    assert suite.challenge.seeds(per) == (suite.hub.seed(per)[0],) * 2
    assert suite.challenge.seeds(per + 1)[1] == suite.hub.seed(per)[0]


def test_the_keys__are_those_of_the_specification(court: Court) -> None:
    work, previous = court.work(), b"\7" * 32
    a = challenge.line_key(challenge.key_a(work.seed, work.node, 2, 1, previous), 9)
    b = challenge.line_key(challenge.key_b(work.seed_b, work.class_id), 255)
    found = court.suite.challenge.keys(work.node, work.epoch, 2, 1, previous, 9, 255)
    assert found == (int.from_bytes(a, "big"), int.from_bytes(b, "big"))


def test_the_keys__without_a_seed__are_refused(court: Court) -> None:
    with boa.reverts("challenge: no seed"):
        court.suite.challenge.keys(court.node, 99, 0, 0, bytes(32), 0, 0)


@pytest.mark.parametrize("n", [256, 512, 1_024, 4_096, 65_536])
def test_the_referee__agrees_with_the_specification_and_int64(suite: Suite, n: int) -> None:
    rng = random.Random(n)
    keys = [rng.randbytes(32) for _ in range(4)] + [bytes(32), b"\xff" * 32]  # the last wraps round
    for a, b in zip(keys, reversed(keys), strict=True):
        found = suite.challenge.dot(int.from_bytes(a, "big"), int.from_bytes(b, "big"), n)
        assert found == challenge.dot(a, b, n) == element(a, b, n)


def test_the_referee__agrees_on_hundreds_of_mixed_sizes() -> None:
    assert batches(elements=400, seed=1) == 400


@pytest.mark.parametrize("n", [0, 1, 255, 257, 128, 768, 131_072, 2**255])
def test_the_referee__another_size__is_refused(suite: Suite, n: int) -> None:
    with boa.reverts("challenge: size"):
        suite.challenge.dot(1, 2, n)

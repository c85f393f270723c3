"""Answers without the work, judged by the code of production: how often they pass is what was computed."""

from __future__ import annotations

import random
from math import sqrt

import pytest

from keepers.protocol.challenge import Work
from keepers.protocol.escape import caught_chance, pass_chance
from tests.support.adversaries import KIT, Adversary, Judge, Said, measure
from tests.support.products import Answered

SEATS = 4
HONEST = Work(5, 9, 77, 88, 3, 256, 2, 2)


def near(count: int, trials: int, chance: float) -> bool:
    """Whether a count lies within five standard deviations of its expectation."""
    return abs(count - trials * chance) <= 5 * sqrt(trials * chance * (1 - chance)) + 1e-9


@pytest.mark.attack("A26")
@pytest.mark.parametrize("adversary", [a for a in KIT if not a.share], ids=lambda a: a.name)
def test_measure__nothing_computed__never_passes_and_is_always_caught(adversary: Adversary) -> None:
    tally = measure(adversary, 25, random.Random(1), SEATS)
    assert (tally.passed, tally.caught) == (0, 25)


@pytest.mark.attack("A27")
@pytest.mark.parametrize("adversary", [a for a in KIT if a.share], ids=lambda a: a.name)
def test_measure__a_part_computed__passes_as_often_as_computed(adversary: Adversary) -> None:
    tally = measure(adversary, 300, random.Random(2), SEATS)
    assert near(tally.passed, tally.trials, float(pass_chance(adversary.share, SEATS, adversary.liars)))
    caught = 0.0 if adversary.clever else float(caught_chance(adversary.share, SEATS, adversary.liars))
    assert near(tally.caught, tally.trials, caught)


def test_judge__an_honest_answer__passes_whatever_is_drawn() -> None:
    answered = Answered(HONEST)
    rng = random.Random(3)
    judge = Judge.of(HONEST, rng.randbytes(32))
    for _ in range(100):
        said = judge.judge(HONEST, answered.root, rng.randbytes(32), lambda p: answered.opening(p.gpu, p.round, p.row))
        assert said is Said.PASSED


def test_judge__a_row_of_another_place__is_a_wrong_row() -> None:
    answered = Answered(HONEST)
    judge = Judge.of(HONEST, bytes(32))
    said = judge.judge(HONEST, answered.root, bytes(32), lambda p: answered.opening(p.gpu, p.round, p.row ^ 1))
    assert said is Said.WRONG


def test_judge__one_wrong_entry_of_a_row__is_seen() -> None:
    answered = Answered(HONEST, {(1, 1): lambda c: c.__setitem__((200, 255), c[200, 255] ^ 1)})
    judge = Judge.of(HONEST, bytes(32))
    assert not judge.holds(HONEST, answered.root, answered.opening(1, 1, 200))
    assert judge.holds(HONEST, answered.root, answered.opening(1, 1, 199))

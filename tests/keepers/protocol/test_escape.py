"""Chances and profit of lazy answers, against counting."""

from __future__ import annotations

import itertools
from fractions import Fraction

import pytest

from keepers.protocol.escape import (
    MODULUS,
    Stakes,
    break_even_cost,
    caught_chance,
    pass_chance,
    profit,
    question_chance,
)

HALF = Fraction(1, 2)
STAKES = Stakes(cost=Fraction(1, 10), pay=Fraction(1), slash=Fraction(600))


@pytest.mark.parametrize("seats", [1, 4, 7])
def test_pass_chance__against_every_outcome_of_every_attester(seats: int) -> None:
    one = question_chance(HALF)
    need = (seats - 1) // 3 + 1
    counted = sum(
        (one ** sum(said) * (1 - one) ** (seats - sum(said)) for said in itertools.product((0, 1), repeat=seats)
         if sum(said) >= need), start=Fraction(0)
    )  # fmt: skip
    assert pass_chance(HALF, seats) == counted


def test_question_chance__of_nothing_right__is_luck_alone() -> None:
    assert question_chance(Fraction(0)) == Fraction(1, MODULUS) ** 8


def test_question_chance__beyond_the_whole__is_refused() -> None:
    with pytest.raises(ValueError, match="0 to 1"):
        question_chance(Fraction(3, 2))


def test_pass_chance__of_an_honest_answer__is_one_and_nobody_is_caught() -> None:
    assert pass_chance(Fraction(1), 4) == 1
    assert caught_chance(Fraction(1), 4) == 0


def test_pass_chance__f_liars__still_need_one_honest_attester() -> None:
    assert pass_chance(Fraction(0), 4, liars=1) < Fraction(1, 10**60)
    assert pass_chance(Fraction(0), 4, liars=2) == 1


def test_pass_chance__half_of_the_work__falls_with_the_committee() -> None:
    chances = [pass_chance(HALF, seats) for seats in (4, 7, 10, 31)]
    assert chances == sorted(chances, reverse=True)
    assert chances[0] < Fraction(1, 10_000)


def test_profit__of_an_honest_answer__is_nothing() -> None:
    assert profit(Fraction(1), 4, STAKES, opens=True) == 0


@pytest.mark.parametrize("share", [Fraction(k, 20) for k in range(20)])
def test_profit__opening_wrong_rows__never_pays(share: Fraction) -> None:
    assert profit(share, 4, STAKES, opens=True) < 0


def test_profit__leaving_half_out__costs_nearly_the_whole_pay() -> None:
    assert profit(HALF, 4, STAKES, opens=False) < Fraction(-94, 100)


def test_break_even_cost__is_where_the_profit_turns() -> None:
    times = break_even_cost(Fraction(9, 10), 4)
    there = Stakes(times, Fraction(1), Fraction(0))
    assert profit(Fraction(9, 10), 4, there, opens=False) == 0
    with pytest.raises(ValueError, match="nothing out"):
        break_even_cost(Fraction(1), 4)

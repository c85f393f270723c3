"""What a lazy answer risks: the chance that it passes, that it is caught, and what it earns by it.

An answer of which a share s of the rows is right (rows, rounds or whole chains left out: a row is drawn from all of
them alike) meets one attester's question of k rows with chance s**k. It passes with f + 1 of n attesters, each with a
secret of its own. Who opens wrong rows is refuted by any one of them; who leaves them unopened only fails there.
Source: docs/protocol.md §8, "Clock" and "Check".
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import comb

from keepers.protocol.challenge import OPENINGS
from keepers.protocol.merge import faults

MODULUS = 2**61 - 1  # of the check of a row: a wrong one holds with chance 1 / MODULUS


def question_chance(share: Fraction, k: int = OPENINGS) -> Fraction:
    """Chance that all k rows that an attester draws are right ones, or wrong ones that hold by luck."""
    if not 0 <= share <= 1:
        raise ValueError(f"a share of the rows is 0 to 1, not {share}")
    return (share + (1 - share) / MODULUS) ** k


def pass_chance(share: Fraction, seats: int, liars: int = 0, k: int = OPENINGS) -> Fraction:
    """Chance that at least f + 1 of `seats` attesters say passed, where `liars` of them say so whatever they see."""
    one = question_chance(share, k)
    need, honest = max(0, faults(seats) + 1 - liars), seats - liars
    return sum(
        (comb(honest, m) * one**m * (1 - one) ** (honest - m) for m in range(need, honest + 1)), start=Fraction(0)
    )


def caught_chance(share: Fraction, seats: int, liars: int = 0, k: int = OPENINGS) -> Fraction:
    """Chance that a wrong row is opened to an honest attester by a node that opens whatever it is asked for."""
    return 1 - question_chance(share, k) ** (seats - liars)


@dataclass(frozen=True)
class Stakes:
    """USD of one node and challenge: cost of the whole work, pay that hangs on a pass, what a refutation takes."""

    cost: Fraction
    pay: Fraction
    slash: Fraction


def profit(share: Fraction, seats: int, stakes: Stakes, opens: bool, liars: int = 0) -> Fraction:
    """Expected gain in USD over an honest answer. `opens`: whether wrong rows are opened when they are asked for."""
    saved = (1 - share) * stakes.cost
    lost = (1 - pass_chance(share, seats, liars)) * stakes.pay
    return saved - lost - (caught_chance(share, seats, liars) * stakes.slash if opens else 0)


def break_even_cost(share: Fraction, seats: int, liars: int = 0) -> Fraction:
    """How many times the pay the work may cost before leaving 1 - share of it out is worth it, for a node that never
    opens a wrong row. Raises ValueError for a share of 1: nothing is left out."""
    if share == 1:
        raise ValueError("an honest answer leaves nothing out")
    return (1 - pass_chance(share, seats, liars)) / (1 - share)

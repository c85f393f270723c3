"""How often an answer without the work passes one challenge: real answers, real checks, a committee of four.

    python -m bench.escape [--trials 4000] [--seed 1]

escape.max is the largest measured chance to pass among those that leave out half of the work or more; its bound is
what `keepers/protocol/escape.py` computes for it. Who leaves out less passes more often and saves less: those rows
are printed too, with the cost of the work from which they would pay.
"""

from __future__ import annotations

import argparse
import random
from fractions import Fraction

from bench.row import Row, row
from keepers.protocol.escape import break_even_cost, caught_chance, pass_chance
from tests.support.adversaries import KIT, Tally, measure

COMMAND = "python -m bench.escape"
SEATS = 4
HOPELESS = 200  # challenges of those of whose rows none is right


def table(trials: int, seed: int) -> list[tuple[str, Tally, float, float, float]]:
    """(name, measured, bound of passing, bound of being caught, break-even cost) of every adversary."""
    out = []
    for place, adversary in enumerate(KIT):
        number = trials if adversary.share else min(trials, HOPELESS)
        tally = measure(adversary, number, random.Random(f"{seed}-{place}"), SEATS)
        passing = pass_chance(adversary.share, SEATS, adversary.liars)
        caught = Fraction(0) if adversary.clever else caught_chance(adversary.share, SEATS, adversary.liars)
        pays = break_even_cost(adversary.share, SEATS, adversary.liars)
        out.append((adversary.name, tally, float(passing), float(caught), float(pays)))
    return out


def rows(trials: int = 2_000, seed: int = 1) -> list[Row]:
    """The row of the bench. Its goal is the bound and five standard deviations of the count."""
    found = [(t.passed / t.trials, bound, name) for name, t, bound, _, _ in _half(table(trials, seed))]
    measured, bound, name = max(found)
    note = f"{name}; computed {bound:.4f}, {trials:,} challenges, {SEATS} seats"
    goal = round(bound + 5 * (bound * (1 - bound) / trials) ** 0.5, 4)
    return [row("escape.max", round(measured, 4), "share", goal, note=note, command=COMMAND)]


def _half(lines: list[tuple[str, Tally, float, float, float]]) -> list[tuple[str, Tally, float, float, float]]:
    return [one for one, adversary in zip(lines, KIT, strict=True) if adversary.share <= Fraction(1, 2)]


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=4_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    lines = table(options.trials, options.seed)
    print(f"{'adversary':36}{'passed':>9}{'bound':>10}{'caught':>9}{'bound':>8}{'pays if work costs':>22}")
    for name, t, passing, caught, pays in lines:
        shares = f"{t.passed / t.trials:9.4f}{passing:10.6f}{t.caught / t.trials:9.4f}{caught:8.4f}"
        print(f"{name:36}{shares}{pays:13.2f} x the pay")
    measured, bound, name = max((t.passed / t.trials, passing, name) for name, t, passing, _, _ in _half(lines))
    print(f"escape.max  {measured:.4f}  bound {bound:.4f}  ({name})")


if __name__ == "__main__":
    main()

"""Short runs of the two campaigns, and checks taken out that they must miss. Whole ones: `make fuzz`.

False reports fall wherever they are false (tests/fuzz/positions.py), honest ones never (tests/fuzz/refute.py).
"""

from __future__ import annotations

import os

import pytest

from tests.fuzz import positions
from tests.fuzz.mutants import FELLING, SPARING, Mutant, artifacts, fells, spares
from tests.fuzz.positions import Survives
from tests.fuzz.refute import campaign, docket
from tests.support.court import Court

# A campaign of its own: HEARTH_REFUTE_ATTEMPTS=100000 takes minutes.
ATTEMPTS = int(os.environ.get("HEARTH_REFUTE_ATTEMPTS", "3000"))
# One of each kind; all of them: python -m tests.fuzz.refute --mutants
SOME = ("any header", "leaves judged before they are proven", "reported up")
OTHERS = ("any order", "a second record")


@pytest.mark.parametrize("records", [1, 64, 65])
def test_every_lie_at_every_place_falls(records: int) -> None:
    (line,) = positions.campaign(records, seed=3)
    assert "false reports fell to the bytecode, the honest one stands" in line


def test_a_report_in_posted_parts_falls_in_every_group() -> None:
    trial = positions.network(1_500, seed=5)
    assert [len(positions.groups_of(data)) for data, _ in trial.report.log.parts] == [1, 23]
    positions.by_bytecode(trial, all_=False)
    trial.stands()
    assert trial.told > 24 * 10


def test_every_lie_is_judged_at_every_place() -> None:
    trial = positions.network(130, seed=2)
    positions.by_judge(trial)
    assert trial.judged == 130 * 10


def test_a_lie_that_the_finder_places_elsewhere_is_told() -> None:
    trial = positions.network(65, seed=1)
    liar = positions.Liar(trial.report)
    false, part, group = liar.signed(liar.tell("wrong", 3, positions.State.start(trial.report)))
    with pytest.raises(Survives, match="found in part 0, group 0, not in 0, 1"):
        trial.falls(false, part, group + 1, "the other group")


@pytest.mark.attack("T41")
def test_an_honest_report_falls_to_no_attempt() -> None:
    """Every check of the refuter is reached, and those that only a false report passes are not."""
    reasons = campaign(docket(), ATTEMPTS, seed=1)
    assert sum(reasons.values()) == ATTEMPTS
    assert {
        "refuter: header", "refuter: other report", "refuter: no such part", "refuter: other part",
        "refuter: no such group", "refuter: leaves", "refuter: siblings", "refuter: multiproof",
        "refuter: the group holds", "refuter: proof", "refuter: void epoch", "refuter: no check-in",
        "refuter: reported up", "hub: not the refuter", "hub: no report in the ring", "merkle: proof",
    } <= set(reasons)  # fmt: skip
    assert "refuter: epoch before" not in reasons and "hub: header before" not in reasons


@pytest.mark.parametrize("mutant", [m for m in FELLING if m.name in SOME], ids=lambda mutant: mutant.name)
def test_without_a_check_an_honest_report_falls(mutant: Mutant) -> None:
    assert "went through" in fells(mutant, 3_000, seed=1)


@pytest.mark.parametrize("mutant", [m for m in SPARING if m.name in OTHERS], ids=lambda mutant: mutant.name)
def test_without_a_check_a_false_report_stands(mutant: Mutant) -> None:
    assert spares(mutant, seed=1)


def test_a_mutant_whose_line_is_gone_is_told() -> None:
    with pytest.raises(ValueError, match="its line stands 0 times"):
        artifacts(Mutant("gone", FELLING[0].path, "no such line", ""))


def test_the_court_deploys_what_is_deployed() -> None:
    court = Court()
    assert court.view("refuter", "HUB") == court.addresses["hub"]
    assert court.view("hub", "REFUTER") == court.addresses["refuter"]

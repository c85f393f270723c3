"""Reports that fall: the reference model beside the bytecode, with a quorum that lies and watchers that prove it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.model.driver import failing, sequence
from tests.model.refutations import WEIGHTS, RefutingDriver

# More for a night: HEARTH_REFUTE_SEQUENCES=2000.
SEQUENCES = int(os.environ.get("HEARTH_REFUTE_SEQUENCES", "32"))
LENGTH = 200
BATCH = 8


@pytest.fixture(scope="module")
def driver() -> Iterator[RefutingDriver]:
    found = RefutingDriver()
    yield found
    rows = [f"{k} {found.successes[k]}/{n}" for k, n in sorted(found.attempts.items())]
    print(f"\nrefutations: {found.steps} steps; succeeded of attempted: " + ", ".join(rows))


@pytest.mark.parametrize("batch", range((SEQUENCES + BATCH - 1) // BATCH))
def test_model_and_bytecode_agree(driver: RefutingDriver, batch: int) -> None:
    """I1-I7 and I10-I13 with reports that fall at any depth."""
    for seed in range(batch * BATCH, min(SEQUENCES, (batch + 1) * BATCH)):
        assert failing(driver, sequence(seed, LENGTH, WEIGHTS)) is None, f"sequence {seed}"


def test_every_step_succeeds_and_is_refused(driver: RefutingDriver) -> None:
    for seed in range(700_000, 700_012):
        driver.run(sequence(seed, LENGTH, WEIGHTS))
    kinds = ("false", "check_in", "held", "commit")
    assert [k for k in kinds if not driver.successes[k]] == []
    assert [k for k in kinds if driver.successes[k] == driver.attempts[k]] == []
    reasons = {reason for _, reason in driver.refusals}
    assert {
        "hub: not the refuter", "hub: not the node's key", "hub: node retired",
        "refuter: header", "refuter: other report", "refuter: other part", "refuter: no such part",
        "refuter: no such group", "refuter: leaves", "refuter: multiproof", "refuter: siblings",
        "refuter: committed already", "refuter: no check-in", "refuter: reported up", "refuter: proof",
    } <= reasons  # fmt: skip

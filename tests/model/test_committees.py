"""Bonded seats: the reference model beside the bytecode, with seats that come, go, lie and are punished."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.model.committees import SeatDriver, sequence
from tests.model.driver import Mismatch, shrink

# More for a night: HEARTH_SEAT_SEQUENCES=2000.
SEQUENCES = int(os.environ.get("HEARTH_SEAT_SEQUENCES", "64"))
LENGTH = 200
BATCH = 8


@pytest.fixture(scope="module")
def driver() -> Iterator[SeatDriver]:
    found = SeatDriver()
    yield found
    rows = [f"{k} {found.successes[k]}/{n}" for k, n in sorted(found.attempts.items())]
    print(f"\nseats: {found.steps} steps; succeeded of attempted: " + ", ".join(rows))


def failing(driver: SeatDriver, seed: int) -> str | None:
    steps = sequence(seed, LENGTH)
    try:
        driver.run(steps)
    except Mismatch as error:
        found = error
    else:
        return None
    small = shrink(driver, steps)
    try:
        driver.run(small)
    except Mismatch as error:
        found = error
    return f"sequence {seed}: {found}\nsteps that show it: {small}"


@pytest.mark.parametrize("batch", range((SEQUENCES + BATCH - 1) // BATCH))
def test_model_and_bytecode_agree(driver: SeatDriver, batch: int) -> None:
    """I1-I7 and I10-I13 with reports that fall at any depth."""
    for seed in range(batch * BATCH, min(SEQUENCES, (batch + 1) * BATCH)):
        assert failing(driver, seed) is None


def test_every_step_succeeds_and_is_refused(driver: SeatDriver) -> None:
    for seed in range(800_000, 800_012):
        driver.run(sequence(seed, LENGTH))
    kinds = ("bond", "table", "exit", "punish_seats", "twice")
    assert [k for k in kinds if not driver.successes[k]] == []
    assert [k for k in kinds if driver.successes[k] == driver.attempts[k]] == []
    reasons = {reason for _, reason in driver.refusals if reason.startswith("committee: ")}
    assert len(reasons) > 15, sorted(reasons)

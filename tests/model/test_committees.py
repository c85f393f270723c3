"""Bonded seats: the reference model beside the bytecode, with seats that come, go, lie and are punished."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.model.committees import WEIGHTS, SeatDriver
from tests.model.driver import failing, sequence

# More for a night: HEARTH_SEAT_SEQUENCES=2000.
SEQUENCES = int(os.environ.get("HEARTH_SEAT_SEQUENCES", "32"))
LENGTH = 200
BATCH = 8


@pytest.fixture(scope="module")
def driver() -> Iterator[SeatDriver]:
    found = SeatDriver()
    yield found
    rows = [f"{k} {found.successes[k]}/{n}" for k, n in sorted(found.attempts.items())]
    print(f"\nseats: {found.steps} steps; succeeded of attempted: " + ", ".join(rows))


@pytest.mark.parametrize("batch", range((SEQUENCES + BATCH - 1) // BATCH))
def test_model_and_bytecode_agree(driver: SeatDriver, batch: int) -> None:
    """I1-I7 and I10-I13 with seats that come and go; the tokens held are the bonds."""
    for seed in range(batch * BATCH, min(SEQUENCES, (batch + 1) * BATCH)):
        assert failing(driver, sequence(seed, LENGTH, WEIGHTS)) is None, f"sequence {seed}"


def test_every_step_succeeds_and_is_refused(driver: SeatDriver) -> None:
    for seed in range(800_000, 800_012):
        driver.run(sequence(seed, LENGTH, WEIGHTS))
    kinds = ("bond", "table", "exit", "punish_seats", "twice")
    assert [k for k in kinds if not driver.successes[k]] == []
    assert [k for k in kinds if driver.successes[k] == driver.attempts[k]] == []
    reasons = {reason for _, reason in driver.refusals if reason.startswith("committee: ")}
    assert len(reasons) > 18, sorted(reasons)

"""What a ComputeChallenge is bound to, and what it refuses to start with."""

from __future__ import annotations

from typing import Any

import boa
import pytest

from tests.support.suite import ZERO_ADDRESS, Suite, compiled


def test_knows_its_peers_and_numbers(suite: Suite) -> None:
    court, q = suite.challenge, suite.parameters
    assert (court.HUB(), court.REGISTRY(), court.POOL()) == tuple(
        str(c.address) for c in (suite.hub, suite.registry, suite.pool)
    )
    numbers = (court.EPOCHS_PER_PERIOD(), court.ANSWER_WINDOW(), court.RATE(), court.VERSION())
    assert numbers == (q.epochs_per_period, q.answer_window, q.rate, "1")


def build(suite: Suite, changes: dict[int, Any]) -> Any:
    q = suite.parameters
    arguments = [
        suite.hub.address, suite.registry.address, suite.pool.address, q.genesis, q.slot, q.epochs_per_period,
        q.answer_window, q.rate,
    ]  # fmt: skip
    for i, value in changes.items():
        arguments[i] = value
    return compiled("consensus/ComputeChallenge.vy").deploy(*arguments)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({0: ZERO_ADDRESS}, "challenge: no peer"),
        ({1: ZERO_ADDRESS}, "challenge: no peer"),
        ({2: ZERO_ADDRESS}, "challenge: no peer"),
        ({3: 0}, "epochs: genesis"),
        ({4: 0}, "epochs: slot"),
        ({5: 169}, "epochs: period"),
        ({6: 2**30 + 1}, "challenge: answer window"),
        ({7: 10_001}, "challenge: rate"),
    ],
)
def test_refuses(suite: Suite, changes: dict[int, Any], reason: str) -> None:
    with boa.reverts(reason):
        build(suite, changes)


def test_the_largest_numbers__are_taken(suite: Suite) -> None:
    assert build(suite, {6: 2**30, 7: 10_000}).RATE() == 10_000

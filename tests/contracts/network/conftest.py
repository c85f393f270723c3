"""Fixtures of the registry's tests."""

from __future__ import annotations

from collections.abc import Iterator

import boa
import pytest

from tests.contracts.network import harness


@pytest.fixture(scope="session")
def _trio() -> harness.Trio:
    return harness.deployed()


@pytest.fixture
def trio(_trio: harness.Trio) -> Iterator[harness.Trio]:
    """Token, pool, registry and one class, 100 s into epoch 0; rolled back after the test."""
    with boa.env.anchor():
        # other fixtures of the session may have moved the clock since the deployment
        boa.env.timestamp = _trio.parameters.genesis + 100
        yield _trio.fresh()

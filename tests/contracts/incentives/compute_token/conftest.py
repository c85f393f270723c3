"""Fixtures of the token's tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boa
import pytest

from tests.contracts.network import harness
from tests.support.actors import PROVIDER
from tests.support.constants import WAD


@pytest.fixture(scope="session")
def _trio() -> harness.Trio:
    return harness.deployed()


@pytest.fixture
def trio(_trio: harness.Trio) -> Iterator[harness.Trio]:
    """Token, pool, registry and one class, 100 s into epoch 0; rolled back after the test."""
    with boa.env.anchor():
        yield _trio.fresh()


@pytest.fixture
def token(trio: harness.Trio) -> Any:
    """The token; the supply is the owner's, 1,000 tokens are the provider's."""
    trio.fund(PROVIDER, 1_000 * WAD)
    return trio.token

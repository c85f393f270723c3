"""One ledger for all tests of money, deployed once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contracts.market import support
from tests.support.constants import Parameters


@pytest.fixture(scope="session")
def _ledger() -> support.World:
    return support.deploy(Parameters())


@pytest.fixture
def world(_ledger: support.World) -> Iterator[support.World]:
    yield from support.fresh(_ledger)


@pytest.fixture
def lease(world: support.World) -> int:
    """Two GPUs of node 0 for seven days, two of them paid, from the middle of slot 1 of epoch 10."""
    return world.open()

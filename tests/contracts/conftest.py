"""Fixtures of the contract tests. Each test sees the chain as the suite's deployment left it."""

from __future__ import annotations

from collections.abc import Iterator

import boa
import pytest

from tests.support import suite as support
from tests.support.constants import Parameters


@pytest.fixture(scope="session")
def parameters() -> Parameters:
    return Parameters()


@pytest.fixture(scope="session")
def _deployed(parameters: Parameters) -> support.Suite:
    return support.deploy(parameters)


@pytest.fixture
def suite(_deployed: support.Suite) -> Iterator[support.Suite]:
    """All eleven contracts, committee set, entries open, an hour before epoch 1. Rolled back after the test."""
    with boa.env.anchor():
        # other fixtures of the session may have moved the clock since the deployment
        boa.env.timestamp = _deployed.parameters.start(1) - _deployed.parameters.epoch
        yield _deployed.fresh()

"""One ledger for all tests of money, deployed once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.contracts.incentives.burn_mint_engine.formulas import R, fund
from tests.contracts.market import support
from tests.support.actors import RENTER, SETTLER, STRANGER
from tests.support.constants import WAD, Parameters
from tests.support.suite import compiled


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


@pytest.fixture
def earned(world: support.World) -> support.World:
    """Provider 1 and the settler have tallies of periods 0, 1 and 2; period 0's price is closed."""
    w = world
    id = w.open(prepaid=6 * 86_400)
    w.report()
    w.anchor(id)
    for e in (support.FIRST + 10, support.FIRST + 36, support.FIRST + 62):
        w.report_until(e)
        w.settle(id, e, support.number(SETTLER))
    assert w.period == 3
    w.hub.set_period(0, R)
    return w


@pytest.fixture
def ledger(world: support.World) -> Any:
    """A second ledger that says what it likes, granted, with nothing in it; its providers are the first one's."""
    hostile = compiled("mocks/HostileLedger.vy").deploy(sender=STRANGER.address)
    hostile.set_registry(world.registry.address)
    world.engine.set_grant(hostile.address, 1, sender=support.DEPLOYER.address)
    return hostile


@pytest.fixture
def bought_into(world: support.World, ledger: Any) -> Any:
    """The same with a token of the renter burned into it."""
    fund(world, WAD, RENTER)
    world.engine.buy_into(ledger.address, WAD, 0, sender=RENTER.address)
    return ledger

"""buy_into: tokens burned for credits of a granted ledger."""

import boa
import pytest

from tests.contracts.market.support import DEPLOYER, LOW, events
from tests.support.actors import OWNER, RENTER, STRANGER
from tests.support.constants import WAD
from tests.support.suite import compiled

CREDITS = 10 * WAD * LOW // 10**12 * 9_975 // 10_000


def fund(w, amount=10 * WAD, who=RENTER):
    w.token.transfer(who.address, amount, sender=DEPLOYER.address)
    w.token.approve(w.engine.address, amount, sender=who.address)


@pytest.fixture
def ledger(world):
    hostile = compiled("mocks/HostileLedger.vy").deploy(sender=STRANGER.address)
    world.engine.set_grant(hostile.address, 1, sender=DEPLOYER.address)
    return hostile


def test_buy_into_default(world, ledger):
    w = world
    fund(w)
    out = w.engine.outstanding(w.escrow.address)
    w.engine.buy_into(ledger.address, 10 * WAD, CREDITS, sender=RENTER.address)
    (log,) = events(w.engine, "BoughtInto")
    assert (log.ledger, log.owner, log.lease) == (ledger.address, RENTER.address, 0)
    assert (log.burned, log.credits) == (10 * WAD, CREDITS)
    assert w.engine.outstanding(ledger.address) == 10 * WAD
    assert w.engine.outstanding(w.escrow.address) == out


def test_buy_into_reverts_not_granted(world):
    fund(world)
    for who in (world.escrow.address, OWNER.address):
        with boa.reverts("engine: ledger not granted"):
            world.engine.buy_into(who, WAD, 0, sender=RENTER.address)


def test_buy_into_reverts_after_the_grant_is_taken_back(world, ledger):
    w = world
    fund(w)
    w.engine.set_grant(ledger.address, 0, sender=DEPLOYER.address)
    with boa.reverts("engine: ledger not granted"):
        w.engine.buy_into(ledger.address, WAD, 0, sender=RENTER.address)


def test_buy_into_reverts_paused(world, ledger):
    fund(world)
    world.price(flags=1)
    with boa.reverts("engine: paused"):
        world.engine.buy_into(ledger.address, WAD, 0, sender=RENTER.address)


def test_buy_into_of_a_ledger_that_comes_back_gains_nothing(world, ledger):
    w = world
    fund(w)
    w.token.transfer(ledger.address, WAD, sender=DEPLOYER.address)
    ledger.set_reenter(w.engine.address)
    with boa.reverts():
        w.engine.buy_into(ledger.address, WAD, 0, sender=RENTER.address)
    assert w.engine.outstanding(ledger.address) == 0

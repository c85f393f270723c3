"""buy_into: tokens burned for credits of a granted ledger."""

import boa

from tests.contracts.incentives.burn_mint_engine.formulas import fund
from tests.contracts.market.support import DEPLOYER, LOW, events
from tests.support.actors import OWNER, RENTER
from tests.support.constants import WAD

CREDITS = 10 * WAD * LOW // 10**12 * 9_975 // 10_000


def test_buy_into_default(world, ledger):
    w = world
    fund(w, 10 * WAD, RENTER)
    out = w.engine.outstanding(w.escrow.address)
    w.engine.buy_into(ledger.address, 10 * WAD, CREDITS, sender=RENTER.address)
    (log,) = events(w.engine, "BoughtInto")
    assert (log.ledger, log.owner, log.lease) == (ledger.address, RENTER.address, 0)
    assert (log.burned, log.credits) == (10 * WAD, CREDITS)
    assert w.engine.outstanding(ledger.address) == 10 * WAD
    assert w.engine.outstanding(w.escrow.address) == out


def test_buy_into_reverts_not_granted(world):
    fund(world, 10 * WAD, RENTER)
    for who in (world.escrow.address, OWNER.address):
        with boa.reverts("engine: ledger not granted"):
            world.engine.buy_into(who, WAD, 0, sender=RENTER.address)


def test_buy_into_reverts_after_the_grant_is_taken_back(world, ledger):
    w = world
    fund(w, 10 * WAD, RENTER)
    w.engine.set_grant(ledger.address, 0, sender=DEPLOYER.address)
    with boa.reverts("engine: ledger not granted"):
        w.engine.buy_into(ledger.address, WAD, 0, sender=RENTER.address)


def test_buy_into_reverts_paused(world, ledger):
    fund(world, 10 * WAD, RENTER)
    world.price(flags=1)
    with boa.reverts("engine: paused"):
        world.engine.buy_into(ledger.address, WAD, 0, sender=RENTER.address)


def test_buy_into_of_a_ledger_that_comes_back_gains_nothing(world, ledger):
    w = world
    fund(w, 10 * WAD, RENTER)
    w.token.transfer(ledger.address, WAD, sender=DEPLOYER.address)
    ledger.set_reenter(w.engine.address)
    with boa.reverts():
        w.engine.buy_into(ledger.address, WAD, 0, sender=RENTER.address)
    assert w.engine.outstanding(ledger.address) == 0

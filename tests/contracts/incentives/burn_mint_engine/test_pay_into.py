"""pay_into: burned straight into a lease of a granted ledger."""

import boa

from tests.contracts.incentives.burn_mint_engine.formulas import fund
from tests.contracts.market.support import events
from tests.support.actors import OTHER_RENTER, RENTER
from tests.support.constants import WAD

AMOUNT = WAD // 10


def test_pay_into_default(world, ledger):
    w = world
    fund(w, AMOUNT, OTHER_RENTER)
    ledger.set_paid(5, AMOUNT - 1)
    assert w.engine.pay_into(ledger.address, 9, AMOUNT, 0, sender=OTHER_RENTER.address) == 5
    (log,) = events(w.engine, "BoughtInto")
    assert (log.ledger, log.lease, log.burned, log.credits) == (ledger.address, 9, AMOUNT - 1, 5)
    assert w.engine.outstanding(ledger.address) == AMOUNT - 1
    assert w.token.balanceOf(OTHER_RENTER.address) == 1


def test_pay_into_reverts_where_the_ledger_asks_for_more(world, ledger):
    w = world
    fund(w, 2 * AMOUNT, OTHER_RENTER)
    ledger.set_paid(5, AMOUNT + 1)
    with boa.reverts("engine: ledger asks for more"):
        w.engine.pay_into(ledger.address, 9, AMOUNT, 0, sender=OTHER_RENTER.address)


def test_pay_into_reverts_not_granted(world):
    with boa.reverts("engine: ledger not granted"):
        world.engine.pay_into(RENTER.address, 9, AMOUNT, 0, sender=OTHER_RENTER.address)


def test_pay_into_reverts_clamped(world, ledger):
    world.price(flags=2)
    with boa.reverts("engine: clamped"):
        world.engine.pay_into(ledger.address, 9, AMOUNT, 0, sender=OTHER_RENTER.address)

"""pay_builders: the builders' pot goes where the owner said."""

import boa

from tests.contracts.incentives.burn_mint_engine.formulas import R, periods
from tests.contracts.market.support import events
from tests.support.actors import BUILDERS, STRANGER


def test_pay_builders_default(earned):
    w = earned
    (p, *_) = periods(w)
    w.hub.set_period(p, R)
    w.engine.redeem(1, [p], sender=STRANGER.address)
    attesters, builders = w.engine.pots()
    assert w.engine.pay_builders(sender=STRANGER.address) == builders
    (log,) = events(w.engine, "PotPaid")
    assert (log.to, log.amount) == (BUILDERS.address, builders)
    assert w.token.balanceOf(BUILDERS.address) == builders
    assert w.engine.pots() == (attesters, 0)


def test_pay_builders_reverts_nothing_owed(world):
    with boa.reverts("engine: nothing owed"):
        world.engine.pay_builders(sender=STRANGER.address)

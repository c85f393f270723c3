"""pay_builders: the builders' pot goes where the owner said."""

import boa
import pytest

from tests.contracts.market.support import FIRST, events, number
from tests.support.actors import BUILDERS, SETTLER, STRANGER

R = 2 * 10**12


@pytest.fixture
def earned(world):
    """Provider 1 and the settler have tallies of periods 0, 1 and 2; period 0's price is closed."""
    w = world
    id = w.open(prepaid=6 * 86_400)
    w.report()
    w.anchor(id)
    for e in (FIRST + 10, FIRST + 36, FIRST + 62):
        w.report_until(e)
        w.settle(id, e, number(SETTLER))
    assert w.period == 3
    w.hub.set_period(0, R)
    return w


def periods(w, key=1):
    return [p for p in range(5) if w.escrow.tally(key, p)]


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

"""buy: tokens burned for credits, at min(P, TWAP) less the spread."""

import boa
import pytest

from tests.contracts.incentives.burn_mint_engine.formulas import fund
from tests.contracts.market.support import HIGH, LOW, M96, events
from tests.support.actors import OTHER_RENTER, RENTER
from tests.support.constants import WAD

CREDITS = 10 * WAD * LOW // 10**12 * 9_975 // 10_000


def test_default(world):
    w = world
    fund(w, 10 * WAD, RENTER)
    c, k = w.purse()
    supply, out = w.token.totalSupply(), w.engine.outstanding(w.escrow.address)
    assert w.engine.buy(10 * WAD, CREDITS, sender=RENTER.address) == CREDITS == w.engine.quote(10 * WAD)
    w.engine.get_logs()
    assert w.purse() == (c + CREDITS, k + 10 * WAD)
    assert w.token.balanceOf(RENTER.address) == 0
    assert w.token.totalSupply() == supply - 10 * WAD
    assert w.engine.outstanding(w.escrow.address) == out + 10 * WAD
    w.check_ledger()


def test_log(world):
    w = world
    fund(w, 10 * WAD, RENTER)
    w.engine.buy(10 * WAD, 0, sender=RENTER.address)
    (log,) = events(w.engine, "Bought")
    assert (log.owner, log.lease, log.burned, log.credits, log.price) == (RENTER.address, 0, 10 * WAD, CREDITS, LOW)


def test_uses_the_lower_of_price_and_twap(world):
    w = world
    w.price(spot=HIGH, twap=LOW - 7)
    assert w.engine.quote(10**20) == 10**20 * (LOW - 7) // 10**12 * 9_975 // 10_000


def test_a_round_trip_costs_twice_the_spread(world):
    w = world
    w.price(twap=LOW)
    fund(w, 10 * WAD, OTHER_RENTER)
    c = w.engine.buy(10 * WAD, 0, sender=OTHER_RENTER.address)
    back = w.engine.refund(c, 0, sender=OTHER_RENTER.address)
    assert back == c * 10**12 // LOW * 9_975 // 10_000 < 10 * WAD


@pytest.mark.parametrize("flags, why", [(1, "engine: paused"), (2, "engine: clamped"), (3, "engine: paused")])
def test_reverts_by_the_price_word(world, flags, why):
    fund(world, 10 * WAD, RENTER)
    world.price(flags=flags)
    with boa.reverts(why):
        world.engine.buy(10 * WAD, 0, sender=RENTER.address)


def test_reverts_stale(world):
    w = world
    fund(w, 10 * WAD, RENTER)
    w.after(7200)
    with boa.env.anchor():
        w.engine.buy(10 * WAD, 0, sender=RENTER.address)
    w.after(1)
    with boa.reverts("engine: stale price"):
        w.engine.buy(10 * WAD, 0, sender=RENTER.address)


@pytest.mark.parametrize("amount, least", [(0, 0), (10 * WAD, CREDITS + 1)])
def test_reverts_too_few(world, amount, least):
    fund(world, 10 * WAD, RENTER)
    with boa.reverts("engine: too few credits"):
        world.engine.buy(amount, least, sender=RENTER.address)


def test_reverts_amount(world):
    with boa.reverts("engine: amount too large"):
        world.engine.buy(M96 + 1, 0, sender=RENTER.address)
    with boa.reverts("engine: quote too large"):
        world.engine.quote(M96 + 1)


def test_reverts_outstanding_too_wide(world):
    with boa.reverts("engine: outstanding too wide"):
        world.engine.buy(M96, 0, sender=RENTER.address)


def test_reverts_without_allowance(world):
    with boa.reverts("token: allowance"):
        world.engine.buy(WAD, 0, sender=OTHER_RENTER.address)


def test_reverts_without_tokens(world):
    world.token.approve(world.engine.address, WAD, sender=OTHER_RENTER.address)
    with boa.reverts("token: burn exceeds balance"):
        world.engine.buy(WAD, 0, sender=OTHER_RENTER.address)

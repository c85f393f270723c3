"""pay: burned straight into a running lease, only what fits."""

import boa
import pytest

from tests.contracts.incentives.burn_mint_engine.formulas import fund
from tests.contracts.market.support import LOW, PER_SECOND, events
from tests.support.actors import OTHER_RENTER, STRANGER
from tests.support.constants import DAY, WAD

AMOUNT = WAD // 10


def test_default(world):
    w = world
    id = w.open()
    fund(w, AMOUNT, OTHER_RENTER)
    c, k, *_ = w.money(id)
    supply = w.token.totalSupply()
    credits = w.engine.quote(AMOUNT)
    assert w.engine.pay(id, AMOUNT, credits, sender=OTHER_RENTER.address) == credits
    (log,), (added,) = events(w.engine, "Bought"), events(w.engine, "ToppedUp")
    assert (log.owner, log.lease, log.burned, log.credits, log.price) == (
        OTHER_RENTER.address,
        id,
        AMOUNT,
        credits,
        LOW,
    )
    assert (added.by, added.credits, added.backing) == (OTHER_RENTER.address, credits, AMOUNT)
    assert w.money(id)[:2] == (c + credits, k + AMOUNT)
    assert w.token.totalSupply() == supply - AMOUNT
    w.check_ledger()


def test_burns_only_what_fits(world):
    w = world
    id = w.open(duration=3 * DAY, prepaid=3 * DAY - 11)
    fund(w, 100 * WAD, OTHER_RENTER)
    room = 11 * PER_SECOND
    credits = w.engine.quote(100 * WAD)
    assert w.engine.pay(id, 100 * WAD, 0, sender=OTHER_RENTER.address) == room
    burned = -(-100 * WAD * room // credits)
    assert events(w.engine, "Bought")[0].burned == burned
    assert w.token.balanceOf(OTHER_RENTER.address) == 100 * WAD - burned
    w.check_ledger()


@pytest.mark.parametrize("age", [7201, 24 * 3600])
def test_works_while_paused_and_until_the_price_is_a_day_old(world, age):
    w = world
    id = w.open()
    fund(w, AMOUNT, OTHER_RENTER)
    w.after(age)
    w.price(stamp=w.now - age, flags=1)
    assert w.engine.pay(id, AMOUNT, 0, sender=OTHER_RENTER.address) > 0


def test_reverts_stale(world):
    w = world
    id = w.open()
    w.price(stamp=w.now - 24 * 3600 - 1)
    with boa.reverts("engine: stale price"):
        w.engine.pay(id, AMOUNT, 0, sender=OTHER_RENTER.address)


def test_reverts_clamped(world):
    id = world.open()
    world.price(flags=2)
    with boa.reverts("engine: clamped"):
        world.engine.pay(id, AMOUNT, 0, sender=OTHER_RENTER.address)


def test_reverts_too_few(world):
    w = world
    id = w.open()
    with boa.reverts("engine: too few credits"):
        w.engine.pay(id, AMOUNT, w.engine.quote(AMOUNT) + 1, sender=OTHER_RENTER.address)


def test_reverts_lapsed_and_stopped(world):
    w = world
    id = w.open(prepaid=3600)
    w.after(3600)
    with boa.reverts("escrow: lapsed"):
        w.engine.pay(id, AMOUNT, 0, sender=OTHER_RENTER.address)
    w.escrow.stop(id, 0, sender=STRANGER.address)
    with boa.reverts("escrow: not open to payments"):
        w.engine.pay(id, AMOUNT, 0, sender=OTHER_RENTER.address)


def test_reverts_full(world):
    id = world.open(duration=DAY, prepaid=DAY)
    with boa.reverts("escrow: nothing fits"):
        world.engine.pay(id, AMOUNT, 0, sender=OTHER_RENTER.address)


def test_reverts_without_tokens(world):
    id = world.open()
    with boa.reverts("token: allowance"):
        world.engine.pay(id, AMOUNT, 0, sender=STRANGER.address)

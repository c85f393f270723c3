"""credit, debit, pay_in, take: what the engine alone may do to the ledger."""

import boa
import pytest

from tests.contracts.market.support import FIRST, M96, M128, OFFSET, PER_SECOND, events
from tests.support.actors import RENTER, STRANGER
from tests.support.constants import DAY, WAD


def as_engine(w):
    return {"sender": w.engine.address}


def test_credit_default(world):
    c, k = world.purse()
    world.escrow.credit(RENTER.address, 5, 3, **as_engine(world))
    assert world.purse() == (c + 5, k + 3)


def test_credit_reverts_from_anybody_else(world):
    with boa.reverts("escrow: caller is not engine"):
        world.escrow.credit(RENTER.address, 5, 3, sender=STRANGER.address)


@pytest.mark.parametrize("credits, backing", [(M128, 0), (0, M96)])
def test_credit_reverts_too_full(world, credits, backing):
    with boa.reverts("escrow: purse too full"):
        world.escrow.credit(RENTER.address, credits, backing, **as_engine(world))


def test_debit_default(world):
    c, k = world.purse()
    part = k * WAD // c
    assert world.escrow.debit(RENTER.address, WAD, **as_engine(world)) == part
    assert world.purse() == (c - WAD, k - part)


def test_debit_of_all_takes_all_backing(world):
    c, k = world.purse()
    assert world.escrow.debit(RENTER.address, c, **as_engine(world)) == k
    assert world.purse() == (0, 0)


def test_debit_reverts_from_anybody_else(world):
    with boa.reverts("escrow: caller is not engine"):
        world.escrow.debit(RENTER.address, 1, sender=RENTER.address)


def test_debit_reverts_more_than_there_is(world):
    with boa.reverts("escrow: purse has too little"):
        world.escrow.debit(STRANGER.address, 1, **as_engine(world))


def test_pay_in_default(world, lease):
    w = world
    c, k, *_ = w.money(lease)
    assert w.escrow.pay_in(lease, 1000, 400, STRANGER.address, **as_engine(w)) == (1000, 400)
    (log,) = events(w.escrow, "ToppedUp")
    assert (log.id, log.by, log.credits, log.backing) == (lease, STRANGER.address, 1000, 400)
    assert w.money(lease)[:2] == (c + 1000, k + 400)


def test_pay_in_takes_only_what_fits_and_rounds_its_backing_up(world):
    w = world
    id = w.open(duration=3 * DAY, prepaid=3 * DAY - 7)
    room = 7 * PER_SECOND
    assert w.escrow.room(id) == room
    credits, backing = room * 3 + 1, 10**9 + 7
    x, k = w.escrow.pay_in(id, credits, backing, RENTER.address, **as_engine(w))
    assert x == room
    assert k == -(-backing * room // credits)


def test_pay_in_reverts_from_anybody_else(world, lease):
    with boa.reverts("escrow: caller is not engine"):
        world.escrow.pay_in(lease, 1, 1, RENTER.address, sender=RENTER.address)


def test_pay_in_reverts_stopped(world, lease):
    world.after(3600)
    world.escrow.stop(lease, 0, sender=RENTER.address)
    with boa.reverts("escrow: not open to payments"):
        world.escrow.pay_in(lease, 1, 1, RENTER.address, **as_engine(world))


def test_pay_in_reverts_unknown(world):
    with boa.reverts("escrow: not open to payments"):
        world.escrow.pay_in(1, 1, 1, RENTER.address, **as_engine(world))


def test_pay_in_reverts_lapsed(world):
    id = world.open(prepaid=3600)
    world.after(3600)
    with boa.reverts("escrow: lapsed"):
        world.escrow.pay_in(id, 1, 1, RENTER.address, **as_engine(world))


def test_pay_in_reverts_full(world):
    id = world.open(duration=DAY, prepaid=DAY)
    with boa.reverts("escrow: nothing fits"):
        world.escrow.pay_in(id, 1, 1, RENTER.address, **as_engine(world))


def test_take_default(world, lease):
    w = world
    w.report()
    w.anchor(lease)
    w.settle(lease, FIRST)
    word = w.escrow.tally(1, w.period)
    assert word >> 128 == PER_SECOND * (3600 - OFFSET)
    assert w.escrow.take(1, w.period, **as_engine(w)) == word
    assert w.escrow.tally(1, w.period) == 0
    assert w.escrow.take(1, w.period, **as_engine(w)) == 0


def test_take_reverts_from_anybody_else(world):
    with boa.reverts("escrow: caller is not engine"):
        world.escrow.take(1, 0, sender=STRANGER.address)


@pytest.mark.parametrize("key, period", [(1 << 160, 0), (1, 1 << 40), (1, 1 << 41), (1 << 216 | 1, 0)])
def test_take_reverts_words_that_reach_into_anothers(world, key, period):
    with boa.reverts("escrow: no such tally"):
        world.escrow.take(key, period, **as_engine(world))

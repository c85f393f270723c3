"""pay_in: the engine pays into a running lease, only what fits."""

import boa

from tests.contracts.market.support import PER_SECOND, events
from tests.support.actors import RENTER, STRANGER
from tests.support.constants import DAY


def as_engine(w):
    return {"sender": w.engine.address}


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

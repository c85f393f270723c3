"""top_up: from anybody's purse into a running lease, as much as fits."""

import boa

from tests.contracts.market.support import FIRST, PER_SECOND, events
from tests.support.actors import OTHER_RENTER, RENTER
from tests.support.constants import DAY, WAD


def test_default(world, lease):
    w = world
    c, k = w.purse()
    credits, backing, *_ = w.money(lease)
    until = w.escrow.until(lease)
    x = 100 * PER_SECOND
    assert w.escrow.top_up(lease, x, sender=RENTER.address) == x
    (log,) = events(w.escrow, "ToppedUp")
    part = k * x // c
    assert (log.id, log.by, log.credits, log.backing) == (lease, RENTER.address, x, part)
    assert w.purse() == (c - x, k - part)
    assert w.money(lease)[:2] == (credits + x, backing + part)
    assert w.escrow.until(lease) == until + 100
    w.check_ledger()


def test_anybody_may_and_the_rest_goes_to_the_renter(world, lease):
    w = world
    w.buy(WAD, OTHER_RENTER)
    gift, _ = w.purse(OTHER_RENTER)
    w.escrow.top_up(lease, gift, sender=OTHER_RENTER.address)
    before, _ = w.purse()
    held = w.money(lease)[0]
    w.after(3600)
    w.escrow.stop(lease, 0, sender=RENTER.address)
    assert w.purse(OTHER_RENTER) == (0, 0)
    assert w.purse()[0] == before + held - 3600 * PER_SECOND


def test_takes_only_the_rest_of_the_term(world):
    w = world
    id = w.open(duration=3 * DAY, prepaid=2 * DAY)
    assert w.escrow.room(id) == DAY * PER_SECOND
    assert w.escrow.top_up(id, 5 * DAY * PER_SECOND, sender=RENTER.address) == DAY * PER_SECOND
    assert w.escrow.until(id) == w.terms(id)["start"] + 3 * DAY


def test_takes_only_the_longest_prepayment(world, lease):
    """The sheet allows seven days ahead; the term is longer."""
    w = world
    id = w.open(node=1, duration=30 * DAY, prepaid=2 * DAY)
    w.after(DAY)
    w.price()
    assert w.escrow.room(id) == 6 * DAY * PER_SECOND
    w.escrow.top_up(id, 30 * DAY * PER_SECOND, sender=RENTER.address)
    assert w.escrow.until(id) == w.now + 7 * DAY


def test_room_counts_what_was_settled(world, lease):
    w = world
    w.report()
    w.anchor(lease)
    room = w.escrow.room(lease)
    w.settle(lease, FIRST)
    assert w.escrow.room(lease) == room


def test_works_while_paused_and_clamped(world, lease):
    w = world
    w.price(flags=3)
    assert w.escrow.top_up(lease, WAD, sender=RENTER.address) == WAD


def test_works_until_the_price_is_24_epochs_old(world, lease):
    w = world
    w.after(24 * 3600)
    assert w.escrow.top_up(lease, WAD, sender=RENTER.address) == WAD
    w.after(1)
    with boa.reverts("escrow: stale price"):
        w.escrow.top_up(lease, WAD, sender=RENTER.address)


def test_reverts_nothing(world, lease):
    with boa.reverts("escrow: nothing fits"):
        world.escrow.top_up(lease, 0, sender=RENTER.address)


def test_reverts_full(world):
    id = world.open(duration=DAY, prepaid=DAY)
    with boa.reverts("escrow: nothing fits"):
        world.escrow.top_up(id, 1, sender=RENTER.address)


def test_reverts_lapsed(world):
    id = world.open(prepaid=3600)
    world.after(3600)
    with boa.reverts("escrow: lapsed"):
        world.escrow.top_up(id, 1, sender=RENTER.address)
    assert world.escrow.room(id) == 0


def test_reverts_stopped(world, lease):
    world.after(3600)
    world.escrow.stop(lease, 0, sender=RENTER.address)
    with boa.reverts("escrow: not open to payments"):
        world.escrow.top_up(lease, 1, sender=RENTER.address)
    assert world.escrow.room(lease) == 0


def test_reverts_poor(world, lease):
    with boa.reverts("escrow: purse is short"):
        world.escrow.top_up(lease, 1, sender=OTHER_RENTER.address)


def test_reverts_under_backed(world, lease):
    world.price(spot=10**12, twap=10**12)
    with boa.reverts("escrow: top-up under-backed"):
        world.escrow.top_up(lease, WAD, sender=RENTER.address)


def test_reverts_too_full(world):
    """A lease of more than 2**96 wei of a USD could not be stored."""
    w = world
    w.registry.set_node(3, 1, 3, 65_535, 2)
    id = w.open(
        node=3, rate=2**64 - 1, gpus=255, prepaid=0, extra=2**72, sheet=w.sheet(prepay=2**32 - 1), duration=2**28 - 1
    )
    w.escrow.eval(f"self.money[{id}] = {(2**96 - 10) << 160}")
    w.escrow.eval(f"self.purse[{RENTER.address}] = {2**100 << 128 | 2**96 - 1}")
    with boa.reverts("escrow: lease too full"):
        w.escrow.top_up(id, 100, sender=RENTER.address)

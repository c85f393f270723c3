"""give_notice: the provider shortens a lease, with full pay until then and no forfeit."""

import boa

from tests.contracts.market.support import PER_SECOND, events
from tests.support.actors import OPERATOR, OTHER_PROVIDER, PROVIDER, RENTER, STRANGER
from tests.support.constants import DAY


def test_default(world, lease):
    w = world
    w.after(5000)
    w.escrow.give_notice(lease, sender=OPERATOR.address)
    (log,) = events(w.escrow, "NoticeGiven")
    assert (log.id, log.duration) == (lease, 8600)
    t = w.terms(lease)
    assert (t["duration"], t["notice"], t["reason"]) == (8600, 1, 0)
    assert w.escrow.until(lease) == w.now + 3600
    assert w.escrow.room(lease) == 0


def test_never_below_the_minimum(world):
    w = world
    id = w.open(sheet=w.sheet(notice=3600, min_seconds=DAY))
    w.after(5)
    w.escrow.give_notice(id, sender=PROVIDER.address)
    assert w.terms(id)["duration"] == DAY


def test_excess_goes_home_at_the_stop(world, lease):
    w = world
    c, _ = w.purse()
    held = w.money(lease)[0]
    w.escrow.give_notice(lease, sender=OPERATOR.address)
    w.after(DAY)
    w.escrow.stop(lease, 0, sender=STRANGER.address)
    assert w.purse()[0] == c + held - 3600 * PER_SECOND


def test_reverts_where_it_changes_nothing(world):
    w = world
    id = w.open(duration=3600, prepaid=3600)
    with boa.reverts("escrow: notice changes nothing"):
        w.escrow.give_notice(id, sender=OPERATOR.address)


def test_reverts_a_second_time(world, lease):
    w = world
    w.escrow.give_notice(lease, sender=OPERATOR.address)
    w.after(60)
    with boa.reverts("escrow: notice changes nothing"):
        w.escrow.give_notice(lease, sender=OPERATOR.address)


def test_reverts_from_others(world, lease):
    for who in (RENTER, STRANGER, OTHER_PROVIDER):
        with boa.reverts("escrow: notice is the provider's"):
            world.escrow.give_notice(lease, sender=who.address)


def test_reverts_lapsed(world):
    w = world
    id = w.open(prepaid=3600)
    w.after(3600)
    with boa.reverts("escrow: lapsed before notice"):
        w.escrow.give_notice(id, sender=OPERATOR.address)


def test_reverts_stopped(world, lease):
    w = world
    w.escrow.stop(lease, 0, sender=PROVIDER.address)
    with boa.reverts("escrow: stopped before notice"):
        w.escrow.give_notice(lease, sender=OPERATOR.address)


def test_reverts_unknown(world):
    with boa.reverts("escrow: no such lease"):
        world.escrow.give_notice(1, sender=OPERATOR.address)

"""stop: who may end a lease when, for which reason, and what goes home at once."""

import boa
import pytest

from tests.contracts.market.support import (
    CLUSTER,
    FAULTED,
    FIRST,
    FUNDS,
    HOST_EXIT,
    HOST_FAULT,
    HOST_NOTICE,
    PER_SECOND,
    RENTER_CLOSED,
    TERM,
    events,
)
from tests.support.actors import OPERATOR, OTHER_PROVIDER, OTHER_RENTER, PROVIDER, RENTER, STRANGER
from tests.support.constants import DAY


def test_default_by_the_renter(world, lease):
    w = world
    w.after(5000)
    c, k = w.purse()
    credits, backing, *_ = w.money(lease)
    w.escrow.stop(lease, 0, sender=RENTER.address)
    (log,) = events(w.escrow, "Stopped")
    back = credits - 5000 * PER_SECOND
    part = backing * back // credits
    assert (log.id, log.by, log.reason, log.cause, log.after) == (lease, RENTER.address, RENTER_CLOSED, 0, 5000)
    assert (log.refund, log.backing) == (back, part)
    assert w.purse() == (c + back, k + part)
    assert w.money(lease)[:2] == (credits - back, backing - part)
    t = w.terms(lease)
    assert (t["length"], t["reason"], t["finished"]) == (5000, RENTER_CLOSED, 0)
    assert w.escrow.until(lease) == w.now
    assert w.reserved() == 0  # I3
    w.check_ledger()


def test_settled_part_does_not_come_back(world, lease):
    w = world
    w.report()
    w.anchor(lease)
    w.settle(lease, FIRST)
    w.after(1800)
    c, _ = w.purse()
    held = w.money(lease)[0]
    w.escrow.stop(lease, 0, sender=RENTER.address)
    assert w.money(lease)[0] == 1800 * PER_SECOND
    assert w.purse()[0] == c + held - 1800 * PER_SECOND


def test_renter_at_the_minimum_not_before(world, lease):
    w = world
    w.after(3599)
    with boa.reverts("escrow: may not stop it now"):
        w.escrow.stop(lease, 0, sender=RENTER.address)
    w.after(1)
    w.escrow.stop(lease, 0, sender=RENTER.address)
    assert w.terms(lease)["length"] == 3600


def test_renter_in_the_block_of_the_opening(world):
    """Without a minimum a lease may have length 0: all comes home."""
    w = world
    c, k = w.purse()
    id = w.open(sheet=w.sheet(min_seconds=0))
    w.escrow.stop(id, 0, sender=RENTER.address)
    assert w.purse() == (c, k)
    assert w.money(id)[:2] == (0, 0)
    assert w.terms(id)["reason"] == RENTER_CLOSED


def test_anybody_after_the_lapse_with_its_time(world):
    w = world
    id = w.open(prepaid=5000, extra=PER_SECOND - 1)
    w.after(4999)
    with boa.reverts("escrow: may not stop it now"):
        w.escrow.stop(id, 0, sender=STRANGER.address)
    w.after(DAY)
    w.escrow.stop(id, 0, sender=STRANGER.address)
    t = w.terms(id)
    assert (t["length"], t["reason"], t["cause"]) == (5000, FUNDS, 0)
    assert w.money(id)[0] == 5000 * PER_SECOND
    assert w.reserved() == 0


def test_end_of_the_term(world):
    w = world
    id = w.open(duration=5000, prepaid=5000)
    w.after(5000)
    w.escrow.stop(id, 0, sender=STRANGER.address)
    assert (w.terms(id)["reason"], w.terms(id)["cause"]) == (TERM, 0)


def test_end_by_notice(world, lease):
    w = world
    w.escrow.give_notice(lease, sender=OPERATOR.address)
    w.after(3600)
    w.escrow.stop(lease, 0, sender=RENTER.address)
    assert (w.terms(lease)["reason"], w.terms(lease)["cause"]) == (HOST_NOTICE, 1)


def test_funds_before_the_notice_ends(world):
    w = world
    id = w.open(prepaid=3600, sheet=w.sheet(notice=7200))
    w.escrow.give_notice(id, sender=OPERATOR.address)
    w.after(9000)
    w.escrow.stop(id, 0, sender=STRANGER.address)
    assert (w.terms(id)["reason"], w.terms(id)["length"]) == (FUNDS, 3600)


def test_owner_of_the_provider_without_notice(world, lease):
    w = world
    w.after(100)
    w.escrow.stop(lease, 0, sender=PROVIDER.address)
    t = w.terms(lease)
    assert (t["length"], t["reason"], t["cause"]) == (100, HOST_EXIT, 1)
    assert w.pool.locked(1) != 0  # the bond stays locked until finish


def test_reverts_operator_without_notice(world):
    """A stolen operator key signs an ask of a sheet that binds for years and takes it: leaving is not its right."""
    w = world
    hostile = w.sheet(notice=2**32 - 1, min_seconds=0)
    w.pool.lock(1, 0, 1, sender=w.market.address)
    id = w.open(sheet=hostile, bond=10**15, prepaid=300)
    locked = w.pool.locked(1)
    with boa.reverts("escrow: may not stop it now"):
        w.escrow.stop(id, 0, sender=OPERATOR.address)
    # what the operator may do: give notice, which forfeits nothing; here the sheet's is longer than the lease
    with boa.reverts("escrow: notice changes nothing"):
        w.escrow.give_notice(id, sender=OPERATOR.address)
    w.after(300)
    w.escrow.stop(id, 0, sender=STRANGER.address)
    w.escrow.free_bond(id, sender=STRANGER.address)
    assert w.pool.locked(1) == locked - 10**15
    assert events(w.escrow, "BondEnded")[0].taken == 0


def test_renter_of_a_faulted_node_at_once(world, lease):
    w = world
    w.after(10)
    w.registry.set_node(0, 1, 3, 8, FAULTED)
    w.escrow.stop(lease, 0, sender=RENTER.address)
    assert (w.terms(lease)["reason"], w.terms(lease)["cause"]) == (HOST_FAULT, 1)


def test_stranger_may_not_stop_a_faulted_node(world, lease):
    world.registry.set_node(0, 1, 3, 8, FAULTED)
    with boa.reverts("escrow: may not stop it now"):
        world.escrow.stop(lease, 0, sender=STRANGER.address)


def cluster(w, **more):
    return [w.open(node=n, id=10**40 + i, **more) for i, n in enumerate((0, 1, 2))]


def test_cluster_sibling(world):
    w = world
    a, b, c = cluster(w)
    w.after(10)
    w.escrow.stop(b, 0, sender=PROVIDER.address)
    w.escrow.stop(a, b, sender=RENTER.address)
    w.escrow.stop(c, b, sender=RENTER.address)
    assert [w.terms(i)["reason"] for i in (a, b, c)] == [CLUSTER, HOST_EXIT, CLUSTER]
    assert w.terms(a)["cause"] == 1


def refuses(w, id, sibling, sender=RENTER):
    with boa.reverts("escrow: no failed sibling"):
        w.escrow.stop(id, sibling, sender=sender.address)


def test_reverts_sibling_that_runs(world):
    a, b, _ = cluster(world)
    refuses(world, a, b)


def test_reverts_sibling_stopped_by_the_cluster_rule(world):
    w = world
    a, b, c = cluster(w)
    w.escrow.stop(b, 0, sender=PROVIDER.address)
    w.escrow.stop(a, b, sender=RENTER.address)
    refuses(w, c, a)


def test_reverts_lease_of_another_cluster(world):
    w = world
    a, *_ = cluster(w)
    far = w.open(node=3, id=10**40 + 8)
    w.escrow.stop(far, 0, sender=PROVIDER.address)
    refuses(w, a, far)


def test_reverts_neighbouring_id_of_another_renter(world):
    w = world
    a, *_ = cluster(w)
    w.buy(10**21, OTHER_RENTER)
    other = w.open(node=3, id=10**40 + 5, renter=OTHER_RENTER, prepaid=7200)
    w.escrow.stop(other, 0, sender=PROVIDER.address)
    refuses(w, a, other)


def test_reverts_neighbouring_id_of_another_start(world):
    w = world
    a, *_ = cluster(w)
    w.after(1)
    other = w.open(node=3, id=10**40 + 5)
    w.escrow.stop(other, 0, sender=PROVIDER.address)
    refuses(w, a, other)


@pytest.mark.parametrize("who", [STRANGER, OTHER_PROVIDER, OTHER_RENTER])
def test_reverts_strangers(world, lease, who):
    world.after(DAY)
    with boa.reverts("escrow: may not stop it now"):
        world.escrow.stop(lease, 0, sender=who.address)


def test_reverts_sibling_claimed_by_a_stranger(world):
    w = world
    a, b, _ = cluster(w)
    w.escrow.stop(b, 0, sender=PROVIDER.address)
    with boa.reverts("escrow: may not stop it now"):
        w.escrow.stop(a, b, sender=STRANGER.address)


def test_reverts_stopped(world, lease):
    w = world
    w.after(3600)
    w.escrow.stop(lease, 0, sender=RENTER.address)
    with boa.reverts("escrow: not running"):
        w.escrow.stop(lease, 0, sender=RENTER.address)


def test_reverts_unknown(world):
    with boa.reverts("escrow: not running"):
        world.escrow.stop(1, 0, sender=RENTER.address)


def test_works_whatever_the_price_and_the_node(world, lease):
    w = world
    w.price(stamp=0, flags=3)
    w.registry.set_node(0, 1, 3, 8, 5)
    w.after(3600)
    w.escrow.stop(lease, 0, sender=RENTER.address)
    assert w.reserved() == 0

"""free_bond: a bond of which nothing can be forfeited does not wait for the report of the stop."""

import boa
import pytest

from tests.contracts.market.support import FAULTED, FIRST, events
from tests.support.actors import OTHER_RENTER, PROVIDER, RENTER, SETTLER, STRANGER
from tests.support.constants import DAY

BOND = 10**9
NO_BOND = "escrow: no bond to free"


def stopped(w, after=5000, by=RENTER, **more):
    id = w.open(**more)
    w.after(after)
    w.escrow.stop(id, 0, sender=by.address)
    return id


def test_default_by_anybody(world):
    w = world
    id = stopped(w)
    c, k = w.purse()
    money = w.money(id)
    w.escrow.free_bond(id, sender=STRANGER.address)
    (log,), (ended,) = events(w.escrow, "BondFreed"), events(w.escrow, "BondEnded")
    assert (log.id, log.bond) == (id, BOND)
    assert (ended.provider, ended.shares, ended.taken, ended.limit) == (1, BOND, 0, 0)
    assert w.pool.locked(1) == 0
    assert w.escrow.party(id) == int(RENTER.address, 16) << 96
    assert (w.money(id), w.purse(), w.terms(id)["finished"]) == (money, (c, k), 0)
    w.check_ledger()


def test_finish_ends_no_bond_twice(world):
    """The same payments as without it; another lease's bond stays locked."""
    w = world
    other = w.open(node=1)
    id = stopped(w)
    w.report()
    w.report()
    w.anchor(id)
    with boa.env.anchor():
        w.escrow.finish(id, *w.leaf(FIRST + 1), sender=RENTER.address)
        plain = w.purse(), w.tally(), w.money(id), w.pool.locked(1)
    w.escrow.free_bond(id, sender=PROVIDER.address)
    w.escrow.finish(id, *w.leaf(FIRST + 1), sender=RENTER.address)
    (log,) = events(w.escrow, "Finished")
    assert (log.bond, log.taken, log.limit) == (0, 0, 0)
    assert events(w.escrow, "BondEnded") == []
    assert (w.purse(), w.tally(), w.money(id), w.pool.locked(1)) == plain
    assert w.pool.locked(1) == w.escrow.party(other) & (2**64 - 1) == BOND
    w.check_ledger()


def test_a_renter_cannot_hold_the_bonds_of_a_provider(world):
    """Open and stop in one block, again and again: the capacity is back at once, nothing waits for a report."""
    w = world
    free = w.sheet(min_seconds=0)
    for _ in range(3):
        id = stopped(w, 0, sheet=free)
        assert w.pool.locked(1) == BOND
        w.escrow.free_bond(id, sender=SETTLER.address)
        assert w.pool.locked(1) == 0
        w.escrow.finish(id, 0, 0, [], sender=SETTLER.address)


@pytest.mark.parametrize("length, ok", [(1799, True), (1800, False)])
def test_only_below_the_downtime_limit(world, length, ok):
    """stop_dark may still give the host's reason to a longer lease."""
    w = world
    id = stopped(w, length, sheet=w.sheet(min_seconds=0, limit=1800))
    if ok:
        w.escrow.free_bond(id, sender=STRANGER.address)
        assert w.pool.locked(1) == 0
        return
    with boa.reverts(NO_BOND):
        w.escrow.free_bond(id, sender=STRANGER.address)
    assert w.pool.locked(1) == BOND


def test_after_the_lapse_and_by_the_cluster_rule(world):
    w = world
    a, b = w.open(node=0, id=10**40, prepaid=4000), w.open(node=1, id=10**40 + 1, prepaid=4000)
    w.escrow.stop(b, 0, sender=PROVIDER.address)
    w.escrow.stop(a, b, sender=RENTER.address)
    w.escrow.free_bond(a, sender=STRANGER.address)
    assert w.pool.locked(1) == BOND
    with boa.reverts(NO_BOND):
        w.escrow.free_bond(b, sender=STRANGER.address)
    c = w.open(node=2, prepaid=4000)
    w.after(4000)
    w.escrow.stop(c, 0, sender=STRANGER.address)
    w.escrow.free_bond(c, sender=STRANGER.address)
    assert w.pool.locked(1) == BOND


def test_reverts_running(world, lease):
    world.after(4 * DAY)
    with boa.reverts(NO_BOND):
        world.escrow.free_bond(lease, sender=PROVIDER.address)


@pytest.mark.parametrize("faulted", [False, True])
def test_reverts_stopped_for_the_host(world, lease, faulted):
    w = world
    if faulted:
        w.registry.set_node(0, 1, 3, 8, FAULTED)
    w.escrow.stop(lease, 0, sender=(RENTER if faulted else PROVIDER).address)
    with boa.reverts(NO_BOND):
        w.escrow.free_bond(lease, sender=PROVIDER.address)


def test_reverts_twice(world):
    w = world
    id = stopped(w)
    w.escrow.free_bond(id, sender=STRANGER.address)
    with boa.reverts(NO_BOND):
        w.escrow.free_bond(id, sender=STRANGER.address)


def test_reverts_where_a_table_could_be_claimed(world):
    """A whole window of a day lies in the lease: a claim may come with a later escrow's rules, so the bond waits."""
    w = world
    table = 9_000 << 112 | 1_000 << 96
    long = stopped(w, 2 * DAY - 1, sheet=w.sheet(table=table))
    with boa.reverts(NO_BOND):
        w.escrow.free_bond(long, sender=STRANGER.address)
    w.go(FIRST + 60)
    w.price()
    short = stopped(w, DAY - 1, node=1, sheet=w.sheet(table=table))
    w.escrow.free_bond(short, sender=STRANGER.address)
    assert w.pool.locked(1) == BOND


def test_reverts_finished(world):
    w = world
    id = stopped(w, 0, sheet=w.sheet(min_seconds=0))
    w.escrow.finish(id, 0, 0, [], sender=STRANGER.address)
    with boa.reverts("escrow: finished"):
        w.escrow.free_bond(id, sender=STRANGER.address)


def test_reverts_unknown_and_barred(world):
    w = world
    with boa.reverts("escrow: no such lease"):
        w.escrow.free_bond(5, sender=STRANGER.address)
    w.escrow.bar(5, sender=w.market.address)
    with boa.reverts("escrow: finished"):
        w.escrow.free_bond(5, sender=STRANGER.address)


def test_a_later_stop_dark_finds_nothing(world):
    """What free_bond admits stop_dark can never turn into a forfeit: a lease below the limit holds too little fault."""
    w = world
    id = stopped(w, 1799, sheet=w.sheet(min_seconds=0, limit=1800))
    w.report({0: 0xFFF})
    w.escrow.free_bond(id, sender=STRANGER.address)
    with boa.reverts("escrow: not dark for so long"):
        w.escrow.stop_dark(id, *w.leaf(FIRST), *w.leaf(FIRST), sender=OTHER_RENTER.address)

"""until, room, due, tally and the words: what a reader may rely on."""

import boa

from tests.contracts.market.support import FIRST, OFFSET, PER_SECOND
from tests.support.actors import RENTER
from tests.support.constants import DAY


def test_until(world, lease):
    w = world
    start = w.terms(lease)["start"]
    assert w.escrow.until(lease) == start + 2 * DAY
    w.after(4000)
    w.escrow.stop(lease, 0, sender=RENTER.address)
    assert w.escrow.until(lease) == start + 4000


def test_until_never_passes_the_term(world):
    id = world.open(duration=DAY, prepaid=DAY, extra=10 * PER_SECOND)
    assert world.escrow.until(id) == world.now + DAY


def test_until_reverts_unknown(world):
    with boa.reverts("escrow: no such lease to read"):
        world.escrow.until(1)


def test_room_of_nothing_is_0(world):
    assert world.escrow.room(1) == 0


def test_due_says_what_settle_does(world, lease):
    w = world
    w.report({0: 0b11000})
    w.anchor(lease)
    w.report()
    seconds, credits = w.escrow.due(lease, *w.leaf(FIRST + 1))
    assert seconds == 7200 - OFFSET - 600
    assert credits == PER_SECOND * seconds
    w.settle(lease, FIRST)
    done = w.money(lease)[2]
    assert w.escrow.due(lease, *w.leaf(FIRST + 1)) == (seconds, PER_SECOND * (seconds - done))
    assert w.escrow.due(lease, *w.leaf(FIRST)) == (done, 0)


def test_due_reverts_without_anchor(world, lease):
    world.report()
    with boa.reverts("escrow: no anchor"):
        world.escrow.due(lease, *world.leaf(FIRST))


def test_due_reverts_after_the_stop(world):
    w = world
    id = w.open(prepaid=3600)
    w.report_until(FIRST + 2)
    w.anchor(id)
    with boa.reverts("escrow: epoch after the stop"):
        w.escrow.due(id, *w.leaf(FIRST + 2))


def test_due_reverts_unknown(world):
    world.report()
    with boa.reverts("escrow: no such lease"):
        world.escrow.due(1, *world.leaf(FIRST))


def test_peers_and_lengths(world):
    w, q = world, world.parameters
    e = w.escrow
    assert (e.HUB(), e.REGISTRY(), e.POOL()) == (w.hub.address, w.registry.address, w.pool.address)
    assert (e.MARKET(), e.ENGINE()) == (w.market.address, w.engine.address)
    assert (e.BOUNTY(), e.CLAIM(), e.ABANDON(), e.VERSION()) == (q.escrow_bounty, q.claim, q.abandon, "1")


def test_sheet_says_what_was_added(world):
    w = world
    i = w.sheet(notice=7200, min_seconds=3600)
    assert w.escrow.sheet(i) != 0
    assert w.escrow.sheet(i) != w.escrow.sheet(w.sheet(notice=3600, min_seconds=3600))
    assert w.escrow.sheet(i + 2) == w.escrow.sheet(2**255) == 0


def test_tally_of_nothing_is_0(world, lease):
    w = world
    assert w.escrow.tally(1, w.period) == 0
    w.report()
    w.anchor(lease)
    w.settle(lease, FIRST)
    assert w.escrow.tally(1, w.period) >> 128 == PER_SECOND * (3600 - OFFSET)
    assert w.escrow.tally(2, w.period) == w.escrow.tally(1, w.period + 1) == 0

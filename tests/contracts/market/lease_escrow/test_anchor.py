"""anchor: the base of a lease's downtime, from one leaf and no other."""

import boa
import pytest

from tests.contracts.market.support import FIRST, OFFSET, PER_SECOND, events
from tests.support.actors import RENTER, SETTLER, STRANGER
from tests.support.constants import M32, RING

BIAS = 2**31


def test_default(world):
    w = world
    id = w.open(node=1)
    w.report({1: 0b11})
    w.anchor(id, node=1)
    (log,) = events(w.escrow, "Anchored")
    base = w.uptime.true_down(FIRST, 1, OFFSET)
    assert base == 3 * 300 + 300 + 150  # slot 0 of epochs 3, 6 and 9, and what was dark of epoch 10 before the start
    assert (log.id, log.epoch, log.base) == (id, FIRST, base)
    assert w.money(id)[2:] == (0, base + BIAS)


def test_anchored_lease_ignores_downtime_before_its_start(world):
    w = world
    id = w.open(node=1)
    w.report({1: 0b1})
    w.anchor(id, node=1)
    w.settle(id, FIRST, node=1)
    assert w.money(id)[2] == 3600 - OFFSET


def test_after_the_start_left_the_ring_the_oldest_epoch_counts(world, lease):
    """What cannot be proven any more counts as down; the base may be negative."""
    w = world
    w.report_until(FIRST + 3)
    w.hub.set_last(FIRST + 3, FIRST + RING + 1)  # epochs up to 11 are out
    for e in (FIRST, FIRST + 1):
        with boa.reverts():
            w.anchor(lease, e)
    with boa.reverts("escrow: not the anchor's epoch"):
        w.anchor(lease, FIRST + 3)
    w.anchor(lease, FIRST + 2)
    lost = 2 * 3600 - OFFSET
    assert w.money(lease)[3] == BIAS + w.uptime.true_down(FIRST + 2, 0, 0) - lost
    assert w.money(lease)[3] < BIAS  # negative
    w.settle(lease, FIRST + 3)
    assert w.money(lease)[2] == 2 * 3600 == w.attested(lease, w.now, first=FIRST + 2)
    assert w.tally()[0] == PER_SECOND * 2 * 3600


def test_works_after_the_stop(world, lease):
    w = world
    w.after(3600)
    w.escrow.stop(lease, 0, sender=RENTER.address)
    w.report()
    w.anchor(lease)
    assert w.money(lease)[3] != 0


def test_of_a_void_epoch(world, lease):
    w = world
    w.report(void=True)
    w.report()
    w.anchor(lease)
    w.settle(lease, FIRST + 1)
    assert w.money(lease)[2] == 3600


def test_reverts_twice(world, lease):
    w = world
    w.report()
    w.anchor(lease)
    with boa.reverts("escrow: anchored before"):
        w.anchor(lease)


@pytest.mark.parametrize("e", [FIRST - 1, FIRST + 1])
def test_reverts_other_epoch(world, lease, e):
    w = world
    w.report_until(FIRST + 1)
    with boa.reverts("escrow: not the anchor's epoch"):
        w.anchor(lease, e)


def test_reverts_unknown(world):
    world.report()
    with boa.reverts("escrow: no such lease"):
        world.anchor(3)


def test_reverts_not_usable(world, lease):
    w = world
    w.report()
    w.hub.set_root(FIRST, w.uptime.word, w.now + 1)
    with boa.reverts("hub: not usable"):
        w.anchor(lease)


def test_reverts_forged(world, lease):
    w = world
    w.report()
    header, leaf, proof = w.leaf(FIRST)
    with boa.reverts("escrow: proof"):
        w.escrow.anchor(lease, header, leaf + 1, proof, sender=STRANGER.address)


def test_reverts_base_that_does_not_fit(world, lease):
    """Only a committee that lies writes such a leaf."""
    from tests.support.actors import keccak, words
    from tests.support.uptime import header_word, leaf_hash

    w = world
    header, leaf = header_word(FIRST, 0, 0, 0, 2), M32 << 64
    w.hub.set_root(FIRST, keccak(keccak(leaf_hash(0, leaf) + bytes(32)) + words(header)), w.now)
    with boa.reverts("escrow: base out of range"):
        w.escrow.anchor(lease, header, leaf, [bytes(32)], sender=SETTLER.address)

"""settle_first: anchor and first settlement in one call."""

import boa

from tests.contracts.market.support import FIRST, OFFSET, PER_SECOND, events, number
from tests.support.actors import SETTLER


def first(w, lease, e=FIRST + 1, e0=FIRST, payee=1):
    w.escrow.settle_first(lease, *w.leaf(e), payee, *w.leaf(e0), sender=SETTLER.address)


def test_default(world, lease):
    w = world
    w.report({0: 0b100})
    w.report({0: 0b1})
    first(w, lease)
    assert len(events(w.escrow, "Anchored")) == 1
    first_money = w.money(lease)
    assert first_money[2] == 7200 - OFFSET - 600
    assert w.tally()[0] == PER_SECOND * first_money[2]
    w.check_ledger()


def test_is_anchor_then_settle(world, lease):
    w = world
    other = w.open()
    w.report({0: 0b1100})
    w.report({0: 0b11})
    w.anchor(other)
    w.settle(other, FIRST + 1)
    first(w, lease)
    assert w.money(lease)[0] == w.money(other)[0]
    assert w.money(lease)[2:] == w.money(other)[2:]


def test_with_the_same_leaf_twice(world, lease):
    w = world
    w.report({0: 0b110})
    first(w, lease, FIRST, FIRST)
    assert w.money(lease)[2] == w.attested(lease, w.parameters.end(FIRST))


def test_bounty(world, lease):
    w = world
    w.report_until(FIRST + 24)
    first(w, lease, FIRST + 24, payee=number(SETTLER))
    assert w.tally(number(SETTLER))[0] == PER_SECOND * (25 * 3600 - OFFSET) // 100


def test_reverts_anchored(world, lease):
    w = world
    w.report_until(FIRST + 1)
    w.anchor(lease)
    with boa.reverts("escrow: anchored before"):
        first(w, lease)


def test_reverts_other_anchor(world, lease):
    w = world
    w.report_until(FIRST + 1)
    with boa.reverts("escrow: not the anchor's epoch"):
        first(w, lease, e0=FIRST + 1)


def test_reverts_nothing_due_and_anchors_nothing(world, lease):
    w = world
    w.report({0: 0xFFF})
    with boa.reverts("escrow: nothing due"):
        first(w, lease, FIRST)
    assert w.money(lease)[3] == 0


def test_reverts_forged_second_proof(world, lease):
    w = world
    w.report_until(FIRST + 1)
    header, leaf, proof = w.leaf(FIRST)
    with boa.reverts("escrow: proof"):
        w.escrow.settle_first(lease, *w.leaf(FIRST + 1), 1, header, leaf ^ 1, proof, sender=SETTLER.address)

"""set_peg: from the next PERIOD on; what was earned keeps the peg it was promised."""

import boa

from tests.contracts.market.support import DEPLOYER, FIRST, events
from tests.support.actors import STRANGER
from tests.support.constants import DAY

OWNER = {"sender": DEPLOYER.address}

ANYBODY = {"sender": STRANGER.address}

NOT_OWNER = "ownable: caller is not the owner"


def test_set_peg_default(world):
    w = world
    p = w.period
    w.engine.set_peg(9_900, **OWNER)
    (log,) = events(w.engine, "PegSet")
    assert (log.old, log.new, log.period) == (9_500, 9_900, p + 1)
    assert w.engine.peg() == 9_900
    assert [w.engine.peg_of(q) for q in (0, p, p + 1, p + 9)] == [9_500, 9_500, 9_900, 9_900]
    assert w.engine.fee_of(0) == 400


def test_set_peg_keeps_every_peg(world):
    w = world
    began = []
    for peg in (0, 9_900, 0, 100):
        began.append(w.period + 1)
        w.engine.set_peg(peg, **OWNER)
        w.after(2 * DAY)
    assert [w.engine.peg_of(p - 1) for p in began] == [9_500, 0, 9_900, 0]
    assert [w.engine.peg_of(p) for p in began] == [0, 9_900, 0, 100]


def test_set_peg_reverts_pending(world):
    w = world
    w.engine.set_peg(9_000, **OWNER)
    with boa.reverts("engine: a peg change is pending"):
        w.engine.set_peg(9_100, **OWNER)
    w.at(w.parameters.genesis + (w.period + 1) * DAY)
    w.engine.set_peg(9_100, **OWNER)
    assert [w.engine.peg_of(w.period + i) for i in (-1, 0, 1)] == [9_500, 9_000, 9_100]


def test_set_peg_reverts_unchanged(world):
    w = world
    with boa.reverts("engine: peg unchanged"):
        w.engine.set_peg(9_500, **OWNER)
    w.engine.set_peg(9_000, **OWNER)
    w.after(2 * DAY)
    with boa.reverts("engine: peg unchanged"):
        w.engine.set_peg(9_000, **OWNER)
    w.engine.set_peg(9_500, **OWNER)


def test_set_peg_reverts_when_too_many(world):
    w = world
    for i in range(128):
        w.engine.set_peg(i, **OWNER)
        w.after(DAY)
    with boa.reverts("engine: too many pegs"):
        w.engine.set_peg(9_000, **OWNER)
    # the oldest is still found
    assert (w.engine.peg_of(0), w.engine.peg_of(w.period)) == (9_500, 127)


def test_redeem_pays_the_peg_of_its_period(world):
    """The owner lowers the peg to nothing: what was earned before, and in this period, is paid as it was promised."""
    w = world
    id = w.open()
    w.report()
    w.anchor(id)
    w.settle(id, FIRST)
    p = w.period
    w.engine.set_peg(0, **OWNER)
    w.report_until(FIRST + 30)
    w.settle(id, FIRST + 30)
    for x in (p, w.period):
        w.hub.set_period(x, 2 * 10**12)
    w.engine.redeem(1, [p, w.period], **ANYBODY)
    old, new = events(w.engine, "Redeemed")
    rest = old.credits - old.fee
    assert old.minted == rest * 10**12 // (2 * 10**12) * 9_500 // 10_000
    assert (new.minted, new.attesters, new.builders) == (0, 0, 0)
    assert old.attesters != 0


def test_set_peg_reverts_over_cap(world):
    with boa.reverts("engine: peg over the cap"):
        world.engine.set_peg(9_901, **OWNER)


def test_set_peg_reverts_from_anybody_but_the_owner(world):
    with boa.reverts(NOT_OWNER):
        world.engine.set_peg(0, **ANYBODY)

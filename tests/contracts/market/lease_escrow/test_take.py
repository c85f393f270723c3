"""take: the engine empties a tally."""

import boa
import pytest

from tests.contracts.market.support import FIRST, OFFSET, PER_SECOND
from tests.support.actors import STRANGER


def as_engine(w):
    return {"sender": w.engine.address}


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

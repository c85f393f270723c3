"""credit: the engine fills a purse."""

import boa
import pytest

from tests.contracts.market.support import M96, M128
from tests.support.actors import RENTER, STRANGER


def as_engine(w):
    return {"sender": w.engine.address}


def test_credit_default(world):
    c, k = world.purse()
    world.escrow.credit(RENTER.address, 5, 3, **as_engine(world))
    assert world.purse() == (c + 5, k + 3)


def test_credit_reverts_from_anybody_else(world):
    with boa.reverts("escrow: caller is not engine"):
        world.escrow.credit(RENTER.address, 5, 3, sender=STRANGER.address)


@pytest.mark.parametrize("credits, backing", [(M128, 0), (0, M96)])
def test_credit_reverts_too_full(world, credits, backing):
    with boa.reverts("escrow: purse too full"):
        world.escrow.credit(RENTER.address, credits, backing, **as_engine(world))

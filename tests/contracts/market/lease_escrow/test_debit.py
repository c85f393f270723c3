"""debit: the engine takes from a purse, backing in proportion."""

import boa

from tests.support.actors import RENTER, STRANGER
from tests.support.constants import WAD


def as_engine(w):
    return {"sender": w.engine.address}


def test_debit_default(world):
    c, k = world.purse()
    part = k * WAD // c
    assert world.escrow.debit(RENTER.address, WAD, **as_engine(world)) == part
    assert world.purse() == (c - WAD, k - part)


def test_debit_of_all_takes_all_backing(world):
    c, k = world.purse()
    assert world.escrow.debit(RENTER.address, c, **as_engine(world)) == k
    assert world.purse() == (0, 0)


def test_debit_reverts_from_anybody_else(world):
    with boa.reverts("escrow: caller is not engine"):
        world.escrow.debit(RENTER.address, 1, sender=RENTER.address)


def test_debit_reverts_more_than_there_is(world):
    with boa.reverts("escrow: purse has too little"):
        world.escrow.debit(STRANGER.address, 1, **as_engine(world))

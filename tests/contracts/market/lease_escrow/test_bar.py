"""bar: makes sure that no lease of an id is ever made."""

import boa
import pytest

from tests.contracts.market.support import FIRST, LOW, PER_SECOND, RATE, events
from tests.support.actors import RENTER, STRANGER
from tests.support.constants import DAY, WAD


def act(world, *, id=77, credits=WAD, bond=10, renter=RENTER, low=LOW, sender=None):
    terms = RATE << 192 | 1 << 184 | 1 << 136 | world.now << 96 | DAY << 68
    ask = b"\2" * 32
    world.escrow.open(id, terms, renter.address, bond, credits, low, ask, sender=sender or world.market.address)
    return terms


def test_bar_default(world):
    world.escrow.bar(5, sender=world.market.address)
    assert events(world.escrow, "Barred")[0].id == 5
    assert world.escrow.terms(5) == 15 | 1 << 6
    with boa.reverts("escrow: id used"):
        act(world, id=5)


def test_bar_reverts_from_anybody_else(world):
    with boa.reverts("escrow: caller is not market"):
        world.escrow.bar(5, sender=STRANGER.address)


def test_bar_reverts_opened(world, lease):
    with boa.reverts("escrow: cannot bar"):
        world.escrow.bar(lease, sender=world.market.address)


def test_bar_reverts_twice(world):
    world.escrow.bar(5, sender=world.market.address)
    with boa.reverts("escrow: cannot bar"):
        world.escrow.bar(5, sender=world.market.address)


@pytest.mark.parametrize("act_", ["stop", "give_notice", "top_up", "finish"])
def test_barred_id_can_do_nothing(world, act_):
    w = world
    w.escrow.bar(5, sender=w.market.address)
    w.report_until(FIRST)
    calls = {
        "stop": lambda: w.escrow.stop(5, 0, sender=STRANGER.address),
        "give_notice": lambda: w.escrow.give_notice(5, sender=STRANGER.address),
        "top_up": lambda: w.escrow.top_up(5, PER_SECOND, sender=RENTER.address),
        "finish": lambda: w.escrow.finish(5, 0, 0, [], sender=STRANGER.address),
    }
    with boa.reverts():
        calls[act_]()
    assert w.escrow.terms(5) == 15 | 1 << 6

"""open: the market's word makes a lease out of a purse."""

import boa
import pytest

from tests.contracts.market.support import LOW, M96, PRICE, RATE, events
from tests.support.actors import OTHER_RENTER, RENTER, STRANGER
from tests.support.constants import DAY, WAD


def act(world, *, id=77, credits=WAD, bond=10, renter=RENTER, low=LOW, sender=None):
    terms = RATE << 192 | 1 << 184 | 1 << 136 | world.now << 96 | DAY << 68
    ask = b"\2" * 32
    world.escrow.open(id, terms, renter.address, bond, credits, low, ask, sender=sender or world.market.address)
    return terms


def test_open_default(world):
    w = world
    c, k = w.purse()
    terms = act(w)
    (log,) = events(w.escrow, "Opened")
    part = k * WAD // c
    assert (log.id, log.renter, log.provider, log.terms) == (77, RENTER.address, 1, terms)
    assert (log.credits, log.backing, log.bond, log.ask) == (WAD, part, 10, b"\2" * 32)
    assert w.escrow.terms(77) == terms
    assert w.money(77) == (WAD, part, 0, 0)
    assert w.escrow.party(77) == int(RENTER.address, 16) << 96 | 10
    assert w.purse() == (c - WAD, k - part)


def test_open_takes_the_whole_purse_with_all_backing(world):
    w = world
    c, k = w.purse()
    act(w, credits=c)
    assert w.purse() == (0, 0)
    assert w.money(77)[:2] == (c, k)


def test_open_reverts_from_anybody_else(world):
    for who in (STRANGER.address, RENTER.address, world.engine.address):
        with boa.reverts("escrow: caller is not market"):
            act(world, sender=who)


def test_open_reverts_used_id(world):
    act(world)
    with boa.reverts("escrow: id used"):
        act(world)


@pytest.mark.parametrize("credits", [0, M96 + 1, 2**256 - 1])
def test_open_reverts_deposit(world, credits):
    with boa.reverts("escrow: deposit out of range"):
        act(world, credits=credits)


def test_open_reverts_poor_purse(world):
    with boa.reverts("escrow: purse has too little"):
        act(world, renter=OTHER_RENTER, credits=1)


def test_open_reverts_under_backed(world):
    """Credits bought at 2 USD carry half a token each; at 1.90 they cover 95 %, the spread's share more; below not."""
    c, k = world.purse()
    least = -(-WAD * 9_500 * 10**12 // (10_000 * (k * WAD // c)))
    assert least < PRICE
    with boa.reverts("escrow: deposit under-backed"):
        act(world, low=least - 1)
    act(world, low=least)

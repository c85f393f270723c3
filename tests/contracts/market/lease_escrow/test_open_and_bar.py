"""open and bar: the market's word makes a lease out of a purse, or makes sure that none is ever made."""

import boa
import pytest

from tests.contracts.market.support import FIRST, LOW, M96, PER_SECOND, PRICE, RATE, events
from tests.support.actors import OTHER_RENTER, RENTER, STRANGER
from tests.support.constants import DAY, M64, WAD


def act(world, *, id=77, credits=WAD, bond=10, renter=RENTER, low=LOW, sender=None):
    terms = RATE << 192 | 1 << 176 | 1 << 128 | world.now << 88 | DAY << 56
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


def test_open_reverts_wide_bond(world):
    with boa.reverts("escrow: bond too wide"):
        act(world, bond=M64 + 1)


def test_open_reverts_wide_deposit(world):
    with boa.reverts("escrow: deposit too large"):
        act(world, credits=M96 + 1)


def test_open_reverts_empty_deposit(world):
    with boa.reverts("escrow: empty deposit"):
        act(world, credits=0)


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

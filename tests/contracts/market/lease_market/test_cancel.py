"""cancel: what a renter signed can be made void by the renter."""

import boa

from tests.contracts.market.support import events
from tests.support.actors import OPERATOR, RELAYER, RENTER, STRANGER


def test_cancel_default(world):
    w = world
    ask = w.ask(nodes=(0, 1))
    taken = w.take_of(ask, nodes=(0, 1))
    w.market.cancel(taken, sender=RENTER.address)
    (log,) = events(w.market, "Cancelled")
    assert (log.id, log.renter) == (w.id_of(taken), RENTER.address)
    assert [w.escrow.terms(w.id_of(taken) + i) & 15 for i in (0, 1, 2)] == [15, 15, 0]
    with boa.reverts("escrow: id used"):
        w.market.take(ask, taken, w.sign_ask(ask), w.sign_take(taken), [], sender=RELAYER.address)


def test_cancel_works_while_paused(world):
    w = world
    w.price(stamp=0, flags=3)
    w.market.cancel(w.take_of(w.ask()), sender=RENTER.address)
    assert w.escrow.terms(w.id_of(w.take_of(w.ask()))) & 15 == 15


def test_cancel_reverts_from_others(world):
    for who in (STRANGER, OPERATOR):
        with boa.reverts("market: cancel is the renter's"):
            world.market.cancel(world.take_of(world.ask()), sender=who.address)


def test_cancel_reverts_taken(world):
    w = world
    ask = w.ask()
    taken = w.take_of(ask)
    w.market.take(ask, taken, w.sign_ask(ask), b"", [], sender=RENTER.address)
    with boa.reverts("escrow: cannot bar"):
        w.market.cancel(taken, sender=RENTER.address)


def test_cancel_reverts_twice(world):
    w = world
    w.market.cancel(w.take_of(w.ask()), sender=RENTER.address)
    with boa.reverts("escrow: cannot bar"):
        w.market.cancel(w.take_of(w.ask()), sender=RENTER.address)


def test_cancel_reverts_nodes(world):
    taken = world.take_of(world.ask())
    taken[2] = 0
    with boa.reverts("market: nodes out of range"):
        world.market.cancel(taken, sender=RENTER.address)

"""refund: unspent credits back to tokens, never more than their backing, always open."""

import boa
import pytest

from tests.contracts.market.support import HIGH, events
from tests.support.actors import OTHER_RENTER, RENTER, STRANGER
from tests.support.constants import WAD


def test_default(world):
    w = world
    c, k = w.purse()
    supply, out = w.token.totalSupply(), w.engine.outstanding(w.escrow.address)
    part = k * WAD // c
    minted = min(WAD * 10**12 // HIGH, part) * 9_975 // 10_000
    assert w.engine.refund(WAD, minted, sender=RENTER.address) == minted
    (log,) = events(w.engine, "Refunded")
    assert (log.owner, log.credits, log.backing, log.minted, log.price) == (RENTER.address, WAD, part, minted, HIGH)
    assert w.purse() == (c - WAD, k - part)
    assert w.token.balanceOf(RENTER.address) == minted
    assert w.token.totalSupply() == supply + minted
    assert w.engine.outstanding(w.escrow.address) == out - part
    w.check_ledger()


def test_after_a_crash_mints_at_most_the_backing(world):
    w = world
    c, k = w.purse()
    w.price(spot=10**9, twap=10**9)
    assert w.engine.refund(c, 0, sender=RENTER.address) == k * 9_975 // 10_000
    assert w.engine.outstanding(w.escrow.address) == 0


def test_after_a_spike_mints_what_the_credits_are_worth(world):
    w = world
    c, _ = w.purse()
    w.price(spot=10**14, twap=10**13)
    assert w.engine.refund(c, 0, sender=RENTER.address) == c * 10**12 // 10**14 * 9_975 // 10_000


def test_dead_oracle_means_the_last_price(world):
    w = world
    w.price(stamp=0, flags=3)
    assert w.engine.refund(WAD, 0, sender=RENTER.address) == WAD * 10**12 // HIGH * 9_975 // 10_000


@pytest.mark.parametrize("credits", [0, 2**128])
def test_reverts_credits(world, credits):
    with boa.reverts("engine: credits out of range"):
        world.engine.refund(credits, 0, sender=RENTER.address)


def test_reverts_poor(world):
    with boa.reverts("escrow: purse has too little"):
        world.engine.refund(1, 0, sender=OTHER_RENTER.address)


def test_reverts_too_few(world):
    with boa.reverts("engine: too few tokens"):
        world.engine.refund(WAD, WAD, sender=RENTER.address)


def test_reverts_beyond_outstanding(world):
    """No state of the escrow mints more than was burned into it."""
    w = world
    w.escrow.eval(f"self.purse[{STRANGER.address}] = {10 * WAD << 128 | 10**24}")
    with boa.reverts("engine: beyond outstanding"):
        w.engine.refund(10 * WAD, 0, sender=STRANGER.address)

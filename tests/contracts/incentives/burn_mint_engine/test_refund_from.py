"""refund_from: credits of another ledger back to tokens, never more than was burned into it."""

import boa

from tests.contracts.market.support import DEPLOYER, HIGH, events
from tests.support.actors import RENTER, STRANGER
from tests.support.constants import WAD


def test_refund_from_default_after_the_grant_is_gone(world, bought_into):
    """EXIT is implied by the record and never revocable."""
    w = world
    w.engine.set_grant(bought_into.address, 0, sender=DEPLOYER.address)
    bought_into.set_debit(WAD)
    minted = w.engine.refund_from(bought_into.address, 2 * WAD, 0, sender=RENTER.address)
    (log,) = events(w.engine, "RefundedFrom")
    assert (log.ledger, log.owner, log.backing, log.minted) == (bought_into.address, RENTER.address, WAD, minted)
    assert minted == 2 * WAD * 10**12 // HIGH * 9_975 // 10_000
    assert w.engine.outstanding(bought_into.address) == 0


def test_refund_from_reverts_beyond_its_own_backing(world, bought_into):
    """A lying ledger takes what was burned into it, nothing of another's."""
    bought_into.set_debit(WAD + 1)
    with boa.reverts("engine: beyond ledger's backing"):
        world.engine.refund_from(bought_into.address, WAD, 0, sender=STRANGER.address)


def test_refund_from_reverts_never_granted(world):
    with boa.reverts("engine: ledger never granted"):
        world.engine.refund_from(world.escrow.address, WAD, 0, sender=RENTER.address)


def test_refund_from_of_a_ledger_that_comes_back_gains_nothing(world, bought_into):
    """Inside a refund of a hostile ledger the ledger may buy with its own tokens like anybody; it takes out nothing."""
    w = world
    bought_into.set_debit(WAD)
    bought_into.set_reenter(w.engine.address)
    supply = w.token.totalSupply()
    with boa.reverts():
        w.engine.refund_from(bought_into.address, WAD, 0, sender=STRANGER.address)
    assert w.token.totalSupply() == supply

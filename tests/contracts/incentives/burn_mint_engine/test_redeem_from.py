"""redeem_from: tallies of another ledger become tokens, out of its own backing."""

import boa
import pytest

from tests.contracts.incentives.burn_mint_engine.formulas import R, expected
from tests.contracts.market.support import DEPLOYER, events
from tests.support.actors import OPERATOR, OTHER_PROVIDER, PAYOUT, STRANGER
from tests.support.constants import WAD
from tests.support.suite import compiled


@pytest.fixture
def ledger(world, bought_into):
    world.hub.set_period(0, R)
    return bought_into


def test_redeem_from_default(world, ledger):
    w = world
    w.engine.set_grant(ledger.address, 0, sender=DEPLOYER.address)
    ledger.set_tally(WAD << 128 | WAD)
    assert w.engine.redeem_from(ledger.address, 1, [0], sender=STRANGER.address) == expected(WAD, WAD)[1]
    assert events(w.engine, "Redeemed")[0].ledger == ledger.address
    assert w.engine.outstanding(ledger.address) == 0


def test_redeem_from_pays_the_provider_of_the_ledgers_own_registry(world, ledger):
    # two registries count their providers from 0 each: 1 is somebody else there
    w = world
    theirs = compiled("mocks/RegistryForEscrow.vy").deploy(STRANGER.address, ledger.address)
    theirs.set_provider(1, OTHER_PROVIDER.address, OPERATOR.address, OTHER_PROVIDER.address)
    ledger.set_registry(theirs.address)
    ledger.set_tally(WAD << 128 | WAD)
    assert w.registry.payout(1) == PAYOUT.address
    before = w.token.balanceOf(PAYOUT.address)
    minted = w.engine.redeem_from(ledger.address, 1, [0], sender=STRANGER.address)
    assert events(w.engine, "Redeemed")[0].to == OTHER_PROVIDER.address
    assert w.token.balanceOf(OTHER_PROVIDER.address) == minted == expected(WAD, WAD)[1]
    assert w.token.balanceOf(PAYOUT.address) == before


@pytest.mark.parametrize("word", [WAD << 128 | WAD + 1, 2**256 - 1, 1 << 128 | 2**128 - 1])
def test_redeem_from_reverts_beyond_its_own_backing(world, ledger, word):
    w = world
    ledger.set_tally(word)
    out = w.engine.outstanding(w.escrow.address)
    with boa.reverts("engine: beyond ledger's backing"):
        w.engine.redeem_from(ledger.address, 1, [0], sender=STRANGER.address)
    assert w.engine.outstanding(w.escrow.address) == out


def test_redeem_from_reverts_a_tally_told_twice(world, ledger):
    ledger.set_tally(WAD << 128 | WAD * 2 // 3)
    with boa.reverts("engine: beyond ledger's backing"):
        world.engine.redeem_from(ledger.address, 1, [0, 0], sender=STRANGER.address)


def test_redeem_from_reverts_never_granted(world):
    with boa.reverts("engine: ledger never granted"):
        world.engine.redeem_from(STRANGER.address, 1, [0], sender=STRANGER.address)


def test_redeem_from_of_a_ledger_that_comes_back_gains_nothing(world, ledger):
    w = world
    ledger.set_tally(WAD << 128 | WAD)
    ledger.set_reenter(w.engine.address)
    supply = w.token.totalSupply()
    with boa.reverts():
        w.engine.redeem_from(ledger.address, 1, [0], sender=STRANGER.address)
    assert w.token.totalSupply() == supply

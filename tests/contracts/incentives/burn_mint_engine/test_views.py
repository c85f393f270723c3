"""What a reader may rely on before anything was changed."""

from tests.contracts.market.support import DEPLOYER, LOW
from tests.support.actors import BUILDERS, STRANGER
from tests.support.constants import WAD

ZERO = "0x" + "00" * 20


def test_settings(world):
    e = world.engine
    assert (e.owner(), e.pending_owner(), e.builders()) == (DEPLOYER.address, ZERO, BUILDERS.address)
    assert (e.hub(), e.hub_of(0), e.hub_of(2**40)) == (world.hub.address,) * 3
    assert (e.fee_of(0), e.fee_of(2**40)) == (400, 400)
    assert (e.peg(), e.peg_of(0), e.peg_of(2**40)) == (9_500, 9_500, 9_500)
    assert e.shares() == (3_000, 2_000)
    assert e.pots() == (0, 0)


def test_quote_is_the_lower_price_less_the_spread(world):
    assert world.engine.quote(WAD) == WAD * LOW // 10**12 * 9_975 // 10_000
    assert world.engine.quote(0) == 0


def test_another_ledger_has_nothing(world):
    assert world.engine.outstanding(STRANGER.address) == 0
    assert world.engine.grant_of(STRANGER.address) == 0
    assert world.engine.outstanding(world.escrow.address) != 0

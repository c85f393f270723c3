"""set_builders: where the builders' pot goes."""

import boa

from tests.contracts.market.support import DEPLOYER, events
from tests.support.actors import BUILDERS, RENTER, STRANGER

OWNER = {"sender": DEPLOYER.address}

ANYBODY = {"sender": STRANGER.address}

NOT_OWNER = "ownable: caller is not the owner"

ZERO = "0x" + "00" * 20


def test_set_builders_default(world):
    w = world
    w.engine.set_builders(RENTER.address, **OWNER)
    (log,) = events(w.engine, "BuildersSet")
    assert (log.old, log.new) == (BUILDERS.address, RENTER.address)
    assert w.engine.builders() == RENTER.address


def test_set_builders_reverts_zero(world):
    with boa.reverts("engine: builders is zero"):
        world.engine.set_builders(ZERO, **OWNER)


def test_set_builders_reverts_from_anybody_but_the_owner(world):
    with boa.reverts(NOT_OWNER):
        world.engine.set_builders(STRANGER.address, **ANYBODY)

"""accept_ownership: the second step, the new owner's."""

import boa

from tests.contracts.market.support import DEPLOYER
from tests.support.actors import RENTER, STRANGER

OWNER = {"sender": DEPLOYER.address}

ANYBODY = {"sender": STRANGER.address}

ZERO = "0x" + "00" * 20


def test_accept_ownership_default(world):
    world.engine.transfer_ownership(STRANGER.address, **OWNER)
    world.engine.accept_ownership(**ANYBODY)
    assert (world.engine.owner(), world.engine.pending_owner()) == (STRANGER.address, ZERO)


def test_accept_ownership_reverts_from_anybody_but_the_new_owner(world):
    world.engine.transfer_ownership(RENTER.address, **OWNER)
    for by in (ANYBODY, OWNER):
        with boa.reverts("ownable_2step: caller is not the new owner"):
            world.engine.accept_ownership(**by)
    assert world.engine.owner() == DEPLOYER.address

"""transfer_ownership: two steps."""

import boa

from tests.contracts.market.support import DEPLOYER
from tests.support.actors import STRANGER

OWNER = {"sender": DEPLOYER.address}

ANYBODY = {"sender": STRANGER.address}

NOT_OWNER = "ownable: caller is not the owner"


def test_ownership_changes_in_two_steps(world):
    w = world
    w.engine.transfer_ownership(STRANGER.address, **OWNER)
    assert (w.engine.owner(), w.engine.pending_owner()) == (DEPLOYER.address, STRANGER.address)
    w.engine.accept_ownership(**ANYBODY)
    assert w.engine.owner() == STRANGER.address


def test_transfer_ownership_reverts_from_anybody_but_the_owner(world):
    with boa.reverts(NOT_OWNER):
        world.engine.transfer_ownership(STRANGER.address, **ANYBODY)

"""set_grant: which second ledgers may take and give credits."""

import boa

from tests.contracts.market.support import DEPLOYER, events
from tests.support.actors import STRANGER

OWNER = {"sender": DEPLOYER.address}

ANYBODY = {"sender": STRANGER.address}

NOT_OWNER = "ownable: caller is not the owner"

ZERO = "0x" + "00" * 20


def test_set_grant_default(world):
    w = world
    w.engine.set_grant(STRANGER.address, 1, **OWNER)
    (log,) = events(w.engine, "GrantSet")
    assert (log.caller, log.old, log.new) == (STRANGER.address, 0, 1)
    assert w.engine.grant_of(STRANGER.address) == 1 << 128 | 1
    w.engine.set_grant(STRANGER.address, 0, **OWNER)
    assert w.engine.grant_of(STRANGER.address) == 1 << 128


def test_set_grant_reverts_no_ledger(world):
    for who in (ZERO, world.escrow.address):
        with boa.reverts("engine: no ledger to grant"):
            world.engine.set_grant(who, 1, **OWNER)


def test_set_grant_reverts_unknown_right(world):
    with boa.reverts("engine: unknown right"):
        world.engine.set_grant(STRANGER.address, 2, **OWNER)


def test_set_grant_reverts_from_anybody_but_the_owner(world):
    with boa.reverts(NOT_OWNER):
        world.engine.set_grant(STRANGER.address, 1, **ANYBODY)

from __future__ import annotations

import boa
import pytest

from tests.contracts.network.harness import FINDER, SLASH, SLASHER, ZERO, Trio, only
from tests.support.actors import OWNER, PROVIDER, STRANGER, Actor


def test_set_grant__given_and_taken_back(staked: Trio) -> None:
    staked.pool.set_grant(STRANGER.address, SLASH, sender=OWNER.address)
    log = only(staked.pool, "GrantSet")
    assert (log.caller, log.old, log.new) == (STRANGER.address, 0, SLASH)
    staked.pool.slash(0, 1, FINDER.address, sender=STRANGER.address)
    staked.pool.set_grant(STRANGER.address, 0, sender=OWNER.address)
    assert staked.pool.grant_of(STRANGER.address) == SLASH << 128
    with boa.reverts("pool: caller may not slash"):
        staked.pool.slash(0, 1, FINDER.address, sender=STRANGER.address)


def test_set_grant__to_zero__reverts(trio: Trio) -> None:
    with boa.reverts("pool: grant to zero"):
        trio.pool.set_grant(ZERO, SLASH, sender=OWNER.address)


@pytest.mark.parametrize("rights", [2, 3, 2**128, 2**256 - 1])
def test_set_grant__unknown_right__reverts(trio: Trio, rights: int) -> None:
    with boa.reverts("pool: unknown right"):
        trio.pool.set_grant(STRANGER.address, rights, sender=OWNER.address)


@pytest.mark.parametrize("caller", [PROVIDER, SLASHER, STRANGER])
def test_set_grant__by_another__reverts(trio: Trio, caller: Actor) -> None:
    with boa.reverts("ownable: caller is not the owner"):
        trio.pool.set_grant(caller.address, SLASH, sender=caller.address)

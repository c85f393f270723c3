"""set_owner: the registry pushes a provider's new owner."""

from __future__ import annotations

import boa
import pytest

from tests.contracts.network.harness import HUB, ZERO, Trio, only
from tests.support.actors import OTHER_PROVIDER, OWNER, PROVIDER, STRANGER, Actor


def test_set_owner__keeps_units_and_stake(staked: Trio) -> None:
    own, units = staked.pool.own(0), staked.units(0)
    staked.pool.set_owner(0, OTHER_PROVIDER.address, sender=staked.registry.address)
    log = only(staked.pool, "PoolOwnerSet")
    assert (log.provider, log.old, log.new) == (0, PROVIDER.address, OTHER_PROVIDER.address)
    assert staked.pool.need(0) == int(OTHER_PROVIDER.address, 16) << 96 | units
    assert staked.pool.own(0) == own


def test_set_owner__zero_or_no_pool__reverts(trio: Trio) -> None:
    trio.provider()
    with boa.reverts("pool: owner is zero"):
        trio.pool.set_owner(0, ZERO, sender=trio.registry.address)
    with boa.reverts("pool: no such pool"):
        trio.pool.set_owner(1, PROVIDER.address, sender=trio.registry.address)


@pytest.mark.parametrize("caller", [HUB, OWNER, PROVIDER, STRANGER])
def test_set_owner__by_another__reverts(staked: Trio, caller: Actor) -> None:
    with boa.reverts("pool: caller is not registry"):
        staked.pool.set_owner(0, caller.address, sender=caller.address)

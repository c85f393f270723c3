"""open_pool: the registry opens a provider's pool."""

from __future__ import annotations

import boa
import pytest

from tests.contracts.network.harness import HUB, ZERO, Trio, only
from tests.support.actors import OWNER, PROVIDER, STRANGER, Actor


def test_open_pool__below_until_it_has_stake(trio: Trio) -> None:
    by = trio.registry.address
    trio.pool.open_pool(5, PROVIDER.address, sender=by)
    log = only(trio.pool, "PoolOpened")
    assert (log.provider, log.owner) == (5, PROVIDER.address)
    assert trio.pool.need(5) == int(PROVIDER.address, 16) << 96
    assert trio.pool.own(5) == trio.now << 24
    assert trio.pool.last_below(5) == trio.now


def test_open_pool__twice__reverts(trio: Trio) -> None:
    trio.provider()
    with boa.reverts("pool: already open"):
        trio.pool.open_pool(0, STRANGER.address, sender=trio.registry.address)


def test_open_pool__zero_owner__reverts(trio: Trio) -> None:
    with boa.reverts("pool: owner is zero"):
        trio.pool.open_pool(0, ZERO, sender=trio.registry.address)


@pytest.mark.parametrize("caller", [HUB, OWNER, PROVIDER, STRANGER])
def test_open_pool__by_another__reverts(staked: Trio, caller: Actor) -> None:
    with boa.reverts("pool: caller is not registry"):
        staked.pool.open_pool(9, PROVIDER.address, sender=caller.address)

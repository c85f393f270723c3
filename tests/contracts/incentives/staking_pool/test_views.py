"""The words a reader relies on."""

from __future__ import annotations

import boa

from tests.contracts.network.harness import M40, ZERO, Trio
from tests.support.actors import OWNER, PROVIDER, STRANGER


def test_last_below__fits_its_field(trio: Trio) -> None:
    boa.env.timestamp = M40
    trio.pool.open_pool(0, PROVIDER.address, sender=trio.registry.address)
    assert trio.pool.last_below(0) == M40


def test_required__rounds_up(staked: Trio) -> None:
    for units in (0, 1, 2, 3, 10**9 + 1):
        staked.pool.set_units(0, units, sender=staked.registry.address)
        assert staked.pool.required(0) == staked.required(units)


def test_ceiling__grows_with_the_units(staked: Trio) -> None:
    assert staked.pool.ceiling(1) == 0
    assert staked.pool.ceiling(0) == 3 * staked.units(0)


def test_grant_of__nothing_until_granted(staked: Trio) -> None:
    assert staked.pool.grant_of(STRANGER.address) == 0
    staked.grant_slash(STRANGER)
    assert staked.pool.grant_of(STRANGER.address) & 1 == 1


def test_owner__is_the_deployer(trio: Trio) -> None:
    assert (trio.pool.owner(), trio.pool.pending_owner()) == (OWNER.address, ZERO)

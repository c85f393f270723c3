"""open_pool, set_owner, set_units: what the registry pushes."""

from __future__ import annotations

import boa
import pytest

from tests.contracts.network.harness import HUB, M40, ZERO, Trio, events, only
from tests.support.actors import OTHER_PROVIDER, OWNER, PROVIDER, STRANGER, Actor
from tests.support.constants import DAY


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


def test_set_units__enough_stake__no_mark(staked: Trio) -> None:
    before = staked.pool.own(0)
    old = staked.units(0)
    staked.pool.set_units(0, 2_000 * 10**9, sender=staked.registry.address)
    log = only(staked.pool, "UnitsSet")
    assert (log.provider, log.old, log.new) == (0, old, 2_000 * 10**9)
    assert staked.pool.required(0) == 1_000 * 10**9
    assert staked.pool.own(0) == before


def test_set_units__left_below_after__marks(staked: Trio) -> None:
    staked.pool.set_units(0, 2_000 * 10**9 + 1, sender=staked.registry.address)
    log = only(staked.pool, "FellBelow")
    assert (log.provider, log.at) == (0, staked.now)
    assert staked.pool.last_below(0) == staked.now
    assert staked.own(0).assets == staked.own(0).shares == 10**12


def test_set_units__found_below_before__marks_though_it_ends_above(staked: Trio) -> None:
    by = staked.registry.address
    staked.pool.set_units(0, 3_000 * 10**9, sender=by)
    staked.wait(DAY)
    staked.pool.set_units(0, 10, sender=by)
    assert only(staked.pool, "FellBelow").at == staked.now == staked.pool.last_below(0)
    staked.wait(DAY)
    staked.pool.set_units(0, 0, sender=by)
    assert events(staked.pool, "FellBelow") == []
    assert staked.pool.last_below(0) == staked.now - DAY


def test_set_units__wider_than_its_field__reverts(staked: Trio) -> None:
    by = staked.registry.address
    staked.pool.set_units(0, 2**64 - 1, sender=by)
    with boa.reverts("pool: units"):
        staked.pool.set_units(0, 2**64, sender=by)
    assert staked.pool.need(0) == int(PROVIDER.address, 16) << 96 | 2**64 - 1


def test_set_units__no_pool__reverts(trio: Trio) -> None:
    with boa.reverts("pool: no such pool"):
        trio.pool.set_units(0, 1, sender=trio.registry.address)


def test_last_below__fits_its_field(trio: Trio) -> None:
    boa.env.timestamp = M40
    trio.pool.open_pool(0, PROVIDER.address, sender=trio.registry.address)
    assert trio.pool.last_below(0) == M40


@pytest.mark.parametrize("caller", [HUB, OWNER, PROVIDER, STRANGER])
def test_pushes__by_another__revert(staked: Trio, caller: Actor) -> None:
    for call in (
        lambda: staked.pool.open_pool(9, PROVIDER.address, sender=caller.address),
        lambda: staked.pool.set_owner(0, caller.address, sender=caller.address),
        lambda: staked.pool.set_units(0, 0, sender=caller.address),
    ):
        with boa.reverts("pool: caller is not registry"):
            call()

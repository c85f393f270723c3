"""set_units: the registry pushes what a provider's nodes must be staked for."""

from __future__ import annotations

import boa
import pytest

from tests.contracts.network.harness import HUB, Trio, events, only
from tests.support.actors import OWNER, PROVIDER, STRANGER, Actor
from tests.support.constants import DAY


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


@pytest.mark.parametrize("caller", [HUB, OWNER, PROVIDER, STRANGER])
def test_set_units__by_another__reverts(staked: Trio, caller: Actor) -> None:
    with boa.reverts("pool: caller is not registry"):
        staked.pool.set_units(0, 0, sender=caller.address)

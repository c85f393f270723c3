from __future__ import annotations

import boa
import pytest

from tests.contracts.network.harness import HUB, MARKET, Trio, only
from tests.support.actors import OWNER, PROVIDER, STRANGER, Actor


def test_set_stake_price__moves_every_requirement(staked: Trio) -> None:
    old = staked.pool.stake_price()
    staked.pool.set_stake_price(10**12, sender=HUB.address)
    log = only(staked.pool, "StakePriceSet")
    assert (log.old, log.new) == (old, 10**12)
    assert staked.pool.stake_price() == 10**12
    assert staked.pool.required(0) == 200 * 10**9


def test_required__rounds_up(staked: Trio) -> None:
    staked.pool.set_units(0, 3, sender=staked.registry.address)
    third, largest = 10**12 // 3, 2**64 - 1
    for price, gwei in ((1, 1), (third, 1), (third + 1, 2), (10**12, 3), (largest, 3 * largest // 10**12 + 1)):
        staked.pool.set_stake_price(price, sender=HUB.address)
        assert staked.pool.required(0) == gwei


def test_required__largest_words__do_not_overflow(staked: Trio) -> None:
    staked.pool.set_units(0, 2**64 - 1, sender=staked.registry.address)
    staked.pool.set_stake_price(2**64 - 1, sender=HUB.address)
    assert staked.pool.required(0) == -(-((2**64 - 1) ** 2) // 10**12)


@pytest.mark.parametrize("price", [0, 2**64, 2**256 - 1])
def test_set_stake_price__out_of_range__reverts(trio: Trio, price: int) -> None:
    with boa.reverts("pool: stake price"):
        trio.pool.set_stake_price(price, sender=HUB.address)


@pytest.mark.parametrize("caller", [OWNER, MARKET, PROVIDER, STRANGER])
def test_set_stake_price__by_another__reverts(trio: Trio, caller: Actor) -> None:
    with boa.reverts("pool: caller is not the hub"):
        trio.pool.set_stake_price(1, sender=caller.address)

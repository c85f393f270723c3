from __future__ import annotations

import boa
import pytest

from tests.contracts.network.harness import ESCROW, FINDER, HUB, MARKET, SLASHER, Trio, only, write
from tests.support.actors import OWNER, PROVIDER, STRANGER, Actor
from tests.support.constants import GWEI


def test_lock__counts_shares__moves_no_asset(staked: Trio) -> None:
    before = staked.own(0)
    assert staked.pool.lock(0, 30 * GWEI, staked.pool.stake_price(), sender=MARKET.address) == 30 * GWEI
    log = only(staked.pool, "BondLocked")
    assert (log.provider, log.amount, log.shares) == (0, 30 * GWEI, 30 * GWEI)
    after = staked.own(0)
    assert (after.assets, after.shares, after.last_below) == (before.assets, before.shares, before.last_below)
    assert after.locked == 30 * GWEI
    assert staked.pool.lock(0, 970 * GWEI, staked.pool.stake_price(), sender=MARKET.address) == 970 * GWEI
    assert staked.own(0).locked == staked.own(0).shares


def test_lock__after_a_slash__more_shares__rounded_up(staked: Trio) -> None:
    staked.pool.slash(0, 200 * GWEI, FINDER.address, sender=SLASHER.address)
    # 0.9 gwei a share
    assert staked.pool.lock(0, 10, staked.pool.stake_price(), sender=MARKET.address) == 12
    assert staked.pool.lock(0, 9, staked.pool.stake_price(), sender=MARKET.address) == 10


def test_lock__bonded_stake_still_counts_as_required(staked: Trio) -> None:
    staked.pool.lock(0, 1_000 * GWEI - 1, staked.pool.stake_price(), sender=MARKET.address)
    assert staked.pool.lock(0, 1, staked.pool.stake_price(), sender=MARKET.address) == 1


def test_lock__below_the_required_stake__reverts(staked: Trio) -> None:
    staked.pool.set_stake_price(5 * 10**12, sender=HUB.address)
    assert staked.pool.required(0) == 1_000 * GWEI
    staked.pool.lock(0, 1, staked.pool.stake_price(), sender=MARKET.address)
    staked.pool.set_stake_price(5 * 10**12 + 1, sender=HUB.address)
    with boa.reverts("pool: below required stake"):
        staked.pool.lock(0, 1, staked.pool.stake_price(), sender=MARKET.address)


def test_lock__unbonding_stake__does_not_count(staked: Trio) -> None:
    staked.pool.unstake_own(0, 950 * GWEI, sender=PROVIDER.address)
    with boa.reverts("pool: below required stake"):
        staked.pool.lock(0, 1, staked.pool.stake_price(), sender=MARKET.address)


@pytest.mark.parametrize("word", [0, 1 << 192 | 1_001 << 128, 7 << 128])
@pytest.mark.parametrize("bond", [0, 1])
def test_lock__empty_or_dead_bucket__reverts(trio: Trio, word: int, bond: int) -> None:
    p = trio.provider()
    write(trio.pool, "own", word, p)
    with boa.reverts("pool: no live stake"):
        trio.pool.lock(p, bond, trio.pool.stake_price(), sender=MARKET.address)


def test_lock__no_such_pool__reverts(trio: Trio) -> None:
    with boa.reverts("pool: no live stake"):
        trio.pool.lock(3, 0, trio.pool.stake_price(), sender=MARKET.address)


@pytest.mark.parametrize("bond", [1_000 * GWEI + 1, 2**64, 2**128])
def test_lock__more_than_is_free__reverts(staked: Trio, bond: int) -> None:
    with boa.reverts("pool: bond exceeds free stake"):
        staked.pool.lock(0, bond, staked.pool.stake_price(), sender=MARKET.address)


def test_lock__overflow__reverts(staked: Trio) -> None:
    with boa.reverts():
        staked.pool.lock(0, 2**256 - 1, staked.pool.stake_price(), sender=MARKET.address)
    assert staked.own(0).locked == 0


@pytest.mark.parametrize("caller", [ESCROW, OWNER, PROVIDER, STRANGER])
def test_lock__by_another__reverts(staked: Trio, caller: Actor) -> None:
    with boa.reverts("pool: caller is not the market"):
        staked.pool.lock(0, 1, staked.pool.stake_price(), sender=caller.address)

from __future__ import annotations

import boa
import pytest

from tests.contracts.network.harness import FINDER, HUB, SLASHER, Own, Trio, events, only, write
from tests.support.actors import OPERATOR, OTHER_PROVIDER, OWNER, PROVIDER, STRANGER, Actor
from tests.support.constants import GWEI, M64, WAD


def test_stake_own__one_share_a_gwei_at_first(trio: Trio) -> None:
    p = trio.provider()
    trio.fund(PROVIDER, 100 * WAD)
    trio.token.approve(trio.pool.address, 2**256 - 1, sender=PROVIDER.address)
    assert trio.pool.stake_own(p, 30 * GWEI, sender=PROVIDER.address) == 30 * GWEI
    log, moved = only(trio.pool, "Staked"), only(trio.pool, "Transfer")
    assert (log.provider, log.who, log.amount, log.shares) == (p, PROVIDER.address, 30 * GWEI, 30 * GWEI)
    assert (moved.sender, moved.receiver, moved.amount) == (PROVIDER.address, trio.pool.address, 30 * WAD)
    assert trio.own(p) == Own(30 * GWEI, 30 * GWEI, 0, trio.now)
    assert trio.held() == 30 * WAD
    assert trio.token.balanceOf(PROVIDER.address) == 70 * WAD


def test_stake_own__one_gwei__is_a_stake(trio: Trio) -> None:
    p = trio.provider()
    assert trio.stake(p, 1) == 1
    assert trio.stake(p, 10**17) == 10**17


def test_stake_own__after_a_slash__more_shares_a_gwei__rounded_down(staked: Trio) -> None:
    staked.pool.slash(0, 200 * GWEI, FINDER.address, sender=SLASHER.address)
    own = staked.own(0)
    assert (own.assets, own.shares) == (900 * GWEI, 1_000 * GWEI)
    assert staked.stake(0, 10) == 11


def test_stake_own__found_below__marks_though_it_ends_above(staked: Trio) -> None:
    staked.pool.set_stake_price(10**13, sender=HUB.address)
    staked.wait(500)
    staked.stake(0, 10_000 * GWEI)
    assert staked.pool.last_below(0) == staked.now
    staked.wait(500)
    staked.stake(0, 1)
    assert events(staked.pool, "FellBelow") == []
    assert staked.pool.last_below(0) == staked.now - 500


def test_stake_own__donations__change_nothing(trio: Trio) -> None:
    """T17: a first depositor of one gwei and a donation of 10^6 tokens take nothing from the next deposit."""
    p = trio.provider()
    trio.stake(p, 1)
    trio.fund(STRANGER, 10**6 * WAD)
    trio.token.transfer(trio.pool.address, 10**6 * WAD, sender=STRANGER.address)
    assert trio.stake(p, 10**9) == 10**9
    trio.pool.unstake_own(p, 10**9, sender=PROVIDER.address)
    trio.wait(trio.parameters.unbonding)
    assert trio.pool.withdraw(p, PROVIDER.address, 0) == 10**9


def test_stake_own__dead_bucket__reverts__a_new_provider_goes_on(trio: Trio) -> None:
    p = trio.provider()
    trio.node(p)
    trio.stake(p, 2_000)
    write(trio.pool, "own", 1 << 192 | 1_001 << 128, p)
    with boa.reverts("pool: dead, open a new provider"):
        trio.stake(p, 10**9)
    write(trio.pool, "own", 1 << 192 | 1_000 << 128, p)
    assert trio.stake(p, 5) == 5_000
    q = trio.provider()
    assert trio.stake(q, 10**9) == 10**9


@pytest.mark.parametrize("amount", [0, M64 + 1, 2**256 - 1])
def test_stake_own__nothing_or_too_much__reverts(trio: Trio, amount: int) -> None:
    p = trio.provider()
    with boa.reverts("pool: amount"):
        trio.pool.stake_own(p, amount, sender=PROVIDER.address)


def test_stake_own__beyond_64_bits__reverts(trio: Trio) -> None:
    p = trio.provider()
    trio.stake(p, 1)
    with boa.reverts("pool: amount"):
        trio.pool.stake_own(p, M64, sender=PROVIDER.address)
    write(trio.pool, "own", 10**16 << 192 | 10**19 << 128, p)
    with boa.reverts("pool: too many shares"):
        trio.pool.stake_own(p, 10**16, sender=PROVIDER.address)


def test_stake_own__worth_no_share__reverts(trio: Trio) -> None:
    p = trio.provider()
    # cannot come about by calls yet: rewards will raise the assets over the shares
    write(trio.pool, "own", 100 << 192 | 10 << 128, p)
    with boa.reverts("pool: too little for a share"):
        trio.pool.stake_own(p, 9, sender=PROVIDER.address)


@pytest.mark.parametrize("caller", [OPERATOR, OTHER_PROVIDER, OWNER, STRANGER])
def test_stake_own__by_another__reverts(trio: Trio, caller: Actor) -> None:
    p = trio.provider()
    with boa.reverts("pool: caller is not its owner"):
        trio.pool.stake_own(p, 1, sender=caller.address)
    with boa.reverts("pool: caller is not its owner"):
        trio.pool.stake_own(p + 1, 1, sender=caller.address)


def test_stake_own__without_allowance__reverts(trio: Trio) -> None:
    p = trio.provider()
    trio.fund(PROVIDER, WAD)
    with boa.reverts("token: allowance"):
        trio.pool.stake_own(p, GWEI, sender=PROVIDER.address)
    assert trio.own(p).assets == 0

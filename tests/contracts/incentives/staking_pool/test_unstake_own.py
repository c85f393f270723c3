from __future__ import annotations

import boa
import pytest

from tests.contracts.network.harness import ESCROW, FINDER, MARKET, SLASHER, Trio, events, only, write
from tests.support.actors import OPERATOR, OTHER_PROVIDER, OWNER, PROVIDER, RENTER, STRANGER, Actor
from tests.support.constants import GWEI, M64


def test_unstake_own__becomes_a_ticket(staked: Trio) -> None:
    held = staked.held()
    assert staked.pool.unstake_own(0, 300 * GWEI, sender=PROVIDER.address) == 0
    log = only(staked.pool, "Unbonding")
    release = staked.now + staked.parameters.unbonding
    assert (log.provider, log.who, log.ticket, log.amount, log.release) == (0, PROVIDER.address, 0, 300 * GWEI, release)
    assert events(staked.pool, "FellBelow") == []
    assert staked.ticket(0, PROVIDER, 0) == (300 * GWEI, release)
    assert staked.tickets(0) == (300 * GWEI, 300 * GWEI)
    assert (staked.own(0).assets, staked.own(0).shares) == (700 * GWEI, 700 * GWEI)
    assert staked.pool.stake_of(0, PROVIDER.address) == 1 << 64
    assert staked.held() == held


def test_unstake_own__tickets_never_merge(staked: Trio) -> None:
    for i, part in enumerate((5, 6, 7)):
        assert staked.pool.unstake_own(0, part, sender=PROVIDER.address) == i
        staked.wait(60)
    releases = [staked.ticket(0, PROVIDER, i) for i in range(3)]
    first = staked.now - 180 + staked.parameters.unbonding
    assert releases == [(5, first), (6, first + 60), (7, first + 120)]


def test_unstake_own__may_leave_the_pool_below__and_marks(staked: Trio) -> None:
    required = staked.pool.required(0)
    staked.pool.unstake_own(0, 1_000 * GWEI - required, sender=PROVIDER.address)
    assert events(staked.pool, "FellBelow") == []
    staked.pool.unstake_own(0, 1, sender=PROVIDER.address)
    assert only(staked.pool, "FellBelow").at == staked.now
    assert staked.pool.last_below(0) == staked.now


def test_unstake_own__everything__leaves_an_empty_pool_that_takes_stake(staked: Trio) -> None:
    staked.pool.unstake_own(0, 1_000 * GWEI, sender=PROVIDER.address)
    assert (staked.own(0).assets, staked.own(0).shares) == (0, 0)
    assert staked.stake(0, 7) == 7


def test_unstake_own__rounds_down__the_rest_stays_in_the_bucket(staked: Trio) -> None:
    staked.pool.slash(0, 1, FINDER.address, sender=SLASHER.address)
    assert staked.own(0).assets == 1_000 * GWEI - 1
    staked.pool.unstake_own(0, 2, sender=PROVIDER.address)
    assert staked.tickets(0) == (1, 1)
    assert (staked.own(0).assets, staked.own(0).shares) == (1_000 * GWEI - 2, 1_000 * GWEI - 2)


def test_unstake_own__dead_bucket__pays_what_is_left(trio: Trio) -> None:
    p = trio.provider()
    trio.stake(p, 10**9)
    write(trio.pool, "own", 3 << 192 | 10**9 << 128, p)
    trio.pool.unstake_own(p, 10**9, sender=PROVIDER.address)
    assert trio.tickets(p) == (3, 3)
    assert trio.own(p).shares == 0
    assert trio.stake(p, 5) == 5, "an empty bucket is alive again"


def test_unstake_own__of_worthless_shares__reverts(trio: Trio) -> None:
    p = trio.provider()
    trio.stake(p, 10**9)
    write(trio.pool, "own", 10**9 << 128, p)
    with boa.reverts("pool: worth nothing"):
        trio.pool.unstake_own(p, 10**9, sender=PROVIDER.address)


def test_unstake_own__dead_tickets__wait_until_the_old_ones_are_withdrawn(staked: Trio) -> None:
    """I8: the exit is closed no longer than the old tickets need to mature."""
    staked.pool.unstake_own(0, 5_000, sender=PROVIDER.address)
    write(staked.pool, "unbonding", staked.pool.unbonding(0) - (4_999 << 192), 0)
    with boa.reverts("pool: withdraw old tickets first"):
        staked.pool.unstake_own(0, 10, sender=PROVIDER.address)
    staked.wait(staked.parameters.unbonding)
    assert staked.pool.withdraw(0, PROVIDER.address, 0, sender=STRANGER.address) == 1
    assert staked.pool.unstake_own(0, 10, sender=PROVIDER.address) == 1
    assert staked.tickets(0) == (10, 10)


def test_unstake_own__ticket_word_full__reverts(staked: Trio) -> None:
    write(staked.pool, "unbonding", (M64 - 5) << 192 | (M64 - 5) << 128, 0)
    with boa.reverts("pool: withdraw old tickets first"):
        staked.pool.unstake_own(0, 6, sender=PROVIDER.address)
    assert staked.pool.unstake_own(0, 5, sender=PROVIDER.address) == 0


@pytest.mark.parametrize("part", [0, 1_000 * GWEI + 1, 2**192, 2**256 - 1])
def test_unstake_own__nothing_or_too_much__reverts(staked: Trio, part: int) -> None:
    with boa.reverts("pool: shares not free"):
        staked.pool.unstake_own(0, part, sender=PROVIDER.address)


def test_unstake_own__locked_shares__revert(staked: Trio) -> None:
    locked = staked.pool.lock(0, 400 * GWEI, staked.pool.stake_price(), sender=MARKET.address)
    with boa.reverts("pool: shares not free"):
        staked.pool.unstake_own(0, 600 * GWEI + 1, sender=PROVIDER.address)
    staked.pool.unstake_own(0, 600 * GWEI, sender=PROVIDER.address)
    staked.pool.end_bond(0, locked, 0, RENTER.address, 0, sender=ESCROW.address)
    assert staked.pool.unstake_own(0, locked, sender=PROVIDER.address) == 1


@pytest.mark.parametrize("caller", [OPERATOR, OTHER_PROVIDER, OWNER, MARKET, STRANGER])
def test_unstake_own__by_another__reverts(staked: Trio, caller: Actor) -> None:
    with boa.reverts("pool: not the owner's shares"):
        staked.pool.unstake_own(0, 1, sender=caller.address)

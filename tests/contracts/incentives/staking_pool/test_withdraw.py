from __future__ import annotations

import boa
import pytest

from tests.contracts.network.harness import FINDER, SLASHER, Trio, events, only, write
from tests.support.actors import PROVIDER, RENTER, STRANGER
from tests.support.constants import GWEI


def test_withdraw__pays_the_owner__whoever_calls(staked: Trio) -> None:
    staked.pool.unstake_own(0, 300 * GWEI, sender=PROVIDER.address)
    staked.wait(staked.parameters.unbonding)
    before = staked.token.balanceOf(PROVIDER.address)
    assert staked.pool.withdraw(0, PROVIDER.address, 0, sender=STRANGER.address) == 300 * GWEI
    log, moved = only(staked.pool, "Withdrawn"), only(staked.pool, "Transfer")
    assert (log.provider, log.who, log.ticket, log.amount) == (0, PROVIDER.address, 0, 300 * GWEI)
    assert (moved.sender, moved.receiver, moved.amount) == (staked.pool.address, PROVIDER.address, 300 * GWEI * GWEI)
    assert staked.token.balanceOf(PROVIDER.address) - before == 300 * GWEI * GWEI
    assert staked.tickets(0) == (0, 0)
    assert staked.pool.ticket_of(0, PROVIDER.address, 0) == 0
    assert staked.held() == 700 * GWEI * GWEI


def test_withdraw__a_second_before_maturity__reverts(staked: Trio) -> None:
    staked.pool.unstake_own(0, 1, sender=PROVIDER.address)
    staked.wait(staked.parameters.unbonding - 1)
    with boa.reverts("pool: ticket not mature"):
        staked.pool.withdraw(0, PROVIDER.address, 0)
    staked.wait(1)
    assert staked.pool.withdraw(0, PROVIDER.address, 0) == 1


def test_withdraw__twice_or_nothing__reverts(staked: Trio) -> None:
    staked.pool.unstake_own(0, 1, sender=PROVIDER.address)
    staked.wait(staked.parameters.unbonding)
    staked.pool.withdraw(0, PROVIDER.address, 0)
    for who, i in ((PROVIDER, 0), (PROVIDER, 1), (RENTER, 0)):
        with boa.reverts("pool: no such ticket"):
            staked.pool.withdraw(0, who.address, i)
    with boa.reverts("pool: no such ticket"):
        staked.pool.withdraw(1, PROVIDER.address, 0)


def test_withdraw__a_ticket_slashed_to_nothing__is_cleared(staked: Trio) -> None:
    staked.pool.unstake_own(0, 5, sender=PROVIDER.address)
    write(staked.pool, "unbonding", 5 << 128, 0)
    staked.wait(staked.parameters.unbonding)
    assert staked.pool.withdraw(0, PROVIDER.address, 0) == 0
    assert events(staked.pool, "Transfer") == []
    assert staked.tickets(0) == (0, 0)


def test_withdraw__order_does_not_matter__rounding_stays_in_the_bucket(staked: Trio) -> None:
    for part in (1, 2, 4):
        staked.pool.unstake_own(0, part, sender=PROVIDER.address)
    write(staked.pool, "unbonding", 5 << 192 | 7 << 128, 0)
    staked.wait(staked.parameters.unbonding)
    paid = [staked.pool.withdraw(0, PROVIDER.address, i) for i in (2, 0, 1)]
    assert paid == [2, 1, 2] and staked.tickets(0) == (0, 0)


@pytest.mark.parametrize("years", [1, 10])
def test_withdraw__long_after__pays(staked: Trio, years: int) -> None:
    staked.pool.unstake_own(0, 10, sender=PROVIDER.address)
    staked.pool.slash(0, 1, FINDER.address, sender=SLASHER.address)
    staked.wait(years * 365 * 86_400)
    assert staked.pool.withdraw(0, PROVIDER.address, 0) == 10

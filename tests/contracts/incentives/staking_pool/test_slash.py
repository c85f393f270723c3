"""slash and its ceiling: I13, and never the whole pool."""

from __future__ import annotations

import boa
import pytest

from tests.contracts.network.harness import ESCROW, FINDER, MARKET, SLASHER, ZERO, Trio, events, only, write
from tests.support.actors import OWNER, PROVIDER, RENTER, STRANGER, Actor
from tests.support.constants import DAY, GWEI

UNITS = 200 * GWEI  # of provider 0: two GPUs of $100
COST = 100 * GWEI  # gwei of UNITS at S = 0.5


def slash(trio: Trio, units: int, finder: Actor | str = FINDER) -> int:
    """Gwei slashed."""
    to = finder if isinstance(finder, str) else finder.address
    trio.pool.slash(0, units, to, sender=SLASHER.address)
    return int(only(trio.pool, "Slashed").own)


def test_slash__own_bucket__a_fifth_to_the_finder__rest_burned(staked: Trio) -> None:
    supply, held = staked.token.totalSupply(), staked.held()
    staked.pool.slash(0, UNITS, FINDER.address, sender=SLASHER.address)
    log = only(staked.pool, "Slashed")
    reward, burn = events(staked.pool, "Transfer")
    assert (log.provider, log.own, log.delegated, log.finder, log.reward) == (0, COST, 0, FINDER.address, COST // 5)
    assert (reward.receiver, reward.amount) == (FINDER.address, COST // 5 * GWEI)
    assert (burn.receiver, burn.amount) == (ZERO, COST * 4 // 5 * GWEI)
    own = staked.own(0)
    assert (own.assets, own.shares) == (900 * GWEI, 1_000 * GWEI)
    assert staked.token.balanceOf(FINDER.address) == COST // 5 * GWEI
    assert staked.token.totalSupply() == supply - COST * 4 // 5 * GWEI
    assert staked.held() == held - COST * GWEI


def test_slash__rounds_up__reward_rounds_down(staked: Trio) -> None:
    staked.pool.slash(0, 17, FINDER.address, sender=SLASHER.address)
    log = only(staked.pool, "Slashed")
    assert (log.own, log.reward) == (9, 1)


def test_slash__tickets_by_the_same_factor__nobody_is_senior(staked: Trio) -> None:
    """T14, C12: unbonding in the transaction before does not help; the renter's damages fall alike."""
    bond = staked.pool.lock(0, 200 * GWEI, staked.pool.stake_price(), sender=MARKET.address)
    staked.pool.end_bond(0, bond, bond, RENTER.address, 2**64, sender=ESCROW.address)
    staked.pool.unstake_own(0, 300 * GWEI, sender=PROVIDER.address)
    assert (staked.own(0).assets, staked.tickets(0)[0]) == (500 * GWEI, 500 * GWEI)
    staked.pool.slash(0, UNITS, FINDER.address, sender=SLASHER.address)
    log = only(staked.pool, "Slashed")
    assert log.own == COST
    # the finder is paid from the provider's 500 bonded and 300 unbonding, not from the renter's 200
    assert log.reward == COST * 8 // 10 // 5
    assert (staked.own(0).assets, staked.tickets(0)) == (450 * GWEI, (450 * GWEI, 500 * GWEI))
    staked.wait(staked.parameters.unbonding)
    assert staked.pool.withdraw(0, PROVIDER.address, 0) == 270 * GWEI
    assert staked.pool.withdraw(0, RENTER.address, 0) == 180 * GWEI


@pytest.mark.parametrize("late", [-1, 0, 1, 90 * DAY])
def test_slash__a_ticket_is_liable_until_it_is_withdrawn(staked: Trio, late: int) -> None:
    """T15: at maturity - 1 s, at maturity and after."""
    staked.pool.unstake_own(0, 1_000 * GWEI, sender=PROVIDER.address)
    staked.wait(staked.parameters.unbonding + late)
    assert slash(staked, UNITS) == COST
    staked.wait(1)
    assert staked.pool.withdraw(0, PROVIDER.address, 0) == 900 * GWEI


def test_slash__all_unstaked_first__the_finder_is_paid_alike(staked: Trio) -> None:
    """L3: whoever proves the offence earns the same whether the provider unstaked before the proof came or not."""
    staked.pool.unstake_own(0, 1_000 * GWEI, sender=PROVIDER.address)
    staked.pool.slash(0, UNITS, FINDER.address, sender=SLASHER.address)
    assert only(staked.pool, "Slashed").reward == COST // 5
    assert staked.token.balanceOf(FINDER.address) == COST // 5 * GWEI


def test_slash__only_renters_tickets__nothing_to_harvest(staked: Trio) -> None:
    """A provider whose own stake is gone earns nothing through an ally from the damages that its renters wait for."""
    bond = staked.pool.lock(0, 400 * GWEI, staked.pool.stake_price(), sender=MARKET.address)
    ticket = staked.pool.unstake_own(0, 600 * GWEI, sender=PROVIDER.address)
    staked.wait(5 * DAY)
    staked.pool.end_bond(0, bond, bond, RENTER.address, 2**64, sender=ESCROW.address)
    staked.wait(staked.parameters.unbonding - 5 * DAY)
    staked.pool.withdraw(0, PROVIDER.address, ticket)
    assert slash(staked, UNITS) == COST
    assert only(staked.pool, "Slashed").reward == 0
    staked.wait(5 * DAY)
    assert staked.pool.withdraw(0, RENTER.address, 0) == 300 * GWEI
    # the renters' part is closed: the next ticket pays a finder in full
    staked.stake(0, 1_000 * GWEI)
    staked.pool.unstake_own(0, 1_000 * GWEI, sender=PROVIDER.address)
    assert slash(staked, UNITS) == COST
    assert only(staked.pool, "Slashed").reward == COST // 5


@pytest.mark.parametrize("finder", [ZERO, "pool"])
def test_slash__no_finder__all_burned(staked: Trio, finder: str) -> None:
    supply = staked.token.totalSupply()
    to = str(staked.pool.address) if finder == "pool" else finder
    assert slash(staked, UNITS, to) == COST
    assert staked.token.totalSupply() == supply - COST * GWEI


def test_slash__locked_shares_fall_too__I4(staked: Trio) -> None:
    locked = staked.pool.lock(0, 1_000 * GWEI, staked.pool.stake_price(), sender=MARKET.address)
    slash(staked, UNITS)
    own = staked.own(0)
    assert own.locked == own.shares == locked
    staked.pool.end_bond(0, locked, locked, RENTER.address, 2**64, sender=ESCROW.address)
    assert only(staked.pool, "BondEnded").paid == 900 * GWEI
    assert (staked.own(0).assets, staked.own(0).shares) == (0, 0)


def test_slash__below_after__marks(staked: Trio) -> None:
    staked.pool.unstake_own(0, 900 * GWEI, sender=PROVIDER.address)
    assert events(staked.pool, "FellBelow") == []
    slash(staked, 1)
    assert staked.pool.last_below(0) == staked.now


def test_slash__never_the_whole_pool(trio: Trio) -> None:
    """A provider staked at exactly its requirement keeps a tenth, and its bucket stays alive."""
    p = trio.provider()
    trio.node(p)
    trio.grant_slash()
    trio.stake(p, trio.pool.required(p))
    trio.pool.unstake_own(p, 20 * GWEI, sender=PROVIDER.address)
    assert slash(trio, 100 * GWEI) == 45 * GWEI
    assert trio.own(p).assets + trio.tickets(p)[0] == 5 * GWEI
    assert trio.stake(p, 10) == 100


def test_slash__ceiling__three_times_the_units_at_once__again_after_thirty_periods(staked: Trio) -> None:
    assert staked.pool.ceiling(0) == 3 * UNITS
    assert slash(staked, UNITS) == COST
    assert slash(staked, 2 * UNITS) == 2 * COST
    assert staked.pool.ceiling(0) == 0
    assert slash(staked, 2 * UNITS) == 0
    staked.wait(10 * DAY)
    # what was asked in vain moved no clock
    assert staked.pool.ceiling(0) == UNITS
    staked.wait(20 * DAY - 1)
    assert staked.pool.ceiling(0) < 3 * UNITS
    staked.wait(1)
    assert staked.pool.ceiling(0) == 3 * UNITS
    assert slash(staked, 10 * UNITS) == 3 * COST


def test_slash__ceiling__no_edge_of_a_window_to_wait_for(staked: Trio) -> None:
    """L4: a little slashed long ago opens no window at whose end two ceilings fall due at once."""
    assert slash(staked, 2) == 1
    staked.wait(30 * DAY - 1)
    assert slash(staked, 3 * UNITS) == 3 * COST
    staked.wait(1)
    # 2.3e5 units, of 6e11, have leaked in the second
    assert slash(staked, 3 * UNITS) <= 3 * COST // (30 * DAY) + 1
    staked.wait(DAY)
    assert slash(staked, 3 * UNITS) <= 3 * COST // 30 + 1


def test_slash__more_than_the_ceiling__takes_what_it_admits(staked: Trio) -> None:
    assert slash(staked, 2**256 - 1) == 3 * COST


def test_slash__retired_nodes__still_count_for_thirty_periods(staked: Trio) -> None:
    """Retiring before the proof arrives does not shield a fault (the answer window is shorter)."""
    staked.registry.retire_node(0, sender=PROVIDER.address)
    assert staked.units(0) == 0
    staked.wait(30 * DAY - 1)
    assert staked.pool.ceiling(0) == 3 * UNITS
    assert slash(staked, UNITS) == COST
    staked.wait(1)
    assert staked.pool.ceiling(0) == 0
    assert slash(staked, UNITS) == 0


def test_slash__peak__is_the_largest_of_the_last_thirty_periods(staked: Trio) -> None:
    by = staked.registry.address
    for units in (50, 20, 40, 10):
        staked.pool.set_units(0, units, sender=by)
    assert staked.pool.ceiling(0) == 3 * UNITS
    staked.wait(30 * DAY)
    assert staked.pool.ceiling(0) == 30
    staked.pool.set_units(0, 5, sender=by)
    assert staked.pool.ceiling(0) == 30
    staked.pool.set_units(0, 7 * UNITS, sender=by)
    assert staked.pool.ceiling(0) == 21 * UNITS


def test_slash__no_nodes_ever__nothing(trio: Trio) -> None:
    p = trio.provider()
    trio.stake(p, 10**9)
    trio.grant_slash()
    assert slash(trio, 2**256 - 1) == 0
    assert trio.own(p).assets == 10**9


def test_slash__empty_pool__succeeds(trio: Trio) -> None:
    trio.node(trio.provider())
    trio.grant_slash()
    assert slash(trio, 100 * GWEI) == 0


def test_slash__again_and_again__pool_stays_usable_or_is_cleanly_closed(staked: Trio) -> None:
    """T16: every holder can still get out what is left, and a newcomer loses nothing."""
    staked.pool.unstake_own(0, 500 * GWEI, sender=PROVIDER.address)
    for _ in range(4):
        staked.pool.set_units(0, 2**64 - 1, sender=staked.registry.address)
        slash(staked, 2**64)
        staked.wait(30 * DAY)
    own, tickets = staked.own(0), staked.tickets(0)
    assert own.assets == 500 * GWEI // 10_000 and own.shares == 500 * GWEI
    assert tickets == (own.assets, own.shares)
    with boa.reverts("pool: dead, open a new provider"):
        staked.stake(0, GWEI)
    with boa.reverts("pool: withdraw old tickets first"):
        staked.pool.unstake_own(0, own.shares, sender=PROVIDER.address)
    assert staked.pool.withdraw(0, PROVIDER.address, 0) == tickets[0]
    ticket = staked.pool.unstake_own(0, own.shares, sender=PROVIDER.address)
    staked.wait(staked.parameters.unbonding)
    assert staked.pool.withdraw(0, PROVIDER.address, ticket) == own.assets
    assert staked.held() == 0
    assert staked.stake(0, GWEI) == GWEI
    assert staked.pool.unstake_own(0, GWEI, sender=PROVIDER.address) == ticket + 1
    staked.wait(staked.parameters.unbonding)
    assert staked.pool.withdraw(0, PROVIDER.address, ticket + 1) == GWEI


def test_slash__through_an_ally__loses_four_fifths(staked: Trio) -> None:
    """T42, C24: a provider that is its own finder gets a fifth back."""
    before = staked.token.balanceOf(PROVIDER.address)
    assert slash(staked, UNITS, PROVIDER) == COST
    assert staked.token.balanceOf(PROVIDER.address) - before == COST // 5 * GWEI


def test_slash__no_such_pool__reverts(staked: Trio) -> None:
    with boa.reverts("pool: no such pool"):
        staked.pool.slash(1, 1, FINDER.address, sender=SLASHER.address)


@pytest.mark.parametrize("caller", [OWNER, MARKET, ESCROW, PROVIDER, STRANGER])
def test_slash__not_granted__reverts(staked: Trio, caller: Actor) -> None:
    with boa.reverts("pool: caller may not slash"):
        staked.pool.slash(0, 1, FINDER.address, sender=caller.address)


def test_slash__dust__takes_what_the_rounding_admits(staked: Trio) -> None:
    write(staked.pool, "own", 1 << 192 | 1 << 128, 0)
    assert slash(staked, UNITS) == 0
    write(staked.pool, "own", 2 << 192 | 2 << 128, 0)
    assert slash(staked, UNITS) == 1
    assert staked.own(0).assets == 1

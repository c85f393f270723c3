from __future__ import annotations

import boa
import pytest

from tests.contracts.network.harness import ESCROW, FINDER, HUB, MARKET, SLASHER, ZERO, Trio, events, only, write
from tests.support.actors import OWNER, PROVIDER, RENTER, STRANGER, Actor
from tests.support.constants import GWEI, M64

BOND = 100 * GWEI


@pytest.fixture
def bonded(staked: Trio) -> Trio:
    staked.pool.lock(0, BOND, staked.pool.stake_price(), sender=MARKET.address)
    return staked


def test_end_bond__nothing_lost__only_unlocks(bonded: Trio) -> None:
    before, supply = bonded.own(0), bonded.token.totalSupply()
    bonded.pool.end_bond(0, 40 * GWEI, 0, RENTER.address, 2**64, sender=ESCROW.address)
    log = only(bonded.pool, "BondEnded")
    assert (log.provider, log.shares, log.to) == (0, 40 * GWEI, RENTER.address)
    assert (log.taken, log.paid, log.burned) == (0, 0, 0)
    after = bonded.own(0)
    assert (after.assets, after.shares, after.locked) == (before.assets, before.shares, BOND - 40 * GWEI)
    assert bonded.pool.unbonding(0) == 0 and bonded.token.totalSupply() == supply


def test_end_bond__a_loss__renter_first__rest_burned(bonded: Trio) -> None:
    supply, held = bonded.token.totalSupply(), bonded.held()
    bonded.pool.end_bond(0, BOND, 60 * GWEI, RENTER.address, 25 * GWEI, sender=ESCROW.address)
    log, ticket, burn = (only(bonded.pool, name) for name in ("BondEnded", "Unbonding", "Transfer"))
    assert (log.shares, log.taken, log.to) == (BOND, 60 * GWEI, RENTER.address)
    assert (log.paid, log.burned) == (25 * GWEI, 35 * GWEI)
    release = bonded.now + bonded.parameters.unbonding
    assert (ticket.who, ticket.ticket, ticket.amount, ticket.release) == (RENTER.address, 0, 25 * GWEI, release)
    assert (burn.sender, burn.receiver, burn.amount) == (bonded.pool.address, ZERO, 35 * GWEI * GWEI)
    own = bonded.own(0)
    assert (own.assets, own.shares, own.locked) == (940 * GWEI, 940 * GWEI, 0)
    assert bonded.tickets(0) == (25 * GWEI, 25 * GWEI)
    assert bonded.token.totalSupply() == supply - 35 * GWEI * GWEI
    assert bonded.held() == held - 35 * GWEI * GWEI
    bonded.wait(bonded.parameters.unbonding)
    assert bonded.pool.withdraw(0, RENTER.address, 0) == 25 * GWEI
    assert bonded.token.balanceOf(RENTER.address) == 25 * GWEI * GWEI


@pytest.mark.parametrize("limit", [60 * GWEI, 2**256 - 1])
def test_end_bond__limit_beyond_the_loss__all_to_the_renter(bonded: Trio, limit: int) -> None:
    bonded.pool.end_bond(0, BOND, 60 * GWEI, RENTER.address, limit, sender=ESCROW.address)
    log = only(bonded.pool, "BondEnded")
    assert events(bonded.pool, "Transfer") == []
    assert (log.paid, log.burned) == (60 * GWEI, 0)


@pytest.mark.parametrize(("to", "limit"), [(ZERO, 10**18), (RENTER.address, 0)])
def test_end_bond__nobody_to_pay__all_burned(bonded: Trio, to: str, limit: int) -> None:
    bonded.pool.end_bond(0, BOND, BOND, to, limit, sender=ESCROW.address)
    log = only(bonded.pool, "BondEnded")
    assert (log.paid, log.burned) == (0, BOND)
    assert bonded.pool.unbonding(0) == 0


def test_end_bond__bond_falls_with_the_bucket(bonded: Trio) -> None:
    bonded.pool.slash(0, 200 * GWEI, FINDER.address, sender=SLASHER.address)
    bonded.pool.end_bond(0, BOND, BOND, RENTER.address, 2**64, sender=ESCROW.address)
    assert only(bonded.pool, "BondEnded").paid == 90 * GWEI
    own = bonded.own(0)
    assert (own.assets, own.shares) == (810 * GWEI, 900 * GWEI)


def test_end_bond__tickets_of_several_leases__never_merge(bonded: Trio) -> None:
    for i in range(3):
        bonded.pool.end_bond(0, 10 * GWEI, 10 * GWEI, RENTER.address, 3, sender=ESCROW.address)
        assert only(bonded.pool, "Unbonding").ticket == i
        bonded.wait(5)
    assert len({bonded.ticket(0, RENTER, i) for i in range(3)}) == 3


def test_end_bond__a_loss_that_leaves_it_below__marks(bonded: Trio) -> None:
    bonded.pool.set_stake_price(4_700_000_000_000, sender=HUB.address)
    assert bonded.pool.required(0) == 940 * GWEI
    bonded.wait(5)
    bonded.pool.end_bond(0, 60 * GWEI, 60 * GWEI, RENTER.address, 0, sender=ESCROW.address)
    assert events(bonded.pool, "FellBelow") == []
    bonded.pool.end_bond(0, 1, 1, RENTER.address, 0, sender=ESCROW.address)
    assert only(bonded.pool, "FellBelow").at == bonded.now


@pytest.mark.parametrize("assets", [0, 1, 999])
@pytest.mark.parametrize("taken", [0, 1, BOND])
def test_end_bond__dead_bucket__always_succeeds(bonded: Trio, assets: int, taken: int) -> None:
    shares = 1_000 * GWEI
    write(bonded.pool, "own", assets << 192 | shares << 128 | BOND << 64, 0)
    bonded.pool.end_bond(0, BOND, taken, RENTER.address, 2**64, sender=ESCROW.address)
    log = only(bonded.pool, "BondEnded")
    assert log.paid + log.burned == assets * taken // shares
    assert (bonded.own(0).locked, bonded.own(0).shares) == (0, shares - taken)


@pytest.mark.parametrize("word", [1 << 192 | 1_001 << 128, 5 << 128, (M64 - 1) << 192 | (M64 - 1) << 128])
def test_end_bond__no_ticket_can_be_issued__succeeds_and_burns(bonded: Trio, word: int) -> None:
    write(bonded.pool, "unbonding", word, 0)
    bonded.pool.end_bond(0, BOND, BOND, RENTER.address, 2**64, sender=ESCROW.address)
    log = only(bonded.pool, "BondEnded")
    assert (log.paid, log.burned) == (0, BOND)
    assert bonded.pool.unbonding(0) == word


@pytest.mark.parametrize("part", [BOND + 1, 2**192, 2**256 - 1])
def test_end_bond__more_than_is_locked__reverts(bonded: Trio, part: int) -> None:
    with boa.reverts("pool: not locked"):
        bonded.pool.end_bond(0, part, 0, RENTER.address, 0, sender=ESCROW.address)


def test_end_bond__takes_more_than_the_bond__reverts(bonded: Trio) -> None:
    with boa.reverts("pool: takes more than the bond"):
        bonded.pool.end_bond(0, 5, 6, RENTER.address, 0, sender=ESCROW.address)


@pytest.mark.parametrize("caller", [MARKET, OWNER, PROVIDER, RENTER, STRANGER])
def test_end_bond__by_another__reverts(bonded: Trio, caller: Actor) -> None:
    with boa.reverts("pool: caller is not the escrow"):
        bonded.pool.end_bond(0, BOND, 0, RENTER.address, 0, sender=caller.address)

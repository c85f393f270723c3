"""Tokens by misbehaviour. The pool is only ever deployed with ComputeToken; none of these takes anything from it."""

from __future__ import annotations

from typing import Any

import boa
import pytest

from tests.contracts.network.harness import ESCROW, FINDER, HUB, MARKET, SLASHER, Trio, deploy
from tests.support.actors import OPERATOR, PAYOUT, PROVIDER, RENTER
from tests.support.constants import GWEI, M64
from tests.support.suite import compiled

STAKE = 1_000 * GWEI


def with_token(name: str) -> Trio:
    """A pool over the mock, provider 0 opened with $100 of units, tokens minted and allowed."""
    trio = deploy(compiled(f"mocks/{name}.vy").deploy())
    p = trio.provider()
    trio.pool.set_units(p, 100 * GWEI, sender=trio.registry.address)
    trio.token.mint(PROVIDER.address, 2 * STAKE * GWEI)
    trio.token.approve(trio.pool.address, 2**256 - 1, sender=PROVIDER.address)
    trio.grant_slash()
    return trio


def test_no_return__works_like_any(trio: Trio) -> None:
    t = with_token("TokenNoReturn")
    t.pool.stake_own(0, STAKE, sender=PROVIDER.address)
    t.pool.unstake_own(0, STAKE // 2, sender=PROVIDER.address)
    t.pool.slash(0, 10, FINDER.address, sender=SLASHER.address)
    t.wait(t.parameters.unbonding)
    paid = t.pool.withdraw(0, PROVIDER.address, 0)
    assert t.token.balanceOf(PROVIDER.address) == (STAKE + paid) * GWEI
    assert t.held() == t.own(0).assets * GWEI


def test_false_return__each_transfer_reverts__nothing_is_booked(trio: Trio) -> None:
    t = with_token("TokenFalseReturn")
    t.pool.stake_own(0, STAKE, sender=PROVIDER.address)
    t.pool.unstake_own(0, STAKE // 2, sender=PROVIDER.address)
    t.wait(t.parameters.unbonding)
    t.token.set_refuses(True)
    own, tickets = t.pool.own(0), t.pool.unbonding(0)
    with boa.reverts("pool: transfer refused"):
        t.pool.stake_own(0, 1, sender=PROVIDER.address)
    with boa.reverts("pool: payment refused"):
        t.pool.withdraw(0, PROVIDER.address, 0)
    with boa.reverts("pool: reward refused"):
        t.pool.slash(0, 1_000, FINDER.address, sender=SLASHER.address)
    assert (t.pool.own(0), t.pool.unbonding(0)) == (own, tickets)
    t.token.set_refuses(False)
    assert t.pool.withdraw(0, PROVIDER.address, 0) == STAKE // 2


def test_fee_on_transfer__cannot_be_staked(trio: Trio) -> None:
    t = with_token("TokenFee")
    with boa.reverts("pool: token kept a part"):
        t.pool.stake_own(0, STAKE, sender=PROVIDER.address)
    assert t.own(0).assets == 0


def test_token_without_code__cannot_be_staked(trio: Trio) -> None:
    t = deploy()
    t.provider()
    pool = compiled("incentives/StakingPool.vy").deploy(
        RENTER.address, t.registry.address, HUB.address, MARKET.address, ESCROW.address, 1, 1, 1
    )
    pool.open_pool(0, PROVIDER.address, sender=t.registry.address)
    with boa.reverts():
        pool.stake_own(0, 1, sender=PROVIDER.address)
    assert pool.own(0) >> 192 == 0


# Everything the armed wallet tries while the pool is in the middle of a transfer.
# It owns the pool and stands in the place of each peer.
CALLS: dict[str, tuple[Any, ...]] = {
    "stake_own": (0, 1),
    "unstake_own": (0, 1),
    "withdraw": (0, "wallet", 1),
    "poke": (0,),
    "open_pool": (7, OPERATOR.address),
    "set_owner": (0, PAYOUT.address),
    "set_units": (0, 0),
    "set_stake_price": (7,),
    "end_bond": (0, 1, 1, RENTER.address, 1),
    "slash": (0, 1, FINDER.address),
    "set_grant": (OPERATOR.address, 1),
    "own": (0,),
    "need": (0,),
    "unbonding": (0,),
    "stake_of": (0, "wallet"),
    "ticket_of": (0, "wallet", 0),
    "required": (0,),
    "stake_price": (),
    "last_below": (0,),
    "ceiling": (0,),
    "grant_of": (OPERATOR.address,),
}


@pytest.fixture(scope="module")
def _hooked() -> tuple[Any, Any, Any]:
    """(pool, token, wallet): stake, a mature ticket, a second one, a lock and the grant are there."""
    token = compiled("mocks/TokenHook.vy").deploy()
    wallet = compiled("mocks/HookWallet.vy").deploy()
    w = wallet.address
    pool = compiled("incentives/StakingPool.vy").deploy(token.address, w, w, w, w, 10**12, 5, 100)
    pool.set_grant(w, 1)
    token.mint(w, 10**30)
    act(wallet, token, "approve", pool.address, 2**256 - 1)
    act(wallet, pool, "open_pool", 0, w)
    act(wallet, pool, "set_units", 0, 1_000)
    act(wallet, pool, "stake_own", 0, STAKE)
    act(wallet, pool, "unstake_own", 0, 1_000)
    act(wallet, pool, "unstake_own", 0, 1_000)
    act(wallet, pool, "lock", 0, 10_000, 10**12)
    pool.transfer_ownership(w)
    act(wallet, pool, "accept_ownership")
    boa.env.timestamp += 5
    token.arm(w)
    return pool, token, wallet


def act(wallet: Any, contract: Any, name: str, *arguments: Any) -> None:
    wallet.execute(contract.address, getattr(contract, name).prepare_calldata(*arguments))


OUTER: list[tuple[str, tuple[Any, ...]]] = [
    ("stake_own", (0, 5)),
    ("withdraw", (0, "wallet", 0)),
    ("end_bond", (0, 10, 10, RENTER.address, 3)),
    ("slash", (0, 100, FINDER.address)),
]


@pytest.mark.parametrize(("outer", "arguments"), OUTER)
def test_hook__locks_during_a_transfer__finds_the_words_written(
    _hooked: tuple[Any, Any, Any], outer: str, arguments: tuple[Any, ...]
) -> None:
    """The one function without a lock calls nobody, and every other writes its words before it calls the token: a bond
    locked in the middle is the same bond afterwards."""
    pool, _, wallet = _hooked
    named = tuple(wallet.address if x == "wallet" else x for x in arguments)
    with boa.env.anchor():
        wallet.arm(pool.address, pool.lock.prepare_calldata(0, 1_000, 10**12))
        act(wallet, pool, outer, *named)
        # a slash calls the token twice: reward and burn
        calls = wallet.tried()
        assert calls == wallet.succeeded() == (2 if outer == "slash" else 1)
        during = pool.own(0)
    with boa.env.anchor():
        act(wallet, pool, outer, *named)
        for _ in range(calls):
            act(wallet, pool, "lock", 0, 1_000, 10**12)
        assert pool.own(0) == during
    assert during >> 64 & M64 <= during >> 128 & M64


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize(
    ("outer", "arguments"),
    OUTER,
)
def test_hook__reenters_anything_during_a_transfer__every_try_fails(
    _hooked: tuple[Any, Any, Any], outer: str, arguments: tuple[Any, ...], name: str
) -> None:
    """T01: the lock holds for every other function and every getter, whoever the caller is."""
    pool, _, wallet = _hooked

    def named(xs: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(wallet.address if x == "wallet" else x for x in xs)

    with boa.env.anchor():
        # by itself the inner call goes through, so it is the lock that stops it
        act(wallet, pool, name, *named(CALLS[name]))
    with boa.env.anchor():
        wallet.arm(pool.address, getattr(pool, name).prepare_calldata(*named(CALLS[name])))
        act(wallet, pool, outer, *named(arguments))
        assert wallet.tried() >= 1
        assert wallet.succeeded() == 0

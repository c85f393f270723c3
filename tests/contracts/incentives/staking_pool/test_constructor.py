"""What the constructor keeps and refuses."""

from __future__ import annotations

from typing import Any

import boa
import pytest

from tests.contracts.network.harness import ESCROW, HUB, MARKET, ZERO, Trio
from tests.support.actors import OWNER, RENTER
from tests.support.suite import compiled

GOOD = {
    "token": RENTER.address, "registry": RENTER.address, "hub": RENTER.address, "market": RENTER.address,
    "escrow": RENTER.address, "stake_price": 1, "unbonding": 1, "period": 1,
}  # fmt: skip

MAX_LENGTH = 2**30


def test_deploy__peers_and_lengths(trio: Trio) -> None:
    pool, q = trio.pool, trio.parameters
    assert (pool.TOKEN(), pool.REGISTRY()) == (trio.token.address, trio.registry.address)
    assert (pool.HUB(), pool.MARKET(), pool.ESCROW()) == (HUB.address, MARKET.address, ESCROW.address)
    assert (pool.UNBONDING(), pool.PERIOD(), pool.stake_price()) == (q.unbonding, q.period, q.stake_price)
    assert (pool.owner(), pool.VERSION()) == (OWNER.address, "1")
    assert (pool.own(0), pool.need(0), pool.unbonding(0), pool.stake_of(0, OWNER.address)) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        *[({peer: ZERO}, "pool: peer is zero") for peer in ("token", "registry", "hub", "market", "escrow")],
        ({"unbonding": 0}, "pool: unbonding"),
        ({"unbonding": MAX_LENGTH + 1}, "pool: unbonding"),
        ({"period": 0}, "pool: period"),
        ({"period": MAX_LENGTH // 30 + 1}, "pool: period"),
        ({"stake_price": 0}, "pool: stake price"),
        ({"stake_price": 2**64}, "pool: stake price"),
    ],
)
def test_deploy__bad_argument__reverts(change: dict[str, Any], reason: str) -> None:
    with boa.reverts(reason):
        compiled("incentives/StakingPool.vy").deploy(*(GOOD | change).values())

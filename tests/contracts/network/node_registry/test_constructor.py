"""What the constructor keeps and refuses."""

from __future__ import annotations

from typing import Any

import boa
import pytest

from tests.contracts.network.harness import ESCROW, MARKET, STANDING, ZERO, Trio
from tests.support.actors import OWNER, RENTER
from tests.support.suite import compiled

GOOD = {
    "pool": RENTER.address, "token": RENTER.address, "market": RENTER.address, "escrow": RENTER.address,
    "standing": RENTER.address, "genesis": 1_000, "slot": 300, "epochs_per_period": 24, "fee": 0,
    "answer_window": 1, "cooldown": 1,
}  # fmt: skip


def test_deploy__peers_and_lengths(trio: Trio) -> None:
    r, q = trio.registry, trio.parameters
    assert (r.POOL(), r.TOKEN()) == (trio.pool.address, trio.token.address)
    assert (r.MARKET(), r.ESCROW(), r.STANDING()) == (MARKET.address, ESCROW.address, STANDING.address)
    assert (r.FEE(), r.ANSWER_WINDOW(), r.COOLDOWN(), r.VERSION()) == (q.fee_node, q.answer_window, q.cooldown, "1")
    assert r.owner() == OWNER.address
    assert (r.count(), r.provider_count(), r.class_count()) == (0, 0, 1)
    assert (r.node(0), r.provider(0), r.owner_of(0), r.key_of(0, 5)) == (0, 0, ZERO, ZERO)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        *[({peer: ZERO}, "registry: peer is zero") for peer in ("pool", "token", "market", "escrow", "standing")],
        ({"fee": 10**24 + 1}, "registry: fee"),
        ({"answer_window": 2**30 + 1}, "registry: answer window"),
        ({"cooldown": 2**30 + 1}, "registry: cooldown"),
        ({"genesis": 0}, "epochs: genesis"),
        ({"slot": 0}, "epochs: slot"),
        ({"epochs_per_period": 0}, "epochs: period"),
    ],
)
def test_deploy__bad_argument__reverts(change: dict[str, Any], reason: str) -> None:
    with boa.reverts(reason):
        compiled("network/NodeRegistry.vy").deploy(*(GOOD | change).values())

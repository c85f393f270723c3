"""The state a hub starts in, and what it refuses to start with."""

from __future__ import annotations

from typing import Any

import boa
import pytest

from tests.support.actors import GUARDIAN, OWNER, keccak
from tests.support.constants import RING
from tests.support.suite import ZERO_ADDRESS, Suite, compiled
from tests.support.uptime import zero

NAMES = (
    "registry",
    "pool",
    "genesis",
    "slot",
    "epochs_per_period",
    "dispute",
    "grace",
    "abandon",
    "price",
    "bound",
    "guardian",
    "refuter",
    "committee",
    "feed",
)


def build(net: Suite, **changes: Any) -> Any:
    q = net.parameters
    values = [net.registry.address, net.pool.address, q.genesis, q.slot, q.epochs_per_period, q.dispute, q.grace,
              q.abandon, q.price, q.bound, GUARDIAN.address, net.refuter.address, net.seats.address,
              ZERO_ADDRESS]  # fmt: skip
    arguments = dict(zip(NAMES, values, strict=True)) | changes
    return compiled("consensus/AttestationHub.vy").deploy(*arguments.values(), sender=OWNER.address)


def test_starts_empty_paused_and_priced(bare: Suite) -> None:
    hub, q = bare.hub, bare.parameters
    assert (hub.owner(), hub.pending_owner(), hub.guardian()) == (OWNER.address, ZERO_ADDRESS, GUARDIAN.address)
    assert (hub.REGISTRY(), hub.POOL()) == (bare.registry.address, bare.pool.address)
    assert (hub.REFUTER(), hub.COMMITTEE(), hub.FEED()) == (bare.refuter.address, bare.seats.address, ZERO_ADDRESS)
    assert (hub.DISPUTE(), hub.GRACE(), hub.ABANDON()) == (q.dispute * q.epoch, q.grace, q.abandon)
    assert (hub.RING(), hub.VERSION()) == (RING, "1")
    assert (hub.last_epoch(), hub.counters(), hub.newest_usable()) == (0, 0, 0)
    assert hub.ring_word(0) == keccak(zero(1) + bytes(32))
    assert hub.price() == q.price << 192 | q.price << 128 | q.stake_price << 64 | q.end(0) << 24 | 1
    assert hub.paused_at() == 0
    assert hub.committee(1) == (0, ZERO_ADDRESS, 0)


def test_domain_is_published(bare: Suite) -> None:
    fields, name, version, chain, contract, salt, extensions = bare.hub.eip712Domain()
    assert (fields, name, version, chain) == (b"\x0f", "Hearth", "1", boa.env.evm.patch.chain_id)
    assert (contract, salt, extensions) == (bare.hub.address, bytes(32), [])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"registry": ZERO_ADDRESS}, "hub: no peer"),
        ({"pool": ZERO_ADDRESS}, "hub: no peer"),
        ({"refuter": ZERO_ADDRESS}, "hub: no peer"),
        ({"genesis": 0}, "epochs: genesis"),
        ({"slot": 0}, "epochs: slot"),
        ({"slot": 3_601}, "epochs: slot"),
        ({"epochs_per_period": 0}, "epochs: period"),
        ({"epochs_per_period": 169}, "epochs: period"),
        ({"dispute": 0}, "hub: window"),
        ({"dispute": RING}, "hub: window"),
        ({"grace": 0}, "hub: window"),
        ({"grace": RING}, "hub: window"),
        ({"abandon": 24 * 3_600 - 1}, "hub: abandon"),
        ({"abandon": 2**32}, "hub: abandon"),
        ({"price": 0}, "price: first"),
        ({"price": 2**64}, "price: first"),
        ({"price": 10**24 // 2**64 - 1}, "price: first"),
        ({"bound": 0}, "hub: price bound"),
        ({"bound": 5_001}, "hub: price bound"),
    ],
)
def test_refuses(bare: Suite, changes: dict[str, Any], reason: str) -> None:
    with boa.reverts(reason):
        build(bare, **changes)


def test_a_guardian_is_not_required(bare: Suite) -> None:
    assert build(bare, guardian=ZERO_ADDRESS).guardian() == ZERO_ADDRESS

"""release: only what was reserved; always open."""

from __future__ import annotations

import boa
import pytest

from tests.contracts.network.harness import (
    ESCROW,
    FAULT,
    JAILED,
    MARKET,
    SLASHER,
    STANDING,
    Trio,
    only,
    reserved,
)  # fmt: skip
from tests.support.actors import OPERATOR, OWNER, STRANGER, Actor


def test_release__frees_and_logs(trio: Trio) -> None:
    i = trio.node(trio.provider(), 8, active=True)
    before = trio.registry.node(i)
    trio.registry.reserve(i, 5, sender=MARKET.address)
    trio.registry.release(i, 2, sender=ESCROW.address)
    log = only(trio.registry, "Reserved")
    assert (log.node, log.reserved) == (i, 3)
    trio.registry.release(i, 3, sender=ESCROW.address)
    assert trio.registry.node(i) == before


def test_release__of_a_jailed_or_faulted_node__goes(trio: Trio) -> None:
    p = trio.provider()
    i, j = trio.node(p, active=True), trio.node(p, active=True)
    for node in (i, j):
        trio.registry.reserve(node, 1, sender=MARKET.address)
    trio.registry.set_status(i, JAILED, 2, 1, sender=STANDING.address)
    trio.registry.set_grant(SLASHER.address, FAULT, sender=OWNER.address)
    trio.registry.fault(j, sender=SLASHER.address)
    for node in (i, j):
        trio.registry.release(node, 1, sender=ESCROW.address)
    assert (reserved(trio, i), reserved(trio, j)) == (0, 0)


@pytest.mark.parametrize("gpus", [3, 2**16, 2**88, 2**256 - 1])
def test_release__more_than_reserved__reverts(trio: Trio, gpus: int) -> None:
    i = trio.node(trio.provider(), 8, active=True)
    trio.registry.reserve(i, 2, sender=MARKET.address)
    with boa.reverts("registry: not reserved"):
        trio.registry.release(i, gpus, sender=ESCROW.address)


@pytest.mark.parametrize("caller", [MARKET, OWNER, OPERATOR, STRANGER])
def test_release__by_another__reverts(trio: Trio, caller: Actor) -> None:
    i = trio.node(trio.provider(), active=True)
    trio.registry.reserve(i, 1, sender=MARKET.address)
    with boa.reverts("registry: caller is not escrow"):
        trio.registry.release(i, 1, sender=caller.address)

from __future__ import annotations

import boa
import pytest

from tests.contracts.network.harness import (
    ESCROW,
    FAULT,
    FAULTED,
    MARKET,
    MIN_STAKE,
    PENDING,
    RETIRED,
    SLASHER,
    STANDING,
    Trio,
    only,
)  # fmt: skip
from tests.support.actors import OPERATOR, OTHER_PROVIDER, OWNER, PROVIDER, STRANGER, Actor


def test_retire_node__records_the_epoch__lowers_the_units(trio: Trio) -> None:
    p = trio.provider()
    trio.node(p, 2)
    i = trio.node(p, 3, active=True)
    trio.wait(4 * 3_600)
    trio.registry.retire_node(i, sender=PROVIDER.address)
    log, units = only(trio.registry, "NodeRetired"), only(trio.registry, "UnitsSet")
    assert (log.node, log.epoch) == (i, 4)
    assert (units.old, units.new) == (5 * MIN_STAKE, 2 * MIN_STAKE)
    assert trio.status(i)[:2] == (RETIRED, 4)
    assert trio.units(p) == 2 * MIN_STAKE
    assert trio.status(0)[0] == PENDING


def test_retire_node__a_faulted_one__may_go(trio: Trio) -> None:
    i = trio.node(trio.provider())
    trio.registry.set_grant(SLASHER.address, FAULT, sender=OWNER.address)
    trio.registry.fault(i, sender=SLASHER.address)
    assert trio.status(i)[0] == FAULTED
    trio.registry.retire_node(i, sender=PROVIDER.address)
    assert trio.status(i)[0] == RETIRED


def test_retire_node__with_an_open_lease__reverts(trio: Trio) -> None:
    i = trio.node(trio.provider(), 2, active=True)
    trio.registry.reserve(i, 1, sender=MARKET.address)
    with boa.reverts("registry: a lease is open"):
        trio.registry.retire_node(i, sender=PROVIDER.address)
    trio.registry.release(i, 1, sender=ESCROW.address)
    trio.registry.retire_node(i, sender=PROVIDER.address)
    assert trio.status(i)[0] == RETIRED


def test_retire_node__twice__reverts(trio: Trio) -> None:
    i = trio.node(trio.provider())
    trio.registry.retire_node(i, sender=PROVIDER.address)
    with boa.reverts("registry: already retired"):
        trio.registry.retire_node(i, sender=PROVIDER.address)
    assert trio.units(0) == 0


def test_retire_node__is_final(trio: Trio) -> None:
    i = trio.node(trio.provider(), active=True)
    trio.registry.retire_node(i, sender=PROVIDER.address)
    with boa.reverts("registry: cannot activate"):
        trio.activate(i)
    with boa.reverts("registry: cannot jail"):
        trio.registry.set_status(i, 3, 1, 1, sender=STANDING.address)
    with boa.reverts("registry: node is not active"):
        trio.registry.reserve(i, 1, sender=MARKET.address)


@pytest.mark.parametrize("caller", [OPERATOR, OTHER_PROVIDER, OWNER, STRANGER])
def test_retire_node__by_another__reverts(trio: Trio, caller: Actor) -> None:
    i = trio.node(trio.provider())
    with boa.reverts("registry: not its owner"):
        trio.registry.retire_node(i, sender=caller.address)


def test_retire_node__unknown__reverts(trio: Trio) -> None:
    trio.provider()
    with boa.reverts("registry: no node of this index"):
        trio.registry.retire_node(0, sender=PROVIDER.address)

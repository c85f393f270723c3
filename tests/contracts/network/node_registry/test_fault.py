from __future__ import annotations

import boa
import pytest

from tests.contracts.network.harness import (
    ACTIVE,
    FAULT,
    FAULTED,
    JAILED,
    MARKET,
    PENDING,
    RETIRED,
    SLASHER,
    STANDING,
    Trio,
    events,
    only,
)  # fmt: skip
from tests.support.actors import OWNER, PROVIDER, STRANGER, Actor


@pytest.fixture
def granted(trio: Trio) -> Trio:
    trio.registry.set_grant(SLASHER.address, FAULT, sender=OWNER.address)
    return trio


def test_fault__an_active_node__keeps_its_clean_epoch_and_its_leases(granted: Trio) -> None:
    i = granted.node(granted.provider(), active=True)
    granted.registry.reserve(i, 1, sender=MARKET.address)
    granted.wait(6 * 3_600)
    granted.registry.fault(i, sender=SLASHER.address)
    log = only(granted.registry, "StatusSet")
    assert (log.node, log.old, log.new, log.since, log.clean) == (i, ACTIVE, FAULTED, 6, 0)
    assert granted.status(i) == (FAULTED, 6, 0)
    assert granted.registry.node(i) >> 168 & 65535 == 1
    assert granted.registry.node(i) & 2**32 - 1 == 6


def test_fault__a_pending_node(granted: Trio) -> None:
    i = granted.node(granted.provider())
    assert granted.status(i)[0] == PENDING
    granted.registry.fault(i, sender=SLASHER.address)
    assert granted.status(i) == (FAULTED, 0, 1)


@pytest.mark.parametrize("jailed", [True, False])
def test_fault__already_out_of_work__no_claim_reaches_back(granted: Trio, jailed: bool) -> None:
    """A claim over (a, b] needs clean <= a and b <= since: moving since alone would open the jailed time to claims."""
    i = granted.node(granted.provider(), active=True)
    if jailed:
        granted.registry.set_status(i, JAILED, 2, 1, sender=STANDING.address)
    else:
        granted.registry.fault(i, sender=SLASHER.address)
    granted.wait(50 * 3_600)
    granted.registry.fault(i, sender=SLASHER.address)
    assert granted.status(i) == (FAULTED, 50, 50)


def test_fault__a_retired_node__stays_retired_and_keeps_the_epoch(granted: Trio) -> None:
    i = granted.node(granted.provider())
    granted.registry.retire_node(i, sender=PROVIDER.address)
    before = granted.registry.node(i)
    granted.wait(6 * 3_600)
    granted.registry.fault(i, sender=SLASHER.address)
    assert events(granted.registry, "StatusSet") == []
    assert granted.registry.node(i) == before | 6 and granted.status(i)[0] == RETIRED


def test_fault__unknown_node__reverts(granted: Trio) -> None:
    with boa.reverts("registry: no such node"):
        granted.registry.fault(0, sender=SLASHER.address)


@pytest.mark.parametrize("caller", [OWNER, STANDING, MARKET, STRANGER])
def test_fault__not_granted__reverts(granted: Trio, caller: Actor) -> None:
    i = granted.node(granted.provider())
    with boa.reverts("registry: caller may not fault"):
        granted.registry.fault(i, sender=caller.address)

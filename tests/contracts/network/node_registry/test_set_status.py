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
    only,
)  # fmt: skip
from tests.support.actors import OPERATOR, OWNER, PROVIDER, STRANGER, Actor

NONE = 0
LEGAL = {(PENDING, ACTIVE), (JAILED, ACTIVE), (FAULTED, ACTIVE), (ACTIVE, JAILED)}


def in_state(trio: Trio, state: int) -> int:
    """A node in that status; 7 is the index of none."""
    if state == NONE:
        return 7
    i = trio.node(trio.provider(), 2, active=state not in (PENDING,))
    trio.registry.set_grant(SLASHER.address, FAULT, sender=OWNER.address)
    if state == JAILED:
        trio.registry.set_status(i, JAILED, 2, 1, sender=STANDING.address)
    if state == FAULTED:
        trio.registry.fault(i, sender=SLASHER.address)
    if state == RETIRED:
        trio.registry.retire_node(i, sender=PROVIDER.address)
    return i


def test_set_status__writes_three_fields_and_no_other(trio: Trio) -> None:
    i = trio.node(trio.provider(), 2, active=True)
    trio.registry.reserve(i, 2, sender=MARKET.address)
    before = trio.registry.node(i)
    trio.registry.set_status(i, JAILED, 2**32 - 1, 2**32 - 2, sender=STANDING.address)
    log = only(trio.registry, "StatusSet")
    assert (log.node, log.old, log.new, log.since, log.clean) == (i, ACTIVE, JAILED, 2**32 - 1, 2**32 - 2)
    assert trio.status(i) == (JAILED, 2**32 - 1, 2**32 - 2)
    fields = 255 << 160 | (2**32 - 1) << 96 | (2**32 - 1) << 32
    assert (trio.registry.node(i) ^ before) & ~fields == 0


@pytest.mark.parametrize("old", range(6))
@pytest.mark.parametrize("new", [*range(7), 2**8 + 2, 2**256 - 1])
def test_set_status__every_transition(trio: Trio, old: int, new: int) -> None:
    i = in_state(trio, old)
    if (old, new) in LEGAL:
        trio.registry.set_status(i, new, 9, 8, sender=STANDING.address)
        assert trio.status(i) == (new, 9, 8)
    else:
        with boa.reverts("registry: cannot activate" if new == ACTIVE else "registry: cannot jail"):
            trio.registry.set_status(i, new, 9, 8, sender=STANDING.address)


@pytest.mark.parametrize(("since", "clean"), [(2**32, 0), (0, 2**32)])
def test_set_status__epoch_beyond_its_field__reverts(trio: Trio, since: int, clean: int) -> None:
    i = trio.node(trio.provider())
    with boa.reverts("registry: epoch too large"):
        trio.registry.set_status(i, ACTIVE, since, clean, sender=STANDING.address)


@pytest.mark.parametrize("caller", [OWNER, PROVIDER, OPERATOR, MARKET, SLASHER, STRANGER])
def test_set_status__by_another__reverts(trio: Trio, caller: Actor) -> None:
    i = trio.node(trio.provider())
    trio.registry.set_grant(SLASHER.address, FAULT, sender=OWNER.address)
    with boa.reverts("registry: caller is not standing"):
        trio.registry.set_status(i, ACTIVE, 1, 1, sender=caller.address)

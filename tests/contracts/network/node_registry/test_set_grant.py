from __future__ import annotations

import boa

from tests.contracts.network.harness import FAULT, FAULTED, ZERO, Trio, only
from tests.support.actors import OWNER, RENTER, STRANGER


def test_set_grant__given_and_taken_back(trio: Trio) -> None:
    i = trio.node(trio.provider())
    trio.registry.set_grant(RENTER.address, FAULT, sender=OWNER.address)
    log = only(trio.registry, "GrantSet")
    assert (log.caller, log.old, log.new) == (RENTER.address, 0, FAULT)
    trio.registry.fault(i, sender=RENTER.address)
    assert trio.status(i)[0] == FAULTED
    trio.registry.set_grant(RENTER.address, 0, sender=OWNER.address)
    assert trio.registry.grant_of(RENTER.address) == FAULT << 128
    with boa.reverts("registry: caller may not fault"):
        trio.registry.fault(i, sender=RENTER.address)


def test_set_grant__to_zero__reverts(trio: Trio) -> None:
    with boa.reverts("registry: grant to zero"):
        trio.registry.set_grant(ZERO, FAULT, sender=OWNER.address)


def test_set_grant__unknown_right__reverts(trio: Trio) -> None:
    with boa.reverts("registry: unknown right"):
        trio.registry.set_grant(RENTER.address, 2, sender=OWNER.address)


def test_set_grant__by_another__reverts(trio: Trio) -> None:
    with boa.reverts("ownable: caller is not the owner"):
        trio.registry.set_grant(STRANGER.address, FAULT, sender=STRANGER.address)

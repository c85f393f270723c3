"""transfer_ownership: two steps."""

from __future__ import annotations

import boa

from tests.contracts.network.harness import ZERO, Trio
from tests.support.actors import OWNER, RENTER, STRANGER


def test_ownership__two_steps(trio: Trio) -> None:
    r = trio.registry
    r.transfer_ownership(RENTER.address, sender=OWNER.address)
    assert (r.owner(), r.pending_owner()) == (OWNER.address, RENTER.address)
    with boa.reverts("ownable_2step: caller is not the new owner"):
        r.accept_ownership(sender=STRANGER.address)
    r.accept_ownership(sender=RENTER.address)
    assert r.owner() == RENTER.address
    with boa.reverts("ownable: caller is not the owner"):
        r.close_class(0, sender=OWNER.address)


def test_transfer_ownership__by_another__reverts(trio: Trio) -> None:
    with boa.reverts("ownable: caller is not the owner"):
        trio.registry.transfer_ownership(STRANGER.address, sender=STRANGER.address)
    assert trio.registry.pending_owner() == ZERO

"""transfer_ownership: two steps."""

from __future__ import annotations

import boa

from tests.contracts.network.harness import ZERO, Trio
from tests.support.actors import OWNER, RENTER, STRANGER


def test_ownership__two_steps(trio: Trio) -> None:
    trio.pool.transfer_ownership(RENTER.address, sender=OWNER.address)
    assert (trio.pool.owner(), trio.pool.pending_owner()) == (OWNER.address, RENTER.address)
    with boa.reverts("ownable_2step: caller is not the new owner"):
        trio.pool.accept_ownership(sender=STRANGER.address)
    trio.pool.accept_ownership(sender=RENTER.address)
    assert trio.pool.owner() == RENTER.address


def test_transfer_ownership__by_another__reverts(trio: Trio) -> None:
    with boa.reverts("ownable: caller is not the owner"):
        trio.pool.transfer_ownership(STRANGER.address, sender=STRANGER.address)
    assert trio.pool.pending_owner() == ZERO

"""accept_ownership: the second step."""

from __future__ import annotations

import boa

from tests.contracts.network.harness import ZERO, Trio
from tests.support.actors import OWNER, RENTER, STRANGER


def test_accept_ownership__by_another__reverts(trio: Trio) -> None:
    c = trio.pool
    c.transfer_ownership(RENTER.address, sender=OWNER.address)
    for caller in (STRANGER, OWNER):
        with boa.reverts("ownable_2step: caller is not the new owner"):
            c.accept_ownership(sender=caller.address)
    c.accept_ownership(sender=RENTER.address)
    assert (c.owner(), c.pending_owner()) == (RENTER.address, ZERO)

"""accept_ownership: the second step."""

from __future__ import annotations

import boa

from tests.contracts.consensus.attester_committee.conftest import Bonds
from tests.support.actors import OWNER, RENTER, STRANGER
from tests.support.suite import ZERO_ADDRESS


def test_only_by_whom_it_was_offered(bonds: Bonds) -> None:
    c = bonds.contract
    c.transfer_ownership(RENTER.address, sender=OWNER.address)
    for caller in (STRANGER, OWNER):
        with boa.reverts("ownable_2step: caller is not the new owner"):
            c.accept_ownership(sender=caller.address)
    c.accept_ownership(sender=RENTER.address)
    assert (c.owner(), c.pending_owner()) == (RENTER.address, ZERO_ADDRESS)

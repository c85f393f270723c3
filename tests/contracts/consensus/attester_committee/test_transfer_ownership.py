"""transfer_ownership: two steps."""

from __future__ import annotations

import boa

from tests.contracts.consensus.attester_committee.conftest import Bonds
from tests.support.actors import OWNER, RENTER, STRANGER
from tests.support.suite import ZERO_ADDRESS


def test_two_steps(bonds: Bonds) -> None:
    c = bonds.contract
    c.transfer_ownership(RENTER.address, sender=OWNER.address)
    assert (c.owner(), c.pending_owner()) == (OWNER.address, RENTER.address)


def test_by_another(bonds: Bonds) -> None:
    with boa.reverts("ownable: caller is not the owner"):
        bonds.contract.transfer_ownership(STRANGER.address, sender=STRANGER.address)
    assert bonds.contract.pending_owner() == ZERO_ADDRESS

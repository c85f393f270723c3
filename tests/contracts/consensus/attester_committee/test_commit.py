"""commit: an equivocation claimed before it is shown."""

from __future__ import annotations

import boa

from tests.contracts.consensus.attester_committee.conftest import Bonds


def test_once(bonds: Bonds) -> None:
    bonds.contract.commit(b"\1" * 32)
    assert bonds.contract.committed_at(b"\1" * 32) == bonds.net.now
    with boa.reverts("committee: committed already"):
        bonds.contract.commit(b"\1" * 32)

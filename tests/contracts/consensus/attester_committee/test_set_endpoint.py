"""set_endpoint: where a seat answers from the next table on."""

from __future__ import annotations

import boa

from tests.contracts.consensus.attester_committee.conftest import Bonds
from tests.contracts.consensus.drafts import events
from tests.support.actors import STRANGER


def test_is_kept_and_logged(bonds: Bonds) -> None:
    who = bonds.candidates[0].address
    bonds.contract.set_endpoint("https://new.example", sender=who)
    (event,) = events(bonds.contract, "EndpointSet")
    assert (event.seat, event.endpoint) == (who, "https://new.example")
    assert bonds.contract.endpoint(who) == "https://new.example"


def test_only_of_a_bonded_account(bonds: Bonds) -> None:
    with boa.reverts("committee: no bond"):
        bonds.contract.set_endpoint("x", sender=STRANGER.address)

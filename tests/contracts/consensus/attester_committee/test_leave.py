"""leave: a seat goes by itself."""

from __future__ import annotations

import boa

from tests.contracts.consensus.attester_committee.conftest import Bonds
from tests.contracts.consensus.drafts import events


def test_names_its_time(seated: Bonds) -> None:
    who = seated.candidates[1].address
    seated.contract.leave(sender=who)
    at = seated.net.now + seated.net.parameters.notice
    (event,) = events(seated.contract, "Leaving")
    assert (event.seat, event.at) == (who, at)
    assert int(seated.contract.seat_of(who)) >> 48 & (2**40 - 1) == at


def test_only_a_seat_and_once(seated: Bonds) -> None:
    with boa.reverts("committee: not seated"):
        seated.contract.leave(sender=seated.candidates[5].address)
    seated.contract.leave(sender=seated.candidates[1].address)
    with boa.reverts("committee: leaving already"):
        seated.contract.leave(sender=seated.candidates[1].address)

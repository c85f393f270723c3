"""withdraw: the bond comes home."""

from __future__ import annotations

import boa
import pytest

from tests.contracts.consensus.attester_committee.conftest import Bonds
from tests.contracts.consensus.drafts import events
from tests.support.actors import STRANGER


def test_at_once_without_a_seat(bonds: Bonds) -> None:
    who = bonds.candidates[6].address
    assert bonds.contract.withdraw(sender=who) == bonds.bond
    (event,) = events(bonds.contract, "Withdrawn")
    assert (event.seat, event.amount) == (who, bonds.bond)
    assert bonds.net.token.balanceOf(who) == bonds.bond
    with boa.reverts("committee: nothing left"):
        bonds.contract.withdraw(sender=who)


@pytest.mark.attack("A24")
def test_dispute_and_unbonding_after_the_last_epoch(bonds: Bonds) -> None:
    bonds.install([0, 1, 2, 3, 4])
    who = bonds.candidates[4].address
    bonds.contract.leave(sender=who)
    with boa.reverts("committee: still seated"):
        bonds.contract.withdraw(sender=who)
    bonds.net.at(bonds.net.now + bonds.net.parameters.notice)
    bonds.apply()
    q = bonds.net.parameters
    free = int(bonds.contract.seat_of(who)) >> 8 & (2**40 - 1)
    assert bonds.contract.RELEASE() == q.dispute * q.epoch + q.unbonding
    assert free == q.start(int(bonds.net.epoch) + 1) + bonds.contract.RELEASE(), (
        "its last epoch ends where the table without it starts"
    )
    bonds.net.at(free - 1)
    with boa.reverts("committee: not released"):
        bonds.contract.withdraw(sender=who)
    bonds.net.at(free)
    bonds.contract.withdraw(sender=who)
    assert bonds.contract.seat_of(who) == 0
    bonds.join(bonds.candidates[4])


def test_nothing_of_a_stranger(bonds: Bonds) -> None:
    with boa.reverts("committee: nothing left"):
        bonds.contract.withdraw(sender=STRANGER.address)

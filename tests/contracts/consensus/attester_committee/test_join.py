"""join: tokens become a bond, and an account a candidate."""

from __future__ import annotations

import boa
import pytest

from tests.contracts.consensus.attester_committee.conftest import Bonds
from tests.contracts.consensus.drafts import events
from tests.support.actors import OWNER, STRANGER


def test_bonds_the_callers_tokens(bonds: Bonds) -> None:
    held = bonds.net.token.balanceOf(bonds.contract.address)
    bonds.join(STRANGER, 5, "https://a.example")
    (event,) = events(bonds.contract, "Bonded")
    assert (event.seat, event.amount, event.bond, event.endpoint) == (STRANGER.address, 5, 5, "https://a.example")
    assert bonds.net.token.balanceOf(bonds.contract.address) == held + 5
    assert bonds.contract.endpoint(STRANGER.address) == "https://a.example"
    bonds.join(STRANGER, 7, "https://b.example")
    assert bonds.contract.seat_of(STRANGER.address) == 12 << 128
    assert bonds.contract.endpoint(STRANGER.address) == "https://b.example"


@pytest.mark.parametrize("amount", [0, 2**120 + 1])
def test_amounts_out_of_range(bonds: Bonds, amount: int) -> None:
    with boa.reverts("committee: amount"):
        bonds.contract.join(amount, "", sender=STRANGER.address)


def test_without_tokens(bonds: Bonds) -> None:
    with boa.reverts("token: allowance"):
        bonds.contract.join(5, "", sender=STRANGER.address)


def test_not_while_leaving_nor_before_the_old_bond_is_home(seated: Bonds) -> None:
    who = seated.candidates[0]
    seated.propose([1, 2, 3, 4])
    seated.net.at(int(seated.contract.pending()[1]))
    seated.apply()
    seated.net.token.transfer(who.address, 5, sender=OWNER.address)
    with boa.reverts("committee: withdraw first"):
        seated.contract.join(5, "", sender=who.address)
    other = seated.candidates[1]
    seated.contract.leave(sender=other.address)
    with boa.reverts("committee: leaving"):
        seated.contract.join(5, "", sender=other.address)

"""What a reader may rely on: seats, the pending table, and the state of an account in words."""

from __future__ import annotations

from tests.contracts.consensus.attester_committee.conftest import Bonds
from tests.support.actors import OWNER, STRANGER
from tests.support.suite import ZERO_ADDRESS


def test_the_state_of_an_account_in_words(bonds: Bonds) -> None:
    net = bonds.net
    who = bonds.candidates[4].address
    assert bonds.contract.state(STRANGER.address) == "no bond"
    assert bonds.contract.state(who) == "bonded, no seat"
    bonds.install([0, 1, 2, 3, 4])
    assert bonds.contract.state(who) == "seated"
    bonds.contract.leave(sender=who)
    assert bonds.contract.state(who) == "seated, leaving"
    net.at(net.now + net.parameters.notice)
    assert bonds.contract.state(who) == "left, waiting for the next table"
    bonds.apply()
    assert bonds.contract.state(who) == "out, bond held"
    net.at((int(bonds.contract.seat_of(who)) >> 8) & (2**40 - 1))
    assert bonds.contract.state(who) == "out, bond free"
    bonds.contract.withdraw(sender=who)
    assert bonds.contract.state(who) == "no bond"


def test_owner(bonds: Bonds) -> None:
    assert (bonds.contract.owner(), bonds.contract.pending_owner()) == (OWNER.address, ZERO_ADDRESS)


def test_tables(bonds: Bonds) -> None:
    assert bonds.contract.seats() == [] and bonds.contract.pending() == ([], 0)
    bonds.propose([0, 1])
    assert bonds.contract.pending()[0] == [c.address for c in bonds.candidates[:2]]

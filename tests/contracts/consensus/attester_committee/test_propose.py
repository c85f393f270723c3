"""propose: the owner's next table, with notice, a third at a time."""

from __future__ import annotations

import boa
import pytest

from tests.contracts.consensus.attester_committee.conftest import Bonds
from tests.contracts.consensus.drafts import events
from tests.support.actors import OWNER, STRANGER


def addresses(bonds: Bonds, *numbers: int) -> list[str]:
    return [bonds.candidates[i].address for i in numbers]


def test_is_kept_with_its_time(bonds: Bonds) -> None:
    bonds.propose([0, 1, 2, 3])
    at = bonds.net.now + bonds.net.parameters.notice
    (event,) = events(bonds.contract, "ChangeProposed")
    assert (event.seats, event.at) == (addresses(bonds, 0, 1, 2, 3), at)
    assert bonds.contract.pending() == (addresses(bonds, 0, 1, 2, 3), at)
    bonds.net.at(bonds.net.now + 60)
    bonds.propose([3, 2, 1, 0])
    assert bonds.contract.pending() == (addresses(bonds, 3, 2, 1, 0), at + 60), "the notice begins anew"


def test_only_the_owner(bonds: Bonds) -> None:
    with boa.reverts("ownable: caller is not the owner"):
        bonds.contract.propose(addresses(bonds, 0), sender=STRANGER.address)


def test_not_nobody(bonds: Bonds) -> None:
    with boa.reverts("committee: no seats"):
        bonds.propose([])


def test_not_twice(bonds: Bonds) -> None:
    with boa.reverts("committee: seat twice"):
        bonds.propose([0, 1, 2, 0])


def test_only_bonded_accounts_that_stay(seated: Bonds) -> None:
    with boa.reverts("committee: seat not bonded"):
        seated.contract.propose([STRANGER.address], sender=OWNER.address)
    seated.join(STRANGER, seated.bond - 1)
    with boa.reverts("committee: seat not bonded"):
        seated.contract.propose([*addresses(seated, 0, 1, 2), STRANGER.address], sender=OWNER.address)
    seated.contract.leave(sender=seated.candidates[3].address)
    with boa.reverts("committee: seat not bonded"):
        seated.propose([0, 1, 2, 3])


@pytest.mark.parametrize("numbers", [[0, 1, 4, 5], [0, 1], [4, 5, 6, 0], [0, 1, 2, 3, 4, 5]])
def test_a_third_at_a_time(seated: Bonds, numbers: list[int]) -> None:
    with boa.reverts("committee: too many changes"):
        seated.propose(numbers)


@pytest.mark.parametrize("numbers", [[0, 1, 2, 4], [0, 1, 2], [0, 1, 2, 3, 4], [3, 2, 1, 0]])
def test_one_of_four_may_come_and_go(seated: Bonds, numbers: list[int]) -> None:
    seated.propose(numbers)

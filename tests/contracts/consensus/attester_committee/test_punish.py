"""punish: the seats that signed a report which fell."""

from __future__ import annotations

import boa
import pytest

from tests.contracts.consensus.attester_committee.conftest import Bonds
from tests.contracts.consensus.drafts import events
from tests.support.actors import SETTLER, STRANGER, keccak, words
from tests.support.refutation import Report, draft, record


def fell(bonds: Bonds, seats: tuple[int, ...] = (0, 1, 2), finder: bool = False) -> tuple[int, int]:
    """A false report of the next epoch by those seats is refuted; (its epoch, its number)."""
    net = bonds.net
    e = int(net.hub.last_epoch()) + 1
    n = int(net.hub.cancels(e))
    true = draft(net, [record(1)], count=8, view=n << 16)
    false: Report = true.but(parts=[(true.parts[0][0], keccak(b"garbage"))], seats=seats)
    false.send(net)
    arguments = false.arguments()
    if finder:
        _, part, group, _, leaves, siblings = arguments
        claim = words(SETTLER.address, false.digest(net), part, group, keccak(leaves), keccak(siblings))
        net.refuter.commit(keccak(claim))
        net.at(net.now + 1)
    net.refuter.refute(*arguments, sender=(SETTLER if finder else STRANGER).address)
    return e, n


def test_takes_a_tenth_of_each_signers_bond_and_burns_it(seated: Bonds) -> None:
    token, bond = seated.net.token, seated.bond
    fault = fell(seated)
    supply = token.totalSupply()
    seated.contract.punish(*fault, sender=STRANGER.address)
    logs = events(seated.contract, "Punished")
    assert [(e.seat, e.taken, e.paid) for e in logs] == [
        (seated.candidates[i].address, bond // 10, 0) for i in range(3)
    ]
    assert [seated.bond_of(i) for i in range(4)] == [bond * 9 // 10] * 3 + [bond]
    assert token.totalSupply() == supply - 3 * (bond // 10)
    assert token.balanceOf(seated.contract.address) == sum(seated.bond_of(i) for i in range(7))
    assert seated.contract.punished(*fault) == 0b111


def test_a_fifth_goes_to_a_finder_that_committed(seated: Bonds) -> None:
    """I13."""
    token, bond = seated.net.token, seated.bond
    fault = fell(seated, finder=True)
    supply, held = token.totalSupply(), token.balanceOf(SETTLER.address)
    seated.contract.punish(*fault)
    taken = 3 * (bond // 10)
    assert token.balanceOf(SETTLER.address) - held == taken // 5
    assert supply - token.totalSupply() == taken - taken // 5


@pytest.mark.parametrize(("days", "all_of_it"), [(0, True), (29, True), (31, False)])
def test_the_second_within_thirty_days_takes_all(seated: Bonds, days: int, all_of_it: bool) -> None:
    seated.contract.punish(*fell(seated))
    bond = seated.bond_of(0)
    net = seated.net
    if days:
        net.at(net.now + days * 86_400)
        net.report(view=1 << 16)
    seated.contract.punish(*fell(seated))
    assert seated.bond_of(0) == (0 if all_of_it else bond * 9 // 10)
    if all_of_it:
        assert seated.contract.state(seated.candidates[0].address) == "seated, bond lost"


def test_whichever_of_two_is_shown_first(seated: Bonds) -> None:
    first, second = fell(seated), fell(seated)
    assert first == (1, 0) and second == (1, 1)
    seated.contract.punish(*second)
    seated.contract.punish(*first)
    assert seated.bond_of(0) == 0


def test_signers_of_later_reports_are_not_punished(seated: Bonds) -> None:
    e, n = fell(seated, (1, 2, 3))
    seated.contract.punish(e, n)
    assert seated.bond_of(0) == seated.bond


@pytest.mark.attack("T41")
def test_once(seated: Bonds) -> None:
    fault = fell(seated)
    seated.contract.punish(*fault)
    with boa.reverts("committee: punished already"):
        seated.contract.punish(*fault)


def test_not_without_a_fault(seated: Bonds) -> None:
    for place in ((1, 0), (1, 1), (2**255, 2**255)):
        with boa.reverts("committee: no fault"):
            seated.contract.punish(*place)


def test_unbonding_in_front_of_it_saves_nothing(bonds: Bonds) -> None:
    """C12, T14, T41: who leaves between the lie and the proof loses the same."""
    bonds.install([0, 1, 2, 3, 4])
    fault = fell(bonds, (0, 1, 2, 3))
    bonds.contract.leave(sender=bonds.candidates[0].address)
    bonds.net.at(bonds.net.now + bonds.net.parameters.notice)
    bonds.contract.punish(*fault)
    assert bonds.bond_of(0) == bonds.bond * 9 // 10


def test_a_seat_without_a_bond_has_nothing_to_lose(bonds: Bonds) -> None:
    """The owner's own table, before any was applied: punished without harm, nothing burned, nobody paid."""
    bonds.net.set_committee()
    for i in range(3):
        bonds.contract.withdraw(sender=bonds.candidates[i].address)
    fault = fell(bonds, finder=True)
    supply = bonds.net.token.totalSupply()
    bonds.contract.punish(*fault)
    assert bonds.net.token.totalSupply() == supply


def test_a_seat_that_lost_its_bond_is_out_of_the_next_table(bonds: Bonds) -> None:
    bonds.install([0, 1, 2, 3, 4, 5])
    for _ in range(2):
        bonds.contract.punish(*fell(bonds, (0, 1, 2, 3)))
    bonds.net.report(view=2 << 16, seats=(2, 3, 4, 5))
    bonds.net.at(int(bonds.net.hub.usable_at(1)))
    with boa.reverts("committee: below four seats"):
        bonds.contract.apply()
    assert bonds.seated(0), "four of six are gone: the table stays until the owner's next"

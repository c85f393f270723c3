"""apply: anyone hands the hub the table that is due."""

from __future__ import annotations

import boa

from tests.contracts.consensus.attester_committee.conftest import Bonds
from tests.contracts.consensus.drafts import events
from tests.support.actors import STRANGER


def test_the_first_table_signs_from_epoch_one_on(bonds: Bonds) -> None:
    bonds.propose([0, 1, 2, 3])
    bonds.net.at(int(bonds.contract.pending()[1]))
    bonds.contract.apply(sender=STRANGER.address)
    (event,) = events(bonds.contract, "Applied")
    expected = [c.address for c in bonds.candidates[:4]]
    assert (event.start, event.seats) == (1, expected)
    assert bonds.contract.seats() == expected
    assert bonds.contract.pending() == ([], 0)
    assert bonds.net.hub.committee(1)[0] == 1
    bonds.net.committee[1] = bonds.candidates[:4]
    bonds.net.report()


def test_not_before_its_notice(bonds: Bonds) -> None:
    bonds.propose([0, 1, 2, 3])
    bonds.net.at(int(bonds.contract.pending()[1]) - 1)
    with boa.reverts("committee: nothing due"):
        bonds.contract.apply()


def test_a_later_table_starts_with_the_next_epoch(seated: Bonds) -> None:
    seated.net.go(3)
    seated.net.report_until(2)
    seated.propose([0, 1, 2, 4])
    seated.net.at(int(seated.contract.pending()[1]))
    seated.net.report_until(int(seated.net.epoch) - 1)
    seated.net.at(int(seated.net.hub.usable_at(seated.net.hub.last_epoch())))
    start = int(seated.net.epoch) + 1
    seated.apply()
    assert seated.net.hub.committee(start)[0] == 2 and seated.net.hub.committee(start - 1)[0] == 1
    assert [seated.seated(i) for i in range(5)] == [True, True, True, False, True]
    release = seated.net.parameters.start(start) + seated.contract.RELEASE()
    assert int(seated.contract.seat_of(seated.candidates[3].address)) >> 8 & (2**40 - 1) == release


def test_nothing_due(seated: Bonds) -> None:
    with boa.reverts("committee: nothing due"):
        seated.contract.apply()


def test_by_leaving_it_does_not_fall_below_four(seated: Bonds) -> None:
    seated.contract.leave(sender=seated.candidates[0].address)
    seated.net.at(seated.net.now + seated.net.parameters.notice)
    with boa.reverts("committee: below four seats"):
        seated.contract.apply()
    assert seated.seated(0), "it signs on, until the owner's next table"


def test_who_leaves_is_out(bonds: Bonds) -> None:
    bonds.install([0, 1, 2, 3, 4])
    bonds.contract.leave(sender=bonds.candidates[2].address)
    bonds.net.at(bonds.net.now + bonds.net.parameters.notice)
    bonds.apply()
    assert bonds.contract.seats() == [bonds.candidates[i].address for i in (0, 1, 3, 4)]
    assert not bonds.seated(2)


def test_a_proposal_whose_seats_withdrew_holds_nobody_up(bonds: Bonds) -> None:
    bonds.install([0, 1, 2, 3, 4])
    bonds.contract.leave(sender=bonds.candidates[2].address)
    bonds.propose([0, 1, 3, 4, 5])
    bonds.contract.withdraw(sender=bonds.candidates[5].address)
    bonds.net.at(bonds.net.now + bonds.net.parameters.notice)
    bonds.apply()
    assert bonds.contract.seats() == [bonds.candidates[i].address for i in (0, 1, 3, 4)]


def test_a_proposal_that_shrank_below_four_is_dropped(bonds: Bonds) -> None:
    bonds.install([0, 1, 2, 3, 4, 5])
    bonds.propose([0, 1, 2, 3])
    bonds.contract.leave(sender=bonds.candidates[0].address)
    bonds.net.at(bonds.net.now + bonds.net.parameters.notice)
    bonds.apply()
    assert bonds.contract.seats() == [bonds.candidates[i].address for i in (1, 2, 3, 4, 5)]
    assert bonds.contract.pending() == ([], 0)

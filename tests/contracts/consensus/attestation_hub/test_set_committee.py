"""set_committee: tables as data contracts, generations, and when a change may be set."""

from __future__ import annotations

from typing import Any

import boa
import pytest

from tests.contracts.consensus.drafts import draft, events
from tests.support.actors import OWNER, STRANGER, Actor, seat, words
from tests.support.constants import RING
from tests.support.suite import ZERO_ADDRESS, Suite, create_address


def setting(net: Suite, start: int, seats: list[Actor], urls: list[str] | None = None, sender: Actor = OWNER) -> Any:
    urls = [""] * len(seats) if urls is None else urls
    return net.hub.set_committee(start, [s.address for s in seats], urls, sender=sender.address)


def test_stores_the_table_and_logs_it(bare: Suite) -> None:
    seats = bare.set_committee(start=1, n=5)
    (event,) = events(bare.hub, "CommitteeSet")
    assert (event.generation, event.start, event.seats) == (1, 1, [s.address for s in seats])
    assert event.endpoints[4] == "https://seat-4.example"
    table = create_address(bare.hub.address, 1)
    assert event.table == table
    code = bytes(boa.env.get_code(table))
    assert code == b"\0" + words(*(s.address for s in seats)) + bytes(32 * 26)
    assert bare.hub.committee(1) == (1, table, 5)
    assert bare.hub.committee(0) == (0, ZERO_ADDRESS, 0)


def test_a_table_of_31(bare: Suite) -> None:
    seats = bare.set_committee(n=31)
    table = bare.hub.committee(1)[1]
    assert bytes(boa.env.get_code(table)) == b"\0" + words(*(s.address for s in seats))


def test_the_first_may_have_started(bare: Suite) -> None:
    bare.go(5)
    bare.set_committee(start=1)
    assert bare.report() == 1


@pytest.mark.attack("T09")
def test_each_epoch_is_signed_by_its_own(net: Suite) -> None:
    net.report()
    net.make_usable()
    now = net.epoch
    net.set_committee(start=now + 2, n=7)
    while net.hub.last_epoch() < now + 1:
        net.report()
    assert net.hub.committee(now + 1)[::2] == (1, 4)
    assert net.hub.committee(now + 2)[::2] == (2, 7)
    d = draft(net)
    assert d.generation == 2
    with boa.reverts("quorum: signatures"):
        d.but(generation=1).send(net)
    d.send(net)
    assert (net.hub.meta(now + 2) >> 32) & 0xFFFFFFFF == 0b11111


def test_three_tables_are_kept(net: Suite) -> None:
    starts = [1]
    for n in (5, 6, 7):
        net.report()
        net.report_until(net.epoch - 1)
        net.make_usable()
        starts.append(net.epoch + 1)
        net.set_committee(start=starts[-1], n=n)
        net.report_until(starts[-1])
    found = [net.hub.committee(s) for s in starts]
    assert [f[0] for f in found] == [0, 2, 3, 4], "the first table is forgotten"
    assert [f[2] for f in found] == [0, 5, 6, 7]
    assert [f[1] for f in found[1:]] == [create_address(net.hub.address, g) for g in (2, 3, 4)]
    assert net.hub.committee(starts[2] - 1)[0] == 2


@pytest.mark.attack("C54")
def test_late_epochs_are_signed_by_the_committee_in_force_when_sent(net: Suite) -> None:
    """What a dead committee left is finished by the new one, 24 epochs after each end and not before."""
    net.go(3)
    net.set_committee(start=4, n=7)
    late = net.parameters.end(1 + 24)
    net.at(late - 1)
    d = draft(net)
    with boa.reverts("quorum: signatures"):
        d.but(generation=2).send(net)
    net.at(late)
    with boa.reverts("quorum: signatures"):
        d.but(generation=1).send(net)
    d.but(generation=2).send(net)
    assert net.hub.last_epoch() == 1


def test_generations_beyond_one_and_two_bytes_of_nonce(bare: Suite) -> None:
    """Tables are found by the hub's nonce, whose RLP grows at 128 and at 256."""
    for generation in range(1, 259):
        # nobody reports: after 26 epochs no epoch waits for an older table
        bare.go(26 * generation)
        start = 26 * generation + 1
        bare.hub.set_committee(start, [seat(generation, 9).address], [""], sender=OWNER.address)
        if generation in (1, 2, 127, 128, 129, 255, 256, 257, 258):
            _, table, n = bare.hub.committee(start)
            assert (table, n) == (create_address(bare.hub.address, generation), 1)
            assert bytes(boa.env.get_code(table))[1:33] == words(seat(generation, 9).address)


# ---- reverts


def test_not_the_owner(bare: Suite) -> None:
    with boa.reverts("ownable: caller is not the owner"):
        setting(bare, 1, [seat(0)], sender=STRANGER)


def test_no_seats(bare: Suite) -> None:
    with boa.reverts("hub: seats"):
        setting(bare, 1, [])


def test_an_endpoint_short(bare: Suite) -> None:
    with boa.reverts("hub: seats"):
        setting(bare, 1, [seat(0), seat(1)], [""])


def test_a_seat_of_zero(bare: Suite) -> None:
    with boa.reverts("hub: seat zero"):
        bare.hub.set_committee(1, [seat(0).address, ZERO_ADDRESS], ["", ""], sender=OWNER.address)


def test_a_seat_twice(bare: Suite) -> None:
    with boa.reverts("hub: seat twice"):
        setting(bare, 1, [seat(0), seat(1), seat(2), seat(0)])


@pytest.mark.parametrize("start", [0, RING + 1, 2**32, 2**200])
def test_a_start_out_of_reach(bare: Suite, start: int) -> None:
    with boa.reverts("hub: start"):
        setting(bare, start, [seat(0)])


def test_a_start_that_has_come(net: Suite) -> None:
    net.go(7)
    with boa.reverts("hub: start passed"):
        setting(net, 7, [seat(0)])
    setting(net, 8, [seat(0)])
    assert net.hub.committee(8)[0] == 2


def test_a_pending_one_is_replaced(net: Suite) -> None:
    """L5: by another table, or brought forward; what is in force stays, the number of the replaced one is skipped."""
    net.go(5)
    setting(net, 9, [seat(0)])
    setting(net, 9, [seat(1), seat(2)])
    assert [net.hub.committee(e)[::2] for e in (8, 9, 10)] == [(1, 4), (3, 2), (3, 2)]
    setting(net, 6, [seat(3)])
    assert [net.hub.committee(e)[::2] for e in (5, 6, 9)] == [(1, 4), (4, 1), (4, 1)]
    assert net.hub.committee(9)[1] == create_address(net.hub.address, 4)
    with boa.reverts("hub: start passed"):
        setting(net, 5, [seat(4)])


def test_a_pending_one_is_replaced_though_the_one_in_force_is_in_dispute(net: Suite) -> None:
    """A replacement forgets no table, so nothing needs to be usable or reported; and it waits like any other."""
    net.set_committee(start=3, n=5)
    net.report_until(3)
    net.at(net.hub.usable_at(2))
    pending = net.epoch + 10
    setting(net, pending, [seat(0)])
    net.report()
    setting(net, net.epoch + 1, [seat(1)])
    began = net.epoch + 1
    assert [net.hub.committee(e)[0] for e in (2, 3, began - 1, began, pending)] == [1, 2, 2, 4, 4]
    net.go(began)
    # now it has begun: it can only be followed
    with boa.reverts("hub: start passed"):
        setting(net, began, [seat(2)])


def test_the_very_first_is_replaced_before_it_begins(bare: Suite) -> None:
    setting(bare, 5, [seat(0)])
    setting(bare, 2, [seat(1)])
    assert [bare.hub.committee(e)[0] for e in (0, 1, 2, 5)] == [0, 0, 2, 2]


def test_tables_kept_after_a_replacement(net: Suite) -> None:
    """Numbers have gaps, and each of the two tables before the last is still found by its own."""
    starts = [1]
    for n in (5, 6, 7):
        net.report()
        net.report_until(net.epoch - 1)
        net.make_usable()
        starts.append(net.epoch + 1)
        net.set_committee(start=starts[-1] + 5, n=3)
        net.set_committee(start=starts[-1], n=n)
        net.report_until(starts[-1])
    found = [net.hub.committee(s) for s in starts]
    assert [f[0] for f in found] == [0, 3, 5, 7], "the first table is forgotten"
    assert [f[2] for f in found] == [0, 5, 6, 7]
    assert [f[1] for f in found[1:]] == [create_address(net.hub.address, g) for g in (3, 5, 7)]
    assert net.hub.committee(starts[2] - 1)[0] == 3


def test_several_to_come(net: Suite) -> None:
    setting(net, 9, [seat(0)])
    setting(net, 10, [seat(1)])
    assert [net.hub.committee(e)[0] for e in (8, 9, 10)] == [1, 2, 3]
    # one that comes before both replaces both
    setting(net, 8, [seat(2)])
    assert [net.hub.committee(e)[0] for e in (7, 8, 9, 10)] == [1, 4, 4, 4]


@pytest.mark.attack("A22")
def test_not_while_a_report_before_the_last_change_is_in_dispute(net: Suite) -> None:
    net.set_committee(start=3)
    net.report_until(3)
    usable = net.hub.usable_at(2)
    net.at(usable - 1)
    with boa.reverts("hub: in dispute"):
        setting(net, net.epoch + 2, [seat(0)])
    net.at(usable)
    setting(net, net.epoch + 2, [seat(0)])
    assert net.now < net.hub.usable_at(3), "epoch 3 is the last table's own"


@pytest.mark.attack("A22")
def test_not_while_an_epoch_waits_for_the_table_to_be_forgotten(net: Suite) -> None:
    net.set_committee(start=2)
    net.set_committee(start=3)
    with boa.reverts("hub: unreported"):
        setting(net, 4, [seat(0)])
    with boa.env.anchor():
        net.report()
        net.make_usable()
        setting(net, net.epoch + 1, [seat(0)])
    # nobody reports: once epoch 1 is late its own table is not needed
    net.go(2 + 24, -1)
    with boa.reverts("hub: unreported"):
        setting(net, 40, [seat(0)])
    net.go(2 + 24)
    setting(net, 40, [seat(0)])
    assert net.hub.committee(40)[0] == 4


def test_the_committee_contract_may_too(bare: Suite) -> None:
    """Beside the owner, the suite's AttesterCommittee hands over the tables that are due."""
    seats = [seat(i).address for i in range(4)]
    bare.hub.set_committee(1, seats, [""] * 4, sender=bare.seats.address)
    assert bare.hub.committee(1)[0] == 1

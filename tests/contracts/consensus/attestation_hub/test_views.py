"""What a reader may rely on: the words of reports and prices, quorum, committee."""

from __future__ import annotations

from copy import deepcopy

import boa
import pytest

from tests.support.actors import OWNER
from tests.support.suite import ZERO_ADDRESS, Suite, create_address


@pytest.mark.parametrize("n", range(1, 32))
@pytest.mark.attack("T09")
def test_two_quorums_share_an_honest_seat(net: Suite, n: int) -> None:
    """I7."""
    f, q = (n - 1) // 3, net.hub.quorum(n)
    assert 2 * q - n > f
    assert n - f >= q, "the honest alone are enough"


@pytest.mark.parametrize("n", [0, 32, 2**255])
def test_no_committee_of_that_size(net: Suite, n: int) -> None:
    with boa.reverts("hub: no committee size"):
        net.hub.quorum(n)


def test_committee_of_an_epoch(net: Suite) -> None:
    net.set_committee(start=4, n=7)
    assert net.hub.committee(0) == (0, ZERO_ADDRESS, 0)
    assert net.hub.committee(3) == (1, create_address(net.hub.address, 1), 4)
    assert net.hub.committee(4) == net.hub.committee(2**255) == (2, create_address(net.hub.address, 2), 7)


def test_nothing_was_reported_yet(net: Suite) -> None:
    assert (net.hub.last_epoch(), net.hub.newest_usable()) == (0, 0)
    assert (net.hub.usable_at(1), net.hub.period_word(0)) == (0, 0)
    with boa.reverts("hub: period open"):
        net.hub.period_price(0)


def test_what_a_report_leaves(net: Suite) -> None:
    net.report({3: 0b1010})
    assert net.hub.last_epoch() == 1
    assert net.hub.ring_word(1) == net.uptime.word
    assert net.hub.meta(1) & (2**32 - 1) == net.now
    assert net.hub.counters() & (2**32 - 1) == net.uptime.header & (2**32 - 1) == 1
    assert net.hub.price() >> 192 == net.parameters.price
    at = net.hub.usable_at(1)
    assert at > net.now and net.hub.newest_usable() == 0
    net.at(at)
    assert net.hub.newest_usable() == 1


def test_a_closed_period_has_its_price(net: Suite) -> None:
    net.report_until(net.parameters.epochs_per_period)
    net.make_usable()
    assert net.hub.period_price(0) == net.parameters.price
    assert net.hub.period_word(0) >> 72 == net.parameters.price


def test_owner_and_domain(net: Suite) -> None:
    assert (net.hub.owner(), net.hub.pending_owner()) == (OWNER.address, ZERO_ADDRESS)
    _, name, version, chain, contract, _, _ = net.hub.eip712Domain()
    assert (name, version, chain, contract) == ("Hearth", "1", boa.env.evm.patch.chain_id, net.hub.address)


def test_cancels_are_counted_by_epoch(net: Suite) -> None:
    """Of an epoch that stands, of one that fell and waits, of one that never was; never of those to come."""
    net.report()
    before = deepcopy(net.uptime)
    net.report()
    assert [net.hub.cancels(e) for e in (0, 1, 2, 3, 2**255)] == [0] * 5
    net.hub.cancel(before.root, before.header, sender=net.refuter.address)
    assert [net.hub.cancels(e) for e in (1, 2, 3)] == [0, 1, 0]


def test_draw__every_epoch__is_the_seed_with_a_mark_where_there_is_one(net: Suite) -> None:
    net.report()
    net.report()
    for e in (0, 1, 2, 3, 4, 2**255):
        seed, at = net.hub.seed(e)
        assert net.hub.draw(e) == (seed | 1 << 56 if at else 0)
    assert net.hub.draw(1) == net.hub.draw(4) == 0 != net.hub.draw(3)

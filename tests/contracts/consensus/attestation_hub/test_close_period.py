"""close_period: a period nobody closed, at the last price, for ever."""

from __future__ import annotations

import boa

from tests.contracts.consensus.drafts import events
from tests.support.actors import STRANGER
from tests.support.suite import Suite


def abandoned(net: Suite, p: int) -> int:
    q = net.parameters
    return q.genesis + (p + 1) * q.period + q.abandon


def test_stores_the_last_price(net: Suite) -> None:
    net.report(price=2_100_000_000_000)
    net.at(abandoned(net, 0))
    r = net.hub.close_period(0, sender=STRANGER.address)
    (event,) = events(net.hub, "PeriodClosed")
    assert (event.period, event.price) == (0, r)
    assert r == 2_100_000_000_000
    assert net.hub.period_word(0) == r << 72
    assert net.hub.period_price(0) == r, "at once"


def test_without_any_report_the_first_price_closes_it(net: Suite) -> None:
    """I8: with all attesters gone no exit waits for a report."""
    net.at(abandoned(net, 0))
    assert net.hub.close_period(0) == net.parameters.price


def test_no_later_report_changes_it(net: Suite) -> None:
    net.at(abandoned(net, 0))
    r = net.hub.close_period(0)
    for _ in range(30):
        net.report(price=2_500_000_000_000)
    assert net.hub.period_price(0) == r
    assert net.hub.period_word(0) == r << 72


def test_one_in_dispute_counts_as_open(net: Suite) -> None:
    net.at(abandoned(net, 0))
    net.report_until(24)
    assert net.hub.period_word(0) != 0
    assert net.hub.close_period(0) == net.parameters.price
    assert net.hub.period_price(0) == net.parameters.price


def test_not_before_abandon(net: Suite) -> None:
    net.at(abandoned(net, 0) - 1)
    with boa.reverts("hub: not abandoned"):
        net.hub.close_period(0)


def test_not_a_period_to_come(net: Suite) -> None:
    with boa.reverts():
        net.hub.close_period(2**255)
    with boa.reverts("hub: not abandoned"):
        net.hub.close_period(1_000)


def test_not_once_closed(net: Suite) -> None:
    net.report_until(24)
    net.at(abandoned(net, 0))
    with boa.reverts("hub: period closed"):
        net.hub.close_period(0)
    net.at(abandoned(net, 1))
    net.hub.close_period(1)
    with boa.reverts("hub: period closed"):
        net.hub.close_period(1)

"""usable, usable_at, newest_usable, ring_word, meta: the dispute window and the ring."""

from __future__ import annotations

import boa
import pytest

from tests.support.constants import RING
from tests.support.suite import Suite


def fill(net: Suite, last: int) -> None:
    """Void epochs up to `last`: the cheapest way round the ring."""
    while (n := min(24, last - net.hub.last_epoch())) > 0:
        net.void(n)


def test_from_the_end_of_the_dispute_window_on(net: Suite) -> None:
    net.report()
    since = net.now + net.hub.DISPUTE()
    assert net.hub.usable_at(1) == since
    net.at(since - 1)
    with boa.reverts("hub: not usable yet"):
        net.hub.usable(1)
    net.at(since)
    assert net.hub.usable(1) == (net.uptime.word, since)


def test_the_window_counts_from_the_report_not_from_the_epoch(net: Suite) -> None:
    net.go(9)
    net.report()
    assert net.hub.usable_at(1) == net.now + net.hub.DISPUTE()


def test_no_report_of_it(net: Suite) -> None:
    net.report()
    assert net.hub.usable_at(2) == net.hub.usable_at(2**255) == 0
    with boa.reverts("hub: not usable"):
        net.hub.usable(2)
    with boa.reverts("hub: not usable"):
        net.hub.usable(2**256 - 1)


def test_epoch_zero_was_always_usable(net: Suite) -> None:
    """Nothing was down before the first epoch."""
    assert net.hub.usable(0) == (net.uptime.word, net.hub.DISPUTE())


def test_newest_usable_walks_with_time(net: Suite) -> None:
    for k in range(6):
        net.report(delay=100 * k)
    assert net.hub.newest_usable() == 0
    for e in range(1, 7):
        net.at(net.hub.usable_at(e) - 1)
        assert net.hub.newest_usable() == e - 1
        net.at(net.hub.usable_at(e))
        assert net.hub.newest_usable() == e


def test_newest_usable_of_a_batch(net: Suite) -> None:
    net.void(5)
    net.make_usable()
    net.void(3)
    assert net.hub.newest_usable() == 5


@pytest.mark.parametrize("extra", [0, 1, 40])
@pytest.mark.attack("A10")
def test_the_ring_forgets(net: Suite, extra: int) -> None:
    last = RING - 1 + extra
    fill(net, last)
    word = net.uptime.word
    net.make_usable()
    oldest = last - RING + 1
    assert net.hub.newest_usable() == last
    assert net.hub.usable(last)[0] == net.hub.ring_word(last) == word
    assert net.hub.usable(oldest)[0] == net.hub.ring_word(oldest)
    assert net.hub.seed(max(oldest, 1) + 1)[1] != 0
    assert net.hub.seed(oldest) == (0, 0)
    if oldest:
        assert net.hub.usable_at(oldest - 1) == 1, "it was usable, or nobody could have gone on"
        with boa.reverts("hub: not usable"):
            net.hub.usable(oldest - 1)
        with boa.reverts("hub: not in the ring"):
            net.hub.ring_word(oldest - 1)
        with boa.reverts("hub: no report in the ring"):
            net.hub.meta(oldest - 1)


def test_newest_usable_when_the_whole_ring_is_in_dispute(net: Suite) -> None:
    net.go(RING + 48)
    fill(net, RING + 24)
    assert net.hub.newest_usable() == 0
    net.make_usable()
    assert net.hub.newest_usable() == RING + 24


def test_ring_word_and_meta_of_epochs_to_come(net: Suite) -> None:
    net.report()
    with boa.reverts("hub: not in the ring"):
        net.hub.ring_word(2)
    with boa.reverts("hub: no report in the ring"):
        net.hub.meta(2)
    assert net.hub.meta(0) == 0

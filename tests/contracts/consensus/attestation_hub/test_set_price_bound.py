"""set_price_bound: the most a price may move in an epoch."""

from __future__ import annotations

import boa
import pytest

from tests.contracts.consensus.drafts import events
from tests.support.actors import OWNER, STRANGER
from tests.support.suite import Suite


def test_set_price_bound(net: Suite) -> None:
    net.report()
    before = net.hub.counters(), net.hub.committee(1)
    net.hub.set_price_bound(5_000, sender=OWNER.address)
    (event,) = events(net.hub, "PriceBoundSet")
    assert (event.old, event.new) == (1_000, 5_000)
    assert (net.hub.counters(), net.hub.committee(1)) == before
    net.report(price=3 * net.parameters.price)
    assert net.hub.price() >> 192 == net.parameters.price * 3 // 2


def test_set_price_bound_is_the_owners(net: Suite) -> None:
    with boa.reverts("ownable: caller is not the owner"):
        net.hub.set_price_bound(1, sender=STRANGER.address)


@pytest.mark.parametrize("bps", [0, 5_001, 2**14 + 1, 2**255])
def test_set_price_bound_out_of_range(net: Suite, bps: int) -> None:
    with boa.reverts("hub: price bound"):
        net.hub.set_price_bound(bps, sender=OWNER.address)

"""report: a hub tied to an outside price."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boa
import pytest

from tests.contracts.consensus.conftest import deploy
from tests.contracts.consensus.drafts import draft
from tests.support.actors import RELAYER
from tests.support.constants import PRICE_ONE, Parameters
from tests.support.suite import Suite, compiled

NOW_PRICE = 2 * PRICE_ONE


@pytest.fixture(params=[8, 18, 0])
def fed(request: pytest.FixtureRequest) -> Iterator[tuple[Suite, Any, int]]:
    """A hub with a wide bound, its feed, and 1 USD in the feed's answers."""
    with boa.env.anchor():
        feed = compiled("mocks/AggregatorMock.vy").deploy(request.param)
        net = deploy(Parameters(bound=5_000), feed.address)
        net.set_committee()
        yield net, feed, 10**request.param


def price(net: Suite) -> tuple[int, int]:
    """P and the clamp flag."""
    word = int(net.hub.price())
    return word >> 192, word >> 1 & 1


def test_a_median_near_it_is_the_price(fed: tuple[Suite, Any, int]) -> None:
    net, feed, one = fed
    net.at(net.parameters.end(1))
    feed.set(2 * one, net.now, 0)
    net.report(price=NOW_PRICE * 110 // 100)
    assert price(net) == (NOW_PRICE * 110 // 100, 0)


@pytest.mark.parametrize(("percent", "held"), [(111, 110), (300, 110), (89, 90), (0, 90)])
def test_one_beyond_its_band_is_moved_to_the_edge_and_flagged(
    fed: tuple[Suite, Any, int], percent: int, held: int
) -> None:
    net, feed, one = fed
    net.at(net.parameters.end(1))
    feed.set(2 * one, net.now - 90_000, 0)
    net.report(price=NOW_PRICE * percent // 100)
    assert price(net) == (NOW_PRICE * held // 100, 1)
    net.report(price=NOW_PRICE)
    assert price(net) == (NOW_PRICE, 0), "the feed is old by now"


@pytest.mark.parametrize(
    ("answer", "age", "mode"),
    [(0, 0, 0), (-1, 0, 0), (2**128, 0, 0), (2**255 - 1, 0, 0), (1, 90_001, 0), (1, -1, 0), (1, 0, 1), (1, 0, 2)],
)
def test_a_feed_that_fails_stops_nothing(fed: tuple[Suite, Any, int], answer: int, age: int, mode: int) -> None:
    """Zero, negative, absurd, old, from the future, reverting, burning all gas."""
    net, feed, _ = fed
    net.at(net.parameters.end(1))
    feed.set(answer, net.now - age, mode)
    median = NOW_PRICE * 130 // 100
    net.report(price=median)
    assert price(net) == (median, 0)


def test_no_gas_is_too_little_for_the_feed_alone(fed: tuple[Suite, Any, int]) -> None:
    """Whoever carries a report cannot starve the feed: a report goes through with the feed's word, or not at all."""
    net, feed, one = fed
    d = draft(net, price=NOW_PRICE * 130 // 100)
    feed.set(2 * one, net.now, 0)
    signed = d.signed(net)
    outcomes = set()
    for gas in range(40_000, 400_000, 4_000):
        with boa.env.anchor():
            try:
                net.hub.report(*signed, sender=RELAYER.address, gas=gas)
            except boa.BoaError:
                continue
            outcomes.add(price(net))
    assert outcomes == {(NOW_PRICE * 110 // 100, 1)}


def test_the_feed_is_named_and_its_decimals_are_read_once() -> None:
    with boa.env.anchor():
        feed = compiled("mocks/AggregatorMock.vy").deploy(8)
        net = deploy(Parameters(), feed.address)
        assert net.hub.FEED() == feed.address
        for nobody in (RELAYER.address, net.pool.address):
            with boa.reverts():
                deploy(Parameters(), nobody)
        wide = compiled("mocks/AggregatorMock.vy").deploy(25)
        with boa.reverts("aggregator: decimals"):
            deploy(Parameters(), wide.address)

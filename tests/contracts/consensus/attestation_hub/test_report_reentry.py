"""report calls one contract, the pool, as its last act: whoever comes back finds the report finished."""

from __future__ import annotations

from tests.contracts.consensus.drafts import draft
from tests.support.suite import Suite


def test_the_same_report_from_within(net: Suite) -> None:
    args = draft(net).signed(net)
    net.pool.set_hook(net.hub.report.prepare_calldata(*args))
    net.hub.report(*args)
    assert not net.pool.came_through()
    assert (net.hub.last_epoch(), net.pool.pushes()) == (1, 1)


def test_the_next_report_from_within_is_an_ordinary_report(net: Suite) -> None:
    """Two epochs are over; the outer call must not undo the inner one."""
    first = draft(net)
    args = first.signed(net)
    net.go(3)
    net.uptime.report({}, 0)
    second = draft(net).but(e=2, previous=net.uptime.word, root=net.uptime.root)
    net.pool.set_hook(net.hub.report.prepare_calldata(*second.signed(net)))
    net.hub.report(*args)
    assert net.pool.came_through()
    assert net.hub.last_epoch() == 2
    assert net.hub.ring_word(1) == net.uptime.word
    assert net.hub.meta(2) >> 64 == int.from_bytes(second.digest(net), "big") >> 64


def test_a_reader_from_within_sees_the_new_price(net: Suite) -> None:
    net.pool.set_hook(net.hub.price.prepare_calldata())
    draft(net, price=net.parameters.price * 11 // 10).send(net)
    assert net.pool.came_through()
    assert int.from_bytes(net.pool.answer(), "big") == net.hub.price()
    assert net.hub.price() >> 192 == net.parameters.price * 11 // 10

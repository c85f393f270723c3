"""What a reader may rely on: faults, commitments, and the state of an epoch in words."""

from __future__ import annotations

from copy import deepcopy

import boa

from tests.support.actors import keccak
from tests.support.refutation import draft, record
from tests.support.suite import Suite


def test_the_state_of_an_epoch_in_words(net: Suite) -> None:
    state, q = net.refuter.state, net.parameters
    assert state(0) == "before the first epoch"
    assert state(1) == "not over"
    net.at(q.end(1))
    assert state(1) == "over, waiting for its report"
    before = deepcopy(net.uptime)
    net.report()
    assert state(1) == "reported, may be refuted"
    net.hub.cancel(before.root, before.header, sender=net.refuter.address)
    net.uptime = before
    assert state(1) == "cancelled, waiting to be signed again"
    net.report(view=1 << 16)
    net.make_usable()
    assert state(1) == "usable"
    assert state(2**256 - 1) == "not over"


def test_before_genesis_nothing_is_over(net: Suite) -> None:
    boa.env.timestamp = net.parameters.genesis - 1
    assert net.refuter.state(1) == "not over"


def test_a_root_that_left_the_ring(net: Suite) -> None:
    while net.hub.last_epoch() < 2_049:
        net.void(24)
    assert net.refuter.state(1) == "was usable, has left the ring"


def test_nothing_is_refuted_or_committed_at_first(net: Suite) -> None:
    assert net.refuter.fault_of(1, 0) == net.refuter.committed_at(bytes(32)) == 0


def test_each_false_report_of_an_epoch_has_its_fault(net: Suite) -> None:
    for n, seats in enumerate(((0, 1, 2), (1, 2, 3))):
        true = draft(net, [record(1)], count=8, view=n << 16)
        false = true.but(parts=[(true.parts[0][0], keccak(b"garbage"))], seats=seats)
        false.send(net)
        net.refuter.refute(*false.arguments())
        fault = net.refuter.fault_of(1, n)
        assert fault == 1 << 72 | sum(1 << s for s in seats) << 40 | net.now
    assert net.hub.cancels(1) == 2

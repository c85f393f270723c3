"""check_in: what a heartbeat gives, for a node that its committee does not hear."""

from __future__ import annotations

import boa
import pytest

from tests.contracts.consensus.drafts import events
from tests.contracts.consensus.node_standing.conftest import ACTIVE, JAILED, PENDING, RETIRED, node_word
from tests.support.actors import STRANGER, node_key
from tests.support.suite import Suite

KEY = node_key(3)


@pytest.fixture
def node(net: Suite) -> Suite:
    net.registry.set_node(3, node_word(ACTIVE, first=2))
    net.registry.set_key(3, KEY.address)
    return net


@pytest.mark.attack("A14")
def test_sets_the_bit_of_the_slot(node: Suite) -> None:
    q = node.parameters
    node.go(5, 7 * q.slot + 12)
    node.hub.check_in(3, sender=KEY.address)
    (event,) = events(node.hub, "CheckedIn")
    assert (event.node, event.epoch, event.slot) == (3, 5, 7)
    assert node.hub.check_ins(5, 3) == 1 << 7
    node.hub.check_in(3, sender=KEY.address)
    assert node.hub.check_ins(5, 3) == 1 << 7, "once is enough"
    node.go(5, 12 * q.slot - 1)
    node.hub.check_in(3, sender=KEY.address)
    assert node.hub.check_ins(5, 3) == 1 << 7 | 1 << 11
    assert (node.hub.check_ins(4, 3), node.hub.check_ins(6, 3), node.hub.check_ins(5, 4)) == (0, 0, 0)


@pytest.mark.parametrize("status", [PENDING, ACTIVE, JAILED])
def test_in_any_status_but_retired(node: Suite, status: int) -> None:
    node.registry.set_node(3, node_word(status))
    node.go(2)
    node.hub.check_in(3, sender=KEY.address)


@pytest.mark.attack("A14")
def test_only_the_nodes_key(node: Suite) -> None:
    node.go(2)
    for index, who in ((3, STRANGER), (4, KEY), (2**24 - 1, KEY), (2**255, KEY)):
        with boa.reverts("hub: not the node's key"):
            node.hub.check_in(index, sender=who.address)


def test_not_before_its_first_epoch(node: Suite) -> None:
    node.go(2, -1)
    with boa.reverts("hub: not the node's key"):
        node.hub.check_in(3, sender=KEY.address)
    node.go(2)
    node.hub.check_in(3, sender=KEY.address)


@pytest.mark.attack("A14")
def test_not_when_it_retired_before(node: Suite) -> None:
    node.registry.set_node(3, node_word(RETIRED, first=2, since=5))
    node.go(5, 3_599)
    node.hub.check_in(3, sender=KEY.address)
    node.go(6)
    with boa.reverts("hub: node retired"):
        node.hub.check_in(3, sender=KEY.address)

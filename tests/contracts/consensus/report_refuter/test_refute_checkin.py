"""refute_checkin: a report cannot call a node down in a slot in which its key checked in on chain."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import boa
import pytest

from tests.contracts.consensus.drafts import events
from tests.contracts.consensus.node_standing.conftest import ACTIVE, node_word
from tests.support.actors import STRANGER, keccak, node_key
from tests.support.refutation import draft, record
from tests.support.suite import Suite
from tests.support.uptime import ALL, Uptime

KEY = node_key(3)


@pytest.fixture
def checked(net: Suite) -> Suite:
    """Epoch 1 is reported; node 3 checked in in slots 4 and 11 of epoch 2."""
    net.registry.set_node(3, node_word(ACTIVE))
    net.registry.set_key(3, KEY.address)
    net.report({3: ALL})
    for slot in (4, 11):
        net.go(2, slot * net.parameters.slot)
        net.hub.check_in(3, sender=KEY.address)
    return net


def arguments(net: Suite, before: Uptime, node: int = 3, slot: int = 4) -> list[Any]:
    header, leaf, proof = net.proof(node)
    return [node, slot, header, leaf, proof, before.header, before.root]


def refuse(net: Suite, given: list[Any], reason: str) -> None:
    with boa.reverts(reason):
        net.refuter.refute_checkin(*given)


@pytest.mark.parametrize("mask", [ALL, 1 << 4, 1 << 11 | 1 << 4])
def test_a_slot_called_down(checked: Suite, mask: int) -> None:
    before = deepcopy(checked.uptime)
    checked.report({3: mask})
    checked.refuter.refute_checkin(*arguments(checked, before), sender=STRANGER.address)
    (event,) = events(checked.refuter, "CheckInRefuted")
    assert (event.epoch, event.node, event.slot, event.by) == (2, 3, 4, STRANGER.address)
    assert (checked.hub.last_epoch(), checked.hub.cancels(2)) == (1, 1)
    assert checked.refuter.fault_of(2, 0) == 0, "a reorg can cause it: nobody is named"


def test_a_dark_node_without_a_record(checked: Suite) -> None:
    """It stayed dark, so the report says nothing about it: that too calls it down."""
    before = deepcopy(checked.uptime)
    checked.report({3: ALL})
    assert checked.uptime.leaf(3) == before.leaf(3)
    checked.refuter.refute_checkin(*arguments(checked, before, slot=11))


def test_signers_of_a_false_root_can_spare_themselves_the_penalty(checked: Suite) -> None:
    """A known limit (SECURITY.md): a quorum keeps a denied check-in of a node of its own in the epoch before a false
    root, and shows it when somebody commits to the refutation. Both reports fall; for neither is anybody punished."""
    before = deepcopy(checked.uptime)
    checked.report({3: 1 << 4})
    escape = arguments(checked, before)
    false = draft(checked, [record(0, 7)])
    false = false.but(parts=[(false.parts[0][0], keccak(b"garbage"))])
    false.send(checked)
    proof = false.arguments()
    with boa.env.anchor():
        checked.refuter.refute(*proof)
        assert checked.refuter.fault_of(3, 0) >> 40 & 2**32 - 1 == 0b111
    checked.refuter.refute_checkin(*escape)
    assert (checked.hub.last_epoch(), checked.refuter.fault_of(2, 0), checked.refuter.fault_of(3, 0)) == (1, 0, 0)
    with boa.reverts():
        checked.refuter.refute(*proof)


@pytest.mark.attack("A15")
def test_not_a_slot_called_up(checked: Suite) -> None:
    before = deepcopy(checked.uptime)
    checked.report({3: ALL ^ 1 << 4 ^ 1 << 11})
    for slot in (4, 11):
        refuse(checked, arguments(checked, before, slot=slot), "refuter: reported up")


@pytest.mark.parametrize("slot", [0, 5, 12, 255, 2**255])
def test_not_without_a_check_in(checked: Suite, slot: int) -> None:
    before = deepcopy(checked.uptime)
    checked.report({3: ALL, 4: ALL})
    refuse(checked, arguments(checked, before, slot=slot), "refuter: no check-in")
    refuse(checked, arguments(checked, before, node=4), "refuter: no check-in")


def test_not_by_a_leaf_that_is_not_there(checked: Suite) -> None:
    before = deepcopy(checked.uptime)
    checked.report({3: 1})
    given = arguments(checked, before)
    for i, value in ((0, 2), (2, given[2] ^ 1 << 170), (3, given[3] | ALL), (3, 0), (4, given[4][::-1])):
        refuse(checked, [*given[:i], value, *given[i + 1 :]], "refuter: proof")
    refuse(checked, [*given[:4], given[4][:1], *given[5:]], "merkle: proof")


def test_not_a_void_epoch(checked: Suite) -> None:
    before = deepcopy(checked.uptime)
    checked.void()
    refuse(checked, arguments(checked, before), "refuter: void epoch")


def test_not_a_node_beyond_the_count(net: Suite) -> None:
    net.registry.set_count(5)
    net.report(count=5)
    before = deepcopy(net.uptime)
    net.report(count=5)
    header, _, _ = net.proof(0)
    refuse(net, [6, 4, header, 0, net.uptime.proof(6), before.header, before.root], "refuter: not counted")


def test_only_by_the_epoch_before(checked: Suite) -> None:
    older = Uptime(slot=300)
    before = deepcopy(checked.uptime)
    checked.report({3: ALL})
    refuse(checked, arguments(checked, older), "refuter: epoch before")
    given = arguments(checked, before)
    refuse(checked, [*given[:6], bytes(32)], "hub: header before")


def test_only_what_stands_and_is_in_dispute(checked: Suite) -> None:
    before = deepcopy(checked.uptime)
    checked.report({3: ALL})
    given = arguments(checked, before)
    refuse(checked, [*given[:2], given[2] + 1, *given[3:]], "hub: not in the ring")
    checked.make_usable()
    refuse(checked, given, "hub: not in dispute")

"""report_void: epochs without observation."""

from __future__ import annotations

from typing import Any

import boa
import pytest

from tests.contracts.consensus.drafts import events
from tests.support.actors import RELAYER, keccak, words
from tests.support.constants import M32
from tests.support.suite import Suite
from tests.support.uptime import ALL, header_word


def arguments(net: Suite, hi: int, view: int = 0, seats: list[int] | None = None, generation: int = 1) -> list[Any]:
    first = net.hub.last_epoch() + 1
    digest = net.void_digest(generation, first, hi, net.uptime.word, view)
    return [hi, net.uptime.root, net.uptime.header, view, *net.sign(digest, seats, generation)]


def test_grows_v_and_leaves_the_root(net: Suite) -> None:
    net.report({2: ALL}, indet=1)
    root, before = net.uptime.root, net.uptime.header
    net.at(net.parameters.end(3))
    args = arguments(net, 3, view=5)
    net.hub.report_void(*args, sender=RELAYER.address)
    header = header_word(3, 2, before >> 64 & M32, before >> 96 & M32, 8, void=True)
    digest = net.void_digest(1, 2, 3, net.uptime.word, 5)
    (event,) = events(net.hub, "Voided")
    assert (event.first, event.last, event.header) == (2, 3, header)
    assert (event.digest, event.who) == (digest, 0b111)
    assert net.hub.counters() == header & (2**152 - 1)
    for e in (2, 3):
        of = header_word(e, e - 1, before >> 64 & M32, before >> 96 & M32, 8, void=True)
        assert net.hub.ring_word(e) == keccak(root + words(of))
        assert net.hub.meta(e) == int.from_bytes(digest, "big") >> 64 << 64 | 0b111 << 32 | net.now


def test_reports_go_on_after_it(net: Suite) -> None:
    net.report({1: ALL})
    net.void(24)
    net.report({1: ALL, 2: 7})
    net.void()
    net.report()
    assert net.hub.counters() == net.uptime.header & (2**152 - 1)
    assert net.hub.counters() >> 32 & M32 == 25


def test_void_from_the_first_epoch_on(net: Suite) -> None:
    net.void(2)
    assert net.hub.last_epoch() == 2


def test_becomes_usable_like_a_report(net: Suite) -> None:
    net.void(2)
    at = net.now
    net.make_usable()
    assert net.hub.usable(2) == (net.uptime.word, at + net.hub.DISPUTE())


# ---- reverts


def refused(net: Suite, args: list[Any], reason: str) -> None:
    before = net.hub.counters()
    with boa.reverts(reason):
        net.hub.report_void(*args)
    assert net.hub.counters() == before


def test_no_signatures_reverts_first_of_all(bare: Suite) -> None:
    refused(bare, [9, b"\1" * 32, 5, 2**255, 0, b""], "hub: unsigned")


@pytest.mark.parametrize("hi", [0, 1, 26, 2**255])
def test_not_the_next_epochs(net: Suite, hi: int) -> None:
    net.report()
    net.go(40)
    refused(net, arguments(net, hi), "hub: epochs")


def test_24_at_most(net: Suite) -> None:
    net.go(40)
    refused(net, arguments(net, 25), "hub: epochs")
    net.hub.report_void(*arguments(net, 24))
    assert net.hub.last_epoch() == 24


def test_epochs_not_over(net: Suite) -> None:
    net.at(net.parameters.end(2) - 1)
    refused(net, arguments(net, 2), "hub: epochs not over")


def test_header_of_another_epoch(net: Suite) -> None:
    net.report()
    net.go(4)
    args = arguments(net, 2)
    refused(net, [args[0], args[1], args[2] + 1, *args[3:]], "hub: header")
    refused(net, [args[0], keccak(b"root"), *args[2:]], "hub: header")


def test_view_too_wide(net: Suite) -> None:
    net.go(4)
    refused(net, arguments(net, 2, view=2**24), "hub: view")


def test_no_committee(bare: Suite) -> None:
    bare.set_committee(start=4)
    bare.go(3)
    refused(bare, arguments(bare, 2), "hub: nobody signs")


def test_two_committees(net: Suite) -> None:
    net.set_committee(start=3)
    net.go(5)
    refused(net, arguments(net, 3), "hub: two committees")
    net.hub.report_void(*arguments(net, 2))
    assert net.hub.last_epoch() == 2


def test_not_exactly_a_quorum(net: Suite) -> None:
    net.go(4)
    refused(net, arguments(net, 2, seats=[0, 1]), "quorum: signatures")


def test_replay_to_more_epochs(net: Suite) -> None:
    net.go(6)
    args = arguments(net, 2)
    refused(net, [3, *args[1:]], "quorum: not the seat")


def test_replay_after_itself(net: Suite) -> None:
    net.go(9)
    args = arguments(net, 2)
    net.hub.report_void(*args)
    refused(net, args, "hub: epochs")

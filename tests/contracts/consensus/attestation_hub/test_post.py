"""post: a part of a large report, by anyone."""

from __future__ import annotations

import boa

from tests.contracts.consensus.drafts import events
from tests.support.actors import STRANGER, keccak
from tests.support.suite import Suite


def test_logs_the_part_under_its_hash(net: Suite) -> None:
    net.hub.post(b"\1\2\3\4\5", sender=STRANGER.address)
    (event,) = events(net.hub, "Part")
    assert (event.hash, event.data) == (keccak(b"\1\2\3\4\5"), b"\1\2\3\4\5")


def test_the_longest_part(net: Suite) -> None:
    """180 groups of 64 records with their roots, less the last root."""
    data = bytes(range(256)) * 247 + bytes(96)
    assert len(data) == 180 * 352 - 32
    net.hub.post(data)
    (event,) = events(net.hub, "Part")
    assert event.data == data


def test_posting_again_changes_nothing(net: Suite) -> None:
    net.hub.post(b"\1")
    net.hub.post(b"\1")
    (event,) = events(net.hub, "Part")
    assert event.hash == keccak(b"\1")


def test_an_empty_part(net: Suite) -> None:
    with boa.reverts("hub: empty part"):
        net.hub.post(b"")


def test_a_byte_too_long(net: Suite) -> None:
    from eth_abi import encode

    call = net.hub.post.prepare_calldata(b"\1")[:4] + encode(["bytes"], [bytes(63_329)])
    result = boa.env.execute_code(net.hub.address, data=call)
    assert result.is_error

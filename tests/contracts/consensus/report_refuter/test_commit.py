"""commit: whoever copies a refutation from the mempool is not its finder."""

from __future__ import annotations

from typing import Any

import boa
import pytest

from tests.contracts.consensus.drafts import events
from tests.support.actors import SETTLER, STRANGER, Actor, keccak, words
from tests.support.refutation import Report, draft, record
from tests.support.suite import ZERO_ADDRESS, Suite


def commitment(net: Suite, who: Actor, false: Report, arguments: list[Any]) -> bytes:
    """Of `refute` with these arguments by that finder."""
    _, part, group, _, leaves, siblings = arguments
    return keccak(words(who.address, false.digest(net), part, group, keccak(leaves), keccak(siblings)))


@pytest.fixture
def false(net: Suite) -> Report:
    true = draft(net, [record(1), record(3)], count=8)
    made = true.but(parts=[(true.parts[0][0], keccak(b"garbage"))])
    made.send(net)
    return made


def finder(net: Suite) -> str:
    (event,) = events(net.refuter, "Refuted")
    assert int(event.finder, 16) == net.refuter.fault_of(1, 0) >> 96
    return str(event.finder)


def test_who_committed_a_block_before_is_the_finder(net: Suite, false: Report) -> None:
    arguments = false.arguments()
    mine = commitment(net, SETTLER, false, arguments)
    net.refuter.commit(mine, sender=STRANGER.address)
    (event,) = events(net.refuter, "Committed")
    assert event.commitment == mine
    assert net.refuter.committed_at(mine) == net.now
    net.at(net.now + 1)
    net.refuter.refute(*arguments, sender=SETTLER.address)
    assert finder(net) == SETTLER.address


@pytest.mark.attack("T40")
def test_not_in_the_same_second(net: Suite, false: Report) -> None:
    arguments = false.arguments()
    net.refuter.commit(commitment(net, SETTLER, false, arguments))
    net.refuter.refute(*arguments, sender=SETTLER.address)
    assert finder(net) == ZERO_ADDRESS


@pytest.mark.attack("T40")
def test_not_who_copies_it(net: Suite, false: Report) -> None:
    """C58, T40: the same calldata from another sender earns nothing, and takes the report back all the same."""
    arguments = false.arguments()
    net.refuter.commit(commitment(net, SETTLER, false, arguments))
    net.at(net.now + 60)
    net.refuter.refute(*arguments, sender=STRANGER.address)
    assert finder(net) == ZERO_ADDRESS
    assert net.hub.last_epoch() == 0


@pytest.mark.attack("T40")
def test_only_for_what_was_committed(net: Suite, false: Report) -> None:
    """A commitment made blindly to each group of each report names no proof, and so no finder."""
    arguments = false.arguments()
    net.refuter.commit(commitment(net, SETTLER, false, [*arguments[:4], b"", b""]))
    net.at(net.now + 60)
    net.refuter.refute(*arguments, sender=SETTLER.address)
    assert finder(net) == ZERO_ADDRESS


def test_once(net: Suite) -> None:
    """A second one would move the time of the first, to the harm of its finder."""
    net.refuter.commit(b"\1" * 32)
    at = net.now
    net.at(at + 5)
    with boa.reverts("refuter: committed already"):
        net.refuter.commit(b"\1" * 32, sender=STRANGER.address)
    assert net.refuter.committed_at(b"\1" * 32) == at

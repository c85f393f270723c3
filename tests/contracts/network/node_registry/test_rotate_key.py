from __future__ import annotations

import boa
import pytest

from tests.contracts.network.harness import ZERO, Trio, only
from tests.support.actors import OPERATOR, OTHER_PROVIDER, PROVIDER, STRANGER, Actor, node_key

FIRST, SECOND, THIRD = node_key(0), Actor("second key"), Actor("third key")


def test_rotate_key__in_force_from_the_next_epoch(trio: Trio) -> None:
    i = trio.node(trio.provider())
    trio.wait(10 * 3_600)
    trio.registry.rotate_key(*trio.rotation(i, SECOND), sender=PROVIDER.address)
    log = only(trio.registry, "NodeKeyRotated")
    assert (log.node, log.old, log.new, log.since) == (i, FIRST.address, SECOND.address, 11)
    keys = [trio.registry.key_of(i, e) for e in (0, 1, 10, 11, 2_000)]
    assert keys == [ZERO, FIRST.address, FIRST.address, SECOND.address, SECOND.address], "none before its first epoch"
    assert trio.registry.node_of_key(SECOND.address) == trio.registry.node_of_key(FIRST.address) == i + 1


def test_rotate_key__at_most_once_in_answer_window_and_epoch(trio: Trio) -> None:
    i = trio.node(trio.provider())
    trio.registry.rotate_key(*trio.rotation(i, SECOND), sender=PROVIDER.address)
    gap = trio.parameters.answer_window + trio.parameters.epoch
    trio.wait(gap - 1)
    with boa.reverts("registry: rotated too recently"):
        trio.registry.rotate_key(*trio.rotation(i, THIRD), sender=PROVIDER.address)
    trio.wait(1)
    trio.registry.rotate_key(*trio.rotation(i, THIRD), sender=PROVIDER.address)
    since = trio.epoch + 1
    # whatever can still be refuted (ANSWER_WINDOW after its end) was signed by a key that is still known
    oldest = trio.parameters.epoch_of(trio.now - trio.parameters.answer_window)
    assert trio.registry.key_of(i, oldest) == SECOND.address
    assert trio.registry.key_of(i, since) == THIRD.address
    # the first key is forgotten: nobody is named for its epochs, least of all a later key
    assert [trio.registry.key_of(i, e) for e in (0, 1, 2)] == [ZERO, SECOND.address, SECOND.address]


@pytest.mark.attack("T11")
def test_rotate_key__a_retired_key_never_returns(trio: Trio) -> None:
    i = trio.node(trio.provider())
    trio.registry.rotate_key(*trio.rotation(i, SECOND), sender=PROVIDER.address)
    trio.wait(30 * 86_400)
    with boa.reverts("registry: key was used before"):
        trio.registry.rotate_key(*trio.rotation(i, FIRST), sender=PROVIDER.address)


def test_rotate_key__not_signed_by_the_new_key__reverts(trio: Trio) -> None:
    i = trio.node(trio.provider())
    node, _, sig = trio.rotation(i, SECOND)
    with boa.reverts("registry: not signed by the key"):
        trio.registry.rotate_key(node, THIRD.address, sig, sender=PROVIDER.address)


def test_rotate_key__signature_for_another_node__reverts(trio: Trio) -> None:
    p = trio.provider()
    trio.node(p)
    trio.node(p)
    _, key, sig = trio.rotation(0, SECOND)
    with boa.reverts("registry: not signed by the key"):
        trio.registry.rotate_key(1, key, sig, sender=PROVIDER.address)


def test_rotate_key__zero__reverts(trio: Trio) -> None:
    i = trio.node(trio.provider())
    with boa.reverts("registry: key is zero"):
        trio.registry.rotate_key(i, ZERO, b"", sender=PROVIDER.address)


@pytest.mark.parametrize("caller", [OPERATOR, OTHER_PROVIDER, FIRST, STRANGER])
def test_rotate_key__by_another__reverts(trio: Trio, caller: Actor) -> None:
    i = trio.node(trio.provider())
    with boa.reverts("registry: not its owner"):
        trio.registry.rotate_key(*trio.rotation(i, SECOND), sender=caller.address)


def test_rotate_key__unknown_node__reverts_for_the_owner_of_provider_0_too(trio: Trio) -> None:
    trio.provider()
    with boa.reverts("registry: no node of this index"):
        trio.registry.rotate_key(*trio.rotation(5, SECOND), sender=PROVIDER.address)


def test_rotate_key__retired_node__reverts(trio: Trio) -> None:
    i = trio.node(trio.provider())
    trio.registry.retire_node(i, sender=PROVIDER.address)
    with boa.reverts("registry: key of a retired node"):
        trio.registry.rotate_key(*trio.rotation(i, SECOND), sender=PROVIDER.address)

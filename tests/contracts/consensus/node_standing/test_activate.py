"""activate: Pending -> Active, by one proven epoch."""

from __future__ import annotations

import boa
import pytest

from tests.contracts.consensus.drafts import events
from tests.contracts.consensus.node_standing.conftest import (
    ACTIVE,
    CLASS_WITH_ROUNDS,
    FAULTED,
    JAILED,
    PENDING,
    RETIRED,
    node_word,
    status,
)
from tests.support.actors import STRANGER
from tests.support.suite import Suite
from tests.support.uptime import ALL


def test_activates_with_a_clean_record(proofs: Suite) -> None:
    proofs.registry.set_node(3, node_word(PENDING, first=2))
    proofs.report({3: ALL})
    proofs.report()
    proofs.make_usable()
    proofs.standing.activate(3, *proofs.proof(3), sender=STRANGER.address)
    (event,) = events(proofs.standing, "Activated")
    assert (event.node, event.epoch, event.by) == (3, 2, STRANGER.address)
    assert proofs.epoch > 2
    assert status(proofs, 3) == (ACTIVE, proofs.epoch, proofs.epoch)


def test_a_stranger_cannot_activate_by_an_old_epoch_and_jail_for_the_time_since(proofs: Suite) -> None:
    """M2: what a node was down for before it was Active, when it served nobody, never counts against it; nor do the
    epochs of the dispute window, of which nobody could know yet."""
    proofs.registry.set_node(3, node_word(PENDING))
    proofs.report()
    old = proofs.proof(3)
    for _ in range(14):
        proofs.report({3: ALL})
    first, dark = proofs.proof(3), proofs.uptime
    proofs.make_usable()
    proofs.standing.activate(3, *old, sender=STRANGER.address)
    began = proofs.epoch
    with boa.reverts("standing: before it was clean"):
        proofs.standing.jail(3, *old, *first, sender=STRANGER.address)
    # it stays down up to the call's own epoch, and is up from the next on
    while proofs.hub.last_epoch() < began:
        proofs.report({3: ALL})
    middle = proofs.proof(3)
    for _ in range(3):
        proofs.report({3: 0})
    last = proofs.proof(3)
    proofs.make_usable()
    assert dark is proofs.uptime
    with boa.reverts("standing: before it was clean"):
        proofs.standing.jail(3, *first, *middle, sender=STRANGER.address)
    with boa.reverts("standing: no fault"):
        proofs.standing.jail(3, *middle, *last, sender=STRANGER.address)


def test_a_challenged_class_needs_its_proof(proofs: Suite) -> None:
    proofs.registry.set_node(3, node_word(PENDING, class_id=CLASS_WITH_ROUNDS))
    proofs.report()
    proofs.report()
    assert proofs.uptime.header >> 173 & 1
    proofs.make_usable()
    proofs.standing.activate(3, *proofs.proof(3))
    assert status(proofs, 3)[0] == ACTIVE


@pytest.mark.parametrize("state", [0, ACTIVE, JAILED, FAULTED, RETIRED])
def test_not_pending(proofs: Suite, state: int) -> None:
    proofs.registry.set_node(3, node_word(state))
    proofs.report()
    proofs.make_usable()
    with boa.reverts("standing: not pending"):
        proofs.standing.activate(3, *proofs.proof(3))


def test_before_its_first(proofs: Suite) -> None:
    proofs.registry.set_node(3, node_word(PENDING, first=2))
    proofs.report()
    proofs.make_usable()
    with boa.reverts("standing: before its first"):
        proofs.standing.activate(3, *proofs.proof(3))


def test_not_usable(proofs: Suite) -> None:
    proofs.registry.set_node(3, node_word(PENDING))
    proofs.report()
    with boa.reverts("hub: not usable yet"):
        proofs.standing.activate(3, *proofs.proof(3))


def test_not_counted_yet(proofs: Suite) -> None:
    """An index beyond the count has no leaf, and a missing leaf looks live."""
    proofs.registry.set_node(3, node_word(PENDING))
    proofs.report(count=3)
    proofs.make_usable()
    header, leaf, proof = proofs.proof(3)
    with boa.reverts("standing: not counted yet"):
        proofs.standing.activate(3, header, leaf, proof)


@pytest.mark.parametrize("mask", [1, 1 << 11, ALL])
def test_not_up_in_every_slot(proofs: Suite, mask: int) -> None:
    proofs.registry.set_node(3, node_word(PENDING))
    proofs.report({3: mask})
    proofs.make_usable()
    with boa.reverts("standing: not up"):
        proofs.standing.activate(3, *proofs.proof(3))


def test_a_void_epoch_shows_nothing(proofs: Suite) -> None:
    proofs.registry.set_node(3, node_word(PENDING))
    proofs.report()
    proofs.void()
    proofs.make_usable()
    with boa.reverts("standing: not up"):
        proofs.standing.activate(3, *proofs.proof(3))


def test_still_dark(proofs: Suite) -> None:
    """No record of the epoch: the prediction says dark."""
    proofs.registry.set_node(3, node_word(PENDING))
    proofs.report({3: ALL})
    proofs.report({3: ALL})
    proofs.make_usable()
    with boa.reverts("standing: not up"):
        proofs.standing.activate(3, *proofs.proof(3))


def test_unchallenged_epoch_of_a_challenged_class(proofs: Suite) -> None:
    proofs.registry.set_node(3, node_word(PENDING, class_id=CLASS_WITH_ROUNDS))
    proofs.report()
    proofs.make_usable()
    with boa.reverts("standing: not proven"):
        proofs.standing.activate(3, *proofs.proof(3))


def test_unproven_in_a_challenged_class(proofs: Suite) -> None:
    proofs.registry.set_node(3, node_word(PENDING, class_id=CLASS_WITH_ROUNDS))
    proofs.report({3: ALL})
    proofs.report()
    proofs.make_usable()
    with boa.reverts("standing: not proven"):
        proofs.standing.activate(3, *proofs.proof(3))


def test_a_proof_of_another_node(proofs: Suite) -> None:
    proofs.registry.set_node(3, node_word(PENDING))
    proofs.report({3: ALL, 2: 1})
    proofs.make_usable()
    with boa.reverts("standing: proof"):
        proofs.standing.activate(3, *proofs.proof(1))

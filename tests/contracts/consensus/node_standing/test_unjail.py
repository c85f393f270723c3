"""unjail: back to Active after a day, by one proven epoch."""

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

NODE = 5


@pytest.mark.parametrize("state", [JAILED, FAULTED])
def test_active_again_with_a_clean_record(proofs: Suite, state: int) -> None:
    proofs.registry.set_node(NODE, node_word(state, clean=1, since=1))
    proofs.report_until(26)
    proofs.make_usable()
    proofs.standing.unjail(NODE, *proofs.proof(NODE), sender=STRANGER.address)
    (event,) = events(proofs.standing, "Unjailed")
    assert (event.node, event.epoch, event.by) == (NODE, 26, STRANGER.address)
    assert proofs.epoch > 26
    assert status(proofs, NODE) == (ACTIVE, proofs.epoch, proofs.epoch)


def test_no_jail_for_the_time_in_jail(proofs: Suite) -> None:
    """M2: whoever unjails by an old epoch cannot jail again for what came between it and the call."""
    proofs.registry.set_node(NODE, node_word(JAILED, clean=1, since=1))
    proofs.report_until(26)
    old = proofs.proof(NODE)
    for _ in range(14):
        proofs.report({NODE: ALL})
    last = proofs.proof(NODE)
    proofs.make_usable()
    proofs.standing.unjail(NODE, *old, sender=STRANGER.address)
    with boa.reverts("standing: before it was clean"):
        proofs.standing.jail(NODE, *old, *last, sender=STRANGER.address)


@pytest.mark.parametrize("state", [0, PENDING, ACTIVE, RETIRED])
def test_not_jailed(proofs: Suite, state: int) -> None:
    proofs.registry.set_node(NODE, node_word(state))
    proofs.report_until(26)
    proofs.make_usable()
    with boa.reverts("standing: not jailed"):
        proofs.standing.unjail(NODE, *proofs.proof(NODE))


def test_too_early(proofs: Suite) -> None:
    proofs.registry.set_node(NODE, node_word(JAILED, since=1))
    proofs.report_until(25)
    proofs.make_usable()
    with boa.reverts("standing: too early"):
        proofs.standing.unjail(NODE, *proofs.proof(NODE))


def test_not_up(proofs: Suite) -> None:
    proofs.registry.set_node(NODE, node_word(JAILED, since=1))
    proofs.report_until(25)
    proofs.report({NODE: 0b100})
    proofs.make_usable()
    with boa.reverts("standing: not up"):
        proofs.standing.unjail(NODE, *proofs.proof(NODE))


def test_not_proven_in_a_challenged_class(proofs: Suite) -> None:
    proofs.registry.set_node(NODE, node_word(JAILED, since=1, class_id=CLASS_WITH_ROUNDS))
    proofs.report_until(25)
    proofs.report({NODE: 0xFFF})
    proofs.report()
    proofs.make_usable()
    with boa.reverts("standing: not proven"):
        proofs.standing.unjail(NODE, *proofs.proof(NODE))


def test_not_counted(proofs: Suite) -> None:
    proofs.registry.set_node(NODE, node_word(JAILED, since=1))
    for _ in range(26):
        proofs.report(count=5)
    proofs.make_usable()
    with boa.reverts("standing: not counted yet"):
        proofs.standing.unjail(NODE, *proofs.proof(NODE))


def test_not_usable(proofs: Suite) -> None:
    proofs.registry.set_node(NODE, node_word(JAILED, since=1))
    proofs.report_until(26)
    with boa.reverts("hub: not usable yet"):
        proofs.standing.unjail(NODE, *proofs.proof(NODE))

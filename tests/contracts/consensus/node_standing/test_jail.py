"""jail: an Active node that was down for more than half a day, or missed three challenges."""

from __future__ import annotations

import boa
import pytest

from tests.contracts.consensus.drafts import events
from tests.contracts.consensus.node_standing.conftest import (
    ACTIVE,
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

NODE = 3


def outage(net: Suite, dark: int, last_mask: int = 0) -> tuple[tuple[int, int, list[bytes]], int]:
    """Epoch 1 up, then `dark` whole epochs and one more with `last_mask`; the proof at epoch 1."""
    net.registry.set_node(NODE, node_word(ACTIVE, clean=1))
    net.report()
    first = net.proof(NODE)
    for _ in range(dark):
        net.report({NODE: ALL})
    if last_mask:
        net.report({NODE: last_mask})
    return first, int(net.hub.last_epoch())


def test_jails_over_144_fault_slots(proofs: Suite) -> None:
    first, last = outage(proofs, 12, 1)
    proofs.make_usable()
    proofs.standing.jail(NODE, *first, *proofs.proof(NODE), sender=STRANGER.address)
    (event,) = events(proofs.standing, "JailedBy")
    assert (event.node, event.first, event.last, event.by) == (NODE, 1, last, STRANGER.address)
    assert status(proofs, NODE) == (JAILED, 1, last)


def test_144_are_not_enough(proofs: Suite) -> None:
    first, _ = outage(proofs, 12)
    proofs.make_usable()
    with boa.reverts("standing: no fault"):
        proofs.standing.jail(NODE, *first, *proofs.proof(NODE))


def test_void_and_indeterminate_time_is_no_fault(proofs: Suite) -> None:
    first, _ = outage(proofs, 10)
    proofs.void(8)
    proofs.report({NODE: ALL}, indet=0b111)
    proofs.report({NODE: ALL})
    proofs.make_usable()
    with boa.reverts("standing: no fault"):
        proofs.standing.jail(NODE, *first, *proofs.proof(NODE))


@pytest.mark.parametrize(("times", "jailed"), [(2, False), (3, True)])
def test_three_missed_challenges(proofs: Suite, times: int, jailed: bool) -> None:
    first, _ = outage(proofs, 0)
    for _ in range(times):
        proofs.report(missed={NODE: 1})
    proofs.make_usable()
    if jailed:
        proofs.standing.jail(NODE, *first, *proofs.proof(NODE))
        assert status(proofs, NODE)[0] == JAILED
    else:
        with boa.reverts("standing: no fault"):
            proofs.standing.jail(NODE, *first, *proofs.proof(NODE))


@pytest.mark.parametrize("state", [0, PENDING, JAILED, FAULTED, RETIRED])
def test_not_active(proofs: Suite, state: int) -> None:
    first, _ = outage(proofs, 13)
    proofs.registry.set_node(NODE, node_word(state, clean=1))
    proofs.make_usable()
    with boa.reverts("standing: not active"):
        proofs.standing.jail(NODE, *first, *proofs.proof(NODE))


def test_before_it_was_clean(proofs: Suite) -> None:
    first, _ = outage(proofs, 13)
    proofs.registry.set_node(NODE, node_word(ACTIVE, clean=2))
    proofs.make_usable()
    with boa.reverts("standing: before it was clean"):
        proofs.standing.jail(NODE, *first, *proofs.proof(NODE))


def test_span_of_nothing(proofs: Suite) -> None:
    first, _ = outage(proofs, 13)
    last = proofs.proof(NODE)
    proofs.make_usable()
    for a, b in ((first, first), (last, first)):
        with boa.reverts("standing: span"):
            proofs.standing.jail(NODE, *a, *b)


def test_span_of_more_than_a_day(proofs: Suite) -> None:
    first, _ = outage(proofs, 24)
    within = proofs.proof(NODE)
    proofs.report({NODE: ALL})
    proofs.make_usable()
    with boa.reverts("standing: span"):
        proofs.standing.jail(NODE, *first, *proofs.proof(NODE))
    proofs.standing.jail(NODE, *first, *within)
    assert status(proofs, NODE) == (JAILED, 1, 25)


def test_stale(proofs: Suite) -> None:
    first, b = outage(proofs, 13)
    proof = proofs.proof(NODE)
    proofs.report_until(b + 73)
    proofs.at(proofs.hub.usable_at(b + 73) - 1)
    assert proofs.hub.newest_usable() == b + 72
    with boa.env.anchor():
        proofs.standing.jail(NODE, *first, *proof)
        assert status(proofs, NODE)[0] == JAILED
    proofs.at(proofs.hub.usable_at(b + 73))
    with boa.reverts("standing: stale"):
        proofs.standing.jail(NODE, *first, *proof)


def test_not_usable(proofs: Suite) -> None:
    first, _ = outage(proofs, 13)
    proofs.at(proofs.hub.usable_at(proofs.hub.last_epoch()) - 1)
    with boa.reverts("hub: not usable yet"):
        proofs.standing.jail(NODE, *first, *proofs.proof(NODE))


def test_a_proof_of_another_node(proofs: Suite) -> None:
    first, _ = outage(proofs, 13)
    proofs.make_usable()
    proofs.registry.set_node(NODE + 1, node_word(ACTIVE, clean=1))
    with boa.reverts("standing: proof"):
        proofs.standing.jail(NODE + 1, *first, *proofs.proof(NODE))

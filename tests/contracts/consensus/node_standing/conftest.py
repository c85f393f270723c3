"""A node word as the registry packs it, and the acts of NodeStanding with their proofs."""

from __future__ import annotations

import pytest

from tests.support.suite import Suite

PENDING, ACTIVE, JAILED, FAULTED, RETIRED = 1, 2, 3, 4, 5
CLASS_WITH_ROUNDS = 7


def node_word(status: int, first: int = 1, clean: int = 0, since: int = 0, class_id: int = 1) -> int:
    return class_id << 216 | 1 << 184 | status << 160 | first << 128 | clean << 96 | since << 32


def status(net: Suite, node: int) -> tuple[int, int, int]:
    """Status, clean, since."""
    w = net.registry.node(node)
    return w >> 160 & 255, w >> 96 & 0xFFFFFFFF, w >> 32 & 0xFFFFFFFF


@pytest.fixture
def proofs(net: Suite) -> Suite:
    net.registry.set_rounds(CLASS_WITH_ROUNDS, 64)
    return net

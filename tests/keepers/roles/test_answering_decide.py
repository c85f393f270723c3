"""Which nodes answer a challenge, and for which named reason others do not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from keepers.protocol.nodes import Status
from keepers.roles.agent.decide import OwedFacts, owed

FACTS = OwedFacts(
    node=0, epoch=5, known=True, status=Status.ACTIVE, first=1, since=1, own_key=True, muted=False, challenged=True,
    free=1, drawn=True, unproven=False, opt_in=False,
)  # fmt: skip


@pytest.mark.parametrize(("changes", "answer", "reason"), [
    ({}, True, "drawn"),
    ({"drawn": False}, False, "not-drawn"),
    ({"drawn": False, "unproven": True}, True, "unproven"),
    ({"drawn": False, "unproven": None}, True, "unknown"),
    ({"drawn": False, "unproven": None, "later": True}, False, "unknown"),
    ({"later": True}, True, "drawn"),
    ({"drawn": False, "opt_in": True}, True, "opted-in"),
    ({"drawn": False, "status": Status.PENDING}, True, "pending"),
    ({"drawn": False, "status": Status.JAILED}, True, "jailed"),
    ({"drawn": False, "status": Status.FAULTED}, True, "faulted"),
    ({"free": 0, "status": Status.JAILED}, False, "no-free-gpu"),
    ({"challenged": False}, False, "liveness-only"),
    ({"known": False}, False, "unregistered"),
    ({"own_key": False}, False, "not-its-key"),
    ({"muted": True}, False, "switched-off"),
    ({"first": 6}, False, "not-yet"),
    ({"status": Status.RETIRED, "since": 4}, False, "retired"),
])  # fmt: skip
def test_owed__for_a_named_reason(changes: dict[str, Any], answer: bool, reason: str) -> None:
    found = owed(replace(FACTS, **changes))
    assert (found.answer, found.reason) == (answer, reason)

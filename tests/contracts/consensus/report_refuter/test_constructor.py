"""What a refuter is bound to, and what it refuses to start with."""

from __future__ import annotations

from typing import Any

import boa
import pytest

from tests.support.suite import ZERO_ADDRESS, Suite, compiled


def build(net: Suite, *arguments: Any) -> Any:
    return compiled("consensus/ReportRefuter.vy").deploy(*arguments)


def test_knows_its_hub(bare: Suite) -> None:
    assert (bare.refuter.HUB(), bare.refuter.VERSION()) == (bare.hub.address, "1")
    assert bare.hub.REFUTER() == bare.refuter.address


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({0: ZERO_ADDRESS}, "refuter: no hub"),
        ({1: 0}, "epochs: genesis"),
        ({2: 0}, "epochs: slot"),
        ({3: 169}, "epochs: period"),
    ],
)
def test_refuses(bare: Suite, changes: dict[int, Any], reason: str) -> None:
    q = bare.parameters
    arguments = [bare.hub.address, q.genesis, q.slot, q.epochs_per_period]
    for i, value in changes.items():
        arguments[i] = value
    with boa.reverts(reason):
        build(bare, *arguments)

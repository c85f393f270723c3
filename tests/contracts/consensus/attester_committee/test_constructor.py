"""What a committee is bound to, and what it refuses to start with."""

from __future__ import annotations

from typing import Any

import boa
import pytest

from tests.support.actors import OWNER
from tests.support.suite import ZERO_ADDRESS, Suite, compiled


def arguments(net: Suite) -> list[Any]:
    q = net.parameters
    return [net.hub.address, net.refuter.address, net.token.address, q.genesis, q.slot, q.epochs_per_period, q.dispute,
            q.seat_bond, q.notice, q.unbonding]  # fmt: skip


def test_knows_its_peers(bare: Suite) -> None:
    c, q = bare.seats, bare.parameters
    assert (c.HUB(), c.REFUTER(), c.TOKEN()) == (bare.hub.address, bare.refuter.address, bare.token.address)
    assert (c.BOND(), c.NOTICE(), c.RELEASE()) == (q.seat_bond, q.notice, q.dispute * q.epoch + q.unbonding)
    assert (c.owner(), c.VERSION(), c.seats(), c.pending()) == (OWNER.address, "1", [], ([], 0))
    assert bare.hub.COMMITTEE() == c.address


@pytest.mark.parametrize(
    ("place", "value", "reason"),
    [
        (0, ZERO_ADDRESS, "committee: no peer"),
        (1, ZERO_ADDRESS, "committee: no peer"),
        (2, ZERO_ADDRESS, "committee: no peer"),
        (3, 0, "epochs: genesis"),
        (4, 0, "epochs: slot"),
        (5, 0, "epochs: period"),
        (6, 2**16 + 1, "committee: lengths"),
        (7, 0, "committee: bond"),
        (7, 2**120 + 1, "committee: bond"),
        (8, 2**31 + 1, "committee: lengths"),
        (9, 2**31 + 1, "committee: lengths"),
    ],
)
def test_refuses(bare: Suite, place: int, value: Any, reason: str) -> None:
    given = arguments(bare)
    given[place] = value
    with boa.reverts(reason):
        compiled("consensus/AttesterCommittee.vy").deploy(*given)

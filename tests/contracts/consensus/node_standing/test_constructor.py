"""What NodeStanding is wired to."""

from __future__ import annotations

import boa
import pytest

from tests.support.suite import ZERO_ADDRESS, Suite, compiled


def test_peers(net: Suite) -> None:
    assert (net.standing.HUB(), net.standing.REGISTRY()) == (net.hub.address, net.registry.address)
    assert net.standing.VERSION() == "1"


@pytest.mark.parametrize("missing", [0, 1])
def test_no_peer(net: Suite, missing: int) -> None:
    peers = [net.hub.address, net.registry.address]
    peers[missing] = ZERO_ADDRESS
    with boa.reverts("standing: no peer"):
        compiled("consensus/NodeStanding.vy").deploy(*peers, 1, 300, 24)


@pytest.mark.parametrize(
    ("calendar", "reason"),
    [((0, 300, 24), "epochs: genesis"), ((1, 0, 24), "epochs: slot"), ((1, 300, 0), "epochs: period")],
)
def test_no_calendar(net: Suite, calendar: tuple[int, int, int], reason: str) -> None:
    with boa.reverts(reason):
        compiled("consensus/NodeStanding.vy").deploy(net.hub.address, net.registry.address, *calendar)

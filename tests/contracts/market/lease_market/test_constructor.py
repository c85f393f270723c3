"""What the constructor keeps and refuses."""

import boa
import pytest

from tests.support.actors import STRANGER
from tests.support.constants import M32
from tests.support.suite import compiled

PEERS = [f"0x{i:040x}" for i in range(1, 5)]

ZERO = "0x" + "00" * 20


def test_peers(world):
    w = world
    m = w.market
    assert (m.HUB(), m.REGISTRY(), m.POOL(), m.ESCROW()) == (
        w.hub.address,
        w.registry.address,
        w.pool.address,
        w.escrow.address,
    )
    assert (m.SLOT(), m.MAX_AGE(), m.VERSION()) == (300, 7200, "1")


@pytest.mark.parametrize("i", range(4))
def test_constructor_reverts_zero_peer(i):
    peers = [*PEERS]
    peers[i] = ZERO
    with boa.reverts("market: zero peer"):
        compiled("market/LeaseMarket.vy").deploy(*peers, 300, 7200, sender=STRANGER.address)


@pytest.mark.parametrize(
    "slot, age, why",
    [(0, 1, "market: zero slot"), (1, 0, "market: age out of range"), (1, M32 + 1, "market: age out of range")],
)
def test_constructor_reverts_lengths(slot, age, why):
    with boa.reverts(why):
        compiled("market/LeaseMarket.vy").deploy(*PEERS, slot, age, sender=STRANGER.address)

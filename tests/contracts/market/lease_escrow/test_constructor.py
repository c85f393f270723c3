"""Constructors refuse what could never work."""

import boa
import pytest

from tests.support.actors import STRANGER
from tests.support.constants import DAY
from tests.support.suite import compiled

PEERS = [f"0x{i:040x}" for i in range(1, 6)]
ZERO = "0x" + "00" * 20


def args(**change):
    fields = dict(zip(["hub", "registry", "pool", "market", "engine"], PEERS, strict=True))
    fields |= {
        "genesis": 1_800_000_000,
        "slot": 300,
        "periods": 24,
        "bounty": 100,
        "claim": 3 * DAY,
        "abandon": 7 * DAY,
    }
    return list((fields | change).values())


def deploy(**change):
    return compiled("market/LeaseEscrow.vy").deploy(*args(**change), sender=STRANGER.address)


def test_default():
    with boa.env.anchor():
        assert deploy().BOUNTY() == 100


@pytest.mark.parametrize("peer", ["hub", "registry", "pool", "market", "engine"])
def test_reverts_zero_peer(peer):
    with boa.reverts("escrow: zero peer"):
        deploy(**{peer: ZERO})


def test_reverts_bounty():
    with boa.reverts("escrow: bounty too high"):
        deploy(bounty=101)


@pytest.mark.parametrize("change", [{"claim": 0}, {"claim": 91 * DAY}, {"abandon": 0}, {"abandon": 91 * DAY}])
def test_reverts_waits(change):
    with boa.reverts("escrow: wait out of range"):
        deploy(**change)


@pytest.mark.parametrize(
    "change, why",
    [
        ({"genesis": 0}, "epochs: genesis"),
        ({"slot": 0}, "epochs: slot"),
        ({"slot": 3601}, "epochs: slot"),
        ({"periods": 0}, "epochs: period"),
        ({"periods": 169}, "epochs: period"),
    ],
)
def test_reverts_calendar(change, why):
    with boa.reverts(why):
        deploy(**change)

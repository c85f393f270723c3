"""What the constructor keeps and refuses."""

import boa
import pytest

from tests.support.actors import BUILDERS, STRANGER
from tests.support.constants import M32
from tests.support.suite import compiled

ZERO = "0x" + "00" * 20

PEERS = {name: f"0x{i:040x}" for i, name in enumerate(["token", "hub", "registry", "escrow"], 1)}

FIELDS = PEERS | {
    "genesis": 1_800_000_000, "slot": 300, "periods": 24, "max_age": 7200, "spread": 25, "peg": 9_500, "cap": 9_900,
    "fee": 400, "attesters": 3_000, "builders_share": 2_000, "builders": BUILDERS.address, "bounty": 100,
}  # fmt: skip


@pytest.mark.parametrize(
    "change, why",
    [
        *(({name: ZERO}, "engine: zero peer") for name in PEERS),
        ({"max_age": 0}, "engine: age out of range"),
        ({"max_age": M32 + 1}, "engine: age out of range"),
        ({"spread": 1_001}, "engine: spread too wide"),
        ({"cap": 10_001}, "engine: cap over 100 %"),
        ({"peg": 9_901}, "engine: peg over the cap"),
        ({"bounty": 101}, "engine: bounty too high"),
        ({"fee": 901}, "engine: fee too high"),
        ({"attesters": 3_001}, "engine: attesters share too high"),
        ({"builders_share": 2_001}, "engine: builders' share too high"),
        ({"builders": ZERO}, "engine: builders is zero"),
        ({"genesis": 0}, "epochs: genesis"),
        ({"slot": 0}, "epochs: slot"),
        ({"periods": 0}, "epochs: period"),
    ],
)
def test_constructor_reverts(change, why):
    with boa.reverts(why):
        compiled("incentives/BurnMintEngine.vy").deploy(*(FIELDS | change).values(), sender=STRANGER.address)


def test_constructor_default():
    with boa.env.anchor():
        e = compiled("incentives/BurnMintEngine.vy").deploy(*FIELDS.values(), sender=STRANGER.address)
        assert (e.TOKEN(), e.hub(), e.REGISTRY(), e.ESCROW()) == tuple(PEERS.values())
        assert (e.MAX_AGE(), e.SPREAD(), e.CAP(), e.MAX_FEE(), e.peg(), e.VERSION()) == (
            7200,
            25,
            9_900,
            900,
            9_500,
            "1",
        )
        assert (e.fee_of(0), e.shares(), e.builders(), e.pots()) == (400, (3_000, 2_000), BUILDERS.address, (0, 0))

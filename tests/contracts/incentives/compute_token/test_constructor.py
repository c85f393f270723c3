"""What the constructor keeps and refuses."""

from __future__ import annotations

import boa
import pytest

from tests.contracts.network.harness import MINTER, ZERO, events
from tests.support.actors import OWNER
from tests.support.suite import compiled

TOKEN = "incentives/ComputeToken.vy"

MAX_SUPPLY = 10**28


def test_deploy__the_supply_is_the_holders() -> None:
    token = compiled(TOKEN).deploy(MINTER.address, OWNER.address, MAX_SUPPLY)
    (mint,) = events(token, "Transfer")
    assert (mint.sender, mint.receiver, mint.amount) == (ZERO, OWNER.address, MAX_SUPPLY)
    assert token.balanceOf(OWNER.address) == token.totalSupply() == MAX_SUPPLY
    assert (token.name(), token.symbol(), token.decimals(), token.VERSION()) == ("Hearth", "HRTH", 18, "1")
    assert token.MINTER() == MINTER.address


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((ZERO, OWNER.address, 1), "token: minter is zero"),
        ((MINTER.address, ZERO, 1), "token: holder is zero"),
        ((MINTER.address, OWNER.address, MAX_SUPPLY + 1), "token: genesis supply"),
    ],
)
def test_deploy__bad_argument__reverts(arguments: tuple[str, str, int], reason: str) -> None:
    with boa.reverts(reason):
        compiled(TOKEN).deploy(*arguments)

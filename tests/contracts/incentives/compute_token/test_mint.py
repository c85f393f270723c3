from __future__ import annotations

from typing import Any

import boa
import pytest

from tests.contracts.network.harness import MINTER, ZERO, only
from tests.support.actors import OWNER, PROVIDER, RENTER, STRANGER
from tests.support.constants import WAD

MAX_SUPPLY = 10**28


def test_mint__raises_balance_and_supply(token: Any) -> None:
    supply = token.totalSupply()
    token.mint(RENTER.address, 5 * WAD, sender=MINTER.address)
    log = only(token, "Transfer")
    assert (log.sender, log.receiver, log.amount) == (ZERO, RENTER.address, 5 * WAD)
    assert token.balanceOf(RENTER.address) == 5 * WAD
    assert token.totalSupply() == supply + 5 * WAD


def test_mint__up_to_the_cap__and_not_a_wei_more(token: Any) -> None:
    token.mint(RENTER.address, MAX_SUPPLY - token.totalSupply(), sender=MINTER.address)
    assert token.totalSupply() == MAX_SUPPLY
    with boa.reverts("token: supply cap"):
        token.mint(RENTER.address, 1, sender=MINTER.address)
    # what was burned may be minted again (I5)
    token.burn(WAD, sender=RENTER.address)
    token.mint(RENTER.address, WAD, sender=MINTER.address)
    assert token.totalSupply() == MAX_SUPPLY


def test_mint__the_largest_word__reverts(token: Any) -> None:
    with boa.reverts("token: supply cap"):
        token.mint(RENTER.address, 2**256 - 1, sender=MINTER.address)


@pytest.mark.parametrize("caller", [OWNER, PROVIDER, STRANGER])
def test_mint__by_another__reverts(token: Any, caller: Any) -> None:
    with boa.reverts("token: caller is not the minter"):
        token.mint(caller.address, 1, sender=caller.address)


def test_mint__to_zero__reverts(token: Any) -> None:
    with boa.reverts("token: mint to zero"):
        token.mint(ZERO, 1, sender=MINTER.address)

from __future__ import annotations

from typing import Any

import boa
import pytest

from tests.contracts.network.harness import ZERO, only
from tests.support.actors import PROVIDER, RENTER
from tests.support.constants import WAD


def test_transfer__moves_and_logs(token: Any) -> None:
    supply = token.totalSupply()
    assert token.transfer(RENTER.address, 3 * WAD, sender=PROVIDER.address) is True
    log = only(token, "Transfer")
    assert (log.sender, log.receiver, log.amount) == (PROVIDER.address, RENTER.address, 3 * WAD)
    assert (token.balanceOf(PROVIDER.address), token.balanceOf(RENTER.address)) == (997 * WAD, 3 * WAD)
    assert token.totalSupply() == supply


@pytest.mark.parametrize("amount", [0, 1, 1_000 * WAD])
def test_transfer__to_oneself__changes_nothing(token: Any, amount: int) -> None:
    token.transfer(PROVIDER.address, amount, sender=PROVIDER.address)
    assert only(token, "Transfer").amount == amount
    assert token.balanceOf(PROVIDER.address) == 1_000 * WAD


def test_transfer__zero__is_a_transfer(token: Any) -> None:
    assert token.transfer(RENTER.address, 0, sender=PROVIDER.address) is True
    assert only(token, "Transfer").amount == 0


def test_transfer__to_the_token__is_a_transfer(token: Any) -> None:
    token.transfer(token.address, 5, sender=PROVIDER.address)
    assert token.balanceOf(token.address) == 5


def test_transfer__to_zero__reverts(token: Any) -> None:
    with boa.reverts("token: transfer to zero"):
        token.transfer(ZERO, 1, sender=PROVIDER.address)


@pytest.mark.parametrize("amount", [1_000 * WAD + 1, 2**256 - 1])
def test_transfer__more_than_the_balance__reverts(token: Any, amount: int) -> None:
    with boa.reverts("token: balance"):
        token.transfer(RENTER.address, amount, sender=PROVIDER.address)
    with boa.reverts("token: balance"):
        token.transfer(PROVIDER.address, amount, sender=PROVIDER.address)

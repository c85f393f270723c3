from __future__ import annotations

from typing import Any

import boa

from tests.contracts.network.harness import ZERO, only
from tests.support.actors import PROVIDER
from tests.support.constants import WAD


def test_burn__lowers_balance_and_supply(token: Any) -> None:
    supply = token.totalSupply()
    token.burn(4 * WAD, sender=PROVIDER.address)
    log = only(token, "Transfer")
    assert (log.sender, log.receiver, log.amount) == (PROVIDER.address, ZERO, 4 * WAD)
    assert token.balanceOf(PROVIDER.address) == 996 * WAD
    assert token.totalSupply() == supply - 4 * WAD


def test_burn__more_than_the_balance__reverts(token: Any) -> None:
    with boa.reverts("token: burn exceeds balance"):
        token.burn(1_000 * WAD + 1, sender=PROVIDER.address)

from __future__ import annotations

from typing import Any

import boa

from tests.contracts.network.harness import ZERO, events, only
from tests.support.actors import PROVIDER, RELAYER, STRANGER
from tests.support.constants import WAD


def test_burn_from__spends_the_allowance(token: Any) -> None:
    supply = token.totalSupply()
    token.approve(RELAYER.address, 5 * WAD, sender=PROVIDER.address)
    token.burnFrom(PROVIDER.address, 2 * WAD, sender=RELAYER.address)
    log = only(token, "Transfer")
    assert (log.sender, log.receiver, log.amount) == (PROVIDER.address, ZERO, 2 * WAD)
    assert events(token, "Approval") == []
    assert token.allowance(PROVIDER.address, RELAYER.address) == 3 * WAD
    assert token.totalSupply() == supply - 2 * WAD


def test_burn_from__without_allowance__reverts(token: Any) -> None:
    with boa.reverts("token: allowance"):
        token.burnFrom(PROVIDER.address, 1, sender=STRANGER.address)


def test_burn_from__beyond_the_balance__reverts(token: Any) -> None:
    token.approve(RELAYER.address, 2**256 - 1, sender=PROVIDER.address)
    with boa.reverts("token: burn exceeds balance"):
        token.burnFrom(PROVIDER.address, 1_000 * WAD + 1, sender=RELAYER.address)

from __future__ import annotations

from typing import Any

import boa

from tests.contracts.network.harness import ZERO, only
from tests.support.actors import PROVIDER, RELAYER


def test_approve__sets_and_logs__whatever_stood_there(token: Any) -> None:
    for amount in (7, 2**256 - 1, 3, 0):
        assert token.approve(RELAYER.address, amount, sender=PROVIDER.address) is True
        log = only(token, "Approval")
        assert (log.owner, log.spender, log.amount) == (PROVIDER.address, RELAYER.address, amount)
        assert token.allowance(PROVIDER.address, RELAYER.address) == amount


def test_approve__zero_spender__reverts(token: Any) -> None:
    with boa.reverts("token: approve zero"):
        token.approve(ZERO, 1, sender=PROVIDER.address)

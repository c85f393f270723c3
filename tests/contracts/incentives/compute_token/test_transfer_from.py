from __future__ import annotations

from typing import Any

import boa

from tests.contracts.network.harness import ZERO, events, only
from tests.support.actors import PROVIDER, RELAYER, RENTER
from tests.support.constants import WAD

UNLIMITED = 2**256 - 1


def test_transfer_from__spends_the_allowance__and_logs_no_approval(token: Any) -> None:
    token.approve(RELAYER.address, 5 * WAD, sender=PROVIDER.address)
    assert token.transferFrom(PROVIDER.address, RENTER.address, 2 * WAD, sender=RELAYER.address) is True
    log = only(token, "Transfer")
    assert (log.sender, log.receiver, log.amount) == (PROVIDER.address, RENTER.address, 2 * WAD)
    assert events(token, "Approval") == []
    assert token.allowance(PROVIDER.address, RELAYER.address) == 3 * WAD
    assert token.balanceOf(RENTER.address) == 2 * WAD


def test_transfer_from__unlimited_allowance__stays(token: Any) -> None:
    token.approve(RELAYER.address, UNLIMITED, sender=PROVIDER.address)
    token.transferFrom(PROVIDER.address, RENTER.address, WAD, sender=RELAYER.address)
    assert token.allowance(PROVIDER.address, RELAYER.address) == UNLIMITED


def test_transfer_from__one_less_than_unlimited__is_spent(token: Any) -> None:
    token.approve(RELAYER.address, UNLIMITED - 1, sender=PROVIDER.address)
    token.transferFrom(PROVIDER.address, RENTER.address, WAD, sender=RELAYER.address)
    assert token.allowance(PROVIDER.address, RELAYER.address) == UNLIMITED - 1 - WAD


def test_transfer_from__own_tokens__need_an_allowance_too(token: Any) -> None:
    with boa.reverts("token: allowance"):
        token.transferFrom(PROVIDER.address, RENTER.address, 1, sender=PROVIDER.address)


def test_transfer_from__beyond_the_allowance__reverts(token: Any) -> None:
    token.approve(RELAYER.address, WAD, sender=PROVIDER.address)
    with boa.reverts("token: allowance"):
        token.transferFrom(PROVIDER.address, RENTER.address, WAD + 1, sender=RELAYER.address)


def test_transfer_from__zero_without_allowance__is_a_transfer(token: Any) -> None:
    token.transferFrom(PROVIDER.address, RENTER.address, 0, sender=RELAYER.address)
    assert only(token, "Transfer").amount == 0


def test_transfer_from__zero_address__reverts(token: Any) -> None:
    with boa.reverts("token: transfer from zero"):
        token.transferFrom(ZERO, RENTER.address, 0, sender=RELAYER.address)


def test_transfer_from__to_zero__reverts(token: Any) -> None:
    token.approve(RELAYER.address, WAD, sender=PROVIDER.address)
    with boa.reverts("token: transfer to zero"):
        token.transferFrom(PROVIDER.address, ZERO, 1, sender=RELAYER.address)


def test_transfer_from__beyond_the_balance__reverts(token: Any) -> None:
    token.approve(RELAYER.address, UNLIMITED, sender=PROVIDER.address)
    with boa.reverts("token: balance"):
        token.transferFrom(PROVIDER.address, RENTER.address, 1_000 * WAD + 1, sender=RELAYER.address)

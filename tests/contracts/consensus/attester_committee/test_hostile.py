"""Tokens that do not do what they should: nothing is bonded or paid without being moved."""

from __future__ import annotations

from typing import Any

import boa

from tests.support.actors import STRANGER
from tests.support.suite import Suite, compiled


def over(bare: Suite, token: Any) -> Any:
    q = bare.parameters
    return compiled("consensus/AttesterCommittee.vy").deploy(
        bare.hub.address, bare.refuter.address, token.address, q.genesis, q.slot, q.epochs_per_period, q.dispute,
        q.seat_bond, q.notice, q.unbonding,
    )  # fmt: skip


def test_t03_a_token_that_refuses(bare: Suite) -> None:
    token = compiled("mocks/TokenFalseReturn.vy").deploy()
    c = over(bare, token)
    token.mint(STRANGER.address, 10)
    token.approve(c.address, 10, sender=STRANGER.address)
    token.set_refuses(True)
    with boa.reverts("committee: not paid in"):
        c.join(10, "", sender=STRANGER.address)
    token.set_refuses(False)
    c.join(10, "", sender=STRANGER.address)
    token.set_refuses(True)
    with boa.reverts("committee: not paid out"):
        c.withdraw(sender=STRANGER.address)
    assert c.seat_of(STRANGER.address) == 10 << 128
    token.set_refuses(False)
    assert c.withdraw(sender=STRANGER.address) == 10

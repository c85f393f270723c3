from __future__ import annotations

from typing import Any

import boa
import pytest

from tests.contracts.network.harness import MINTER, ZERO, only
from tests.support.actors import OWNER, RELAYER, RENTER, STRANGER, Actor, Domain
from tests.support.constants import CURVE_ORDER, WAD
from tests.support.suite import compiled

PERMIT = "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"
HOLDER = Actor("permit holder")
FOREVER = 2**256 - 1


def signed(
    token: Any,
    nonce: int = 0,
    amount: int = WAD,
    deadline: int = FOREVER,
    signer: Actor = HOLDER,
    chain: int | None = None,
) -> tuple[Any, ...]:
    """Arguments of `permit`, signed."""
    domain = Domain(chain or boa.env.evm.patch.chain_id, token.address)
    sig = signer.sign(domain.digest(PERMIT, HOLDER.address, RELAYER.address, amount, nonce, deadline))
    return HOLDER.address, RELAYER.address, amount, deadline, sig[64], sig[:32], sig[32:64]


def test_permit__sets_the_allowance__whoever_carries_it(token: Any) -> None:
    token.permit(*signed(token), sender=STRANGER.address)
    log = only(token, "Approval")
    assert (log.owner, log.spender, log.amount) == (HOLDER.address, RELAYER.address, WAD)
    assert token.allowance(HOLDER.address, RELAYER.address) == WAD
    assert token.nonces(HOLDER.address) == 1
    assert token.DOMAIN_SEPARATOR() == Domain(boa.env.evm.patch.chain_id, token.address).separator
    token.permit(*signed(token, nonce=1, amount=0), sender=STRANGER.address)
    assert token.allowance(HOLDER.address, RELAYER.address) == 0


def test_permit__twice__reverts(token: Any) -> None:
    arguments = signed(token)
    token.permit(*arguments)
    with boa.reverts("token: permit signature"):
        token.permit(*arguments)


def test_permit__at_the_deadline__and_a_second_later(token: Any) -> None:
    now = boa.env.timestamp
    token.permit(*signed(token, deadline=now))
    with boa.reverts("token: permit expired"):
        token.permit(*signed(token, nonce=1, deadline=now - 1))


def test_permit__by_another_signer__reverts(token: Any) -> None:
    with boa.reverts("token: permit signature"):
        token.permit(*signed(token, signer=RENTER))


def test_permit__another_amount_than_signed__reverts(token: Any) -> None:
    owner, spender, amount, *rest = signed(token)
    with boa.reverts("token: permit signature"):
        token.permit(owner, spender, amount + 1, *rest)


def test_permit__of_another_contract_or_chain__reverts(token: Any) -> None:
    clone = compiled("incentives/ComputeToken.vy").deploy(MINTER.address, OWNER.address, WAD)
    with boa.reverts("token: permit signature"):
        clone.permit(*signed(token))
    with boa.reverts("token: permit signature"):
        token.permit(*signed(token, chain=boa.env.evm.patch.chain_id + 1))


def test_permit__after_a_fork__only_the_new_chain_id_holds(token: Any) -> None:
    old, new = signed(token), signed(token, chain=99)
    patch = boa.env.evm.patch
    before = patch.chain_id
    patch.chain_id = 99
    try:
        with boa.reverts("token: permit signature"):
            token.permit(*old)
        token.permit(*new)
    finally:
        patch.chain_id = before
    assert token.allowance(HOLDER.address, RELAYER.address) == WAD


def test_permit__twin_with_the_high_s__reverts(token: Any) -> None:
    *head, v, r, s = signed(token)
    twin = (CURVE_ORDER - int.from_bytes(s, "big")).to_bytes(32, "big")
    with boa.reverts("ecdsa: invalid signature `s` value"):
        token.permit(*head, 55 - v, r, twin)


@pytest.mark.parametrize("v", [0, 26, 29, 255])
def test_permit__for_the_zero_address__reverts(token: Any, v: int) -> None:
    # ecrecover answers zero for such a signature: it must not speak for the zero address
    with boa.reverts("ecdsa: invalid signature"):
        token.permit(ZERO, RELAYER.address, WAD, FOREVER, v, b"\1" * 32, b"\1" * 32)


def test_permit__zero_spender__reverts(token: Any) -> None:
    domain = Domain(boa.env.evm.patch.chain_id, token.address)
    sig = HOLDER.sign(domain.digest(PERMIT, HOLDER.address, ZERO, 1, 0, FOREVER))
    with boa.reverts("token: approve zero"):
        token.permit(HOLDER.address, ZERO, 1, FOREVER, sig[64], sig[:32], sig[32:64])

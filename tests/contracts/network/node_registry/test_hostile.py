"""T01: a token hooks the registering wallet in the middle of the fee; nothing of the registry can be entered then."""

from __future__ import annotations

from typing import Any

import boa
import pytest

from tests.contracts.network.harness import Trio, deploy
from tests.support.actors import OPERATOR, PAYOUT
from tests.support.constants import WAD
from tests.support.suite import compiled


@pytest.fixture(scope="module")
def _hooked() -> tuple[Trio, Any]:
    token = compiled("mocks/TokenHook.vy").deploy()
    trio = deploy(token)
    wallet = compiled("mocks/HookWallet.vy").deploy()
    return trio, wallet


CALLS = {
    "register_provider": (OPERATOR.address, PAYOUT.address, ""),
    "set_operator": (0, OPERATOR.address),
    "set_payout": (0, PAYOUT.address),
    "set_metadata": (0, ""),
    "transfer_provider": (0, OPERATOR.address),
    "accept_provider": (0,),
    "retire_node": (0,),
    "rotate_key": (0, OPERATOR.address, b""),
    "register_node": None,  # the registration itself, once more
    "node": (0,),
    "provider": (0,),
    "owner_of": (0,),
    "count": (),
    "key_of": (0, 1),
    "class_of": (0,),
    "gpu_owner": (b"\1" * 32,),
    "grant_of": (OPERATOR.address,),
    "node_of_key": (OPERATOR.address,),
}


@pytest.mark.parametrize("name", CALLS)
def test_register_node__reentered_during_the_fee__every_try_fails(_hooked: tuple[Trio, Any], name: str) -> None:
    with boa.env.anchor():
        trio, wallet = _hooked
        trio = trio.fresh()
        r = trio.registry

        def act(contract: Any, function: str, *arguments: Any) -> None:
            wallet.execute(contract.address, getattr(contract, function).prepare_calldata(*arguments))

        act(r, "register_provider", OPERATOR.address, PAYOUT.address, "")
        trio.token.mint(wallet.address, 100 * WAD)
        act(trio.token, "approve", r.address, 2**256 - 1)
        registration = trio.registration(0)
        arguments = CALLS[name]
        again = registration if arguments is None else arguments
        trio.token.arm(wallet.address)
        wallet.arm(r.address, getattr(r, name).prepare_calldata(*again))
        act(r, "register_node", *registration)
        assert (wallet.tried(), wallet.succeeded()) == (1, 0)
        assert (r.count(), r.provider_count(), r.owner_of(0)) == (1, 1, wallet.address)

"""The rehearsal: the plan's own transactions on a throw-away chain, so that gas is executed, not guessed.

The chain is a fork of the real one where there is one (its state and fees), else an empty chain of the same id. The
deployer is impersonated, so no key is needed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from keepers.localnet.anvil import Anvil, RpcError
from keepers.protocol.errors import HearthError
from scripts._errors import DeployError
from scripts._plan import Plan, Step, json_value

_PLENTY = hex(10**24)  # wei; what the deployer really has is checked before anything is sent


@dataclass(frozen=True)
class Rehearsed:
    """Gas used by each step, and the runtime code (hex) that each creation left."""

    gas: list[int]
    code: dict[str, str]


@contextlib.contextmanager
def throwaway(chain_id: int, fork_url: str | None = None, timestamp: int | None = None) -> Iterator[Anvil]:
    """An anvil for a rehearsal; raises H7111 where it is missing or does not start."""
    try:
        # steps of a plan need no free block space of the real chain: their sum may pass one block's limit
        chain = Anvil.start(chain_id=chain_id, fork_url=fork_url, timestamp=None if fork_url else timestamp, accounts=1)
    except HearthError as error:
        raise DeployError("H7111", error.message, " · ".join(error.why), " · ".join(error.next)) from None
    try:
        yield chain
    finally:
        chain.stop()


def transaction(deployer: str, step: Step) -> dict[str, Any]:
    """The step as an `eth_sendTransaction` object of an impersonated deployer."""
    fields: dict[str, Any] = {"from": deployer, "data": step.data, "nonce": hex(step.nonce), "gas": hex(16_000_000)}
    if step.kind == "call":
        fields["to"] = step.address
    return fields


def reason(error: RpcError) -> str:
    """The revert string of an RPC error, else the node's own words."""
    data = error.data.get("data") if isinstance(error.data, Mapping) else error.data
    if isinstance(data, str) and data.startswith("0x08c379a0"):
        raw = bytes.fromhex(data[10:])
        return raw[64 : 64 + int.from_bytes(raw[32:64], "big")].decode(errors="replace")
    return error.message


def play(chain: Anvil, plan: Plan, times: Mapping[int, int] | None = None) -> Rehearsed:
    """Sends every step on `chain` (block time of nonce n from `times`). Raises H7108 at the first revert."""
    chain.call("anvil_impersonateAccount", plan.deployer)
    chain.call("anvil_setBalance", plan.deployer, _PLENTY)
    chain.call("anvil_setNonce", plan.deployer, hex(plan.first_nonce))
    gas: list[int] = []
    code: dict[str, str] = {}
    for step in plan.steps:
        if times and step.nonce in times:
            with contextlib.suppress(RpcError):  # several steps of one block: the chain wants time to go on
                chain.call("evm_setNextBlockTimestamp", times[step.nonce])
        receipt = _send(chain, plan, step)
        gas.append(int(receipt["gasUsed"], 16))
        if step.kind == "create":
            made = str(receipt["contractAddress"])
            if made.lower() != step.address.lower():
                raise DeployError("H7108", f"{step.contract} came to {made}, the plan predicts {step.address}")
            code[step.contract] = str(chain.call("eth_getCode", made, "latest"))
    return Rehearsed(gas, code)


def _send(chain: Anvil, plan: Plan, step: Step) -> Mapping[str, Any]:
    fields = transaction(plan.deployer, step)
    try:
        chain.call("eth_call", {k: v for k, v in fields.items() if k != "nonce"}, "latest")
        sent = chain.call("eth_sendTransaction", fields)
    except RpcError as error:
        raise DeployError(
            "H7108",
            f"step {step.key} would revert: {reason(error)}",
            f"{step.contract}({', '.join(str(json_value(a)) for a in step.args)})",
            "correct the profile or the sources; nothing was sent",
        ) from None
    for _ in range(200):
        receipt: Mapping[str, Any] | None = chain.call("eth_getTransactionReceipt", sent)
        if receipt is not None:
            break
        chain.call("evm_mine")
    else:
        raise DeployError("H7108", f"step {step.key} was not mined in the rehearsal")
    if int(receipt["status"], 16) != 1:
        raise DeployError("H7108", f"step {step.key} failed in the rehearsal", "out of gas, or its init code reverts")
    return receipt

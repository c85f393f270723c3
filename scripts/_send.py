"""Sends a plan: journal, then chain; resumes wherever it was interrupted; never sends a step twice.

Knows neither ape nor keys: a chain is something that answers JSON-RPC, a signer something that signs one step.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from keepers.localnet.anvil import RpcError
from keepers.protocol.hashing import keccak
from scripts._errors import DeployError
from scripts._journal import Journal, Send
from scripts._plan import Plan, Step

# A rehearsal's gas is exact for the state it ran on; a margin covers words that somebody else touched since.
GAS_MARGIN = 5  # a fifth more
_KNOWN = ("already known", "already imported", "known transaction", "alreadyknown")
_NONCE_TAKEN = ("nonce too low", "replacement")
_CHEAP = ("fee", "underpriced")


class Chain(Protocol):
    """A JSON-RPC endpoint; errors are RpcError."""

    def call(self, method: str, *params: Any) -> Any: ...


@dataclass(frozen=True)
class Fees:
    """Fee caps of EIP-1559, wei a gas."""

    cap: int
    tip: int


Signer = Callable[[Step, int, Fees], bytes]  # step, gas limit, fees -> the raw transaction


def gas_limit(step: Step) -> int:
    """Gas limit of a step: what the rehearsal used and a margin."""
    return step.gas + step.gas // GAS_MARGIN


def fees_now(chain: Chain, ceiling: int | None = None) -> Fees:
    """Fees that outlive a doubling of the base fee; at most `ceiling` wei a gas where one is given."""
    block = chain.call("eth_getBlockByNumber", "latest", False)
    base = int(block.get("baseFeePerGas") or "0x0", 16)
    try:
        tip = int(chain.call("eth_maxPriorityFeePerGas"), 16)
    except RpcError:
        tip = 10**9
    cap = 2 * base + tip
    if ceiling is not None and cap > ceiling:
        if base + tip > ceiling:
            raise DeployError(
                "H7104",
                f"gas costs {(base + tip) / 1e9:.3f} gwei, more than --max-fee {ceiling / 1e9:.3f}",
                next_="wait, or raise --max-fee; a deployment that has begun goes on with --resume",
            )
        cap = ceiling
    return Fees(cap, min(tip, cap))


def _receipt(chain: Chain, sends: list[Send]) -> Mapping[str, Any] | None:
    for send in sends:
        receipt: Mapping[str, Any] | None = chain.call("eth_getTransactionReceipt", send.hash)
        if receipt is not None and receipt.get("blockNumber") is not None:
            return receipt
    return None


def _check(step: Step, receipt: Mapping[str, Any]) -> None:
    made = receipt.get("contractAddress")
    if int(receipt["status"], 16) != 1:
        raise DeployError(
            "H7109",
            f"step {step.key} failed on chain (transaction {receipt['transactionHash']})",
            "its nonce is spent, so the predicted addresses cannot come true; nothing of value is inside",
            "find the cause, then deploy anew with another --record",
        )
    if step.kind == "create" and (made is None or str(made).lower() != step.address.lower()):
        raise DeployError("H7106", f"{step.contract} was created at {made}, not at {step.address}")


def _lost(step: Step) -> DeployError:
    return DeployError(
        "H7106",
        f"nonce {step.nonce} ({step.key}) was used by another transaction of the deployer",
        "the addresses after it cannot come true; what stands holds nothing of value",
        "deploy anew with another --record, from an account that does nothing else meanwhile",
    )


class Sender:
    """Runs a plan against a chain with a journal.

    `window` transactions may be under way at once, never more than one block holds: a node that must cut a row of
    nonces in two may throw away those behind the cut (anvil does). Seconds: `poll` between looks for a receipt,
    `resend` between two hand-overs of a transaction that is not mined, `patience` for the receipt of a spent nonce,
    `limit` for one step.
    """

    def __init__(
        self,
        chain: Chain,
        plan: Plan,
        journal: Journal,
        sign: Signer,
        *,
        window: int = 1,
        poll: float = 2.0,
        limit: float = 900.0,
        patience: float = 10.0,
        resend: float = 10.0,
        ceiling: int | None = None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._chain, self._plan, self._journal, self._sign = chain, plan, journal, sign
        self._window, self._poll, self._limit, self._patience = window, poll, limit, patience
        self._resend, self._ceiling, self._say = resend, ceiling, say

    def run(self) -> list[Mapping[str, Any]]:
        """Receipts of all steps in their order. Raises DeployError; what was sent stays in the journal."""
        receipts: list[Mapping[str, Any]] = []
        sent = 0
        steps = self._plan.steps
        room = int(self._chain.call("eth_getBlockByNumber", "latest", False)["gasLimit"], 16)
        while len(receipts) < len(steps):
            while sent < len(steps) and self._may_send(steps[len(receipts) : sent + 1], room):
                self._dispatch(steps[sent])
                sent += 1
            receipts.append(self._await(steps[len(receipts)], len(receipts) + 1))
        return receipts

    def _may_send(self, under_way: list[Step], room: int) -> bool:
        """Whether the last of `under_way` may go out while the others are; `room` is the gas of one block."""
        fits = sum(gas_limit(step) for step in under_way) <= room
        return len(under_way) == 1 or (len(under_way) <= self._window and fits)

    def _dispatch(self, step: Step) -> None:
        """Hands the step's newest attempt over, the same bytes each time. Raises H7117 where the node refuses it."""
        sends = self._journal.sends(step.nonce)
        if self._mined_nonce() > step.nonce:
            if not sends:
                raise _lost(step)
            return  # most likely ours: the wait looks for its receipt
        if not sends:
            sends = [self._attempt(step)]
        refusal = self._broadcast(sends[-1])
        if refusal and any(word in refusal.lower() for word in _CHEAP):
            refusal = self._broadcast(self._attempt(step))  # the old attempt has become too cheap
        if refusal:
            raise DeployError(
                "H7117", f"the node refused step {step.key}: {refusal}", next_="correct it, then --resume"
            )

    def _attempt(self, step: Step) -> Send:
        """A signed attempt, in the journal."""
        raw = self._sign(step, gas_limit(step), fees_now(self._chain, self._ceiling))
        send = Send(step.nonce, step.key, "0x" + keccak(raw).hex(), "0x" + raw.hex())
        self._journal.sending(send)
        return send

    def _broadcast(self, send: Send) -> str:
        """The node's refusal; empty where it has the transaction, or one of the same nonce: the wait tells whose."""
        try:
            self._chain.call("eth_sendRawTransaction", send.raw)
        except RpcError as error:
            words = error.message.lower()
            return "" if any(word in words for word in (*_KNOWN, *_NONCE_TAKEN)) else error.message
        return ""

    def _mined_nonce(self) -> int:
        return int(self._chain.call("eth_getTransactionCount", self._plan.deployer, "latest"), 16)

    def _await(self, step: Step, number: int) -> Mapping[str, Any]:
        begun = handed_over = time.monotonic()
        passed_at: float | None = None
        while True:
            if passed_at is None and self._mined_nonce() > step.nonce:
                passed_at = time.monotonic()
            receipt = _receipt(self._chain, self._journal.sends(step.nonce))
            if receipt is not None:
                _check(step, receipt)
                block = int(receipt["blockNumber"], 16)
                total = len(self._plan.steps)
                self._say(f"  {number:2}/{total} {step.key:<24} block {block}  {receipt['transactionHash']}")
                return receipt
            # nodes behind one address may lag: a nonce that is spent is lost only when no receipt follows
            if passed_at is not None and time.monotonic() - passed_at > self._patience:
                raise _lost(step)
            if time.monotonic() - handed_over > self._resend:
                self._dispatch(step)  # a node may forget what it took
                handed_over = time.monotonic()
            if time.monotonic() - begun > self._limit:
                raise DeployError(
                    "H7118",
                    f"step {step.key} is not mined after {self._limit:.0f} s",
                    "it is in the journal and may still be mined",
                    "the same command with --resume goes on",
                )
            time.sleep(self._poll)

"""A private anvil for gas figures: osaka, the transaction cap enforced, every transaction from a cold state.

It has the methods that `bench.ours` needs and no more: `rpc send deploy now warp rec addr accts`. The harness that
measures other projects has the same ones, so that one run can hold both.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

from eth_account import Account
from web3 import Web3

from keepers.localnet.anvil import CHAIN_ID, MNEMONIC

ROOT = Path(__file__).resolve().parent.parent
TX_CAP = 16_777_216  # EIP-7825: the most gas that one transaction may use
ACCOUNTS = 60


class Contract:
    """One deployed contract: `tx` sends and returns the receipt, `gas` its gasUsed, `call` reads."""

    def __init__(self, chain: Any, abi: list[dict[str, Any]], address: str) -> None:
        self.chain = chain
        self.address = Web3.to_checksum_address(address)
        self.c = Web3().eth.contract(address=self.address, abi=abi)

    def data(self, fn: str, *args: Any) -> str:
        return str(self.c.encode_abi(fn, args=list(args)))

    def tx(self, fn: str, *args: Any, frm: str | None = None, check: bool = True) -> dict[str, Any]:
        receipt: dict[str, Any] = self.chain.send(
            frm or self.chain.addr[0], self.address, self.data(fn, *args), check=check
        )
        return receipt

    def gas(self, fn: str, *args: Any, frm: str | None = None) -> int:
        return int(self.tx(fn, *args, frm=frm)["gas"])

    def call(self, fn: str, *args: Any) -> Any:
        raw = self.chain.rpc("eth_call", {"to": self.address, "data": self.data(fn, *args)}, "latest")
        out = self.c.get_function_by_name(fn).abi["outputs"]
        types = [str(o["type"]) for o in out]
        values = Web3().codec.decode(types, bytes.fromhex(raw[2:]))
        return values[0] if len(values) == 1 else values


class Chain:
    """anvil on a free port; `stop()` ends it. Block times follow the number of blocks, so figures repeat."""

    def __init__(self) -> None:
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        native = sorted(ROOT.glob("node_modules/@foundry-rs/anvil-*/bin/anvil*"))
        if not native:
            raise SystemExit("bench: no anvil in node_modules; run `make install` first")
        self.proc = subprocess.Popen(
            [
                str(native[0]), "--port", str(self.port), "--hardfork", "osaka", "--accounts", str(ACCOUNTS),
                "--balance", "1000000", "--mnemonic", MNEMONIC, "--base-fee", "0", "--gas-price", "0",
                "--gas-limit", "1000000000", "--timestamp", "1800000000", "--chain-id", str(CHAIN_ID),
                "--no-request-size-limit", "--enable-tx-gas-limit",
            ],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        for _ in range(200):
            try:
                self.rpc("eth_chainId")
                break
            except OSError:
                time.sleep(0.05)
        else:
            raise SystemExit("bench: anvil did not start")
        self.rpc("anvil_setBlockTimestampInterval", 1)
        Account.enable_unaudited_hdwallet_features()
        self.accts = [Account.from_mnemonic(MNEMONIC, account_path=f"m/44'/60'/0'/0/{i}") for i in range(ACCOUNTS)]
        self.addr = [a.address for a in self.accts]
        self.rows: list[dict[str, Any]] = []

    def rpc(self, method: str, *params: Any) -> Any:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}", body, {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=600) as r:  # noqa: S310
            answer = json.loads(r.read())
        if "error" in answer:
            raise RuntimeError(json.dumps(answer["error"])[:800])
        return answer["result"]

    def stop(self) -> None:
        self.proc.terminate()
        self.proc.wait(20)

    def now(self) -> int:
        return int(self.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)

    def send(self, frm: str, to: str | None, data: str, check: bool = True) -> dict[str, Any]:
        tx: dict[str, Any] = {"from": frm, "data": data, "gas": hex(TX_CAP), "gasPrice": "0x0"}
        if to:
            tx["to"] = to
        sent = self.rpc("eth_sendTransaction", tx)
        receipt = None
        while receipt is None:  # automine answers before the block is there
            receipt = self.rpc("eth_getTransactionReceipt", sent)
        receipt["gas"] = int(receipt["gasUsed"], 16)
        if check and receipt["status"] != "0x1":
            try:
                self.rpc("eth_call", tx, "latest")
                why = "no reason"
            except RuntimeError as error:
                why = str(error)
            raise RuntimeError(f"reverted ({receipt['gas']} gas) to {to}: {data[:10]} {why}")
        return dict(receipt)

    def deploy(self, art: dict[str, Any], *args: Any) -> Contract:
        c = Web3().eth.contract(abi=art["abi"], bytecode="0x" + art["bytecode"].removeprefix("0x"))
        receipt = self.send(self.addr[0], None, str(c.constructor(*args).data_in_transaction))
        return Contract(self, art["abi"], receipt["contractAddress"])

    def rec(self, suite: str, action: str, peer: str, version: str, gas: float, conditions: str = "") -> None:
        self.rows.append(
            {"suite": suite, "action": action, "peer": peer, "version": version, "gas": gas, "conditions": conditions}
        )
        print(f"  {action:28s} {gas:>10,}  {conditions}", file=sys.stderr, flush=True)

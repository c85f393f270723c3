"""A chain that does nothing but count effects: pool, nonces, blocks, reorgs, and the faults of real endpoints.

`FakeChain` is the state, with JSON-RPC as a function; `FakeServer` puts it behind HTTP on loopback. It keeps geth's
replacement rule (+ 10 % on both fees), which anvil does not.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import rlp

from keepers.protocol.hashing import keccak
from keepers.wire.signatures import recover

GWEI = 10**9
CHAIN_ID = 4_242
POISON = b"\xff"  # calldata that reverts when it is estimated
LATE_POISON = b"\xfe"  # calldata that passes the estimate and fails in the block


@dataclass(frozen=True)
class Tx:
    sender: str
    nonce: int
    to: str
    data: bytes
    max_fee: int
    tip: int
    gas: int
    value: int
    hash: bytes


@dataclass(frozen=True)
class Mined:
    tx: Tx
    number: int
    status: int


def decode(raw: bytes) -> Tx:
    assert raw[0] == 2, "an EIP-1559 transaction"
    fields = rlp.decode(raw[1:])
    chain, nonce, tip, max_fee, gas, to, value, data, access, parity, r, s = fields
    number = [int.from_bytes(x, "big") for x in (chain, nonce, tip, max_fee, gas, value, parity)]
    assert number[0] == CHAIN_ID
    digest = keccak(b"\x02" + rlp.encode([chain, nonce, tip, max_fee, gas, to, value, data, access]))
    signature = r.rjust(32, b"\0") + s.rjust(32, b"\0") + bytes([27 + number[6]])
    sender = recover(digest, signature)
    return Tx(sender, number[1], "0x" + to.hex(), data, number[3], number[2], number[4], number[5], keccak(raw))


class Refusal(Exception):
    """An error answer."""

    def __init__(self, message: str, code: int = -32000, data: str | None = None) -> None:
        super().__init__(message)
        self.message, self.code, self.data = message, code, data


class FakeChain:
    """Blocks are made by `mine`, or with each look at the newest block where `automine` is set."""

    def __init__(self, automine: bool = True) -> None:
        self.automine = automine
        self.base_fee = GWEI
        self.balance = 10**18
        self.fork = 0
        self.pool: dict[tuple[str, int], Tx] = {}
        self.blocks: list[list[Mined]] = [[]]
        self.salts: list[int] = [0]
        self.calls: list[str] = []
        self.hide_receipts = False
        self.lag = 0  # blocks by which the endpoint is behind
        self.lock = threading.RLock()

    # state

    @property
    def height(self) -> int:
        return len(self.blocks) - 1

    def hash(self, number: int) -> bytes:
        return keccak(f"{number}:{self.salts[number]}".encode())

    def mined(self) -> list[Mined]:
        return [m for block in self.blocks for m in block]

    def effects(self) -> list[tuple[str, bytes]]:
        """(to, data) of every transaction that succeeded."""
        return [(m.tx.to, m.tx.data) for m in self.mined() if m.status == 1 and m.tx.data]

    def nonce(self, address: str, number: int | None = None) -> int:
        top = self.height if number is None else number
        return sum(1 for m in self.mined() if m.tx.sender == address and m.number <= top)

    def mine(self, blocks: int = 1) -> None:
        with self.lock:
            for _ in range(blocks):
                number = len(self.blocks)
                block: list[Mined] = []
                self.blocks.append(block)
                self.salts.append(self.fork)
                for sender, nonce in sorted(self.pool):
                    tx = self.pool[sender, nonce]
                    if nonce == self.nonce(sender) and tx.max_fee >= self.base_fee:
                        del self.pool[sender, nonce]
                        block.append(Mined(tx, number, 0 if tx.data[:1] == LATE_POISON else 1))

    def reorg(self, depth: int, keep: bool = False) -> None:
        """Remove the last blocks; their transactions are lost, or back in the pool with `keep`."""
        with self.lock:
            gone = [m for block in self.blocks[-depth:] for m in block]
            del self.blocks[-depth:], self.salts[-depth:]
            self.fork += 1
            if keep:
                self.pool.update({(m.tx.sender, m.tx.nonce): m.tx for m in gone})
            self.mine(depth + 1)

    def send(self, raw: bytes) -> bytes:
        tx = decode(raw)
        with self.lock:
            if tx.nonce < self.nonce(tx.sender):
                raise Refusal("nonce too low")
            if tx.gas * tx.max_fee + tx.value > self.balance:
                raise Refusal("insufficient funds for gas * price + value")
            other = self.pool.get((tx.sender, tx.nonce))
            if other is not None:
                if other.hash == tx.hash:
                    raise Refusal("already known")
                if tx.max_fee * 10 < other.max_fee * 11 or tx.tip * 10 < other.tip * 11:
                    raise Refusal("replacement transaction underpriced")
            self.pool[tx.sender, tx.nonce] = tx
        return tx.hash

    # JSON-RPC

    def answer(self, method: str, params: list[Any]) -> Any:
        with self.lock:
            self.calls.append(method)
            return getattr(self, "rpc_" + method)(*params)

    def rpc_eth_chainId(self) -> str:
        return hex(CHAIN_ID)

    def rpc_eth_getBlockByNumber(self, which: str, full: bool) -> Any:
        if which == "latest" and self.automine:
            self.mine()
        top = self.height - self.lag
        number = top if which == "latest" else int(which, 16)
        if number > top:
            return None
        return {
            "number": hex(number),
            "hash": "0x" + self.hash(number).hex(),
            "parentHash": "0x" + (self.hash(number - 1) if number else bytes(32)).hex(),
            "timestamp": hex(1_000_000 + number),
            "baseFeePerGas": hex(self.base_fee),
        }

    def rpc_eth_getTransactionCount(self, address: str, which: str) -> str:
        top = self.height - self.lag
        return hex(self.nonce(address, top if which == "latest" else min(top, int(which, 16))))

    def rpc_eth_estimateGas(self, tx: dict[str, str]) -> str:
        if bytes.fromhex(tx["data"][2:])[:1] == POISON:
            words = b"escrow: not running"
            data = bytes.fromhex("08c379a0") + (32).to_bytes(32, "big") + len(words).to_bytes(32, "big")
            raise Refusal("execution reverted", 3, "0x" + (data + words.ljust(32, b"\0")).hex())
        return hex(50_000)

    def rpc_eth_call(self, tx: dict[str, str], at: Any) -> str:
        if bytes.fromhex(tx["data"][2:])[:1] == LATE_POISON:
            raise Refusal("execution reverted", 3, "0x4e487b71" + (0x11).to_bytes(32, "big").hex())
        return "0x"

    def rpc_eth_sendRawTransaction(self, raw: str) -> str:
        return "0x" + self.send(bytes.fromhex(raw[2:])).hex()

    def rpc_eth_getTransactionReceipt(self, tx_hash: str) -> Any:
        if self.hide_receipts:
            return None
        for m in self.mined():
            if "0x" + m.tx.hash.hex() == tx_hash and m.number <= self.height - self.lag:
                return {
                    "transactionHash": tx_hash,
                    "status": hex(m.status),
                    "blockNumber": hex(m.number),
                    "blockHash": "0x" + self.hash(m.number).hex(),
                    "gasUsed": hex(40_000),
                    "effectiveGasPrice": hex(self.base_fee),
                }
        return None


# A fault sees the method and answers what to do: "" nothing, else one of the names in `FakeServer`.
Fault = Callable[[str], str]


class FakeServer:
    """HTTP on loopback. Faults: "drop" before execution, "lost" answer after it, "429", "500", "html"."""

    def __init__(self, chain: FakeChain, fault: Fault = lambda method: "") -> None:
        self.chain = chain
        self.fault = fault
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # else each answer waits 40 ms for an acknowledgement
            wbufsize = -1

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                many = isinstance(body, list)
                requests = body if many else [body]
                fault = outer.fault(requests[0]["method"])
                if fault == "drop":
                    self.close_connection = True
                    return
                answers = [outer.one(request) for request in requests]
                if fault == "lost":
                    self.close_connection = True
                    return
                status, text = 200, json.dumps(answers if many else answers[0])
                if fault in ("429", "500"):
                    status, text = int(fault), "{}"
                elif fault == "html":
                    text = "<html>busy</html>"
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, format: str, *args: Any) -> None:
                pass

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, request: Any, client_address: Any) -> None:
                """A client that was killed closes its connection as it likes."""

        self._server = Quiet(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def one(self, request: dict[str, Any]) -> dict[str, Any]:
        out: dict[str, Any] = {"jsonrpc": "2.0", "id": request["id"]}
        try:
            out["result"] = self.chain.answer(request["method"], request["params"])
        except Refusal as refusal:
            out["error"] = {"code": refusal.code, "message": refusal.message}
            if refusal.data:
                out["error"]["data"] = refusal.data
        return out

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

"""JSON-RPC over a pool of endpoints.

Reads are repeated, on the next endpoint, after anything that another try may cure. A raw transaction is handed over
exactly once a call and an unclear answer is raised as `MaybeSent`: whether to repeat it is the outbox's decision,
which keeps every attempt. No CCIP-Read, no redirects: an endpoint cannot make us fetch another URL.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from keepers.chain.codec import Codec, load_abi
from keepers.chain.heads import Finality, Heads
from keepers.chain.masking import mask_url
from keepers.chain.ports import BlockRef, Call, Event
from keepers.chain.reverts import Reverted, decode_revert
from keepers.protocol.errors import HearthError

ANSWER_LIMIT = 64 << 20  # bytes of one answer; a log page of a busy day is a few MiB
BATCH = 100  # requests a batch; providers cap it between 100 and 1,000
ROUNDS = 3  # times that a read goes through all endpoints
BACKOFF_S = (0.0, 0.3, 1.5)  # before each round
COOL_S = 15.0  # how long an endpoint that failed is asked last
RETRY_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})
# Server-side trouble by JSON-RPC code: another try, best elsewhere, may succeed.
RETRY_CODES = frozenset({-32005, -32016, -32603, -32097})
_BEHIND = (
    "header not found",
    "unknown block",
    "block not found",
    "missing trie node",
    "resource not found",
    "blockoutofrange",
)
_REVERT_CODES = frozenset({3, -32015})


class RpcError(HearthError):
    """An endpoint's own error answer. `rpc_code`, `text` and `data` are the endpoint's."""

    def __init__(self, method: str, rpc_code: int, text: str, data: Any = None) -> None:
        super().__init__(
            "H2001",
            f"{method}: the endpoint answers {text[:200]!r} ({rpc_code})",
            next=("try another --rpc",),
            exit_code=7,
        )
        self.method, self.rpc_code, self.text, self.data = method, rpc_code, text, data


class MaybeSent(HearthError):
    """A transaction was handed over and no clear answer came back: it may be on its way."""

    def __init__(self, why: str) -> None:
        super().__init__(
            "H2010", "the transaction was handed over, the answer is unclear", (why,), exit_code=8, retryable=True
        )


@dataclass(slots=True)
class Endpoint:
    """One URL and what we know of it. `shown` is safe to print."""

    url: str
    client: httpx.Client
    shown: str = ""
    checked: bool = False
    banned: str = ""
    cool_until: float = 0.0
    head: int = 0
    failures: int = 0


@dataclass(slots=True)
class PoolStats:
    """Counts for metrics, by masked URL."""

    errors: dict[str, int] = field(default_factory=dict)
    requests: int = 0


class EndpointPool:
    """All endpoints of one chain. Thread-safe. Nothing is sent to an endpoint before its chain id was seen."""

    def __init__(
        self,
        urls: Sequence[str],
        chain_id: int,
        *,
        timeout: float = 20.0,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        if not urls:
            raise HearthError(
                "H2001",
                "no RPC endpoint is configured",
                next=("give one with --rpc URL or rpc_urls in the settings",),
                exit_code=7,
            )
        self.chain_id = chain_id
        self.stats = PoolStats()
        self._sleep, self._monotonic = sleep, monotonic
        self._lock = threading.Lock()
        self._ids = 0
        self.endpoints = [
            Endpoint(
                url,
                httpx.Client(
                    timeout=timeout,
                    transport=transport,
                    follow_redirects=False,
                    trust_env=False,
                    verify=url.startswith("https:"),  # loading the certificates takes 90 ms
                ),
                mask_url(url),
            )
            for url in urls
        ]

    # reads

    def call(self, method: str, *params: Any) -> Any:
        """Result of a read. Raises Reverted, RpcError (the endpoints agree on an error), H2001, H2002."""
        return self._read([(method, list(params))], single=True)[0]

    def batch(self, requests: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        """Results of many reads, in order, in few round trips. The first error is raised."""
        out: list[Any] = []
        for at in range(0, len(requests), BATCH):
            chunk = [(method, list(params)) for method, params in requests[at : at + BATCH]]
            out += self._read(chunk, single=len(chunk) == 1)
        return out

    def _read(self, requests: list[tuple[str, list[Any]]], single: bool) -> list[Any]:
        failure: HearthError | None = None
        for round_ in range(ROUNDS):
            if BACKOFF_S[round_]:
                self._sleep(BACKOFF_S[round_])
            for endpoint in self._order():
                try:
                    self._check(endpoint)
                    answers = self._post(endpoint, requests, single)
                    return [self._result(m, a) for (m, _), a in zip(requests, answers, strict=True)]
                except Reverted:
                    raise
                except RpcError as error:
                    failure = error
                    if not _worth_retry(error):
                        raise
                    self._failed(endpoint, cool=not _is_behind(error))
                except HearthError as error:
                    failure = error
                    self._failed(endpoint)
        raise failure or self._none_left()

    # writes

    def send_raw(self, raw: bytes) -> bytes:
        """Hand a signed transaction to one endpoint, once; returns its hash.

        Raises RpcError where the endpoint clearly refused it, MaybeSent where the outcome is unclear, H2001 where no
        endpoint could even be connected to.
        """
        failure: HearthError | None = None
        for endpoint in self._order():
            try:
                self._check(endpoint)
            except HearthError as error:
                failure = error
                self._failed(endpoint)
                continue
            try:
                answers = self._post(endpoint, [("eth_sendRawTransaction", ["0x" + raw.hex()])], True)
            except _NotConnected as error:
                failure = error
                self._failed(endpoint)
                continue  # nothing left this machine
            except HearthError as error:
                self._failed(endpoint)
                raise MaybeSent(error.message) from error
            error_ = answers[0].get("error")
            if error_ is not None:
                code, text, data = _error_parts(error_)
                raise RpcError("eth_sendRawTransaction", code, text, data)
            return _hash(answers[0].get("result"))
        raise failure or self._none_left()

    # endpoints

    def check_all(self) -> dict[str, str]:
        """Ask every endpoint for its chain id: masked URL → "ok" or what is wrong."""
        out: dict[str, str] = {}
        for endpoint in self.endpoints:
            try:
                endpoint.checked = False
                self._check(endpoint)
                out[endpoint.shown] = "ok"
            except HearthError as error:
                out[endpoint.shown] = error.message
        return out

    def saw_head(self, number: int) -> None:
        """The pool's head is at least `number`; endpoints known to be far below are asked last."""
        for endpoint in self.endpoints:
            endpoint.head = max(endpoint.head, 0)
        if self.endpoints:
            best = self._order()[0]
            best.head = max(best.head, number)

    def demote(self, shown: str) -> None:
        """Ask an endpoint last for a while (it lags, or contradicts the others)."""
        for endpoint in self.endpoints:
            if endpoint.shown == shown:
                endpoint.cool_until = self._monotonic() + COOL_S

    def preferred(self) -> str:
        """Masked URL of the endpoint that the next read goes to."""
        order = self._order()
        return order[0].shown if order else ""

    def close(self) -> None:
        """Close all connections."""
        for endpoint in self.endpoints:
            endpoint.client.close()

    def _order(self) -> list[Endpoint]:
        now = self._monotonic()
        usable = [e for e in self.endpoints if not e.banned]
        return sorted(usable, key=lambda e: e.cool_until > now)  # stable: configured order within each half

    def _none_left(self) -> HearthError:
        why = tuple(f"{e.shown}: {e.banned or 'does not answer'}" for e in self.endpoints)
        wrong = [e for e in self.endpoints if e.banned]
        code = "H2002" if len(wrong) == len(self.endpoints) else "H2001"
        return HearthError(
            code, "no RPC endpoint can be used", why, ("hearth check",), exit_code=7, retryable=code == "H2001"
        )

    def _failed(self, endpoint: Endpoint, cool: bool = True) -> None:
        endpoint.failures += 1
        if cool:
            endpoint.cool_until = self._monotonic() + COOL_S
        with self._lock:
            self.stats.errors[endpoint.shown] = self.stats.errors.get(endpoint.shown, 0) + 1

    def _check(self, endpoint: Endpoint) -> None:
        if endpoint.checked:
            return
        answer = self._post(endpoint, [("eth_chainId", [])], True)[0]
        found = _number(self._result("eth_chainId", answer))
        if found != self.chain_id:
            endpoint.banned = f"serves chain {found}, not {self.chain_id}"
            raise HearthError(
                "H2002", f"{endpoint.shown} {endpoint.banned}", next=("use an endpoint of the record's chain",)
            )
        endpoint.checked = True

    def _post(self, endpoint: Endpoint, requests: list[tuple[str, list[Any]]], single: bool) -> list[Mapping[str, Any]]:
        with self._lock:
            first = self._ids + 1
            self._ids += len(requests)
            self.stats.requests += 1
        body: list[dict[str, Any]] = [
            {"jsonrpc": "2.0", "id": first + k, "method": m, "params": p} for k, (m, p) in enumerate(requests)
        ]
        name = requests[0][0] if single else f"batch of {len(requests)}"
        answer = self._http(endpoint, body[0] if single else body, name)
        found = [answer] if single else answer
        if not isinstance(found, list) or not all(isinstance(x, dict) for x in found):
            if isinstance(found, list):
                found = {}
            if isinstance(found, dict) and "error" in found:  # one error for the whole batch
                raise RpcError(name, *_error_parts(found["error"]))
            raise _bad(endpoint, name, "an answer that is no JSON-RPC")
        by_id = {x.get("id"): x for x in found}
        if single and len(found) == 1 and found[0].get("id") is None:
            by_id = {first: found[0]}
        try:
            return [by_id[first + k] for k in range(len(requests))]
        except KeyError:
            raise _bad(endpoint, name, "answers that belong to other requests") from None

    def _http(self, endpoint: Endpoint, body: Any, name: str) -> Any:
        try:
            with endpoint.client.stream("POST", endpoint.url, json=body) as response:
                content = bytearray()
                for piece in response.iter_bytes():
                    content += piece
                    if len(content) > ANSWER_LIMIT:
                        raise _bad(endpoint, name, f"more than {ANSWER_LIMIT} bytes")
                status = response.status_code
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
            raise _NotConnected(endpoint.shown, error) from error
        except httpx.HTTPError as error:
            raise _bad(endpoint, name, f"no answer ({type(error).__name__})") from error
        try:
            decoded = json.loads(content)
        except ValueError:
            raise _bad(endpoint, name, f"HTTP {status} and no JSON") from None
        if status >= 400 and not (isinstance(decoded, dict) and "error" in decoded):
            raise _bad(endpoint, name, f"HTTP {status}")
        if status in RETRY_STATUS:
            raise _bad(endpoint, name, f"HTTP {status}")
        return decoded

    @staticmethod
    def _result(method: str, answer: Mapping[str, Any]) -> Any:
        error = answer.get("error")
        if error is None:
            return answer.get("result")
        code, text, data = _error_parts(error)
        raw = data.get("data") if isinstance(data, dict) else data
        if code in _REVERT_CODES or "revert" in text.lower():
            raise Reverted(decode_revert(raw if isinstance(raw, str) else None), method)
        raise RpcError(method, code, text, data)


class _NotConnected(HearthError):
    """The connection was refused: certainly nothing was sent."""

    def __init__(self, shown: str, error: Exception) -> None:
        super().__init__(
            "H2001",
            f"{shown} cannot be reached",
            (type(error).__name__,),
            ("check the URL and the network; retrying is safe",),
            exit_code=7,
            retryable=True,
        )


def _bad(endpoint: Endpoint, name: str, what: str) -> HearthError:
    return HearthError("H2001", f"{endpoint.shown} gives {what} to {name}", exit_code=7, retryable=True)


def _error_parts(error: Any) -> tuple[int, str, Any]:
    if not isinstance(error, dict):
        return 0, str(error), None
    code = error.get("code")
    return (code if isinstance(code, int) else 0), str(error.get("message", error)), error.get("data")


def _is_behind(error: RpcError) -> bool:
    return any(word in error.text.lower() for word in _BEHIND)


def _worth_retry(error: RpcError) -> bool:
    text = error.text.lower()
    return error.rpc_code in RETRY_CODES or _is_behind(error) or "rate limit" in text or "timeout" in text


def _malformed(value: Any, wanted: str) -> HearthError:
    return HearthError("H2001", f"an endpoint gives {str(value)[:80]!r} where {wanted} belongs", exit_code=7)


def _number(value: Any) -> int:
    try:
        return int(value, 16)
    except (TypeError, ValueError):
        raise HearthError(
            "H2001", f"an endpoint gives {str(value)[:40]!r} where a hex number belongs", exit_code=7
        ) from None


def _hash(value: Any) -> bytes:
    try:
        raw = bytes.fromhex(value[2:])
    except (TypeError, ValueError):
        raw = b""
    if len(raw) != 32:
        raise _malformed(value, "a hash")
    return raw


def _data(value: Any) -> bytes:
    try:
        return bytes.fromhex(value[2:])
    except (TypeError, ValueError):
        raise _malformed(value, "bytes") from None


def block_ref(raw: Any) -> BlockRef | None:
    """A block of `eth_getBlockBy…`; None for null."""
    if raw is None:
        return None
    if not isinstance(raw, dict):
        raise _malformed(raw, "a block")
    return BlockRef(
        number=_number(raw.get("number")),
        hash=_hash(raw.get("hash")),
        timestamp=_number(raw.get("timestamp")),
        parent=_hash(raw.get("parentHash")),
        base_fee=_number(raw.get("baseFeePerGas") or "0x0"),
    )


@dataclass(frozen=True, slots=True)
class RawLog:
    """One log as the chain gives it. `topics` of 32 bytes each; `index` within the block."""

    address: str
    topics: tuple[bytes, ...]
    data: bytes
    block_number: int
    block_hash: bytes
    tx_hash: bytes
    index: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """Outcome of a mined transaction. `status` 1 = succeeded; `price` paid per gas in wei."""

    tx_hash: bytes
    status: int
    block_number: int
    block_hash: bytes
    gas_used: int
    price: int


class ChainRpc:
    """The JSON-RPC methods we use, typed. Addresses `0x…`, hashes 32 bytes, amounts in wei."""

    def __init__(self, pool: EndpointPool) -> None:
        self.pool = pool

    def block_by(self, which: int | str) -> BlockRef | None:
        """A block by number or tag."""
        return block_ref(self.pool.call("eth_getBlockByNumber", hex(which) if isinstance(which, int) else which, False))

    def blocks(self, numbers: Sequence[int]) -> list[BlockRef | None]:
        """Many blocks by number."""
        return [block_ref(b) for b in self.pool.batch([("eth_getBlockByNumber", [hex(n), False]) for n in numbers])]

    def logs(
        self,
        addresses: Sequence[str],
        *,
        first: int = 0,
        last: int = 0,
        block_hash: bytes | None = None,
        topics: Sequence[bytes] = (),
    ) -> list[RawLog]:
        """Logs of blocks first..last inclusive, or of exactly one block by hash; any of `topics` as the first topic."""
        where: dict[str, Any] = {"address": list(addresses)}
        if block_hash is not None:
            where["blockHash"] = "0x" + block_hash.hex()
        else:
            where |= {"fromBlock": hex(first), "toBlock": hex(last)}
        if topics:
            where["topics"] = [["0x" + t.hex() for t in topics]]
        found = self.pool.call("eth_getLogs", where)
        if not isinstance(found, list):
            raise _malformed(found, "a list of logs")
        out = [_log(raw) for raw in found if not (isinstance(raw, dict) and raw.get("removed"))]
        return sorted(out, key=lambda log: (log.block_number, log.index))

    def code(self, address: str, at: BlockRef) -> bytes:
        """Runtime code of an address."""
        return _data(self.pool.call("eth_getCode", address, pinned(at)))

    def nonce(self, address: str, tag: str | int = "latest") -> int:
        """Transactions of an account that are mined as of a tag or a block number."""
        return _number(self.pool.call("eth_getTransactionCount", address, hex(tag) if isinstance(tag, int) else tag))

    def balance(self, address: str, at: BlockRef) -> int:
        """Native coin in wei."""
        return _number(self.pool.call("eth_getBalance", address, pinned(at)))

    def receipt(self, tx_hash: bytes) -> Receipt | None:
        """Receipt of a transaction; None while it is not mined (or not known here)."""
        return self.receipts([tx_hash])[0]

    def receipts(self, hashes: Sequence[bytes]) -> list[Receipt | None]:
        """Receipts of many transactions."""
        found = self.pool.batch([("eth_getTransactionReceipt", ["0x" + h.hex()]) for h in hashes])
        return [_receipt(raw) for raw in found]

    def eth_call(self, to: str, data: bytes, at: BlockRef, sender: str | None = None, value: int = 0) -> bytes:
        """Result of a call at a block. Raises Reverted."""
        return _data(self.pool.call("eth_call", _tx(to, data, sender, value), pinned(at)))

    def estimate(self, to: str, data: bytes, sender: str, value: int = 0) -> int:
        """Gas that the transaction takes at the newest block. Raises Reverted."""
        return _number(self.pool.call("eth_estimateGas", _tx(to, data, sender, value)))

    def send_raw(self, raw: bytes) -> bytes:
        """See `EndpointPool.send_raw`."""
        return self.pool.send_raw(raw)


def pinned(at: BlockRef) -> Any:
    """A block by hash (EIP-1898), so that a reorg between two reads is an error and not a mixture."""
    return {"blockHash": "0x" + at.hash.hex(), "requireCanonical": True}


def _tx(to: str, data: bytes, sender: str | None, value: int) -> dict[str, str]:
    tx = {"to": to, "data": "0x" + data.hex()}
    if sender:
        tx["from"] = sender
    if value:
        tx["value"] = hex(value)
    return tx


def _log(raw: Any) -> RawLog:
    try:
        return RawLog(
            address=str(raw["address"]).lower(),
            topics=tuple(_hash(t) for t in raw["topics"]),
            data=_data(raw["data"]),
            block_number=_number(raw["blockNumber"]),
            block_hash=_hash(raw["blockHash"]),
            tx_hash=_hash(raw["transactionHash"]),
            index=_number(raw["logIndex"]),
        )
    except (KeyError, TypeError):
        raise _malformed(raw, "a log") from None


def _receipt(raw: Any) -> Receipt | None:
    if raw is None or (isinstance(raw, dict) and raw.get("blockHash") is None):
        return None
    try:
        return Receipt(
            tx_hash=_hash(raw["transactionHash"]),
            status=_number(raw.get("status", "0x1")),
            block_number=_number(raw["blockNumber"]),
            block_hash=_hash(raw["blockHash"]),
            gas_used=_number(raw["gasUsed"]),
            price=_number(raw.get("effectiveGasPrice") or "0x0"),
        )
    except (KeyError, TypeError):
        raise _malformed(raw, "a receipt") from None


class RpcReader:
    """`ports.Reader` over a real chain."""

    def __init__(self, rpc: ChainRpc, codec: Codec, finality: Finality) -> None:
        self.rpc = rpc
        self.codec = codec
        self.heads = Heads(rpc, finality)

    def head(self) -> BlockRef:
        return self.heads.head()

    def final(self) -> BlockRef:
        return self.heads.final()

    def block(self, number: int) -> BlockRef | None:
        return self.rpc.block_by(number)

    def read(self, call: Call, at: BlockRef) -> Any:
        to, data = self.codec.encode(call)
        try:
            return self.codec.decode(call, self.rpc.eth_call(to, data, at))
        except Reverted as error:
            raise Reverted(error.revert, str(call)) from error

    def read_many(self, calls: Sequence[Call], at: BlockRef) -> list[Any]:
        where = pinned(at)
        requests = [("eth_call", [_tx(*self.codec.encode(call), None, 0), where]) for call in calls]
        return [self.codec.decode(c, _data(d)) for c, d in zip(calls, self.rpc.pool.batch(requests), strict=True)]

    def events(self, first: int, last: int, contract: str | None = None, names: Sequence[str] = ()) -> list[Event]:
        if contract is None:
            addresses, topics = list(self.codec.addresses.values()), []
        else:
            addresses, topics = [self.codec.address(contract)], self.codec.topics(contract, names) if names else []
        out: list[Event] = []
        for log in self.rpc.logs(addresses, first=first, last=last, topics=topics):
            event = decode_raw(self.codec, log)
            if event is not None and (not names or event.name in names):
                out.append(event)
        return out

    def balance(self, address: str, at: BlockRef) -> int:
        return self.rpc.balance(address, at)


def decode_raw(codec: Codec, log: RawLog, timestamp: int = 0) -> Event | None:
    """A raw log as an event of the suite; None if it is not one."""
    return codec.event(
        log.address,
        log.topics,
        log.data,
        block_number=log.block_number,
        block_hash=log.block_hash,
        index=log.index,
        tx_hash=log.tx_hash,
        timestamp=timestamp,
    )


__all__ = [
    "ChainRpc",
    "Endpoint",
    "EndpointPool",
    "MaybeSent",
    "RawLog",
    "Receipt",
    "RpcError",
    "RpcReader",
    "decode_raw",
    "load_abi",
    "pinned",
]

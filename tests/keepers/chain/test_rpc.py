"""Endpoints: what is repeated where, what never is, and whom we refuse to talk to. No sockets."""

from __future__ import annotations

import io
import itertools
import json
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from subprocess import run
from typing import Any

import pytest
import requests
import urllib3
from requests.adapters import BaseAdapter
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError

from keepers.chain import rpc_values as values
from keepers.chain.codec import Codec
from keepers.chain.heads import Finality, Heads
from keepers.chain.pool import BATCH, EndpointPool
from keepers.chain.ports import BlockRef, Call
from keepers.chain.reverts import Reverted, decode_revert
from keepers.chain.rpc import ChainRpc, MaybeSent, RpcError, RpcReader
from keepers.chain.rpc_errors import BadAnswer, NotConnected
from keepers.chain.transport import Transport
from keepers.protocol.errors import HearthError
from keepers.protocol.hashing import keccak
from keepers.protocol.reverts import REVERTS

Answer = Callable[[dict[str, Any]], Any]
CHAIN = 5
AT = BlockRef(1, b"\x01" * 32, 100)
REFUSED = requests.ConnectionError(MaxRetryError(None, "/", ConnectTimeoutError("refused")))  # type: ignore[arg-type]


class Http:
    """An HTTP answer: status and text."""

    def __init__(self, status: int, text: str = "", **headers: str) -> None:
        self.status, self.text, self.headers = status, text, headers


class Net(BaseAdapter):
    """Endpoints by host; each answers with a result, a dict {"error": …}, an HTTP answer or an exception."""

    def __init__(self, **hosts: Answer) -> None:
        super().__init__()
        self.hosts: dict[str, Answer] = hosts
        self.log: list[tuple[str, str]] = []
        self.time = 0.0
        self.slept: list[float] = []
        self.pool = EndpointPool(
            [f"http://{h}/0123456789abcdef0123456789" for h in hosts], CHAIN,
            connect=lambda url, shown, timeout: Transport(url, shown, timeout, self),
            sleep=self.slept.append, monotonic=lambda: self.time,
        )  # fmt: skip
        self.rpc = ChainRpc(self.pool)

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        host = str(urllib3.util.parse_url(str(request.url)).host)
        body = json.loads(request.body or b"")
        out = []
        for one in body if isinstance(body, list) else [body]:
            self.log.append((host, one["method"]))
            result: Any = hex(CHAIN)
            if one["method"] != "eth_chainId" or self.hosts[host].__name__ == "other_chain":
                result = self.hosts[host](one)
            if isinstance(result, Exception):
                raise result
            if isinstance(result, Http):
                return self._response(request, result)
            error = isinstance(result, dict) and set(result) == {"error"}
            out.append({"jsonrpc": "2.0", "id": one["id"]} | (result if error else {"result": result}))
        return self._response(request, Http(200, json.dumps(out if isinstance(body, list) else out[0])))

    def _response(self, request: requests.PreparedRequest, given: Http) -> requests.Response:
        response = requests.Response()
        response.status_code, response.request, response.url = given.status, request, str(request.url)
        response.headers.update(given.headers)
        response.raw = urllib3.HTTPResponse(io.BytesIO(given.text.encode()), status=given.status, preload_content=False)
        return response

    def close(self) -> None:
        """Nothing is open."""

    def asked(self, method: str) -> list[str]:
        return [host for host, m in self.log if m == method]


def good(request: dict[str, Any]) -> Any:
    return "0x10"


def down(request: dict[str, Any]) -> Any:
    return REFUSED


def other_chain(request: dict[str, Any]) -> Any:
    return "0x1"


def test_call__first_endpoint_down__next_one_answers_and_is_asked_first_for_a_while() -> None:
    net = Net(a=down, b=good)
    assert net.pool.call("eth_x") == "0x10"
    assert net.pool.call("eth_x") == "0x10"
    assert net.asked("eth_x") == ["a", "b", "b"]
    net.time = 60.0
    net.pool.call("eth_x")
    assert net.asked("eth_x") == ["a", "b", "b", "a", "b"]
    assert net.pool.stats.errors == {"http://a/***": 2}, "counted by masked URL"


@pytest.mark.parametrize(
    "trouble",
    [
        Http(429, "{}"),
        Http(503, "busy"),
        Http(200, "<html>"),
        Http(200, '{"jsonrpc": "2.0", "id": 999, "result": "0x1"}'),
        Http(200, '{"jsonrpc": "2.0", "id": 2}'),
        Http(200, "[" * 2_000),
        Http(200, '["junk"]'),
        Http(302, "", Location="http://b/elsewhere"),
        requests.ReadTimeout("slow"),
        requests.ConnectionError("reset by peer"),
        {"error": {"code": -32005, "message": "limit exceeded"}},
        {"error": {"code": -32000, "message": "header not found"}},
    ],
)
def test_call__passing_trouble__repeated_elsewhere(trouble: Any) -> None:
    def bad(request: dict[str, Any]) -> Any:
        return trouble

    net = Net(a=bad, b=good)
    assert net.pool.call("eth_x") == "0x10"
    assert net.asked("eth_x") == ["a", "b"]


def test_call__error_that_another_try_cannot_cure__raised_at_once() -> None:
    def bad(request: dict[str, Any]) -> Any:
        return {"error": {"code": -32602, "message": "invalid params"}}

    net = Net(a=bad, b=good)
    with pytest.raises(RpcError, match="invalid params"):
        net.pool.call("eth_x")
    assert net.asked("eth_x") == ["a"]


def test_call__revert__decoded_and_not_repeated() -> None:
    words = b"hub: not usable"
    data = (
        "0x08c379a0"
        + (32).to_bytes(32, "big").hex()
        + len(words).to_bytes(32, "big").hex()
        + words.ljust(32, b"\0").hex()
    )

    def bad(request: dict[str, Any]) -> Any:
        return {"error": {"code": 3, "message": "execution reverted: hub: not usable", "data": data}}

    net = Net(a=bad, b=good)
    reader = RpcReader(net.rpc, Codec({"AttestationHub": "0x" + "22" * 20}), Finality("depth", 0))
    with pytest.raises(Reverted, match=r"AttestationHub\.usable is refused: hub: not usable") as caught:
        reader.read(Call("AttestationHub", "usable", (1,)), AT)
    assert caught.value.reason == "hub: not usable" and caught.value.code == REVERTS["hub: not usable"][0] != "H2900"
    assert net.asked("eth_call") == ["a"]


def test_call__all_down__three_rounds_then_h2001_retryable() -> None:
    net = Net(a=down, b=down)
    with pytest.raises(HearthError) as caught:
        net.pool.call("eth_x")
    assert caught.value.code == "H2001" and caught.value.exit_code == 7 and caught.value.retryable
    assert net.asked("eth_x") == ["a", "b"] * 3 and net.slept == [0.3, 1.5]
    assert "0123456789abcdef" not in str(caught.value)


def test_pool__endpoint_of_another_chain__never_asked_anything_else() -> None:
    net = Net(a=other_chain, b=good)
    assert net.pool.call("eth_x") == "0x10"
    assert net.asked("eth_x") == ["b"]
    alone = Net(a=other_chain)
    for _ in range(2):
        with pytest.raises(HearthError) as caught:
            alone.pool.call("eth_x")
        assert caught.value.code == "H2002"
    assert alone.pool.check_all() == {"http://a/***": "http://a/*** serves chain 1, not 5"}
    with pytest.raises(HearthError, match="no RPC endpoint is configured"):
        EndpointPool([], CHAIN)


def test_send_raw__refused_connection__next_endpoint_as_nothing_left() -> None:
    def sent(request: dict[str, Any]) -> Any:
        return "0x" + keccak(b"\x02").hex()

    def broken(request: dict[str, Any]) -> Any:
        return REFUSED if request["method"] == "eth_sendRawTransaction" else "0x10"

    net = Net(a=broken, b=sent)
    assert net.rpc.send_raw(b"\x02") == keccak(b"\x02")
    assert net.asked("eth_sendRawTransaction") == ["a", "b"]


@pytest.mark.parametrize(
    "trouble",
    [
        requests.ReadTimeout("slow"),
        requests.ConnectionError("reset by peer"),
        Http(502, "bad gateway"),
        Http(429, "{}"),
        Http(200, "?"),
        "0x" + "ab" * 32,
        "sure",
    ],
)
def test_send_raw__unclear_answer__maybe_sent_and_never_repeated_here(trouble: Any) -> None:
    def unclear(request: dict[str, Any]) -> Any:
        return trouble

    net = Net(a=unclear, b=good)
    with pytest.raises(MaybeSent) as caught:
        net.rpc.send_raw(b"\x02")
    assert caught.value.code == "H2010" and caught.value.exit_code == 8
    assert net.asked("eth_sendRawTransaction") == ["a"]


def test_send_raw__clear_refusal__its_words() -> None:
    def refuses(request: dict[str, Any]) -> Any:
        return {"error": {"code": -32000, "message": "nonce too low"}}

    net = Net(a=refuses, b=good)
    with pytest.raises(RpcError) as caught:
        net.rpc.send_raw(b"\x02")
    assert caught.value.text == "nonce too low" and net.asked("eth_sendRawTransaction") == ["a"]


def test_batch__many__in_order_and_in_pages() -> None:
    def echo(request: dict[str, Any]) -> Any:
        return request["params"][0]

    net = Net(a=echo)
    assert net.pool.batch([("eth_x", [n]) for n in range(BATCH + 5)]) == list(range(BATCH + 5))
    assert net.pool.stats.requests == 3, "chain id, a page, the rest"


@pytest.mark.parametrize("value", [None, "junk", 7, "0x", {}])
def test_typed_reads__malformed_values__h2001_not_a_traceback(value: Any) -> None:
    def bad(request: dict[str, Any]) -> Any:
        return value

    net = Net(a=bad)
    with pytest.raises(HearthError) as caught:
        net.rpc.nonce("0x" + "11" * 20)
    assert caught.value.code == "H2001"
    for ask in (lambda: net.rpc.logs([], first=0, last=0), lambda: net.rpc.send_raw(b"\x02")):
        with pytest.raises(HearthError):
            ask()


def test_answer_limit__endless_body__refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keepers.chain.transport.ANSWER_LIMIT", 1_000)

    def flood(request: dict[str, Any]) -> Any:
        return "0x" + "00" * 2_000

    with pytest.raises(HearthError, match="more than 1000 bytes"):
        Net(a=flood).pool.call("eth_x")


def block(number: int, byte: int = 1) -> dict[str, str]:
    word = "0x" + bytes([byte]).hex() * 32
    return {"number": hex(number), "hash": word, "parentHash": word, "timestamp": "0x64", "baseFeePerGas": "0x7"}


@pytest.mark.parametrize(
    "value", ["junk", block(4), {**block(3), "hash": "0x01"}, {**block(3), "timestamp": "0x" + "f" * 40}]
)
def test_blocks__a_result_that_does_not_fit__asked_elsewhere(value: Any) -> None:
    net = Net(a=lambda request: value, b=lambda request: block(3))
    found = net.rpc.block_by(3)
    assert found is not None and (found.number, found.base_fee) == (3, 7)
    assert net.asked("eth_getBlockByNumber") == ["a", "b"] and net.pool.stats.errors == {"http://a/***": 1}


def test_logs__one_that_was_not_asked_for__asked_elsewhere() -> None:
    ours, other, word = "0x" + "11" * 20, "0x" + "22" * 20, "0x" + "01" * 32

    def log(address: str, number: int) -> dict[str, Any]:
        return {"address": address, "topics": [word], "data": "0x", "blockNumber": hex(number), "blockHash": word,
                "transactionHash": word, "logIndex": "0x0"}  # fmt: skip

    for lie in (log(other, 5), log(ours, 9), {**log(ours, 5), "topics": ["0x01"]}, {"removed": False}):
        net = Net(a=lambda request, lie=lie: [lie], b=lambda request: [log(ours, 5)])
        assert [entry.block_number for entry in net.rpc.logs([ours], first=1, last=5)] == [5]
        assert net.asked("eth_getLogs") == ["a", "b"]


def test_receipt__of_another_transaction__asked_elsewhere() -> None:
    word = "0x" + "01" * 32
    good_one = {"transactionHash": word, "status": "0x1", "blockNumber": "0x5", "blockHash": word, "gasUsed": "0x1"}
    net = Net(a=lambda request: {**good_one, "transactionHash": "0x" + "02" * 32}, b=lambda request: good_one)
    found = net.rpc.receipt(b"\x01" * 32)
    assert found is not None and found.block_number == 5 and net.asked("eth_getTransactionReceipt") == ["a", "b"]


@pytest.mark.parametrize("text", ["-0x1", "0x", "0x_1", " 0x1", "0x" + "f" * 65, 5, None, True])
def test_number__odd_quantity__malformed(text: Any) -> None:
    with pytest.raises(HearthError, match="hex number"):
        values.number(text)


def test_batch__answers_out_of_order__sorted_and_one_error_for_all_raised() -> None:
    class Backwards(Net):
        def _response(self, request: requests.PreparedRequest, given: Http) -> requests.Response:
            rows = json.loads(given.text)
            return super()._response(request, Http(200, json.dumps(rows[::-1] if isinstance(rows, list) else rows)))

    net = Backwards(a=lambda request: request["params"][0])
    assert net.pool.batch([("eth_x", [n]) for n in range(5)]) == list(range(5))
    whole = Net(a=lambda request: Http(200, '{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"too many"}}'))
    with pytest.raises(RpcError, match="too many"):
        whole.pool.batch([("eth_x", [n]) for n in range(5)])


@pytest.mark.parametrize("url", ["ws://node:8546", "file:///etc/passwd", "node:8545", ""])
def test_pool__not_an_http_url__refused_by_name(url: str) -> None:
    with pytest.raises(HearthError, match=r"no http\(s\) URL"):
        EndpointPool([url], CHAIN)


class Slow(BaseHTTPRequestHandler):
    """A server that gives one byte at a time, or a redirect, a cookie and then what it is asked for."""

    protocol_version = "HTTP/1.1"
    seen: list[str] = []

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        Slow.seen.append(str(self.headers.get("Cookie")))
        if self.path == "/drip":
            self.send_response(200)
            self.send_header("Content-Length", "100")
            self.end_headers()
            for _ in range(100):
                self.wfile.write(b" ")
                self.wfile.flush()
                time.sleep(0.05)
            return
        answer = json.dumps({"jsonrpc": "2.0", "id": body["id"], "result": "0x5"}).encode()
        self.send_response(307 if self.path == "/redirect" else 200)
        self.send_header("Location", "/plain")
        self.send_header("Set-Cookie", "a=b")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: Any) -> None:
        """Silent."""


@pytest.fixture
def server(loopback: None) -> Iterator[str]:
    made = ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    made.handle_error = lambda request, client_address: None  # type: ignore[method-assign]  # we hang up on it
    made.daemon_threads = True
    threading.Thread(target=made.serve_forever, daemon=True).start()
    Slow.seen.clear()
    yield f"http://127.0.0.1:{made.server_address[1]}"
    made.shutdown()
    made.server_close()


def test_transport__real_sockets__no_cookie_no_redirect_no_dripping_body(server: str) -> None:
    plain = Transport(server + "/plain", "plain", 5.0)
    for _ in range(2):
        assert plain.post([("eth_chainId", [])])[0]["result"] == "0x5"
    assert Slow.seen == ["None", "None"]
    answer = Transport(server + "/redirect", "redirect", 5.0).post([("eth_chainId", [])])
    assert len(Slow.seen) == 3 and answer[0]["result"] == "0x5", "what came is read, what it points to is not asked"
    start = time.monotonic()
    with pytest.raises(BadAnswer, match="a body that takes more than"):
        Transport(server + "/drip", "drip", 0.4).post([("eth_chainId", [])])
    assert time.monotonic() - start < 3


def test_transport__half_open_and_closed_ports__told_apart(loopback: None) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(1)  # accepts, never answers
        port = silent.getsockname()[1]
        with pytest.raises(BadAnswer, match="no answer"):
            Transport(f"http://127.0.0.1:{port}", "silent", 0.3).post([("eth_chainId", [])])
    with pytest.raises(NotConnected, match="closed cannot be reached"):
        Transport(f"http://127.0.0.1:{port}", "closed", 0.3).post([("eth_chainId", [])])


def test_transport__many_threads__each_gets_its_own_answer() -> None:
    def echo(request: dict[str, Any]) -> Any:
        time.sleep(0.001)
        return request["params"][0]

    net = Net(a=echo)
    wrong: list[Any] = []

    def work(base: int) -> None:
        for n in range(base, base + 20):
            if net.pool.call("eth_x", n) != n or net.pool.batch([("eth_x", [n]), ("eth_x", [n + 1])]) != [n, n + 1]:
                wrong.append(n)

    threads = [threading.Thread(target=work, args=(k * 100,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong and not net.pool.stats.errors


def test_imports__help_and_roles__web3_only_where_an_endpoint_is_opened() -> None:
    code = (
        "import sys, keepers.cli.main, keepers.chain.rpc, keepers.runtime.lifecycle, keepers.roles.attester.role\n"
        "print('web3' in sys.modules)"
    )
    found = run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[3], timeout=60)
    assert found.stdout.strip() == "False", found.stderr


class Blocks:
    """A chain of empty blocks for heads."""

    def __init__(self, top: int) -> None:
        self.top, self.salt = top, 0
        self.tags: dict[str, int] = {}

    def block_by(self, which: int | str) -> BlockRef | None:
        number = self.tags.get(which, self.top if which == "latest" else -1) if isinstance(which, str) else which
        if not 0 <= number <= self.top:
            return None
        return BlockRef(number, bytes([self.salt]) * 28 + number.to_bytes(4, "big"), 100 + number)


def test_heads__depth_and_tag__final_block() -> None:
    blocks = Blocks(10)
    assert Heads(blocks, Finality("depth", 3)).final().number == 7
    assert Heads(blocks, Finality("depth", 0)).final().number == 10
    assert Heads(blocks, Finality("depth", 99)).final().number == 0
    assert Heads(blocks, Finality("tag", "finalized")).final().number == 0, "a young chain has none"
    blocks.tags["finalized"] = 6
    assert Heads(blocks, Finality("tag", "finalized")).final().number == 6


@pytest.mark.attack("T60")
def test_heads__lagging_answer__ignored_but_a_shorter_fork_taken() -> None:
    blocks = Blocks(10)
    heads = Heads(blocks, Finality("depth", 0))
    heads.poll()
    blocks.top = 8
    assert heads.poll().number == 10
    again = Blocks(10)
    heads = Heads(again, Finality("depth", 0))
    heads.poll()
    again.salt, again.top = 1, 10
    blocks_after = heads.poll()
    assert blocks_after.number == 10 and blocks_after.hash[0] == 1


@pytest.mark.parametrize(("kind", "value"), [("depth", -1), ("depth", "x"), ("tag", "soon"), ("tag", 3)])
def test_finality__no_policy__refused(kind: Any, value: Any) -> None:
    with pytest.raises(HearthError, match="finality"):
        Finality(kind, value)


@pytest.mark.parametrize(
    ("data", "kind", "reason"),
    [
        (None, "empty", "without a reason"),
        ("0x", "empty", "without a reason"),
        ("0xzz", "empty", "without a reason"),
        ("0x4e487b71" + (0x11).to_bytes(32, "big").hex(), "panic", "panic 0x11 (overflow)"),
        ("0x4e487b71" + (0x77).to_bytes(32, "big").hex(), "panic", "panic 0x77 (unknown)"),
        ("0xdeadbeef", "custom", "0xdeadbeef"),
        ("0x08c379a0" + "00" * 10, "custom", "0x08c379a0" + "00" * 10),
    ],
)
def test_decode_revert__any_data__words(data: str | None, kind: str, reason: str) -> None:
    revert = decode_revert(data)
    assert (revert.kind, revert.reason) == (kind, reason)
    assert Reverted(revert).code == "H2900"


def test_decode_revert__foreign_text__bounded_and_printable() -> None:
    text = b"\x1b[31m" + b"x" * 5_000
    data = bytes.fromhex("08c379a0") + (32).to_bytes(32, "big") + len(text).to_bytes(32, "big") + text
    reason = decode_revert(data).reason
    assert len(reason) == 256 and "\x1b" not in reason


class Ranged:
    """An endpoint that refuses more than `limit` blocks of logs in one question."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.asked: list[tuple[int, int]] = []

    def __call__(self, request: dict[str, Any]) -> Any:
        where = request["params"][0]
        first, last = int(where["fromBlock"], 16), int(where["toBlock"], 16)
        self.asked.append((first, last))
        if last - first + 1 > self.limit:
            return {"error": {"code": -32602, "message": f"block range is too wide, at most {self.limit}"}}
        return []

    __name__ = "ranged"


def test_events__endpoint_that_limits_the_range__asked_for_in_pages_without_a_gap() -> None:
    ranged = Ranged(10_000)
    reader = RpcReader(Net(a=ranged).rpc, Codec({"AttestationHub": "0x" + "22" * 20}), Finality("depth", 0))
    assert reader.events(5, 100_000) == []
    taken = [(first, last) for first, last in ranged.asked if last - first < 10_000]
    assert taken[0][0] == 5 and taken[-1][1] == 100_000
    assert all(after[0] == before[1] + 1 for before, after in itertools.pairwise(taken))
    ranged.asked.clear()
    reader.events(5, 100_000)
    assert ranged.asked == taken, "what it can bear is remembered"


def test_events__endpoint_that_refuses_even_one_block__its_words() -> None:
    reader = RpcReader(Net(a=Ranged(0)).rpc, Codec({"AttestationHub": "0x" + "22" * 20}), Finality("depth", 0))
    with pytest.raises(RpcError, match="range is too wide"):
        reader.events(5, 100)

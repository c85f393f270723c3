"""Endpoints: what is repeated where, what never is, and whom we refuse to talk to. No sockets."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from keepers.chain.codec import Codec
from keepers.chain.heads import Finality, Heads
from keepers.chain.ports import BlockRef, Call
from keepers.chain.reverts import Reverted, decode_revert
from keepers.chain.rpc import BATCH, ChainRpc, EndpointPool, MaybeSent, RpcError, RpcReader
from keepers.protocol.errors import HearthError
from keepers.protocol.reverts import REVERTS

Answer = Callable[[dict[str, Any]], Any]
CHAIN = 5
AT = BlockRef(1, b"\x01" * 32, 100)


class Net:
    """Endpoints by host; each answers with a result, a dict {"error": …}, an HTTP response or an exception."""

    def __init__(self, **hosts: Answer) -> None:
        self.hosts, self.log = hosts, []
        self.time = 0.0
        self.slept: list[float] = []
        self.pool = EndpointPool(
            [f"http://{h}/0123456789abcdef0123456789" for h in hosts], CHAIN,
            transport=httpx.MockTransport(self._answer), sleep=self.slept.append, monotonic=lambda: self.time,
        )  # fmt: skip
        self.rpc = ChainRpc(self.pool)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        many = body if isinstance(body, list) else [body]
        out = []
        for one in many:
            self.log.append((request.url.host, one["method"]))
            result: Any = hex(CHAIN)
            if one["method"] != "eth_chainId" or self.hosts[request.url.host].__name__ == "other_chain":
                result = self.hosts[request.url.host](one)
            if isinstance(result, Exception):
                raise result
            if isinstance(result, httpx.Response):
                return result
            error = isinstance(result, dict) and set(result) == {"error"}
            out.append({"jsonrpc": "2.0", "id": one["id"]} | (result if error else {"result": result}))
        return httpx.Response(200, json=out if isinstance(body, list) else out[0])

    def asked(self, method: str) -> list[str]:
        return [host for host, m in self.log if m == method]


def good(request: dict[str, Any]) -> Any:
    return "0x10"


def down(request: dict[str, Any]) -> Any:
    return httpx.ConnectError("refused")


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
        httpx.Response(429, json={}),
        httpx.Response(503, text="busy"),
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json={"jsonrpc": "2.0", "id": 999, "result": "0x1"}),
        httpx.ReadTimeout("slow"),
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
        return "0x" + "ab" * 32

    def broken(request: dict[str, Any]) -> Any:
        return httpx.ConnectError("refused") if request["method"] == "eth_sendRawTransaction" else "0x10"

    net = Net(a=broken, b=sent)
    assert net.rpc.send_raw(b"\x02") == b"\xab" * 32
    assert net.asked("eth_sendRawTransaction") == ["a", "b"]


@pytest.mark.parametrize(
    "trouble", [httpx.ReadTimeout("slow"), httpx.Response(502, text="bad gateway"), httpx.Response(200, text="?")]
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
    for ask in (lambda: net.rpc.logs([]), lambda: net.rpc.send_raw(b"\x02")):
        with pytest.raises(HearthError):
            ask()


def test_answer_limit__endless_body__refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keepers.chain.rpc.ANSWER_LIMIT", 1_000)

    def flood(request: dict[str, Any]) -> Any:
        return "0x" + "00" * 2_000

    with pytest.raises(HearthError, match="more than 1000 bytes"):
        Net(a=flood).pool.call("eth_x")


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

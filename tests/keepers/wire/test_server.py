"""The server under hostile clients, over real sockets of this machine; and the same routes without a socket."""

from __future__ import annotations

import contextlib
import gzip
import socket
import time
from collections.abc import Iterator

import httpx
import pytest

from keepers.protocol.errors import HearthError
from keepers.wire.attester_client import AttesterClient, Endpoint, Unreachable, make_http
from keepers.wire.codec import Beat, ObsBody, SignedObs, decode_beats, encode
from keepers.wire.direct import DirectTransport
from keepers.wire.routing import Refused, Request, Response, Route, Router
from keepers.wire.server import Limits, RateLimit, Server

BEAT = Beat(7, 3, 11, 42, b"b" * 32, b"t" * 32, b"s" * 65)


def beats(request: Request) -> Response:
    return Response(200, encode(["counted"] * len(decode_beats(request.body))))


def observation(request: Request) -> Response:
    raise Refused(403, "H6113", "not signed by seat 1")


def broken(request: Request) -> Response:
    raise ZeroDivisionError("secret detail")


def away(request: Request) -> Response:
    raise HearthError("H2101", "no endpoint answers")


def node(request: Request) -> Response:
    return Response(200, encode(request.params["node"]))


ROUTER = Router(
    [
        Route("POST", "/v1/heartbeats", beats, limit=4_096, bare=True),
        Route("POST", "/v1/observations", observation),
        Route("GET", "/v1/nodes/{node}", node),
        Route("GET", "/broken", broken),
        Route("GET", "/away", away),
    ]
)


@pytest.fixture
def server(loopback: None) -> Iterator[Server]:
    running = Server(ROUTER, limits=Limits(body_seconds=0.5, per_minute=10_000))
    running.start()
    yield running
    running.stop()


@pytest.fixture(params=["socket", "direct"])
def client(request: pytest.FixtureRequest, loopback: None) -> Iterator[httpx.Client]:
    """The same requests by both transports."""
    if request.param == "direct":
        transport = DirectTransport()
        transport.mount("here", ROUTER)
        with httpx.Client(transport=transport, base_url="http://here") as direct:
            yield direct
        return
    running = Server(ROUTER)
    running.start()
    with httpx.Client(base_url=f"http://127.0.0.1:{running.port}", trust_env=False) as over:
        yield over
    running.stop()


def test_heartbeats_are_answered_one_by_one(client: httpx.Client) -> None:
    assert client.post("/v1/heartbeats", content=encode(BEAT)).json() == ["counted"]
    assert client.post("/v1/heartbeats", content=encode([BEAT, BEAT])).json() == ["counted"] * 2


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "/nowhere", b"", 404, "H6102"),
        ("GET", "/v1/heartbeats", b"", 405, "H6101"),
        ("POST", "/v1/nodes/3", b"", 405, "H6101"),
        ("POST", "/v1/heartbeats", b"[]", 400, "H6105"),
        ("POST", "/v1/heartbeats", b"x" * 4_097, 413, "H6104"),
        ("POST", "/v1/observations", b"[]", 403, "H6113"),
        ("GET", "/broken", b"", 500, "H9001"),
        ("GET", "/away", b"", 503, "H2101"),
    ],
)
def test_refusals_carry_status_and_code(
    client: httpx.Client, method: str, path: str, body: bytes, status: int, code: str
) -> None:
    answer = client.request(method, path, content=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert "secret" not in answer.text, "a trace stays in the log of the process"


def test_params_come_from_the_path(client: httpx.Client) -> None:
    assert client.get("/v1/nodes/17").json() == "17"


@pytest.mark.parametrize(("version", "status"), [("1", 200), ("0", 200), ("2", 426), ("x", 426)])
def test_this_version_and_the_one_before_are_spoken(client: httpx.Client, version: str, status: int) -> None:
    answer = client.post("/v1/heartbeats", content=encode(BEAT), headers={"Hearth-Protocol": version})
    assert answer.status_code == status


def test_compressed_body_is_refused(server: Server) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", trust_env=False) as http:
        bomb = gzip.compress(b"[" * 10_000_000)
        answer = http.post("/v1/heartbeats", content=bomb[:4_000], headers={"content-encoding": "gzip"})
        assert (answer.status_code, answer.json()["code"]) == (415, "H6107")


def test_announced_size_is_believed_before_a_byte_is_read(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as raw:
        raw.sendall(b"POST /v1/heartbeats HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n")
        assert b" 413 " in raw.recv(4_096).split(b"\r\n")[0]


def test_chunked_body_without_size_is_cut_off(server: Server) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(100):
            yield b"[" * 1_000

    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", trust_env=False) as http:
        with contextlib.suppress(httpx.HTTPError):  # the server may close while we still send
            assert http.post("/v1/heartbeats", content=endless()).status_code == 413
        assert http.post("/v1/heartbeats", content=encode(BEAT)).status_code == 200, "and lives on"


def test_slow_sender_is_let_go_and_blocks_nobody(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as slow:
        slow.sendall(b"POST /v1/heartbeats HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n[")
        started = time.monotonic()
        with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", trust_env=False) as http:
            assert http.post("/v1/heartbeats", content=encode(BEAT)).status_code == 200
        assert time.monotonic() - started < 0.5
        slow.settimeout(5)
        assert b" 408 " in slow.recv(4_096).split(b"\r\n")[0]


@pytest.mark.parametrize("sent", [b"", b"POST /v1/heartbeats HTTP/1.1\r\nHost: a\r\nX-A:"])
def test_half_a_head_is_let_go(loopback: None, sent: bytes) -> None:
    running = Server(ROUTER, limits=Limits(head_seconds=0.3))
    running.start()
    with socket.create_connection(("127.0.0.1", running.port)) as slow:
        slow.settimeout(10)
        start = time.monotonic()
        slow.sendall(sent)
        assert slow.recv(100) == b"", "closed by the server"
        assert time.monotonic() - start < 8
    running.stop()


def test_a_kept_connection_may_rest_between_requests(loopback: None) -> None:
    running = Server(ROUTER, limits=Limits(head_seconds=0.3))
    running.start()
    with httpx.Client(base_url=f"http://127.0.0.1:{running.port}", trust_env=False) as client:
        for _ in range(2):
            assert client.post("/v1/heartbeats", content=encode([BEAT])).json() == ["counted"]
            time.sleep(0.6)
    running.stop()


@pytest.mark.parametrize(
    ("kind", "status"),
    [("text/plain", 415), ("multipart/form-data; boundary=x", 415), ("application/json; charset=utf-8", 200)],
)
def test_content_type_of_a_write_is_json(server: Server, kind: str, status: int) -> None:
    url = f"http://127.0.0.1:{server.port}/v1/heartbeats"
    answer = httpx.post(url, content=encode([BEAT]), headers={"content-type": kind}, trust_env=False)
    assert answer.status_code == status
    if status == 415:
        assert answer.json()["code"] == "H6107"


@pytest.mark.parametrize("body", [b"", b"[]", b"[[]]", b"{}", b"null", b"[" * 4_000, b"\xff\xfe", b'[["a"]]'])
def test_junk_for_heartbeats_is_400(server: Server, body: bytes) -> None:
    answer = httpx.post(f"http://127.0.0.1:{server.port}/v1/heartbeats", content=body, trust_env=False)
    assert answer.status_code == 400 and answer.json()["code"] == "H6105"


def test_an_endless_answer_is_cut_off() -> None:
    def pieces() -> Iterator[bytes]:
        while True:
            yield b" " * 65_536

    http = httpx.Client(transport=httpx.MockTransport(lambda request: httpx.Response(200, content=pieces())))
    client = AttesterClient(Endpoint(1, "0x" + "11" * 20, "http://a"), http)
    with pytest.raises(Unreachable) as caught:
        client.send_heartbeats([BEAT])
    assert "more than 1048576 bytes" in caught.value.why[0]


def test_rate_of_one_address_is_limited(loopback: None) -> None:
    running = Server(ROUTER, limits=Limits(per_minute=5))
    running.start()
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{running.port}", trust_env=False) as http:
            codes = [http.post("/v1/heartbeats", content=encode(BEAT)).status_code for _ in range(8)]
        assert codes == [200] * 5 + [429] * 3
    finally:
        running.stop()


def test_token_bucket_refills_and_forgets_old_addresses() -> None:
    now = [0.0]
    limit = RateLimit(60, 2, lambda: now[0])
    assert [limit.allow("a") for _ in range(61)] == [True] * 60 + [False]
    now[0] = 1.0
    assert limit.allow("a") and not limit.allow("a"), "one a second"
    assert limit.allow("b") and limit.allow("c")
    assert len(limit._buckets) == 2


def test_taken_port_is_named(loopback: None) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        second = Server(ROUTER, port=taken.getsockname()[1])
        with pytest.raises(HearthError) as caught:
            second.start()
        assert caught.value.code == "H1401"


def test_two_roles_cannot_serve_one_route() -> None:
    with pytest.raises(ValueError, match="POST /x"):
        Router([Route("POST", "/x", beats), Route("POST", "/x", node)])


def test_every_write_route_refuses_an_unsigned_body(client: httpx.Client) -> None:
    for route in ROUTER.routes:
        if route.method == "POST":
            assert client.post(route.path, content=b"{}").status_code in (400, 401, 403)


# ---------------------------------------------------------------------- client


def reachable(answer: Response) -> tuple[AttesterClient, DirectTransport]:
    transport = DirectTransport()
    transport.mount("seat-1", Router([Route("POST", "/v1/heartbeats", lambda request: answer)]))
    return AttesterClient(Endpoint(1, "0x" + "11" * 20, "http://seat-1/"), make_http(transport=transport)), transport


def test_client_returns_the_words() -> None:
    client, _ = reachable(Response(200, b'["counted","late"]'))
    assert client.send_heartbeats([BEAT, BEAT]) == ["counted", "late"]


@pytest.mark.parametrize(
    "answer",
    [Response(200, b'["counted"]'), Response(200, b"<html>"), Response(200, b"[1,2]"), Response(503), Response(302)],
)
def test_an_answer_that_is_none_is_no_acknowledgement(answer: Response) -> None:
    client, _ = reachable(answer)
    with pytest.raises(Unreachable) as caught:
        client.send_heartbeats([BEAT, BEAT])
    assert caught.value.code == "H6201" and "seat-1" in str(caught.value)


def test_lost_answer_and_dead_host_are_unreachable() -> None:
    client, transport = reachable(Response(200, b'["counted"]'))
    transport.fault = lambda host, path: httpx.ReadTimeout("lost")
    with pytest.raises(Unreachable):
        client.send_heartbeats([BEAT])
    transport.fault = None
    transport.down.add("seat-1")
    with pytest.raises(Unreachable):
        client.send_observation(ObsBody(SignedObs(1, 1, 1, bytes(32), 1, bytes(65)), b""))

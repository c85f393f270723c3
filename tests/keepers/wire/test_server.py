"""The server under hostile clients, over real sockets of this machine; and the same routes without a socket."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from keepers.protocol.errors import HearthError
from keepers.wire import batching as batching_module
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
@pytest.mark.attack("T62")
def test_this_version_and_the_one_before_are_spoken(client: httpx.Client, version: str, status: int) -> None:
    answer = client.post("/v1/heartbeats", content=encode(BEAT), headers={"Hearth-Protocol": version})
    assert answer.status_code == status


@pytest.mark.attack("D04")
def test_compressed_body_is_refused(server: Server) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", trust_env=False) as http:
        bomb = gzip.compress(b"[" * 10_000_000)
        answer = http.post("/v1/heartbeats", content=bomb[:4_000], headers={"content-encoding": "gzip"})
        assert (answer.status_code, answer.json()["code"]) == (415, "H6107")


@pytest.mark.attack("D04")
def test_announced_size_is_believed_before_a_byte_is_read(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as raw:
        raw.sendall(b"POST /v1/heartbeats HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n")
        assert b" 413 " in raw.recv(4_096).split(b"\r\n")[0]


@pytest.mark.attack("D04")
def test_chunked_body_without_size_is_cut_off(server: Server) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(100):
            yield b"[" * 1_000

    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", trust_env=False) as http:
        with contextlib.suppress(httpx.HTTPError):  # the server may close while we still send
            assert http.post("/v1/heartbeats", content=endless()).status_code == 413
        assert http.post("/v1/heartbeats", content=encode(BEAT)).status_code == 200, "and lives on"


@pytest.mark.attack("D04")
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
@pytest.mark.attack("D04")
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


def drip(connection: socket.socket, text: bytes, every: float) -> float:
    """Send a byte now and then until the other side has had enough; seconds until then."""
    start = time.monotonic()
    with contextlib.suppress(OSError):
        for byte in text * 1_000:
            connection.sendall(bytes([byte]))
            connection.settimeout(every)
            with contextlib.suppress(TimeoutError):
                if connection.recv(4_096) == b"":
                    break
            if time.monotonic() - start > 10:
                break
    return time.monotonic() - start


@pytest.mark.parametrize(
    "begun",
    [b"GET /v1/nodes/1 HTTP/1.1\r\n", b"POST /v1/heartbeats HTTP/1.1\r\nHost: x\r\nContent-Length: 4000\r\n\r\n"],
    ids=["head", "body"],
)
@pytest.mark.attack("D04")
def test_bytes_that_drip_are_let_go(loopback: None, begun: bytes) -> None:
    """A byte now and then does not prolong a head's or a body's time."""
    running = Server(ROUTER, limits=Limits(head_seconds=0.4, body_seconds=0.4))
    running.start()
    with socket.create_connection(("127.0.0.1", running.port)) as slow:
        slow.sendall(begun)
        assert drip(slow, b"X-A: 1\r\n", 0.05) < 5
    running.stop()


def until_served(server: Server, count: int) -> bool:
    """Whether the server comes to have so many connections."""
    end = time.monotonic() + 8
    while len(server._server.server_state.connections) != count and time.monotonic() < end:
        time.sleep(0.02)
    return len(server._server.server_state.connections) == count


@pytest.mark.parametrize("closing", [False, True])
@pytest.mark.attack("D04")
def test_a_reader_that_takes_no_answer_is_let_go(loopback: None, closing: bool) -> None:
    """Large answers to a peer with a small window that reads nothing: neither the answer nor the end of the connection
    may wait for it."""
    large = Router([Route("GET", "/large", lambda request: Response(200, b"x" * 4_000_000))])
    running = Server(large, limits=Limits(head_seconds=0.3, cycle_seconds=0.3))
    running.start()
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        slow.connect(("127.0.0.1", running.port))
        end = b"Connection: close\r\n" if closing else b""
        slow.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n" + end + b"\r\n")
        assert until_served(running, 1)
        assert until_served(running, 0)
    running.stop()


def test_no_connection_becomes_a_websocket(server: Server) -> None:
    headers = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "x"}
    answer = httpx.get(f"http://127.0.0.1:{server.port}/v1/nodes/1", headers=headers, trust_env=False)
    assert answer.status_code == 200


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


@pytest.mark.parametrize("coding", ["gzip", "gzip, gzip", "deflate", "br"])
@pytest.mark.attack("D04")
def test_a_compressed_answer_is_refused_unread(coding: str) -> None:
    read: list[int] = []

    def pieces() -> Iterator[bytes]:
        read.append(1)
        yield gzip.compress(gzip.compress(b"[]"))

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers["accept-encoding"] == "identity"
        return httpx.Response(200, headers={"content-encoding": coding}, content=pieces())

    client = AttesterClient(
        Endpoint(1, "0x" + "11" * 20, "http://seat-1"), make_http(transport=httpx.MockTransport(answer))
    )
    with pytest.raises(Unreachable, match="H2007") as caught:
        client.get("/v1/epochs/1/signed")
    assert "was not asked for" in caught.value.why[0] and not read


@pytest.mark.attack("D06")
def test_rate_of_one_address_is_limited(loopback: None) -> None:
    running = Server(ROUTER, limits=Limits(per_minute=5))
    running.start()
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{running.port}", trust_env=False) as http:
            codes = [http.post("/v1/heartbeats", content=encode(BEAT)).status_code for _ in range(8)]
        assert codes == [200] * 5 + [429] * 3
    finally:
        running.stop()


def judged(requests: Sequence[Request]) -> list[Response]:
    """A batch handler: the first byte of a body says how much of it is worth nothing."""
    return [Response(200, b"[%d]" % len(requests), wasted=request.body[0]) for request in requests]


@contextlib.contextmanager
def batching(handle: Callable[[Sequence[Request]], Sequence[Response]], limits: Limits) -> Iterator[httpx.Client]:
    running = Server(Router([Route("POST", "/v1/heartbeats", beats, bare=True, batch=handle)]), limits=limits)
    running.start()
    packed = {"content-type": "application/octet-stream"}
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{running.port}", trust_env=False, headers=packed) as http:
            yield http
    finally:
        running.stop()


@pytest.mark.attack("D06", "D32")
def test_valid_heartbeats_cost_nothing_and_worthless_ones_count(loopback: None) -> None:
    """Behind a proxy all nodes have one address: what is worth something must not use up its rate."""
    with batching(judged, Limits(per_minute=5)) as http:
        assert {http.post("/v1/heartbeats", content=b"\0").status_code for _ in range(20)} == {200}
        codes = [http.post("/v1/heartbeats", content=b"\2").status_code for _ in range(5)]
        assert codes == [200] * 3 + [429] * 2, "five worthless ones a minute, and the sixth with the fifth"


@pytest.mark.attack("D06")
def test_flood_of_worthless_ones_is_refused_for_a_minute_at_most() -> None:
    now = [0.0]
    limit = RateLimit(60, 8, lambda: now[0])
    assert limit.has_credit("a")
    limit.charge("a", 10_000)
    assert not limit.has_credit("a") and limit.has_credit("b")
    now[0] = 61.0
    assert limit.has_credit("a")


def test_requests_that_wait_are_answered_in_one_call(loopback: None) -> None:
    sizes: list[int] = []

    def slow(requests: Sequence[Request]) -> list[Response]:
        sizes.append(len(requests))
        time.sleep(0.2 if len(sizes) == 1 else 0)
        return [Response(200, request.body) for request in requests]

    with batching(slow, Limits()) as http, ThreadPoolExecutor(8) as pool:
        first = pool.submit(http.post, "/v1/heartbeats", content=b"0")
        time.sleep(0.1)
        others = [pool.submit(http.post, "/v1/heartbeats", content=b"%d" % n) for n in range(1, 8)]
        assert [f.result().content for f in (first, *others)] == [b"%d" % n for n in range(8)], "each its own answer"
    assert sizes[0] == 1 and len(sizes) <= 3 and sum(sizes) == 8


def test_batch_that_fails_is_a_failure_of_each(loopback: None) -> None:
    def broken_batch(requests: Sequence[Request]) -> list[Response]:
        raise HearthError("H1203", "disk full")

    with batching(broken_batch, Limits()) as http:
        for _ in range(2):
            answer = http.post("/v1/heartbeats", content=b"0")
            assert (answer.status_code, answer.json()["code"]) == (503, "H1203")


def test_what_waits_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching_module, "MAX_WAITING_BYTES", 10)
    monkeypatch.setattr(batching_module, "MAX_REQUESTS", 2)
    calls: list[int] = []

    def handle(requests: Sequence[Request]) -> list[Response]:
        calls.append(len(requests))
        return [Response(200, request.body) for request in requests]

    async def all_at_once() -> list[Response]:
        batcher = batching_module.Batcher(handle)
        given = [Request("POST", "/", b"123") for _ in range(5)]
        return list(await asyncio.gather(*(batcher.answer(request) for request in given)))

    found = asyncio.run(all_at_once())
    assert [answer.status for answer in found] == [200, 200, 200, 429, 429] and calls == [2, 1]


def test_head_that_is_too_large_is_refused(server: Server) -> None:
    for head in (b"GET /v1/nodes/1 HTTP/1.1\r\nX-A: " + b"a" * 20_000, b"GET /" + b"a" * 20_000):
        for end in (b"", b"\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", server.port), timeout=5) as sock:
                with contextlib.suppress(ConnectionError):
                    sock.sendall(head + end)
                with contextlib.suppress(ConnectionError):
                    answer = sock.recv(1_024)
                    assert not answer or answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 404")), answer


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
    [
        Response(200, b'["counted"]'), Response(200, b"<html>"), Response(200, b"[1,2]"), Response(503), Response(302),
        Response(200, b'["counted","\xff"]'),
    ],
)  # fmt: skip
def test_an_answer_that_is_none_is_no_acknowledgement(answer: Response) -> None:
    client, _ = reachable(answer)
    with pytest.raises(Unreachable) as caught:
        client.send_heartbeats([BEAT, BEAT])
    assert caught.value.code == "H2007" and "seat-1" in str(caught.value)


class Dripping:
    """A peer on a socket that lets `said` out a byte at a time, and takes what it is sent as slowly."""

    def __init__(self, said: bytes, reads: bool = True) -> None:
        self._said, self._reads = said, reads
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        peer, _ = self._listening.accept()
        with peer, contextlib.suppress(OSError):
            if self._reads:
                peer.recv(65_536)
            for byte in self._said * 1_000:
                if self._done.wait(0.05):
                    break
                peer.recv(1) if not self._reads else peer.sendall(bytes([byte]))

    def close(self) -> None:
        self._done.set()
        self._thread.join(5)
        self._listening.close()


@pytest.mark.parametrize(
    ("said", "reads"),
    [(b"HTTP/1.1 200 OK\r\nX-A: ", True), (b"HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\n", True), (b"-", False)],
    ids=["head", "body", "takes nothing"],
)
def test_a_peer_that_drips_holds_nobody(loopback: None, said: bytes, reads: bool) -> None:
    """Every wait for the next byte is short; the whole has a time of its own."""
    peer = Dripping(said, reads)
    with make_http(2.0, answer_s=0.5) as http:
        client = AttesterClient(Endpoint(1, "0x" + "11" * 20, peer.url), http)
        body = ObsBody(SignedObs(1, 1, 1, bytes(32), 1, bytes(65)), bytes(1 << 17) if reads else bytes(1 << 18))
        start = time.monotonic()
        with pytest.raises(Unreachable) as caught:
            client.send_observation(body)
        assert time.monotonic() - start < 4
    assert "Timeout: " in caught.value.why[0]
    peer.close()


def test_timely_transport_is_httpx_in_everything_else(server: Server) -> None:
    with make_http(answer_s=5.0) as http:
        base = f"http://127.0.0.1:{server.port}"
        for _ in range(2):  # the second on the connection of the first
            assert http.post(f"{base}/v1/heartbeats", content=encode([BEAT])).json() == ["counted"]
        assert http.get(f"{base}/nowhere").status_code == 404
        with pytest.raises(httpx.ConnectError):
            http.get("http://127.0.0.1:1/")
        with pytest.raises(httpx.UnsupportedProtocol):
            http.get("gopher://127.0.0.1/")


def test_lost_answer_and_dead_host_are_unreachable() -> None:
    client, transport = reachable(Response(200, b'["counted"]'))
    transport.fault = lambda host, path: httpx.ReadTimeout("lost")
    with pytest.raises(Unreachable):
        client.send_heartbeats([BEAT])
    transport.fault = None
    transport.down.add("seat-1")
    with pytest.raises(Unreachable):
        client.send_observation(ObsBody(SignedObs(1, 1, 1, bytes(32), 1, bytes(65)), b""))

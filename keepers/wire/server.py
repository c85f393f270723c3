"""The HTTP server: an ASGI assembly with limits, run by uvicorn in a thread of its own.

Reads and rare writes go through Starlette; a route marked `bare` (POST /v1/heartbeats) is served before it, which is
five times as fast. Handlers are synchronous and run in a small pool. Listens on 127.0.0.1 unless told otherwise.

    server = Server(Router(role.routes()), port=8700); server.start(); …; server.stop()
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.responses import Response as StarletteResponse
from starlette.routing import Route as StarletteRoute

from keepers.protocol.errors import HearthError
from keepers.wire.http_protocol import CYCLE_SECONDS, HEAD_SECONDS, TimelyProtocol
from keepers.wire.routing import PROTOCOL_HEADER, Request, Response, Route, Router, accepts, problem


@dataclass(frozen=True)
class Limits:
    """`head_seconds` for a request's head and `body_seconds` for its body to arrive, `cycle_seconds` from its head
    until its answer is taken, `per_minute` requests of one remote address with bursts of as many, `connections` at a
    time, `threads` that run handlers, `peers` whose rates are remembered."""

    head_seconds: float = HEAD_SECONDS
    body_seconds: float = 5.0
    cycle_seconds: float = CYCLE_SECONDS
    per_minute: int = 1_200
    connections: int = 512
    threads: int = 4
    peers: int = 4_096


class RateLimit:
    """Token bucket by remote address; `monotonic` gives seconds."""

    def __init__(self, per_minute: int, peers: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._rate = per_minute / 60
        self._burst = float(per_minute)
        self._peers = peers
        self._now = monotonic
        self._buckets: dict[str, tuple[float, float]] = {}

    def allow(self, peer: str) -> bool:
        """Whether one more request of `peer` is within its rate."""
        now = self._now()
        tokens, since = self._buckets.pop(peer, (self._burst, now))
        tokens = min(self._burst, tokens + (now - since) * self._rate)
        allowed = tokens >= 1
        self._buckets[peer] = (tokens - 1 if allowed else tokens, now)
        if len(self._buckets) > self._peers:
            # the address that has been silent longest stands first: its bucket is full again anyway
            del self._buckets[next(iter(self._buckets))]
        return allowed


class _Served:
    """One route as an ASGI endpoint: reads the body within limits, calls the handler in the pool."""

    def __init__(self, router: Router, route: Route, limits: Limits, rate: RateLimit, pool: ThreadPoolExecutor) -> None:
        self._router, self._route, self._limits, self._rate, self._pool = router, route, limits, rate, pool

    async def answer(self, scope: Any, receive: Any, params: dict[str, str]) -> Response:
        headers = dict(scope["headers"])
        peer = scope["client"][0] if scope.get("client") else ""
        version = headers.get(PROTOCOL_HEADER.encode())
        if not self._rate.allow(peer):
            return problem(429, "H6106", "too many requests from this address")
        if not accepts(None if version is None else version.decode("latin-1")):
            return problem(426, "H6103", "this version of the protocol is not spoken here")
        kind = headers.get(b"content-type", b"application/json").split(b";")[0].strip().lower()
        if scope["method"] == "POST" and kind != b"application/json":
            return problem(415, "H6107", "send the body as application/json")
        if headers.get(b"content-encoding", b"identity") != b"identity":
            return problem(415, "H6107", "send the body uncompressed")
        try:
            length = int(headers.get(b"content-length", b"0"))
        except ValueError:
            return problem(400, "H6105", "content-length is no number")
        if length > self._route.limit:
            return problem(413, "H6104", f"the limit is {self._route.limit} bytes")
        try:
            body = await asyncio.wait_for(self._body(receive), self._limits.body_seconds)
        except TimeoutError:
            return problem(408, "H6108", "the body did not arrive in time")
        if body is None:
            return problem(413, "H6104", f"the limit is {self._route.limit} bytes")
        request = Request(scope["method"], scope["path"], body, params, peer)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, self._router.call, self._route, request)

    async def _body(self, receive: Any) -> bytes | None:
        parts: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return b""
            part = message.get("body", b"")
            size += len(part)
            if size > self._route.limit:
                return None
            parts.append(part)
            if not message.get("more_body", False):
                return b"".join(parts)


def build_app(router: Router, limits: Limits | None = None) -> Any:
    """The ASGI application of a Router."""
    bounds = limits or Limits()
    rate = RateLimit(bounds.per_minute, bounds.peers)
    pool = ThreadPoolExecutor(bounds.threads, thread_name_prefix="http")
    bare: dict[tuple[str, str], _Served] = {}
    routes: list[StarletteRoute] = []
    for route in router.routes:
        served = _Served(router, route, bounds, rate, pool)
        if route.bare:
            bare[route.method, route.path] = served
        # a bare route stands here too, so that another method on its path is told apart from no route
        routes.append(StarletteRoute(route.path, _endpoint(served), methods=[route.method]))
    framework = Starlette(routes=routes, exception_handlers={404: _missing, 405: _missing})

    async def app(scope: Any, receive: Any, send: Any) -> None:
        served = bare.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        if served is None:
            await framework(scope, receive, send)
            return
        answer = await served.answer(scope, receive, {})
        headers = [(b"content-type", answer.content_type.encode()), (b"content-length", b"%d" % len(answer.body))]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})

    return app


def _endpoint(served: _Served) -> Any:
    async def endpoint(request: Any) -> StarletteResponse:
        params = {name: str(value) for name, value in request.path_params.items()}
        answer = await served.answer(request.scope, request.receive, params)
        return StarletteResponse(answer.body, answer.status, media_type=answer.content_type)

    return endpoint


async def _missing(request: Any, error: Any) -> StarletteResponse:
    known = error.status_code == 405
    answer = problem(405, "H6101", "wrong method") if known else problem(404, "H6102", "no such route")
    return StarletteResponse(answer.body, answer.status, media_type=answer.content_type)


class Server:
    """uvicorn in a daemon thread. `port` 0 takes a free one, readable as `port` after `start`."""

    def __init__(self, router: Router, host: str = "127.0.0.1", port: int = 0, limits: Limits | None = None) -> None:
        bounds = limits or Limits()
        config = uvicorn.Config(
            build_app(router, bounds),
            host=host,
            port=port,
            http=type(
                "Timely",
                (TimelyProtocol,),
                {"head_seconds": bounds.head_seconds, "cycle_seconds": bounds.cycle_seconds},
            ),
            ws="none",  # an upgraded connection would be out of reach of these limits
            log_config=None,
            access_log=False,
            limit_concurrency=bounds.connections,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=5,
            h11_max_incomplete_event_size=16_384,
            server_header=False,
        )
        self.host, self.port = host, port
        self._server = uvicorn.Server(config)
        self._thread: threading.Thread | None = None

    def start(self, timeout_s: float = 10.0) -> None:
        """Listen; HearthError H1401 if the port cannot be had."""
        thread = threading.Thread(target=self._run, name="http-server", daemon=True)
        self._thread = thread
        thread.start()
        deadline = time.monotonic() + timeout_s
        while not self._server.started:
            if not thread.is_alive() or time.monotonic() > deadline:
                raise HearthError(
                    "H1401",
                    f"cannot listen on {self.host}:{self.port}",
                    why=["the port is taken, or the address is not of this machine"],
                    next=["choose another port in the settings"],
                )
            time.sleep(0.01)
        for server in self._server.servers:
            for socket in server.sockets:
                self.port = socket.getsockname()[1]

    def _run(self) -> None:
        try:
            self._server.run()
        except SystemExit:
            return  # uvicorn's way to say that it could not bind; `start` reports it

    def stop(self, timeout_s: float = 10.0) -> None:
        """Take no new request, finish those in hand, close."""
        self._server.should_exit = True
        if self._thread is not None:
            self._thread.join(timeout_s)

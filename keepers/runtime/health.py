"""/livez (is the process alive), /readyz (may it be relied on), /metrics, on loopback, without a web framework.

A check is a function that returns None when all is well, else one sentence that says what is wrong.
"""

from __future__ import annotations

import contextlib
import json
import logging
import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from keepers.protocol.errors import HearthError
from keepers.runtime.metrics import Metrics

Check = Callable[[], str | None]
CONNECTION_SECONDS = 10.0
THREADS = 32
_log = logging.getLogger("hearth.health")


class Health:
    """Named checks. Ready = started, not draining, and every check is well."""

    def __init__(self) -> None:
        self._live: dict[str, Check] = {}
        self._ready: dict[str, Check] = {}
        self._state = "starting"

    def live(self, name: str, check: Check) -> None:
        """Add a liveness check: failing it means that only a restart helps."""
        self._live[name] = check

    def ready(self, name: str, check: Check) -> None:
        """Add a readiness check."""
        self._ready[name] = check

    def set_state(self, state: str) -> None:
        """ "starting", "running" or "draining"."""
        self._state = state

    @property
    def state(self) -> str:
        """The process's own state."""
        return self._state

    def livez(self) -> tuple[bool, dict[str, str]]:
        """(alive, what is wrong by check)."""
        wrong = _failures(self._live)
        return not wrong, wrong

    def readyz(self) -> tuple[bool, dict[str, str]]:
        """(ready, what is wrong by check)."""
        wrong = {**_failures(self._live), **_failures(self._ready)}
        if self._state != "running":
            wrong["process"] = self._state
        return not wrong, wrong


def _failures(checks: dict[str, Check]) -> dict[str, str]:
    wrong: dict[str, str] = {}
    for name, check in list(checks.items()):
        try:
            found = check()
        except Exception as error:  # a check that cannot be made is a failed check
            found = f"{type(error).__name__}: {error}"
        if found:
            wrong[name] = found
    return wrong


class _Bounded(ThreadingHTTPServer):
    """A thread a connection, for at most `seconds` and at most `THREADS` at a time: a peer that sends or reads a byte
    now and then would hold its own for ever."""

    daemon_threads = True
    seconds = CONNECTION_SECONDS

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self._free = threading.BoundedSemaphore(THREADS)
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        end = threading.Timer(self.seconds, _cut, (request,))
        end.daemon = True
        end.start()
        try:
            super().process_request_thread(request, client_address)
        finally:
            end.cancel()
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        _log.debug("connection lost", exc_info=True)


def _cut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it has ended meanwhile
        connection.shutdown(socket.SHUT_RDWR)


class HealthServer:
    """Serves health and metrics on a thread. `port` 0 takes a free one, readable as `port` after `start`; `seconds` are
    what one connection may take."""

    def __init__(
        self,
        health: Health,
        metrics: Metrics,
        host: str = "127.0.0.1",
        port: int = 0,
        seconds: float = CONNECTION_SECONDS,
    ) -> None:
        self._health, self._metrics, self._seconds = health, metrics, seconds
        self.host, self.port = host, port
        self._server: _Bounded | None = None

    def start(self) -> None:
        """Listen. Raises H1401 where the port cannot be had."""
        health, metrics = self._health, self._metrics

        class Handler(BaseHTTPRequestHandler):
            timeout = 5

            def do_GET(self) -> None:
                if self.path == "/metrics":
                    self._send(200, metrics.text(), "text/plain; version=0.0.4")
                elif self.path in ("/livez", "/readyz"):
                    well, wrong = health.livez() if self.path == "/livez" else health.readyz()
                    body = json.dumps({"status": "ok" if well else "fail", "state": health.state, "wrong": wrong})
                    self._send(200 if well else 503, body.encode(), "application/json")
                else:
                    self._send(404, b'{"status":"no such page"}', "application/json")

            def _send(self, status: int, body: bytes, kind: str) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                _log.debug("request", extra={"line": format % args})

        try:
            self._server = _Bounded((self.host, self.port), Handler)
        except OSError as error:
            raise HearthError(
                "H1401",
                f"cannot listen on {self.host}:{self.port}",
                why=(str(error),),
                next=("choose another port with health_port",),
            ) from error
        self._server.seconds = self._seconds
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, name="hearth-health", daemon=True).start()

    def stop(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

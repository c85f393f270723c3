"""An HTTP transport on which a request, however it is answered, is over after a time.

A client's usual timeout bounds each wait for the next bytes: a peer that sends one byte of a head every few seconds, or
takes one of a body, holds the caller's thread for days. Here the seconds count from the beginning of the request to the
last byte of the answer: connecting, the handshake, sending, the head and the body share them.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from ssl import SSLContext
from typing import Any

import httpcore
import httpx


class _Time:
    """What is left of the present request of each thread: a request and its answer belong to one."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._mine = threading.local()

    def begin(self) -> None:
        self._mine.end = time.monotonic() + self._seconds

    def left(self, timeout: float | None, late: type[httpcore.TimeoutException]) -> float:
        """Seconds that the next operation may take. Raises `late` where there are none."""
        left: float = self._mine.end - time.monotonic()
        if left <= 0:
            raise late(f"not over after {self._seconds:g} s")
        return left if timeout is None else min(left, timeout)


class _Stream(httpcore.NetworkStream):
    """A connection whose every operation ends with the request's time."""

    def __init__(self, inner: httpcore.NetworkStream, clock: _Time) -> None:
        self._inner, self._clock = inner, clock

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._clock.left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        connection: socket.socket = self._inner.get_extra_info("socket")
        rest = memoryview(buffer)
        try:
            while rest:
                connection.settimeout(self._clock.left(timeout, httpcore.WriteTimeout))
                rest = rest[connection.send(rest) :]
        except TimeoutError as error:
            raise httpcore.WriteTimeout(str(error)) from error
        except OSError as error:
            raise httpcore.WriteError(str(error)) from error

    def start_tls(
        self, ssl_context: SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = self._clock.left(timeout, httpcore.ConnectTimeout)
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, left), self._clock)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)

    def close(self) -> None:
        self._inner.close()


class _Backend(httpcore.SyncBackend):
    """Opens connections within the request's time."""

    def __init__(self, clock: _Time) -> None:
        self._clock = clock

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        left = self._clock.left(timeout, httpcore.ConnectTimeout)
        return _Stream(super().connect_tcp(host, port, left, local_address, socket_options), self._clock)


class _Body(httpx.SyncByteStream):
    """The answer's body, with httpx's names for what goes wrong."""

    def __init__(self, parts: Any) -> None:
        self._parts = parts

    def __iter__(self) -> Iterator[bytes]:
        with _httpx_errors():
            yield from self._parts

    def close(self) -> None:
        self._parts.close()


class TimelyTransport(httpx.BaseTransport):
    """Connections of one client, kept open between requests; no proxy, nothing from the environment."""

    def __init__(self, seconds: float, keep: int = 20) -> None:
        self._clock = _Time(seconds)
        self._pool = httpcore.ConnectionPool(
            ssl_context=httpx.create_ssl_context(trust_env=False),
            max_keepalive_connections=keep,
            keepalive_expiry=5.0,
            network_backend=_Backend(self._clock),
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        self._clock.begin()
        with _httpx_errors():
            answer = self._pool.handle_request(
                httpcore.Request(
                    request.method,
                    httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
                    headers=request.headers.raw,
                    content=request.stream,
                    extensions=request.extensions,
                )
            )
        return httpx.Response(
            answer.status, headers=answer.headers, stream=_Body(answer.stream), extensions=answer.extensions
        )

    def close(self) -> None:
        self._pool.close()


@contextlib.contextmanager
def _httpx_errors() -> Iterator[None]:
    """httpcore's exceptions are httpx's by name."""
    try:
        yield
    except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as error:
        raise getattr(httpx, type(error).__name__)(str(error)) from error
    except httpcore.UnsupportedProtocol as error:
        raise httpx.UnsupportedProtocol(str(error)) from error

"""HTTP without a socket: an httpx transport that hands requests to Routers of this process, by host name.

Used by tests and the replay; the client above it and the routes below it are those of production.
"""

from __future__ import annotations

from collections.abc import Callable

import httpx

from keepers.wire.routing import PACKED, PROTOCOL_HEADER, Request, Router


class DirectTransport(httpx.BaseTransport):
    """Serves `http://NAME/…` from the Router mounted under NAME; `down` names hosts that refuse the connection.

    `fault(host, path)` may return an exception to raise, for tests of lost answers.
    """

    def __init__(self) -> None:
        self._routers: dict[str, Router] = {}
        self.down: set[str] = set()
        self.fault: Callable[[str, str], Exception | None] | None = None

    def mount(self, host: str, router: Router) -> None:
        """Serve a host name."""
        self._routers[host] = router

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer in the caller's thread."""
        host, path = request.url.host, request.url.path
        router = self._routers.get(host)
        if router is None or host in self.down:
            raise httpx.ConnectError(f"{host} is down", request=request)
        answer = router.dispatch(
            Request(
                request.method,
                path,
                request.read(),
                peer="direct",
                packed=request.headers.get("content-type") == PACKED,
            ),
            request.headers.get(PROTOCOL_HEADER),
        )
        if self.fault is not None and (error := self.fault(host, path)) is not None:
            raise error
        return httpx.Response(answer.status, content=answer.body, headers={"content-type": answer.content_type})

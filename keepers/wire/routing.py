"""Routes as plain functions, and a Router that calls them the same way under uvicorn and in one process."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from keepers.protocol.errors import HearthError

PROTOCOL = 1  # version of the HTTP interface; this one and the one before are accepted
PROTOCOL_HEADER = "hearth-protocol"
JSON, PACKED = "application/json", "application/octet-stream"
_log = logging.getLogger("hearth.wire")


@dataclass(frozen=True)
class Request:
    """A request with its whole body. `params` are the parts of the path named in braces; `peer` the remote address;
    `packed`: the body is application/octet-stream, not JSON."""

    method: str
    path: str
    body: bytes = b""
    params: Mapping[str, str] = field(default_factory=dict)
    peer: str = ""
    packed: bool = False


@dataclass(frozen=True)
class Response:
    """A response; bodies are JSON unless `content_type` says otherwise. `wasted`: parts of the request that were worth
    nothing, which is what counts against a sender's rate where valid requests do not."""

    status: int = 200
    body: bytes = b""
    content_type: str = JSON
    wasted: int = 0


Handler = Callable[[Request], Response]
BatchHandler = Callable[[Sequence[Request]], Sequence[Response]]


@dataclass(frozen=True)
class Route:
    """An HTTP endpoint: `handler` is a plain function, called on a thread of the server, never on the role's worker.

    `path` may hold whole segments in braces. `limit`: largest body in bytes. `bare`: served before any framework.
    `batch`: a handler of many requests at once, for a route that comes often; it may take packed bodies too."""

    method: str
    path: str
    handler: Handler
    limit: int = 16_384
    bare: bool = False
    batch: BatchHandler | None = None


class Refused(HearthError):
    """A request that is refused with HTTP status `status`; the error's code and words go back to the sender."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(code, message)
        self.status = status


def problem(status: int, code: str, message: str) -> Response:
    """problem+json with the stable code of the error."""
    body = json.dumps({"code": code, "status": status, "title": message}, separators=(",", ":")).encode()
    return Response(status, body, "application/problem+json")


def json_response(body: Mapping[str, Any]) -> Response:
    """200 with a compact JSON object."""
    return Response(200, json.dumps(body, separators=(",", ":")).encode())


def path_number(text: str) -> int:
    """A number of a path, of at most 10 digits. Refused (400) for anything else."""
    if not text.isascii() or not text.isdigit() or len(text) > 10:
        raise Refused(400, "H6105", f"{text[:20]!r} is no number")
    return int(text)


def accepts(version: str | None) -> bool:
    """Whether a sender that states this version is served. No statement counts as the present one."""
    return version is None or version.strip() in (str(PROTOCOL), str(PROTOCOL - 1))


class Router:
    """Finds the route of a request and turns every error into a response. Never raises."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self.routes = tuple(routes)
        self._exact = {(route.method, route.path): route for route in routes if "{" not in route.path}
        self._parts = [(route, route.path.split("/")) for route in routes if "{" in route.path]
        names = [(route.method, route.path) for route in routes]
        twice = sorted({f"{method} {path}" for method, path in names if names.count((method, path)) > 1})
        if twice:
            raise ValueError(f"two roles serve the same route: {', '.join(twice)}")

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]] | None:
        """The route and the values of its braces, or None."""
        route = self._exact.get((method, path))
        if route is not None:
            return route, {}
        given = path.split("/")
        for candidate, parts in self._parts:
            if candidate.method != method or len(parts) != len(given):
                continue
            if all(part == value or (part[:1] == "{" and value) for part, value in zip(parts, given, strict=True)):
                return candidate, {
                    part[1:-1]: value for part, value in zip(parts, given, strict=True) if part[:1] == "{"
                }
        return None

    def dispatch(self, request: Request, version: str | None = None) -> Response:
        """Answer a request: limits, version, handler."""
        found = self.find(request.method, request.path)
        if found is None:
            known = any(self.find(method, request.path) for method in ("GET", "POST"))
            return problem(405, "H6101", "wrong method") if known else problem(404, "H6102", "no such route")
        route, params = found
        if not accepts(version):
            return problem(426, "H6103", f"speak Hearth-Protocol {PROTOCOL} or {PROTOCOL - 1}")
        if len(request.body) > route.limit:
            return problem(413, "H6104", f"a body of {len(request.body)} bytes; the limit is {route.limit}")
        return self.call(route, replace(request, params=params))

    def call(self, route: Route, request: Request) -> Response:
        """Call a route's handler."""
        try:
            return route.handler(request)
        except Refused as error:
            return problem(error.status, error.code, error.message)
        except HearthError as error:
            return problem(503, error.code, error.message)
        except Exception:
            _log.exception("route %s %s failed", route.method, route.path)
            return problem(500, "H9001", "internal error; the log of this process has the trace")

    def call_many(self, route: Route, requests: Sequence[Request]) -> Sequence[Response]:
        """Call a route's batch handler; where that fails as a whole, each request is answered with the failure."""
        assert route.batch is not None
        answers: list[Response] = []

        def handle(_: Request) -> Response:
            answers.extend(route.batch(requests) if route.batch else ())
            return Response()

        failed = self.call(replace(route, handler=handle), requests[0])
        return answers or [failed] * len(requests)

"""A pool of endpoints: which one is asked, what is asked again elsewhere, what never is.

Reads are repeated, on the next endpoint, after anything that another try may cure. A raw transaction is handed over
exactly once a call and an unclear answer is raised as `MaybeSent`: whether to repeat it is the outbox's decision,
which keeps every attempt.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from keepers.chain import rpc_values as values
from keepers.chain.masking import mask_url
from keepers.chain.reverts import Reverted
from keepers.chain.rpc_errors import Malformed, MaybeSent, NotConnected, RpcError, error_of
from keepers.protocol.errors import HearthError
from keepers.protocol.hashing import keccak

BATCH = 100  # requests a batch; providers cap it between 100 and 1,000
ROUNDS = 3  # times that a read goes through all endpoints
BACKOFF_S = (0.0, 0.3, 1.5)  # before each round
COOL_S = 15.0  # how long an endpoint that failed is asked last

Parse = Callable[[Any], Any]


class Wire(Protocol):
    """One endpoint: `transport.Transport`, or a stand-in. Thread-safe."""

    def post(self, requests: Sequence[tuple[str, list[Any]]]) -> list[Mapping[str, Any]]:
        """One answer (`result` or `error`) a request, in order. Raises NotConnected where nothing was sent, another
        HearthError where it is unclear what became of it."""
        ...

    def close(self) -> None: ...


Connect = Callable[[str, str, float], Wire]  # of a URL, the URL as it may be printed, and a timeout in seconds


def web3_transport(url: str, shown: str, timeout: float) -> Wire:
    """web3.py's provider; imported here, as it takes most of a second and only who connects needs it."""
    from keepers.chain.transport import Transport

    return Transport(url, shown, timeout)


def _as_it_is(value: Any) -> Any:
    return value


@dataclass(slots=True)
class Endpoint:
    """One URL and what we know of it. `shown` is safe to print."""

    url: str
    wire: Wire
    shown: str = ""
    checked: bool = False
    banned: str = ""
    cool_until: float = 0.0


@dataclass(slots=True)
class PoolStats:
    """Counts for metrics, by masked URL."""

    errors: dict[str, int] = field(default_factory=dict)
    requests: int = 0


class EndpointPool:
    """All endpoints of one chain. Thread-safe. Nothing is sent to an endpoint before its chain id was seen.

    `timeout` in seconds bounds connecting, each wait for data, and the reading of a body. Raises H2001 without a URL
    or with one that is not http(s): keepers poll, so nothing here subscribes over a web socket.
    """

    def __init__(
        self,
        urls: Sequence[str],
        chain_id: int,
        *,
        timeout: float = 20.0,
        connect: Connect = web3_transport,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        if not urls:
            raise HearthError(
                "H1001",
                "no RPC endpoint is configured",
                next=("give one with --rpc URL or rpc_urls in the settings",),
            )
        for url in urls:
            if not url.startswith(("http://", "https://")):
                raise HearthError(
                    "H1001",
                    f"{mask_url(url)} is no http(s) URL",
                    next=("give the endpoint's http or https URL",),
                )
        self.chain_id = chain_id
        self.stats = PoolStats()
        self._sleep, self._monotonic = sleep, monotonic
        self._lock = threading.Lock()
        self.endpoints = [Endpoint(url, connect(url, mask_url(url), timeout), mask_url(url)) for url in urls]

    # reads

    def call(self, method: str, *params: Any, parse: Parse = _as_it_is) -> Any:
        """`parse` of a read's result; a result that it calls Malformed is asked for elsewhere.

        Raises Reverted, RpcError (the endpoints agree on an error), H2001, H2002.
        """
        return self._read([(method, list(params))], [parse])[0]

    def batch(
        self, requests: Sequence[tuple[str, Sequence[Any]]], parse: Parse | Sequence[Parse] = _as_it_is
    ) -> list[Any]:
        """Results of many reads, in order, in few round trips; one `parse` for all, or one each.

        The first error is raised.
        """
        each = [parse] * len(requests) if callable(parse) else list(parse)
        out: list[Any] = []
        for at in range(0, len(requests), BATCH):
            page = [(method, list(params)) for method, params in requests[at : at + BATCH]]
            out += self._read(page, each[at : at + BATCH])
        return out

    def _read(self, requests: list[tuple[str, list[Any]]], parses: list[Parse]) -> list[Any]:
        failure: HearthError | None = None
        for round_ in range(ROUNDS):
            if BACKOFF_S[round_]:
                self._sleep(BACKOFF_S[round_])
            for endpoint in self._order():
                try:
                    self._check(endpoint)
                    answers = self._post(endpoint, requests)
                    results = [_result(m, a) for (m, _), a in zip(requests, answers, strict=True)]
                    return [parse(result) for parse, result in zip(parses, results, strict=True)]
                except Reverted:
                    raise
                except RpcError as error:
                    failure = error
                    if not error.worth_retry:
                        raise
                    self._failed(endpoint, cool=not error.behind)
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
                answer = self._post(endpoint, [("eth_sendRawTransaction", ["0x" + raw.hex()])])[0]
            except NotConnected as error:
                failure = error
                self._failed(endpoint)
                continue  # nothing left this machine
            except HearthError as error:
                self._failed(endpoint)
                raise MaybeSent(error.message) from error
            if answer.get("error") is not None:
                raise error_of("eth_sendRawTransaction", answer["error"])
            return self._taken(endpoint, answer.get("result"), keccak(raw))
        raise failure or self._none_left()

    def _taken(self, endpoint: Endpoint, result: Any, wanted: bytes) -> bytes:
        try:
            found = values.word(result)
        except Malformed as error:
            found, words = b"", error.message
        else:
            words = f"{endpoint.shown} took it under another hash, 0x{found.hex()}"
        if found != wanted:
            self._failed(endpoint)
            raise MaybeSent(words)
        return found

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

    def close(self) -> None:
        """Close all connections."""
        for endpoint in self.endpoints:
            endpoint.wire.close()

    def _order(self) -> list[Endpoint]:
        now = self._monotonic()
        usable = [e for e in self.endpoints if not e.banned]
        return sorted(usable, key=lambda e: e.cool_until > now)  # stable: configured order within each half

    def _none_left(self) -> HearthError:
        why = tuple(f"{e.shown}: {e.banned or 'does not answer'}" for e in self.endpoints)
        wrong = [e for e in self.endpoints if e.banned]
        code = "H2002" if len(wrong) == len(self.endpoints) else "H2001"
        return HearthError(code, "no RPC endpoint can be used", why, ("hearth check",))

    def _failed(self, endpoint: Endpoint, cool: bool = True) -> None:
        if cool:
            endpoint.cool_until = self._monotonic() + COOL_S
        with self._lock:
            self.stats.errors[endpoint.shown] = self.stats.errors.get(endpoint.shown, 0) + 1

    def _check(self, endpoint: Endpoint) -> None:
        if endpoint.checked:
            return
        found = values.number(_result("eth_chainId", self._post(endpoint, [("eth_chainId", [])])[0]))
        if found != self.chain_id:
            endpoint.banned = f"serves chain {found}, not {self.chain_id}"
            raise HearthError(
                "H2002", f"{endpoint.shown} {endpoint.banned}", next=("use an endpoint of the record's chain",)
            )
        endpoint.checked = True

    def _post(self, endpoint: Endpoint, requests: list[tuple[str, list[Any]]]) -> list[Mapping[str, Any]]:
        with self._lock:
            self.stats.requests += 1
        return endpoint.wire.post(requests)


def _result(method: str, answer: Mapping[str, Any]) -> Any:
    error = answer.get("error")
    if error is not None:
        raise error_of(method, error)
    return answer.get("result")

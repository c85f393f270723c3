"""One endpoint, spoken to through web3.py's HTTP provider, with the limits that the provider leaves to its user.

Switched off, as each of them could do harm here: web3's own retries (it would repeat a raw transaction, which only the
outbox may do), CCIP-Read and redirects (an endpoint could make us fetch another URL), cookies, proxies and `.netrc`
from the environment. Added: a bound on the size and time of an answer, and the test that an answer belongs to its
request. Importing web3 takes most of a second, so this module is imported only where an endpoint is opened.
"""

from __future__ import annotations

import io
import itertools
import json
import threading
import time
from collections.abc import Mapping, Sequence
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3.exceptions import ConnectTimeoutError, HTTPError, MaxRetryError, NewConnectionError
from web3 import HTTPProvider
from web3.types import RPCEndpoint

from keepers.chain.rpc_errors import BadAnswer, NotConnected, error_of

ANSWER_LIMIT = 64 << 20  # bytes of one answer, unpacked; a log page of a busy day is a few MiB
PIECE = 1 << 16
CONNECTIONS = 8  # kept open an endpoint: the loops of one process
RETRY_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})
_NO_URL = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
    requests.exceptions.ConnectTimeout,
)

Request = tuple[str, list[Any]]


class _TooMuch(Exception):
    """An answer over the limit of size or time."""


class _Bounded(BaseAdapter):
    """Reads an answer within limits, then hands it on as if it had come whole."""

    def __init__(self, inner: BaseAdapter, seconds: float) -> None:
        super().__init__()
        self._inner, self._seconds = inner, seconds

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        response = self._inner.send(request, *args, **{**kwargs, "stream": True})
        deadline = time.monotonic() + self._seconds  # the provider's timeout bounds each wait, not their sum
        body = bytearray()
        raw = response.raw
        try:
            while piece := raw.read1(PIECE, decode_content=True):
                body += piece
                if len(body) > ANSWER_LIMIT:
                    raise _TooMuch(f"more than {ANSWER_LIMIT} bytes")
                if time.monotonic() > deadline:
                    raise _TooMuch(f"a body that takes more than {self._seconds:g} s")
        except BaseException:
            raw.close()
            raise
        raw.release_conn()
        response.raw = io.BytesIO(bytes(body))
        return response

    def close(self) -> None:
        self._inner.close()


class _Ids:
    """Request numbers, and which of them this thread has taken since it last asked."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._mine = threading.local()

    def __next__(self) -> int:
        made = next(self._numbers)
        self._mine.taken = [*getattr(self._mine, "taken", ()), made]
        return made

    def taken(self) -> list[int]:
        found: list[int] = getattr(self._mine, "taken", [])
        self._mine.taken = []
        return found


class Transport:
    """Thread-safe. `shown` is the URL as it may be printed; `adapter` replaces the network in tests."""

    def __init__(self, url: str, shown: str, timeout: float, adapter: BaseAdapter | None = None) -> None:
        self._shown = shown
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        network = adapter or HTTPAdapter(pool_connections=1, pool_maxsize=CONNECTIONS)
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, _Bounded(network, timeout))
        self._ids = _Ids()
        self._provider = HTTPProvider(
            url,
            request_kwargs={
                "timeout": timeout,
                "allow_redirects": False,
                "headers": {"Content-Type": "application/json", "User-Agent": "hearth"},
            },
            session=self._session,
            exception_retry_configuration=None,
        )
        self._provider.global_ccip_read_enabled = False
        self._provider.request_counter = self._ids  # type: ignore[assignment]

    def post(self, requests_: Sequence[Request]) -> list[Mapping[str, Any]]:
        """One answer (with `result` or `error`) a request, in order; several go as one batch.

        Raises NotConnected where nothing was sent, BadAnswer where it is unclear what became of it, RpcError or
        Reverted where one error answers a whole batch.
        """
        name = requests_[0][0] if len(requests_) == 1 else f"batch of {len(requests_)}"
        self._ids.taken()
        try:
            found = self._ask(requests_)
        except _NO_URL as error:
            raise NotConnected(self._shown, error) from error
        except requests.HTTPError as error:
            found = self._error_body(error, name)
        except requests.ConnectionError as error:
            if _never_connected(error):
                raise NotConnected(self._shown, error) from error
            raise BadAnswer(self._shown, f"no answer ({type(error).__name__})", name) from error
        except _TooMuch as error:
            raise BadAnswer(self._shown, str(error), name) from None
        except (requests.RequestException, HTTPError, OSError) as error:
            raise BadAnswer(self._shown, f"no answer ({type(error).__name__})", name) from error
        except (ValueError, RecursionError):
            raise BadAnswer(self._shown, "an answer that is no JSON", name) from None
        except (AttributeError, TypeError):  # the provider sorts a batch before it has looked at it
            raise BadAnswer(self._shown, "an answer that is no JSON-RPC", name) from None
        return self._matched(found, self._ids.taken(), name)

    def close(self) -> None:
        """Close all connections."""
        self._session.close()

    def _ask(self, requests_: Sequence[Request]) -> Any:
        if len(requests_) == 1:
            method, params = requests_[0]
            return self._provider.make_request(RPCEndpoint(method), params)
        return self._provider.make_batch_request([(RPCEndpoint(method), params) for method, params in requests_])

    def _error_body(self, error: requests.HTTPError, name: str) -> Any:
        """Some endpoints send a JSON-RPC error with a status of 4xx; what else has such a status is trouble."""
        status = error.response.status_code
        try:
            decoded = json.loads(error.response.content)
        except (ValueError, RecursionError):
            decoded = None
        if status in RETRY_STATUS or not (isinstance(decoded, dict) and "error" in decoded):
            raise BadAnswer(self._shown, f"HTTP {status}", name) from None
        return decoded

    def _matched(self, found: Any, ids: list[int], name: str) -> list[Mapping[str, Any]]:
        if isinstance(found, dict) and len(ids) > 1 and "error" in found:  # one error for the whole batch
            raise error_of(name, found["error"])
        answers = [found] if len(ids) == 1 else found
        if not isinstance(answers, list) or not all(isinstance(answer, dict) for answer in answers):
            raise BadAnswer(self._shown, "an answer that is no JSON-RPC", name)
        if not all("result" in answer or "error" in answer for answer in answers):
            raise BadAnswer(self._shown, "an answer that is no JSON-RPC", name)
        if len(ids) == 1 and answers[0].get("id") is None:
            return answers  # an endpoint that could not read the number
        if [answer.get("id") for answer in answers] != ids:
            raise BadAnswer(self._shown, "answers that belong to other requests", name)
        return answers


def _never_connected(error: requests.ConnectionError) -> bool:
    cause = error.args[0] if error.args else None
    reason = cause.reason if isinstance(cause, MaxRetryError) else cause
    return isinstance(reason, NewConnectionError | ConnectTimeoutError)

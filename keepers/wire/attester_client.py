"""The HTTP client of an attester: used by agents (heartbeats) and by the other attesters (exchange).

One call is one attempt; whoever calls keeps what was not acknowledged and calls again. Redirects are not followed
and no proxy is taken from the environment: an attester's URL comes from the chain or the deployment record.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import httpx
import msgspec

from keepers.protocol.errors import HearthError
from keepers.wire.codec import (
    MAX_BATCH,
    AskedRow,
    Beat,
    ObsBody,
    OpenedRow,
    Proposal,
    SeatSignature,
    ShownLeaf,
    SignedAnswer,
    encode,
    pack_beats,
)
from keepers.wire.routing import JSON, PACKED, PROTOCOL, PROTOCOL_HEADER
from keepers.wire.timely import TimelyTransport

_RESULTS = msgspec.json.Decoder(list[str])
_ASKED = msgspec.json.Decoder(list[AskedRow])
_LEAF = msgspec.json.Decoder(ShownLeaf)
_OBSERVATION = msgspec.json.Decoder(ObsBody)
MAX_ANSWER = 1 << 20
ANSWER_S = 15.0  # for a request with its whole answer


class Unreachable(HearthError):
    """The attester did not answer, or not with success (H2007). Repeating is safe: every write is idempotent."""


class Declined(Unreachable):
    """It answered, and did not want this message (HTTP 4xx): the next one may be welcome. `answer` is what it said."""

    answer: bytes = b""


@dataclass(frozen=True)
class Endpoint:
    """Where a seat of the committee listens: `address` lower-case 0x…, `url` without a trailing slash."""

    seat: int
    address: str
    url: str


def make_http(
    timeout_s: float = 5.0, transport: httpx.BaseTransport | None = None, answer_s: float = ANSWER_S
) -> httpx.Client:
    """An httpx client as this package wants it: `timeout_s` for each wait, `answer_s` for a request with its whole
    answer. `transport`: `DirectTransport` for one process, else sockets."""
    return httpx.Client(
        timeout=timeout_s,
        transport=transport or TimelyTransport(answer_s),
        trust_env=False,
        follow_redirects=False,
        headers={PROTOCOL_HEADER: str(PROTOCOL), "accept-encoding": "identity"},
        event_hooks={"response": [_refuse_packed]},
    )


def _refuse_packed(answer: httpx.Response) -> None:
    """Before a byte of the body is read: a hundred bytes under gzip twice over unpack to as much memory as there is,
    and httpx unpacks a whole piece before anybody can count it."""
    packed = answer.headers.get("content-encoding", "identity").strip().lower()
    if packed not in ("", "identity"):
        raise httpx.DecodingError(f"an answer in {packed[:40]!r}, which was not asked for", request=answer.request)


class AttesterClient:
    """Speaks to one attester over a given httpx client (see `make_http`)."""

    def __init__(self, endpoint: Endpoint, http: httpx.Client) -> None:
        self.endpoint = endpoint
        self._http = http
        self._base = endpoint.url.rstrip("/")

    def send_heartbeats(self, beats: Sequence[Beat]) -> list[str]:
        """One word for each beat (`wire.admission`). Raises Unreachable."""
        words: list[str] = []
        for first in range(0, len(beats), MAX_BATCH):
            chunk = list(beats[first : first + MAX_BATCH])
            refused: Declined | None = None
            try:
                answer = self._request("POST", "/v1/heartbeats", pack_beats(chunk), PACKED)
            except Declined as error:  # the status for a single beat says what its word says
                answer, refused = error.answer, error
            try:
                part = _RESULTS.decode(answer)
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                raise refused or self._error("an answer that is no list of words") from error
            if len(part) != len(chunk):
                raise self._error(f"{len(part)} words for {len(chunk)} heartbeats")
            words += part
        return words

    def send_observation(self, observation: ObsBody) -> None:
        """Push a signed observation, with or without its body. Raises Unreachable."""
        self._request("POST", "/v1/observations", encode(observation))

    def send_proposal(self, proposal: Proposal) -> None:
        """Propose a set for a view. Raises Unreachable."""
        self._request("POST", "/v1/proposals", encode(proposal))

    def send_signature(self, signature: SeatSignature) -> None:
        """Push a seat's signature. Raises Unreachable."""
        self._request("POST", "/v1/signatures", encode(signature))

    def send_answer(self, answer: SignedAnswer) -> list[AskedRow]:
        """The rows that the attester asks of an answer; the same each time. Raises Unreachable."""
        try:
            return _ASKED.decode(self._request("POST", "/v1/answers", encode(answer)))
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise self._error("an answer that is no list of rows") from error

    def send_opening(self, opening: OpenedRow) -> None:
        """One of the rows that were asked for. Raises Unreachable."""
        self._request("POST", "/v1/openings", encode(opening))

    def leaf(self, epoch: int, node: int) -> ShownLeaf:
        """A node's leaf after the newest report, with its proof; the caller checks it. Raises Unreachable."""
        try:
            return _LEAF.decode(self._request("GET", f"/v1/leaves/{epoch}/{node}", b""))
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise self._error("an answer that is no leaf") from error

    def observation(self, epoch: int, seat: int) -> ObsBody:
        """What a seat signed of an epoch, with its body, as this one holds it; the caller checks it. Raises
        Unreachable."""
        try:
            return _OBSERVATION.decode(self._request("GET", f"/v1/observations/{epoch}/{seat}", b""))
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise self._error("an answer that is no observation") from error

    def get(self, path: str) -> bytes:
        """Body of a read. Raises Unreachable."""
        return self._request("GET", path, b"")

    def _request(self, method: str, path: str, body: bytes, kind: str = JSON) -> bytes:
        content = bytearray()
        try:
            with self._http.stream(method, self._base + path, content=body, headers={"content-type": kind}) as answer:
                for piece in answer.iter_bytes():
                    content += piece
                    if len(content) > MAX_ANSWER:
                        raise self._error(f"an answer of more than {MAX_ANSWER} bytes")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._error(f"{type(error).__name__}: {error}") from error
        if answer.status_code != 200:
            kept = f"HTTP {answer.status_code} {content[:200].decode('utf-8', 'replace')}"
            if not 400 <= answer.status_code < 500:
                raise self._error(kept)
            declined = Declined(*self._named, why=[kept])
            declined.answer = bytes(content)
            raise declined
        return bytes(content)

    def _error(self, what: str) -> Unreachable:
        return Unreachable(*self._named, why=[what])

    @property
    def _named(self) -> tuple[str, str]:
        return "H2007", f"attester {self.endpoint.seat} at {self._base} gave no acknowledgement"

"""Where an attester gets the token's price: a list of sources, and the median of those that answer.

Prices are USD a token with 12 decimals. Sources: `fixed` (local networks only), `csv` (a table by time) and `http`
(JSON and a path into it). One source that lies moves the median no further than its neighbours.
"""

from __future__ import annotations

import bisect
import csv
import json
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Protocol

import httpx

from keepers.protocol.errors import HearthError
from keepers.protocol.merge import lower_median

PRICE_ONE = 10**12
LIMIT = 1 << 63
MAX_ANSWER = 1 << 20
ANSWER_S = 10.0  # for a whole answer
MAX_DEPTH = 64
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_log = logging.getLogger("hearth.attester.prices")


class PriceUnavailable(HearthError):
    """No source answered (H6301), or one is set up wrongly (H1501)."""


class PriceSource(Protocol):
    """One source; `name` for logs and metrics."""

    @property
    def name(self) -> str: ...

    def fetch(self, now: int) -> int:
        """USD a token, 12 decimals, at network time `now`. Raises PriceUnavailable."""
        ...


def parse_price(text: Any, name: str) -> int:
    """A price in 12 decimals from text or a JSON number. Raises PriceUnavailable unless 0 < price < 2^63 / 1e12."""
    try:
        value = int(Decimal(str(text)).scaleb(12))
    except (InvalidOperation, ValueError, OverflowError) as error:
        raise PriceUnavailable("H6301", f"{name}: {str(text)[:40]!r} is no price") from error
    if isinstance(text, bool) or not 0 < value < LIMIT:
        raise PriceUnavailable("H6301", f"{name}: {str(text)[:40]!r} is not above zero, or too large")
    return value


@dataclass(frozen=True)
class Fixed:
    """Always the same price; for local networks."""

    price: int
    name: str = "fixed"

    def fetch(self, now: int) -> int:
        return self.price


class CsvSource:
    """A table `time,usd` sorted by time (unix seconds or ISO dates): the newest row at or before now.

    `shift` seconds are added to now first, so that a trace's clock can be replayed.
    """

    def __init__(self, path: Path, name: str = "csv", shift: int = 0) -> None:
        self.name = name
        self._shift = shift
        self._times: list[int] = []
        self._prices: list[int] = []
        try:
            with path.open(newline="", encoding="utf-8") as file:
                for number, row in enumerate(csv.DictReader(file), start=2):
                    self._times.append(_moment(row.get("time") or row.get("date"), f"{path.name} row {number}"))
                    self._prices.append(parse_price(row.get("usd"), f"{path.name} row {number}"))
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise PriceUnavailable("H1501", f"price file {path} cannot be read: {error}") from error
        if not self._times:
            raise PriceUnavailable("H1501", f"price file {path} has no row", next=["columns: time,usd"])
        if self._times != sorted(self._times):
            raise PriceUnavailable("H1501", f"price file {path} is not sorted by time")

    def fetch(self, now: int) -> int:
        place = bisect.bisect_right(self._times, now + self._shift) - 1
        if place < 0:
            raise PriceUnavailable("H6301", f"{self.name}: the table begins after {now + self._shift}")
        return self._prices[place]


class HttpSource:
    """JSON over HTTP; `path` are keys and list indexes into it, such as `data.0.price`."""

    def __init__(self, url: str, path: str, http: httpx.Client, name: str = "") -> None:
        self.name = name or httpx.URL(url).host
        self._url = url
        self._path = [part for part in path.split(".") if part]
        self._http = http

    def fetch(self, now: int) -> int:
        try:
            content = self._read()
            if nesting(content) > MAX_DEPTH:
                raise PriceUnavailable("H6301", f"{self.name}: an answer nested too deep")
            # numbers stay text until they are exact: a float would round the last digits
            value: Any = json.loads(content, parse_float=str, parse_int=str)
            for part in self._path:
                value = value[int(part)] if isinstance(value, list) else value[part]
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise PriceUnavailable("H6301", f"{self.name}: {type(error).__name__}") from error
        except (ValueError, LookupError, TypeError, RecursionError) as error:
            raise PriceUnavailable("H6301", f"{self.name}: no price at {'.'.join(self._path)}") from error
        return parse_price(value, self.name)

    def _read(self) -> bytes:
        content = bytearray()
        deadline = time.monotonic() + ANSWER_S
        with self._http.stream("GET", self._url) as answer:
            answer.raise_for_status()
            for piece in answer.iter_bytes():
                content += piece
                if len(content) > MAX_ANSWER:
                    raise PriceUnavailable("H6301", f"{self.name}: an answer of more than {MAX_ANSWER} bytes")
                if time.monotonic() > deadline:
                    raise PriceUnavailable("H6301", f"{self.name}: an answer that takes more than {ANSWER_S:g} s")
        return bytes(content)


@dataclass(frozen=True)
class Quote:
    """The median, and what each source said."""

    price: int
    by_source: Mapping[str, int]
    failed: Mapping[str, str]


def median_price(sources: Sequence[PriceSource], now: int) -> Quote:
    """Median (lower of the middle two) of the sources that answer. PriceUnavailable (H6301) if none does."""
    prices: dict[str, int] = {}
    failed: dict[str, str] = {}
    for source in sources:
        try:
            prices[source.name] = source.fetch(now)
        except PriceUnavailable as error:
            failed[source.name] = error.message
            _log.warning("price source %s", error.message)
    if not prices:
        raise PriceUnavailable(
            "H6301",
            "no price source answers",
            why=list(failed.values()) or ["none is configured"],
            next=["check the price sources in the settings: hearth check attester"],
        )
    return Quote(lower_median(list(prices.values())), prices, failed)


def build_sources(specs: Sequence[Mapping[str, Any]], local: bool, http: httpx.Client) -> list[PriceSource]:
    """Sources from settings, such as {"kind": "fixed", "usd": "0.5"}, {"kind": "csv", "path": …, "shift": 0},
    {"kind": "http", "url": …, "path": "data.price"}; optional "name". Raises PriceUnavailable (H1501).

    `local`: what the deployment record says; only there is a fixed price admitted.
    """
    sources: list[PriceSource] = []
    allowed = {"fixed": {"usd"}, "csv": {"path", "shift"}, "http": {"url", "path"}}
    for number, spec in enumerate(specs, start=1):
        kind, where = str(spec.get("kind", "")), f"price source {number}"
        if kind not in allowed:
            raise PriceUnavailable("H1501", f"{where}: kind {kind!r} is none of fixed, csv, http")
        wrong = set(spec) - allowed[kind] - {"kind", "name"}
        missing = allowed[kind] - {"shift"} - set(spec)
        if wrong or missing:
            words = [f"unknown: {', '.join(sorted(wrong))}"] if wrong else []
            words += [f"missing: {', '.join(sorted(missing))}"] if missing else []
            raise PriceUnavailable("H1501", f"{where} ({kind}): {'; '.join(words)}")
        name = str(spec.get("name", "")) or f"{kind}-{number}"
        if kind == "fixed":
            if not local:
                raise PriceUnavailable(
                    "H1501",
                    f"{where}: a fixed price is for local networks",
                    why=["the deployment record does not say that this network is local"],
                    next=["use http sources"],
                )
            sources.append(Fixed(parse_price(spec["usd"], where), name))
        elif kind == "csv":
            sources.append(CsvSource(Path(str(spec["path"])), name, int(spec.get("shift", 0))))
        else:
            sources.append(HttpSource(str(spec["url"]), str(spec["path"]), http, name))
    if len({source.name for source in sources}) != len(sources):
        raise PriceUnavailable("H1501", "two price sources have the same name")
    if not sources:
        raise PriceUnavailable("H1501", "no price source is configured", next=["set attester.prices"])
    return sources


def nesting(body: bytes) -> int:
    """Depth of JSON text, brackets inside strings counted too: asked before a parser recurses into it."""
    depth = deepest = 0
    for byte in body.translate(None, _NO_BRACKETS):
        depth += 1 if byte in b"[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _moment(text: str | None, where: str) -> int:
    try:
        word = (text or "").strip()
        return int(word) if word.isdigit() else int(datetime.fromisoformat(word).replace(tzinfo=UTC).timestamp())
    except ValueError as error:
        raise PriceUnavailable("H1501", f"{where}: {text!r} is neither unix seconds nor a date") from error

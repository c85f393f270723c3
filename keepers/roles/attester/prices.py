"""Where an attester gets the token's price: a list of sources, and the median of those that answer.

Prices are USD a token with 12 decimals. Sources: `fixed` (local networks only), `csv` (a table by time) and `http`
(JSON and a path into it). One source that lies moves the median no further than its neighbours.
"""

from __future__ import annotations

import bisect
import csv
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, DecimalException
from pathlib import Path
from typing import Any, Protocol

import httpx

from keepers.chain.bounded_json import loads
from keepers.chain.masking import mask_url
from keepers.protocol.errors import HearthError
from keepers.protocol.merge import lower_median
from keepers.protocol.units import PRICE_ONE

LIMIT = 1 << 63
MAX_ANSWER = 1 << 20
_KEYS = {"fixed": {"usd"}, "csv": {"path", "shift"}, "http": {"url", "path"}}
_FORMS = {
    "fixed": '{kind = "fixed", usd = "0.5"}',
    "csv": '{kind = "csv", path = "prices.csv", shift = 0}',
    "http": '{kind = "http", url = "https://…", path = "data.price"}',
}
_log = logging.getLogger("hearth.attester.prices")


class PriceUnavailable(HearthError):
    """No source gives a price (H6501), or one is set up wrongly (H1501)."""


class PriceSource(Protocol):
    """One source; `name` for logs and metrics."""

    @property
    def name(self) -> str: ...

    def fetch(self, now: int) -> int:
        """USD a token, 12 decimals, at network time `now`. Raises PriceUnavailable."""
        ...


def parse_price(text: Any) -> int:
    """A price in 12 decimals from text or a JSON number. Raises ValueError, in words, unless 0 < it < 2^63 / 1e12."""
    try:
        usd = Decimal(str(text))
        # compared before it is scaled: an exponent of millions would take seconds to write out
        value = int(usd.scaleb(12)) if 0 < usd < LIMIT // PRICE_ONE + 1 else 0
    except (DecimalException, ValueError) as error:
        raise ValueError(f"{str(text)[:40]!r} is no price") from error
    if isinstance(text, bool) or not 0 < value < LIMIT:
        raise ValueError(f"{str(text)[:40]!r} is no price above 0 and below {LIMIT // PRICE_ONE:,} USD")
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

    `shift` seconds are added to now first, so that a trace's clock can be replayed. Raises H1501 with the row at fault.
    """

    def __init__(self, path: Path, name: str = "csv", shift: int = 0) -> None:
        self.name = name
        self._shift = shift
        self._times: list[int] = []
        self._prices: list[int] = []
        try:
            with path.open(newline="", encoding="utf-8") as file:
                for number, row in enumerate(csv.DictReader(file), start=2):
                    self._add(row, number)
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise PriceUnavailable(
                "H1501", f"price file {path} cannot be read", why=[str(error)], next=["columns: time,usd"]
            ) from error
        except ValueError as error:
            raise PriceUnavailable(
                "H1501", f"price file {path}: {error}", next=["columns: time,usd; time in unix seconds or a date"]
            ) from error
        if not self._times:
            raise PriceUnavailable("H1501", f"price file {path} has no row", next=["columns: time,usd"])
        if self._times != sorted(self._times):
            raise PriceUnavailable("H1501", f"price file {path} is not sorted by time", next=["sort its rows"])

    def _add(self, row: Mapping[str, str | None], number: int) -> None:
        try:
            self._times.append(_moment(row.get("time") or row.get("date")))
            self._prices.append(parse_price(row.get("usd")))
        except ValueError as error:
            raise ValueError(f"row {number}: {error}") from error

    def fetch(self, now: int) -> int:
        place = bisect.bisect_right(self._times, now + self._shift) - 1
        if place < 0:
            raise PriceUnavailable("H6501", f"{self.name}: the table begins after {now + self._shift}")
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
            # numbers stay text until they are exact: a float would round the last digits
            value: Any = loads(self._read(), parse_float=str, parse_int=str)
            for part in self._path:
                value = value[int(part)] if isinstance(value, list) else value[part]
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise PriceUnavailable("H6501", f"{self.name}: {type(error).__name__}") from error
        except (ValueError, LookupError, TypeError) as error:
            raise PriceUnavailable("H6501", f"{self.name}: no price at {'.'.join(self._path)}") from error
        try:
            return parse_price(value)
        except ValueError as error:
            raise PriceUnavailable("H6501", f"{self.name}: {error}") from error

    def _read(self) -> bytes:
        content = bytearray()
        with self._http.stream("GET", self._url) as answer:
            answer.raise_for_status()
            for piece in answer.iter_bytes():
                content += piece
                if len(content) > MAX_ANSWER:
                    raise PriceUnavailable("H6501", f"{self.name}: an answer of more than {MAX_ANSWER} bytes")
        return bytes(content)


@dataclass(frozen=True)
class Quote:
    """The median, and what each source said."""

    price: int
    by_source: Mapping[str, int]
    failed: Mapping[str, str]


def median_price(sources: Sequence[PriceSource], now: int) -> Quote:
    """Median (lower of the middle two) of the sources that answer. PriceUnavailable (H6501) if none does."""
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
            "H6501",
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
    for number, spec in enumerate(specs, start=1):
        kind = str(spec.get("kind", ""))
        name = str(spec.get("name", "")) or f"{kind}-{number}"
        if kind == "fixed" and not local:
            raise PriceUnavailable(
                "H1501",
                f"price source {number}: a fixed price is for local networks",
                why=["the deployment record does not say that this network is local"],
                next=["use http sources"],
            )
        try:
            sources.append(_source(kind, spec, name, http))
        except ValueError as error:
            form = [_FORMS[kind]] if kind in _FORMS else list(_FORMS.values())
            raise PriceUnavailable("H1501", f"price source {number}: {error}", next=form) from error
    if len({source.name for source in sources}) != len(sources):
        raise PriceUnavailable("H1501", "two price sources have the same name", next=["give each a name of its own"])
    if not sources:
        raise PriceUnavailable("H1501", "no price source is configured", next=["set attester.prices"])
    return sources


def _source(kind: str, spec: Mapping[str, Any], name: str, http: httpx.Client) -> PriceSource:
    """One source. Raises ValueError where its table is wrong, PriceUnavailable (H1501) for a wrong file."""
    if kind not in _KEYS:
        raise ValueError(f"kind {kind!r} is none of {', '.join(_KEYS)}")
    wrong = set(spec) - _KEYS[kind] - {"kind", "name"}
    missing = _KEYS[kind] - {"shift"} - set(spec)
    if wrong or missing:
        words = [f"unknown: {', '.join(sorted(wrong))}"] if wrong else []
        words += [f"missing: {', '.join(sorted(missing))}"] if missing else []
        raise ValueError(f"({kind}) {'; '.join(words)}")
    if kind == "fixed":
        return Fixed(parse_price(spec["usd"]), name)
    if kind == "csv":
        shift = spec.get("shift", 0)
        if not isinstance(shift, int) or isinstance(shift, bool):
            raise ValueError(f"shift {shift!r} is no whole number of seconds")
        try:
            path = Path(str(spec["path"])).expanduser()
        except RuntimeError:
            raise ValueError(f"{spec['path']!r} begins with the home folder of a user that does not exist") from None
        return CsvSource(path, name, shift)
    url = str(spec["url"])
    if not url.startswith(("http://", "https://")):
        raise ValueError(f"{mask_url(url)} is no http(s) URL")
    return HttpSource(url, str(spec["path"]), http, name)


def _moment(text: str | None) -> int:
    """Unix seconds of a moment in unix seconds or ISO form, UTC where it names no zone. Raises ValueError, in words."""
    word = (text or "").strip()
    try:
        if word.isdecimal():
            return int(word)
        moment = datetime.fromisoformat(word)
        return int(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp())
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{word[:40]!r} is neither unix seconds nor a date") from error

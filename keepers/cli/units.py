"""What people type and read: prices, durations, GPUs, tokens, times. Exact in, rounded only on the screen."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from fractions import Fraction

from keepers.protocol.errors import HearthError
from keepers.protocol.units import GWEI, WAD, decimal_text

_UNITS = {
    "s": 1,
    "sec": 1,
    "m": 60,
    "min": 60,
    "h": 3_600,
    "hour": 3_600,
    "hours": 3_600,
    "d": 86_400,
    "day": 86_400,
    "days": 86_400,
}
_NUMBER = re.compile(r"\d+(\.\d+)?|\.\d+")
LONGEST = 100  # characters of anything that is typed as a number, a duration or a time


def bad(what: str, text: str, fix: str) -> HearthError:
    """A usage error (H1005, exit 2) about one value."""
    shown = text if len(text) <= LONGEST else f"{text[:20]}…"
    return HearthError("H1005", f"{shown!r} is no {what}", next=(fix,))


def number(text: str, what: str, fix: str) -> Fraction:
    """A plain decimal number above zero."""
    if len(text) > LONGEST or not _NUMBER.fullmatch(text):
        raise bad(what, text, fix)
    value = Fraction(text)
    if value <= 0:
        raise bad(what, text, fix)
    return value


def duration(text: str) -> int:
    """Seconds of `12h`, `90m`, `1d 6h`, `5 h 05 min`, or a bare number of seconds."""
    fix = "write a duration like 12h, 90m, 1d 6h or 300s"
    cleaned = text.strip().lower()
    if len(cleaned) > LONGEST:
        raise bad("duration", text, fix)
    if cleaned.isdecimal():
        seconds = Fraction(int(cleaned))
    else:
        parts = re.findall(r"(\d+(?:\.\d+)?)\s*([a-z]+)", cleaned)
        rest = re.sub(r"(\d+(?:\.\d+)?)\s*([a-z]+)", "", cleaned).strip()
        if not parts or rest or any(unit not in _UNITS for _, unit in parts):
            raise bad("duration", text, fix)
        seconds = sum((Fraction(amount) * _UNITS[unit] for amount, unit in parts), Fraction(0))
    if seconds <= 0 or seconds.denominator != 1 or seconds >= 2**32:
        raise bad("duration of 1 s to 136 years, in whole seconds", text, fix)
    return int(seconds)


def hours(text: str) -> int:
    """Seconds of a term: as `duration`, but a bare number means hours."""
    return duration(f"{text}h" if text.replace(".", "", 1).isdecimal() else text)


def moment(text: str, now: int) -> int:
    """Unix seconds of `2026-12-01`, `2026-12-01 02:00`, `2026-12-01T02:00:00Z` (all UTC), or `30d`: that long ago."""
    cleaned = text.strip()
    try:
        read = datetime.fromisoformat(cleaned)
    except ValueError:
        if not re.match(r"\d+(\.\d+)?\s*[a-z]", cleaned.lower()):
            raise bad(
                "time", text, "write UTC like 2026-12-01 or 2026-12-01T02:00Z, or how long ago: 30d, 12h"
            ) from None
        return max(0, now - duration(cleaned))
    return int((read if read.tzinfo is not None else read.replace(tzinfo=UTC)).timestamp())


def price(text: str) -> Fraction:
    """USD per GPU-hour of `1.80`, `$1.80` or `$1.80/h`."""
    cleaned = re.sub(r"\s*/\s*(gpu-)?h(our)?$", "", text.strip().lower()).removeprefix("$").strip()
    return number(cleaned, "price", "write USD per GPU-hour like 1.80 or $1.80/h; it must be above zero")


def usd_wei(text: str) -> int:
    """Wei of a USD of `12`, `12.5`, `$12.50`. Below one wei is refused."""
    value = number(text.strip().removeprefix("$"), "amount", "write USD like 12.50; the smallest is 1e-18") * WAD
    if value.denominator != 1:
        raise bad("amount in USD: it has more than 18 decimals", text, "write USD like 12.50; the smallest is 1e-18")
    return int(value)


def token_gwei(text: str) -> int:
    """Gwei (1e-9 token) of an amount of tokens; stake is counted in these."""
    value = (
        number(text.strip(), "amount of tokens", "write tokens like 1240 or 0.5; the smallest is 0.000000001") * GWEI
    )
    if value.denominator != 1:
        raise bad("amount of tokens: it has more than 9 decimals", text, "the smallest is 0.000000001")
    return int(value)


def token_wei(text: str) -> int:
    """Wei of an amount of tokens, down to 1e-18."""
    value = number(text.strip(), "amount of tokens", "write tokens like 10000 or 0.5; the smallest is 1e-18") * WAD
    if value.denominator != 1:
        raise bad("amount of tokens: it has more than 18 decimals", text, "the smallest is 0.000000000000000001")
    return int(value)


def gpu(text: str) -> tuple[str, int]:
    """(name, count) of `H100:8` or `RTX-4090`."""
    name, colon, count = text.partition(":")
    if not name.strip() or (colon and not (count.isdecimal() and 0 < int(count) <= 16)):
        raise bad("GPU", text, "write NAME or NAME:COUNT, like RTX-4090:2 (1 to 16 GPUs of one node)")
    return name.strip(), int(count) if colon else 1


def say_duration(seconds: int) -> str:
    """`5 h 05 min`, `2 d 03 h`, `45 s`."""
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3_600:
        return f"{seconds // 60} min {seconds % 60:02d} s"
    if seconds < 86_400:
        return f"{seconds // 3_600} h {seconds // 60 % 60:02d} min"
    return f"{seconds // 86_400} d {seconds // 3_600 % 24:02d} h"


def say_usd(wei: int, places: int = 4) -> str:
    """`$4.3920`, rounded down: nothing is shown that is not there."""
    return f"{'-' if wei < 0 else ''}${decimal_text(abs(wei), places)}"


def say_tokens(wei: int, symbol: str = "HRTH") -> str:
    """`24.0602 HRTH`, rounded down."""
    return f"{decimal_text(wei, 4)} {symbol}"


def say_rate(rate_wei: int) -> str:
    """USD per GPU-hour with three decimals, of wei a GPU-second."""
    return f"{float(Fraction(rate_wei * 3_600, WAD)):.3f}"


def say_time(second: int) -> str:
    """`2026-11-24 14:05:02 UTC`."""
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def say_when(second: int) -> str:
    """The same on the screen of a person, who may want their own time: `HEARTH_TZ=local`. Never for receipts."""
    if os.environ.get("HEARTH_TZ", "").lower() != "local":
        return say_time(second)
    return datetime.fromtimestamp(second, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")


def rfc3339(second: int) -> str:
    """`2026-11-24T14:05:02Z`, for JSON."""
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def short(address: str) -> str:
    """`0x12ab…90ef`."""
    return f"{address[:6]}…{address[-4:]}" if len(address) > 12 else address


def address(text: str) -> str:
    """An address, lower case."""
    if not re.fullmatch(r"0x[0-9a-fA-F]{40}", text.strip()):
        raise bad("address", text, "write 0x and 40 hex digits")
    return text.strip().lower()


def address_number(text: str) -> int:
    """An address as a number."""
    return int(address(text), 16)

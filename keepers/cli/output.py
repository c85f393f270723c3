"""Where words go: data to stdout, everything else to stderr; tables on a terminal, plain aligned text in a pipe."""

from __future__ import annotations

import dataclasses
import enum
import json
import os
import sys
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, TextIO

from keepers.protocol.errors import HearthError

STYLES: dict[str, dict[str, Any]] = {
    "good": {"fg": "green"},
    "late": {"fg": "yellow"},
    "bad": {"fg": "red"},
    "dim": {"dim": True},
}
EXACT = 2**53  # integers above it are strings in JSON: other languages' numbers stop being exact here


def plain(value: Any) -> Any:
    """Any row of the SDK as JSON: bytes as hex, large integers and fractions as strings, enums by name."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, enum.Enum):
        return value.name
    if isinstance(value, bool) or value is None or isinstance(value, (str, float)):
        return value
    if isinstance(value, int):
        return value if abs(value) <= EXACT else str(value)
    if isinstance(value, (bytes, bytearray)):
        return "0x" + bytes(value).hex()
    if isinstance(value, Fraction):
        return str(float(value))
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (Sequence, frozenset, set)):
        return [plain(item) for item in value]
    return str(value)


def document(
    schema: str, data: Any, network: str = "", chain_id: int = 0, block: Mapping[str, Any] | None = None
) -> str:
    """One JSON document: `hearth.NAME/1`, where and when it was read, and the data."""
    body: dict[str, Any] = {"schema": f"hearth.{schema}/1"}
    if network:
        body |= {"network": network, "chain_id": chain_id, "block": dict(block or {})}
    body["data"] = plain(data)
    return json.dumps(body, indent=1, ensure_ascii=False)


def error_text(error: HearthError) -> str:
    """`error[Hxxxx] …` with why, next and more lines."""
    lines = [f"error[{error.code}] {error.message}"]
    for label, texts in (("why", error.why), ("next", error.next)):
        for i, text in enumerate(texts):
            lines.append(f"  {label if i == 0 else '':<5} {text}")
    if error.tx:
        lines.append(f"  tx    {error.tx}")
    lines.append(f"  more  hearth explain {error.code}")
    return "\n".join(lines)


def error_json(error: HearthError) -> str:
    """The same for programs."""
    return json.dumps({"error": error.as_dict()}, ensure_ascii=False)


def wants_color(stream: TextIO, disabled: bool) -> bool:
    """Colours only on a terminal that has them and whose owner did not refuse."""
    return not disabled and stream.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


def table(headers: Sequence[str], rows: Sequence[Sequence[str]], width: int = 100) -> str:
    """Columns side by side; the last columns are dropped where `width` is too small for all of them."""
    columns = [[header, *(row[i] for row in rows)] for i, header in enumerate(headers)]
    widths = [max(len(cell) for cell in column) for column in columns]
    keep = len(headers)
    while keep > 1 and sum(widths[:keep]) + 2 * (keep - 1) > width:
        keep -= 1
    right = [all(_numeric(cell) for cell in column[1:]) and len(column) > 1 for column in columns]
    lines = []
    for row in ([*headers], *rows):
        cells = [row[i].rjust(widths[i]) if right[i] else row[i].ljust(widths[i]) for i in range(keep)]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def _numeric(cell: str) -> bool:
    return bool(cell) and cell.lstrip("$-").replace(",", "").replace(".", "", 1).isdecimal()


def terminal_width() -> int:
    """Columns to fill: the terminal's, at most 100."""
    try:
        return min(100, os.get_terminal_size(sys.stdout.fileno()).columns)
    except (OSError, ValueError):
        return 100

"""The gas table of README.md, written from the committed figures, so that it cannot say anything else.

It stands between two markers; `python -m bench.gas` writes it, `--check` compares it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bench.goals import GAS, SIZE_MOST, SIZE_WHAT

FILE = Path(__file__).resolve().parent.parent / "README.md"
BEGIN = "<!-- figures: written by `make snapshots` -->"
END = "<!-- end of figures -->"


class NoMarkers(ValueError):
    """The page has no place for the table."""


def block(gas: Mapping[str, float], sizes: Mapping[str, object]) -> str:
    """The table between its markers. `gas`: id -> gas; `sizes`: tests/snapshots/size/runtime.json."""
    lines = ["| gas | ours | goal |", "| --- | ---: | ---: |"]
    lines += [_row(goal.what, gas[goal.id], goal.most) for goal in GAS]
    deployed = [int(entry["deployed"]) for entry in sizes.values() if isinstance(entry, dict)]
    lines.append(_row(SIZE_WHAT, max(deployed), SIZE_MOST))
    return "\n".join([BEGIN, *lines, END])


def _row(what: str, value: float, most: float) -> str:
    over = f" (over by {value - most:,})" if value > most else ""
    return f"| {what} | {value:,} | {most:,}{over} |"


def with_block(page: str, table: str) -> str:
    """The page with the table in its place. Raises NoMarkers."""
    head, begin, rest = page.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise NoMarkers(f"the page needs the lines {BEGIN!r} and {END!r}")
    return head + table + tail

"""One row of build/bench.json: a figure, its goal and on which side of it the figure should lie."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

COMMAND = "make bench"

Row = dict[str, Any]


def row(
    id_: str,
    value: float | None,
    unit: str,
    goal: float,
    peer: str | None = None,
    peer_value: float | None = None,
    note: str = "",
    command: str = COMMAND,
    at_least: bool = False,
) -> Row:
    """A row. `at_least`: the goal is a floor (a rate), not a ceiling; `value` None: not measured, `note` says why."""
    return {
        "id": id_, "value": value, "unit": unit, "goal": goal, "bound": ">=" if at_least else "<=",
        "peer": peer, "peer_value": peer_value, "command": command, "note": note,
    }  # fmt: skip


def mark(made: Mapping[str, Any]) -> str:
    """ "ok", "short" (of its goal), or "-" where nothing was measured."""
    value, goal = made["value"], made["goal"]
    if value is None:
        return "-"
    return "ok" if (value >= goal if made["bound"] == ">=" else value <= goal) else "short"


def line(made: Mapping[str, Any]) -> str:
    """A row without a peer, for people."""
    figures = f"{made['value']:>10,} {made['unit']:6} {made['bound']} {made['goal']:>9,}"
    return f"{made['id']:24} {figures}  {mark(made):5}  {made['note']}"

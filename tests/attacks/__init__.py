"""Which attacks the tests show, which tests show them, and how code would look that they succeed against.

`attacks.toml` has a row an attack: its id in the project's list of threats (T…), corpus of cases (C…, D…) or its own
further ones (A…), what is tried, what refuses it, and one or more *naive variants*: a piece of the source that stands
there once, and what somebody would have written who did not think of it. A test is marked `@pytest.mark.attack("T06")`.
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROWS = Path("tests") / "attacks" / "attacks.toml"


@dataclass(frozen=True)
class Variant:
    """Source `file` with `new` in the place of `old`."""

    file: str
    old: str
    new: str


@dataclass(frozen=True)
class Attack:
    """A row. `also`: further ids of the same attack."""

    id: str
    also: tuple[str, ...]
    attack: str
    refused: str
    naive: tuple[Variant, ...]


@dataclass(frozen=True, order=True)
class Marked:
    """A test function that shows an attack; `file` below the root."""

    file: str
    name: str


def load(root: Path = ROOT) -> list[Attack]:
    """The rows, in their order. Raises KeyError or TypeError for a row that is not whole."""
    rows = tomllib.loads((root / ROWS).read_text(encoding="utf-8"))["attack"]
    return [
        Attack(
            row["id"],
            tuple(row.get("also", ())),
            row["attack"],
            row["refused"],
            tuple(Variant(v["file"], v["old"].strip("\n"), v["new"].strip("\n")) for v in row["naive"]),
        )
        for row in rows
    ]


def marked(root: Path = ROOT) -> dict[str, list[Marked]]:
    """Tests by the id that they are marked with, read off the sources: nothing is imported."""
    found: dict[str, list[Marked]] = {}
    for path in sorted((root / "tests").rglob("test_*.py")):
        source = path.read_text(encoding="utf-8")
        if "mark.attack(" not in source:
            continue
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                for attack in _ids(node):
                    found.setdefault(attack, []).append(Marked(str(path.relative_to(root)), node.name))
    return {attack: sorted(tests) for attack, tests in found.items()}


def _ids(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.attack":
            yield from (ast.literal_eval(argument) for argument in decorator.args)

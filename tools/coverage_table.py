"""Prints what the contract tests reached: lines and branches of each contract and module, and what they did not.

Joins the files that `tests/support/coverage.py` leaves in build/test/coverage, one a process, and writes
build/coverage.json: {file: {lines, lines_reached, branches, branches_taken, missing_lines, missing_branches}} and
"total". A line is the first line of a statement; an `if`, an `assert`, an operand of `and` or `or` and a loop have
two branches each.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

Files = Mapping[str, Any]
SUMS = ("lines", "lines_reached", "branches", "branches_taken")


def joined(reports: Iterable[Files]) -> dict[str, Any]:
    """One report of many: reached is what any of them reached, without code what is so in all."""
    whole: dict[str, Any] = {}
    for report in reports:
        for name, file in report.items():
            into = whole.setdefault(
                name, {"lines": {}, "branches": {}, "bare": file["bare"], "straight": file["straight"]}
            )
            for line, reached in file["lines"].items():
                into["lines"][int(line)] = into["lines"].get(int(line), False) or reached
            for place, ways in file["branches"].items():
                known = into["branches"].setdefault(place, {})
                for way, taken in ways.items():
                    known[way] = known.get(way, False) or taken
            into["bare"] = sorted(set(into["bare"]) & set(file["bare"]))
            into["straight"] = sorted(set(into["straight"]) & set(file["straight"]))
    return dict(sorted(whole.items()))


def summary(whole: Files) -> dict[str, Any]:
    """The figures of build/coverage.json. Raises ValueError where the report names no contract."""
    if not whole:
        raise ValueError("the reports name no contract: run `make coverage`, which loads the recorder")
    rows: dict[str, Any] = {}
    for name, file in whole.items():
        ways = [(place, way, taken) for place, of in file["branches"].items() for way, taken in of.items()]
        rows[name] = {
            "lines": len(file["lines"]),
            "lines_reached": sum(file["lines"].values()),
            "branches": len(ways),
            "branches_taken": sum(taken for _, _, taken in ways),
            "missing_lines": sorted(line for line, reached in file["lines"].items() if not reached),
            "missing_branches": [words(place, way) for place, way, taken in sorted(ways, key=_line) if not taken],
            "unmeasured": file["straight"],
        }
    return rows | {"total": {key: sum(row[key] for row in rows.values()) for key in SUMS}}


def _line(item: tuple[str, str, bool]) -> tuple[int, str, str]:
    return int(item[0].split(":")[0]), item[0], item[1]


def words(place: str, way: str) -> str:
    """`318 if: true` of the place "318:4:if:1"; a later operand is numbered."""
    line, _, kind, number = place.split(":")
    return f"{line} {kind}{'' if kind != 'operand' else ' ' + number}: {way}"


def percent(part: int, whole: int) -> str:
    """`97.5 %`, `-` of nothing; 100 only where nothing is missing."""
    return f"{1000 * part // whole / 10:.1f} %" if whole else "-"


def spans(lines: Sequence[int]) -> str:
    """`3, 7-9` of 3, 7, 8, 9."""
    out: list[list[int]] = []
    for line in sorted(lines):
        if out and line == out[-1][1] + 1:
            out[-1][1] = line
        else:
            out.append([line, line])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in out)


def table(figures: Files) -> Iterator[str]:
    """The lines to print."""
    yield f"{'contract':<36} {'lines':>13} {'':>8} {'branches':>13} {'':>8}"
    for name, row in figures.items():
        lines, hit, branches, taken = (row[key] for key in SUMS)
        yield (
            f"{name.removeprefix('contracts/'):<36} {f'{hit} of {lines}':>13} {percent(hit, lines):>8}"
            f" {f'{taken} of {branches}':>13} {percent(taken, branches):>8}"
        )
    for name, row in figures.items():
        if row.get("missing_lines"):
            yield f"not reached  {name}: lines {spans(row['missing_lines'])}"
        if row.get("missing_branches"):
            yield f"never taken  {name}: {', '.join(row['missing_branches'])}"
        if row.get("unmeasured"):
            yield f"no jump      {name}: {', '.join(row['unmeasured'])} (the compiler folded the condition)"


def main() -> None:
    """`python tools/coverage_table.py build/test/coverage build/coverage.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("reports", type=Path, help="folder of the recorders' files")
    parser.add_argument("out", type=Path, help="where the figures go")
    given = parser.parse_args()
    texts = [path.read_text(encoding="utf-8") for path in sorted(given.reports.glob("*.json"))]
    figures = summary(joined(json.loads(text) for text in texts))
    given.out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    for line in table(figures):
        print(line)


if __name__ == "__main__":
    main()

"""Writes docs/attacks.md: every attack that the tests show, what refuses it, and the tests.

The page is committed; a difference is a deliberate commit. `--check` writes nothing and exits 1 where it differs.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.attacks import Marked, load, marked
from tools.export_abi import run

PAGE = Path("docs") / "attacks.md"

HEAD = """# Attacks on attestation

Generated from `tests/attacks/attacks.toml` and the marks of the tests by `tools/export_attacks.py`;
`make check-snapshots` compares. T…, C… and D… are the threats and cases of the project's verification plan that
concern heartbeats, signatures, quorum, roots, proofs, check-in and the seats; A… are further ones, thought of from
this design. Of the plan T55 (a shared secret compared) and T61 (keys in logs) are no matter of attestation alone.

Each row has one or more *naive variants*: the code of somebody who did not think of the attack. `make attacks` puts
each in the place of the present code, in a copy of the tree, and runs the row's tests: a test must go red on every
variant, and every test on one of them. `make attacks ONLY="A01 T06"` runs these rows.
"""


def render() -> str:
    """The page."""
    tests = marked()
    lines = [HEAD, "| id | attack | what refuses it | tests |", "| --- | --- | --- | --- |"]
    for row in load():
        names = " ".join((row.id, *row.also))
        lines.append(f"| {names} | {row.attack} | {row.refused} | {_tests(tests.get(row.id, []))} |")
    return "\n".join(lines) + "\n"


def _tests(found: list[Marked]) -> str:
    by_file: dict[str, list[str]] = {}
    for test in found:
        by_file.setdefault(test.file, []).append(test.name.removeprefix("test_"))
    return "; ".join(f"`{file.removeprefix('tests/')}`: {', '.join(names)}" for file, names in by_file.items())


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    args = parser.parse_args(argv)
    return run({PAGE: render()}, args.check, "attacks")


if __name__ == "__main__":
    sys.exit(main())

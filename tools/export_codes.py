"""Writes docs/errors.md: every error code with its meaning, its remedy, its exit code and whether repeating may help.

The page is committed; a difference is a deliberate commit. `--check` writes nothing and exits 1 where it differs.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from keepers.cli.explain import EXIT_CODES
from keepers.protocol.errors import CODES
from tools.export_abi import run

PAGE = Path("docs") / "errors.md"
PARTS = {
    "1": "Configuration and keys",
    "2": "Chain and outbox",
    "3": "Hardware",
    "4": "Market",
    "5": "Leases and money",
    "6": "Attestation",
    "7": "Deployment",
    "9": "Defects",
}

HEAD = """# Errors and exit codes

Generated from `keepers/protocol/errors.py` by `tools/export_codes.py`; `make check-snapshots` compares.

`hearth explain CODE` prints a row. *again* = repeating the same call later may succeed (`retryable` with `--json`).
H21xx to H28xx are the reasons with which the contracts refuse a call, one code a revert string
(`keepers/protocol/reverts.py`): exit code 6 where a guard refuses (paused, stale or worse price), else 1.
The H61xx are the `code` of the attesters' HTTP answers (problem+json) as well.
"""


def render() -> str:
    """The page."""
    lines = [HEAD, "## Exit codes\n", "| exit | meaning |", "| --- | --- |"]
    lines += [f"| {number} | {meaning} |" for number, meaning in EXIT_CODES.items()]
    for part, title in PARTS.items():
        lines += [
            "",
            f"## {title}",
            "",
            "| code | meaning | what to do | exit | again |",
            "| --- | --- | --- | --- | --- |",
        ]
        for code, row in CODES.items():
            if code[1] == part:
                again = "yes" if row.retryable else ""
                lines.append(f"| {code} | {row.meaning} | {row.remedy} | {row.exit_code} | {again} |")
    return "\n".join(lines) + "\n"


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    args = parser.parse_args(argv)
    return run({PAGE: render()}, args.check, "codes")


if __name__ == "__main__":
    sys.exit(main())

"""The committed gas figures: `python -m bench.gas` writes tests/snapshots/gas/gas.json and the table of README.md,
`--check` compares both, `--readme` only writes the table from the committed figures (nothing is measured).

Gas is exact: two runs give the same figure in every row, so any difference is a change of the contracts. A check lists
old → new and exits 1; accept with `make snapshots`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path

from bench import readme
from bench.goals import GAS
from bench.rows import alone

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / "tests" / "snapshots" / "gas" / "gas.json"
SIZES = ROOT / "tests" / "snapshots" / "size" / "runtime.json"


def measure() -> dict[str, float]:
    """gasUsed by id, on a chain of our own."""
    found = {str(r["action"]): r["gas"] for r in alone()}
    return {id_: found[id_] for id_ in sorted(goal.id for goal in GAS)}


def committed() -> dict[str, float]:
    """gasUsed by id as committed; empty where there is none yet."""
    return dict(json.loads(FILE.read_text())) if FILE.is_file() else {}


def page(gas: Mapping[str, float]) -> str:
    """README.md as it should read."""
    table = readme.block(gas, json.loads(SIZES.read_text()))
    return readme.with_block(readme.FILE.read_text(encoding="utf-8"), table)


def write_page(gas: Mapping[str, float]) -> None:
    """Bring README.md up to the figures."""
    readme.FILE.write_text(page(gas), encoding="utf-8")
    print(f"wrote the table of {readme.FILE.name}")


def main() -> int:
    """Writes or checks; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.gas", description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare with the committed file, write nothing")
    parser.add_argument("--readme", action="store_true", help="only the table of README.md, from the committed file")
    options = parser.parse_args()
    if options.readme:
        write_page(committed())
        return 0
    now = measure()
    if not options.check:
        FILE.parent.mkdir(parents=True, exist_ok=True)
        FILE.write_text(json.dumps(now, indent=1) + "\n")
        print(f"wrote {FILE.relative_to(ROOT)}")
        write_page(now)
        return 0
    old = committed()
    changed = [id_ for id_ in sorted({*old, *now}) if old.get(id_) != now.get(id_)]
    for id_ in changed:
        print(f"gas        {id_}: {old.get(id_, 0):,} -> {now.get(id_, 0):,}")
    stale = page(now) != readme.FILE.read_text(encoding="utf-8")
    if stale:
        print(f"gas        the table of {readme.FILE.name} says something else")
    fix = "; accept with `make snapshots`" if changed or stale else ""
    print(f"gas        {len(now)} figures, {len(changed)} changed{fix}")
    return 1 if changed or stale else 0


if __name__ == "__main__":
    sys.exit(main())

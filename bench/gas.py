"""The committed gas figures: `python -m bench.gas` writes tests/snapshots/gas/gas.json, `--check` compares.

Gas is exact: two runs give the same figure in every row, so any difference is a change of the contracts. A check lists
old → new and exits 1; accept with `make snapshots`.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from bench.rows import GAS, alone

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / "tests" / "snapshots" / "gas" / "gas.json"


def measure() -> dict[str, int]:
    """gasUsed by id, on a chain of our own."""
    found = {str(r["action"]): int(r["gas"]) for r in alone()}
    return {id_: found[id_] for id_ in sorted(GAS)}


def main() -> int:
    """Writes or checks; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.gas", description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare with the committed file, write nothing")
    options = parser.parse_args()
    now = measure()
    if not options.check:
        FILE.parent.mkdir(parents=True, exist_ok=True)
        FILE.write_text(json.dumps(now, indent=1) + "\n")
        print(f"wrote {FILE.relative_to(ROOT)}")
        return 0
    old: dict[str, int] = json.loads(FILE.read_text()) if FILE.is_file() else {}
    changed = [id_ for id_ in sorted({*old, *now}) if old.get(id_) != now.get(id_)]
    for id_ in changed:
        print(f"gas        {id_}: {old.get(id_, 0):,} -> {now.get(id_, 0):,}")
    print(
        f"gas        {len(now)} figures, {len(changed)} changed" + ("; accept with `make snapshots`" if changed else "")
    )
    return 1 if changed else 0


if __name__ == "__main__":
    sys.exit(main())

"""Writes the ABI of every deployable to keepers/chain/abi (read by keepers at run time) and tests/snapshots/abi.

Both are committed; a difference is a deliberate commit. `--check` writes nothing and exits 1 where a file differs.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tools.compile import ROOT, CompileError, build

FOLDERS = (Path("keepers") / "chain" / "abi", Path("tests") / "snapshots" / "abi")


def render(abi: list[dict[str, Any]]) -> str:
    """An ABI as JSON, one entry a line: small files whose differences can be read."""
    return "[\n" + ",\n".join("  " + json.dumps(entry) for entry in abi) + "\n]\n"


def files(root: Path = ROOT) -> dict[Path, str]:
    """Path below the root -> text, of every file that should stand."""
    return {
        folder / f"{name}.json": render(artifact.abi)
        for name, artifact in build(root=root).items()
        for folder in FOLDERS
    }


def differences(wanted: dict[Path, str], root: Path) -> list[str]:
    """One line a file that is missing, differs, or belongs to no contract."""
    rows = []
    for path, text in wanted.items():
        try:
            same = (root / path).read_text(encoding="utf-8") == text
        except FileNotFoundError:
            rows.append(f"missing  {path}")
            continue
        if not same:
            rows.append(f"differs  {path}")
    for folder in {path.parent for path in wanted}:
        stale = {p.relative_to(root) for p in (root / folder).glob("*.json")} - set(wanted)
        rows += [f"stale    {path}" for path in sorted(stale)]
    return sorted(rows)


def write(wanted: dict[Path, str], root: Path) -> int:
    """Writes what differs, removes what is stale; the number of files touched."""
    touched = 0
    for row in differences(wanted, root):
        path = Path(row.split(maxsplit=1)[1])
        if row.startswith("stale"):
            (root / path).unlink()
        else:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(wanted[path], encoding="utf-8")
        touched += 1
    return touched


def run(wanted: dict[Path, str], check: bool, title: str, root: Path = ROOT) -> int:
    """Check or write, with one line of result; the exit code."""
    if not check:
        print(f"{title}  {len(wanted)} files, {write(wanted, root)} changed")
        return 0
    rows = differences(wanted, root)
    for row in rows:
        print(row)
    print(f"{title}  {len(wanted)} files, {len(rows)} differ" + ("; make snapshots writes them" if rows else ""))
    return 1 if rows else 0


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    args = parser.parse_args(argv)
    try:
        return run(files(), args.check, "abi")
    except CompileError as error:
        print(f"error  {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())

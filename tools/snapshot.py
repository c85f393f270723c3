"""Writes what a contract must not change unnoticed: storage layout, immutables, size of the runtime.

Files under tests/snapshots/{layout,size}; the ABI has its own tool. `--check` writes nothing and exits 1 where a file
differs or a contract is larger than the goal of the bench.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.goals import SIZE_MOST
from tools.compile import CODE_LIMIT, ROOT, Artifact, CompileError, build
from tools.export_abi import run

FOLDER = Path("tests") / "snapshots"


def layout(artifact: Artifact) -> str:
    """Storage and immutables, a line a variable: position, width, name, type."""
    rows = {
        "storage": [[slot, words, name, kind] for name, slot, words, kind in artifact.storage],
        "immutables": [[offset, length, name, kind] for name, offset, length, kind in artifact.immutables],
    }
    body = ",\n".join(
        f' "{part}": [\n' + ",\n".join("  " + json.dumps(row) for row in lines) + "\n ]" for part, lines in rows.items()
    )
    return "{\n" + body + "\n}\n"


def sizes(artifacts: dict[str, Artifact]) -> str:
    """Bytes on chain and of init code by contract, and the compiler that gave them."""
    rows = [
        f' "{name}": {json.dumps({"deployed": a.deployed_size, "init": len(a.code_bytes)})}'
        for name, a in sorted(artifacts.items())
    ]
    first = next(iter(artifacts.values()))
    head = f' "compiler": {json.dumps(f"{first.compiler}, -O {first.optimize}, {first.evm_version}")}'
    return "{\n" + ",\n".join([head, *rows]) + "\n}\n"


def files(artifacts: dict[str, Artifact]) -> dict[Path, str]:
    """Path below the root -> text, of every file that should stand."""
    wanted = {FOLDER / "layout" / f"{name}.json": layout(a) for name, a in artifacts.items()}
    wanted[FOLDER / "size" / "runtime.json"] = sizes(artifacts)
    return wanted


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    args = parser.parse_args(argv)
    try:
        artifacts = build()
    except CompileError as error:
        print(f"error  {error}", file=sys.stderr)
        return 1
    if not artifacts:
        print("snapshots  no contract yet")
        return 0
    code = run(files(artifacts), args.check, "snapshots", ROOT)
    for name, artifact in artifacts.items():
        if artifact.deployed_size > SIZE_MOST:
            over = "limit of the chain" if artifact.deployed_size > CODE_LIMIT else "goal"
            print(f"size  {name}: {artifact.deployed_size:,} bytes, over the {over}")
            code = 1
    return code


if __name__ == "__main__":
    sys.exit(main())

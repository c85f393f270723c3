"""Other projects' gas on the same work, in the same run, where the peers' harness lies beside this repository.

It is looked for in `HEARTH_BENCH_PEERS`, then in `../shared/bench`. It is copied to build/peers first, because it
installs its packages beside itself; nothing of it enters the repository.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SUITES = "streaming,staking,oracle,merkle"


def find() -> Path | None:
    """Folder of the harness, or None."""
    for place in (os.environ.get("HEARTH_BENCH_PEERS", ""), str(ROOT.parent / "shared" / "bench")):
        if place and (Path(place) / "run.py").is_file():
            return Path(place)
    return None


def measure(harness: Path) -> list[dict[str, Any]]:
    """All rows of one run, ours and theirs. Raises SystemExit with the last lines of the log where it fails."""
    work = ROOT / "build" / "peers"
    work.mkdir(parents=True, exist_ok=True)
    for item in harness.iterdir():
        target = work / item.name
        if item.is_dir():
            shutil.copytree(item, target, dirs_exist_ok=True, copy_function=shutil.copyfile)
        else:
            shutil.copyfile(item, target)
    if not (work / "node_modules" / "solady").is_dir():
        print("bench      installing the peers' packages", file=sys.stderr)
        subprocess.run(["npm", "ci", "--silent"], cwd=work, check=True)
    out = work / "results.json"
    command = [
        sys.executable,
        "run.py",
        "--suites",
        SUITES,
        "--ours",
        str(ROOT / "bench" / "ours.py"),
        "--out",
        str(out),
    ]
    done = subprocess.run(command, cwd=work, capture_output=True, text=True, check=False)
    if not out.is_file():
        raise SystemExit(f"bench: the peers' harness failed:\n{done.stderr[-2000:]}")
    result = json.loads(out.read_text())
    for failure in result["failures"]:
        print(f"bench      a suite did not run: {failure['suite']}: {failure['error'][:200]}", file=sys.stderr)
    return list(result["rows"])

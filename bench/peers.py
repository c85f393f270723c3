"""Other projects' gas on the same work, in the same run, where the peers' harness lies beside this repository.

It is looked for in `HEARTH_BENCH_PEERS`, then in `../shared/bench`. It is copied to build/peers first, because it
installs its packages beside itself; nothing of it enters the repository. It runs on this environment's Python, which
has our packages; the one that it needs besides (a peer's bytecode) is unpacked into build/peers/site.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / "build" / "peers"
SUITES = "streaming,staking,oracle"
INSTALLED = ("node_modules", "site", ".venv", "build", "__pycache__")  # made by a run, never copied
TAIL = 1_500  # characters of a log that a message quotes

Run = Callable[[Sequence[str], dict[str, str]], "subprocess.CompletedProcess[str]"]


class PeersUnavailable(Exception):
    """The harness could not be installed or run; the text says why and what to do."""


def find() -> Path | None:
    """Folder of the harness, or None."""
    for place in (os.environ.get("HEARTH_BENCH_PEERS", ""), str(ROOT.parent / "shared" / "bench")):
        if place and (Path(place) / "run.py").is_file():
            return Path(place)
    return None


def copy(harness: Path, work: Path) -> None:
    """The harness's own files to `work`, writable whatever they are where they lie; what a run made stays."""
    for folder, folders, files in os.walk(harness):
        folders[:] = sorted(set(folders) - set(INSTALLED))
        target = work / Path(folder).relative_to(harness)
        target.mkdir(parents=True, exist_ok=True)
        for name in files:
            shutil.copyfile(Path(folder) / name, target / name)


def install(work: Path, run: Run) -> None:
    """The peers' packages into `work`, once for each lock. Raises PeersUnavailable."""
    locks = [work / name for name in ("package-lock.json", "requirements-nodeps.txt")]
    wanted = hashlib.sha256(b"".join(lock.read_bytes() for lock in locks if lock.is_file())).hexdigest()
    mark = work / "installed"
    if mark.is_file() and mark.read_text() == wanted:
        return
    commands = [["npm", "ci", "--silent", "--no-audit", "--no-fund"]]
    if locks[1].is_file():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        commands.append([*pip, "--upgrade", "--target", str(work / "site"), "-r", locks[1].name])
    say("installing the peers' packages, once")
    for command in commands:
        try:
            done = run(command, dict(os.environ))
        except OSError as error:
            raise PeersUnavailable(f"{command[0]} does not start: {error.strerror}") from None
        if done.returncode:
            said = (done.stderr or done.stdout or "nothing was said").strip()
            raise PeersUnavailable(f"`{' '.join(command[:3])}` failed: {said[-TAIL:]}")
    mark.write_text(wanted)


def measure(harness: Path, work: Path = WORK, run: Run | None = None) -> list[dict[str, Any]]:
    """All rows of one run, ours and theirs. Raises PeersUnavailable where the harness cannot be installed or run; a
    suite that failed is told, and its rows are missing."""
    run = run or (lambda command, env: subprocess.run(command, cwd=work, env=env, capture_output=True, text=True))
    copy(harness, work)
    install(work, run)
    out = work / "results.json"
    out.unlink(missing_ok=True)
    paths = [str(ROOT), str(work / "site"), os.environ.get("PYTHONPATH", "")]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in paths if path)}
    ours = str(ROOT / "bench" / "ours.py")
    say(f"the peers' suites ({SUITES.replace(',', ', ')}) and ours on one chain: two minutes and more")
    done = run([sys.executable, "run.py", "--suites", SUITES, "--ours", ours, "--out", str(out)], env)
    if not out.is_file():
        raise PeersUnavailable(f"the harness gave no result: {done.stderr.strip()[-TAIL:]}")
    result = json.loads(out.read_text())
    for failure in result["failures"]:
        say(f"a suite did not run: {failure['suite']}: {failure['error'][:200]}")
    return list(result["rows"])


def say(text: str) -> None:
    """A line beside the table."""
    print(f"bench      {text}", file=sys.stderr, flush=True)

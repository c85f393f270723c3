"""Runs the tests of an attack on its naive variants, in a copy of the tree: they must go red.

    python -m tests.attacks.naive --only T06 A01      the attacks named; none: all
    make attacks                                      all, two at a time; about an hour of one core in all

`killed`: a test failed on every variant, and every marked test failed on one. `survived` names the variants or tests
for which that is not so. `broken`: the variant does not compile, or a test ends with an error that is no failure.
Exit status 1 unless all are killed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import Queue

from tests.attacks import ROOT, Attack, Marked, Variant, load, marked

LIMIT_S = 900  # one variant


@dataclass
class Outcome:
    """What became of an attack: how many of its tests and variants, and what is wrong with them, in words."""

    attack: Attack
    tests: int
    seconds: float = 0.0
    survived: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    @property
    def word(self) -> str:
        return "broken" if self.broken else "survived" if self.survived else "killed"


def copy_tree(target: Path) -> Path:
    """The working tree without what git ignores, with the compiled contracts."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, check=True
    ).stdout
    for name in listed.decode().split("\0"):
        if name and (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    if (ROOT / "build").is_dir():
        shutil.copytree(ROOT / "build", target / "build", dirs_exist_ok=True)
    return target


@contextmanager
def applied(tree: Path, variant: Variant) -> Iterator[None]:
    """The variant in the place of what stands in the tree, for a while."""
    path = tree / variant.file
    before = path.read_text(encoding="utf-8")
    if before.count(variant.old) != 1:
        raise ValueError(f"{variant.file} has the old text {before.count(variant.old)} times, not once")
    path.write_text(before.replace(variant.old, variant.new), encoding="utf-8")
    try:
        yield
    finally:
        path.write_text(before, encoding="utf-8")


def run_tests(tree: Path, tests: Sequence[Marked]) -> tuple[set[Marked], list[str]]:
    """Tests of which at least one case failed, and what ended otherwise than green or red."""
    report = tree / "attack.xml"
    report.unlink(missing_ok=True)
    names = [f"{test.file}::{test.name}" for test in tests]
    command = [sys.executable, "-m", "pytest", "-p", "no:ape_test", "-q", "--tb=line", f"--junitxml={report}", *names]
    if not any(test.file.startswith("tests/contracts") for test in tests):
        command += ["-p", "no:boa_test"]  # two of the three seconds that pytest needs to start
    # no bytecode is kept: it is told apart by second and size, and a variant may have both in common with the source
    env = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=tree, env=env, capture_output=True, text=True, timeout=LIMIT_S)
    if not report.is_file():
        return set(), [done.stdout[-400:] + done.stderr[-400:]]
    red, odd = set(), []
    for case in ET.parse(report).getroot().iter("testcase"):  # noqa: S314 (we wrote it)
        test = Marked(case.get("classname", "").replace(".", "/") + ".py", case.get("name", "").split("[")[0])
        if case.find("failure") is not None:
            red.add(test)
        elif (error := case.find("error")) is not None:
            odd.append(f"{test.name}: {(error.get('message') or '')[:200]}")
    return red, odd


def judge(tree: Path, attack: Attack, tests: Sequence[Marked]) -> Outcome:
    """Every variant of an attack, one after the other."""
    begun, outcome, red = time.monotonic(), Outcome(attack, len(tests)), set()
    for number, variant in enumerate(attack.naive, 1):
        try:
            with applied(tree, variant):
                failed, odd = run_tests(tree, tests)
        except (ValueError, subprocess.TimeoutExpired) as error:
            outcome.broken.append(f"variant {number}: {error}")
            continue
        red |= failed
        if odd and not failed:
            outcome.broken.append(f"variant {number} of {variant.file}: {odd[0]}")
        elif not failed:
            outcome.survived.append(f"variant {number} of {variant.file}")
    outcome.survived += [f"{test.file}::{test.name} is green on every variant" for test in tests if test not in red]
    outcome.seconds = time.monotonic() - begun
    return outcome


def judge_all(chosen: Sequence[Attack], jobs: int) -> Iterator[Outcome]:
    """Outcomes in the order of the rows; each worker has a tree of its own."""
    tests = marked()
    with tempfile.TemporaryDirectory(prefix="hearth-attacks-") as folder, ThreadPoolExecutor(jobs) as pool:
        trees: Queue[Path] = Queue()
        for number in range(jobs):
            trees.put(copy_tree(Path(folder) / str(number)))

        def one(attack: Attack) -> Outcome:
            tree = trees.get()
            try:
                return judge(tree, attack, tests.get(attack.id, []))
            finally:
                trees.put(tree)

        yield from pool.map(one, chosen)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="+", metavar="ID", help="these attacks (all)")
    parser.add_argument("--jobs", type=int, default=1, help="trees at a time (1)")
    args = parser.parse_args(argv)
    rows = load()
    unknown = set(args.only or ()) - {name for row in rows for name in (row.id, *row.also)}
    if unknown:
        parser.error(f"no attack called {', '.join(sorted(unknown))}")
    chosen = [row for row in rows if not args.only or {row.id, *row.also} & set(args.only)]
    counts = {"killed": 0, "survived": 0, "broken": 0}
    for outcome in judge_all(chosen, max(1, args.jobs)):
        counts[outcome.word] += 1
        row = outcome.attack
        line = f"{row.id:<5} {outcome.word:<9} {outcome.tests:>2} tests {len(row.naive):>2} variants"
        print(f"{line} {outcome.seconds:>5.0f} s  {row.attack}", flush=True)
        for words in outcome.broken + outcome.survived:
            print(f"      {words}", flush=True)
    print(", ".join(f"{number} {word}" for word, number in counts.items()))
    return 0 if counts["killed"] == len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main())

"""`make bench`: ours beside goals and peers, in one run; prints a table and writes build/bench.json.

    python -m bench.rows [--no-peers] [--no-replay]

A row of bench.json: id, value, unit, goal, bound ("<=" or ">=": the side of the goal on which the value should lie),
peer, peer_value, command, note. Gas is exact and repeats; seconds and rates are those of this machine. What could not
be measured has value null and a note that says why.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench import challenge, escape, ingest, ours, peers, rebuild
from bench.chain import Chain
from bench.goals import GAS, REPLAY_ID, REPLAY_MOST, SIZE_ID, SIZE_MOST, Goal
from bench.row import Row, mark, row
from tools.compile import build as compiled

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "build" / "bench.json"
NO_PEERS = "peers not measured: their harness is not here (set HEARTH_BENCH_PEERS to its folder)"
NO_DATA = "not measured: the traces are not here (set HEARTH_DATA to the folder of nodes.csv)"


def alone() -> list[Row]:
    """Our rows on a chain of our own."""
    chain = Chain()
    try:
        for suite in ours.SUITES.values():
            before = chain.rpc("evm_snapshot")
            suite(chain)
            ours.rewind(chain, before)
        return chain.rows
    finally:
        chain.stop()


def beside_peers(harness: Path | None) -> tuple[list[Row], str]:
    """(rows of ours, and of the peers where they could be measured; why they were not, or nothing)."""
    if harness is None:
        return alone(), NO_PEERS
    try:
        return peers.measure(harness), ""
    except peers.PeersUnavailable as error:
        return alone(), f"peers not measured: {error}"


def gas_rows(measured: Sequence[Row]) -> list[Row]:
    """Our gas rows with their goals and peers. Raises SystemExit where one was not measured."""
    found = {r["action"]: r for r in measured if r["peer"] == "ours"}
    missing = [goal.id for goal in GAS if goal.id not in found]
    if missing:
        raise SystemExit(f"bench: not measured: {', '.join(missing)}; the run above says why")
    out = []
    for goal in GAS:
        peer = cheapest(measured, goal)
        name = f"{peer['peer']} {peer['version']}: {peer['action']}" if peer else None
        mine = found[goal.id]
        out.append(
            row(goal.id, mine["gas"], "gas", goal.most, name, int(peer["gas"]) if peer else None, mine["conditions"])
        )
    return out


def cheapest(measured: Sequence[Row], goal: Goal) -> Row | None:
    """The peer that does a goal's work for the least gas. Probes ("limit") are no peers: they have no roles, no pause
    and no fees."""
    same = [
        r
        for r in measured
        if (r["suite"], r["action"]) == goal.peer and r["peer"] != "ours" and not r["peer"].startswith("limit")
    ]
    return min(same, key=lambda r: int(r["gas"])) if same else None


def size_row() -> Row:
    """The largest deployable, bytes on chain (immutables included)."""
    sizes = {a.name: a.deployed_size for a in compiled().values()}
    largest = max(sizes, key=lambda n: sizes[n])
    return row(SIZE_ID, sizes[largest], "bytes", SIZE_MOST, note=largest)


def data_folder() -> Path | None:
    """Folder of the real traces, or None."""
    for place in (os.environ.get("HEARTH_DATA", ""), str(ROOT.parent / "shared" / "data")):
        if place and (Path(place) / "nodes.csv").is_file():
            return Path(place)
    return None


def replay_row(data: Path | None, leave_out: bool = False) -> Row:
    """The 50-node day with outages: seconds from the start of the command to its end. A replay that fails, as one whose
    bill is off does, has no value."""
    if data is None or leave_out:
        return row(REPLAY_ID, None, "s", REPLAY_MOST, note="left out by --no-replay" if leave_out else NO_DATA)
    options = (
        f"--nodes {data}/nodes.csv --jobs {data}/jobs_openb.csv --outages {data}/availability.csv.gz"
        " --node-limit 50 --from-day 140 --days 1"
    )
    shown = f"hearth replay {options}".replace(f"{data}/", "")
    peers.say("the replay of a day: five minutes on two idle cores")
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [sys.executable, "-m", "keepers.cli.main", "replay", *options.split(), "--report", str(report)]
        began, cpu = time.monotonic(), _children()
        done = subprocess.run(command, check=False, stdout=subprocess.DEVNULL)
        seconds, cpu = round(time.monotonic() - began, 1), _children() - cpu
        if done.returncode or not report.is_file():
            note = f"failed with exit status {done.returncode} after {seconds} s"
            return row(REPLAY_ID, None, "s", REPLAY_MOST, note=note, command=shown)
        found = json.loads(report.read_text())
    note = (
        f"{found['leases']} leases, {found['reports']} reports, difference {found['difference_wei']} wei;"
        f" {cpu:.0f} s of processor time"
    )
    return row(REPLAY_ID, seconds, "s", REPLAY_MOST, note=note, command=shown)


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def table(rows: Sequence[Row]) -> str:
    """What a person reads."""
    lines = [f"{'id':28} {'ours':>10}    {'goal':>10}       {'peer':>9}  ratio  note"]
    for r in rows:
        value, peer = r["value"], r["peer_value"]
        ours_ = "-" if value is None else f"{value:,}"
        theirs = f"{peer:,}" if peer else ""
        ratio = f"{value / peer:5.2f}" if peer and value else ""
        note = r["note"] if not r["peer"] else f"{r['note']} (peer: {r['peer']})"
        goal = f"{r['bound']} {r['goal']:>10,}"
        lines.append(f"{r['id']:28} {ours_:>10} {goal} {mark(r):5} {theirs:>9}  {ratio:5}  {note}".rstrip())
    return "\n".join(lines)


def main() -> int:
    """Measures, prints, writes build/bench.json. Exits 0 also where a goal is short (a measure is no test), 1 where
    something could not be measured that should have been."""
    parser = argparse.ArgumentParser(prog="python -m bench.rows", description=__doc__.splitlines()[0])
    parser.add_argument("--no-peers", action="store_true", help="only our own contracts")
    parser.add_argument("--no-replay", action="store_true", help="leave out the replay of a day")
    parser.add_argument("--no-ingest", action="store_true", help="leave out the heartbeats")
    parser.add_argument("--no-rebuild", action="store_true", help="leave out the rebuilding of a month")
    parser.add_argument("--no-challenge", action="store_true", help="leave out the challenge's checks and answers")
    options = parser.parse_args()
    measured, why = (alone(), "") if options.no_peers else beside_peers(peers.find())
    data = data_folder()
    rebuilt = [] if options.no_rebuild else rebuild.rows()
    taken = [] if options.no_ingest else ingest.rows()
    judged = [] if options.no_challenge else [*challenge.rows(), *escape.rows()]
    rows = [*gas_rows(measured), size_row(), *rebuilt, *taken, *judged, replay_row(data, options.no_replay)]
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(rows, indent=1) + "\n")
    print(table(rows))
    if why:
        print(f"note       {why}")
    print(f"wrote {OUT.relative_to(ROOT)}")
    failed = data is not None and not options.no_replay and rows[-1]["value"] is None
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

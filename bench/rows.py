"""`make bench`: ours beside goals and peers, in one run; prints a table and writes build/bench.json.

    python -m bench.rows [--no-peers] [--no-replay]

A row of bench.json: id, value, unit, goal, peer, peer_value, command, note. Gas is exact and repeats; the replay's
seconds are those of this machine.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench import ours, peers, rebuild
from bench.chain import Chain
from tools.compile import build as compiled

ROOT = Path(__file__).resolve().parent.parent
COMMAND = "make bench"

# id -> goal, and the peer's row in the harness (suite, action, peer) that does the most similar work
GAS: dict[str, tuple[int, tuple[str, str, str] | None]] = {
    "gas.lease.take": (147_000, ("streaming", "open (known provider)", "Sablier Flow")),
    "gas.lease.settle": (68_000, ("streaming", "claim (later)", "Sablier Flow")),
    "gas.lease.settle_bounty": (73_000, ("streaming", "claim (later)", "Sablier Flow")),
    "gas.lease.settle_anchor": (88_000, ("streaming", "claim (first, provider balance 0)", "Sablier Flow")),
    "gas.lease.settle_32_near": (20_000, None),
    "gas.lease.settle_32_far": (37_000, None),
    "gas.lease.stop": (56_000, ("streaming", "stop only (refund to tenant)", "ApePay")),
    "gas.lease.finish": (86_000, ("streaming", "close (settle + refund)", "Sablier Flow")),
    "gas.lease.top_up": (47_000, ("streaming", "top-up", "Sablier Flow")),
    "gas.lease.pay": (70_000, ("streaming", "top-up", "ApePay")),
    "gas.credits.buy": (64_000, None),
    "gas.credits.refund": (61_000, None),
    "gas.credits.redeem": (76_000, ("merkle", "claim depth 17", "Uniswap")),
    "gas.credits.redeem_next": (10_000, None),
    "gas.report.1k_k3": (77_000, ("oracle", "report k=5", "Chainlink OCR2Base")),
    "gas.node.register": (165_000, ("staking", "register+stake node operator", "The Graph")),
}
MAX_RUNTIME = 22_528
REPLAY_SECONDS = 600


def alone() -> list[dict[str, Any]]:
    """Our rows on a chain of our own."""
    chain = Chain()
    try:
        for suite in ours.SUITES.values():
            before = chain.rpc("evm_snapshot")
            suite(chain)
            chain.rpc("evm_revert", before)
        return chain.rows
    finally:
        chain.stop()


def row(
    id_: str, value: float, unit: str, goal: float, peer: str = "", peer_value: float | None = None, note: str = "",
    command: str = COMMAND,
) -> dict[str, Any]:  # fmt: skip
    """One row of bench.json."""
    return {
        "id": id_, "value": value, "unit": unit, "goal": goal, "peer": peer or None, "peer_value": peer_value,
        "command": command, "note": note,
    }  # fmt: skip


def gas_rows(measured: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Our gas rows with their goals and peers. Raises SystemExit where one was not measured."""
    found = {r["action"]: r for r in measured if r["peer"] == "ours"}
    out = []
    for id_, (goal, like) in GAS.items():
        if id_ not in found:
            raise SystemExit(f"bench: {id_} was not measured; the run above says why")
        peer, peer_value = "", None
        for r in measured if like else []:
            if like and r["suite"] == like[0] and r["action"] == like[1] and r["peer"].startswith(like[2]):
                peer, peer_value = f"{r['peer']} {r['version']}: {r['action']}", r["gas"]
                break
        out.append(row(id_, found[id_]["gas"], "gas", goal, peer, peer_value, found[id_]["conditions"]))
    return out


def size_row() -> dict[str, Any]:
    """The largest deployable, bytes on chain (immutables included)."""
    sizes = {a.name: a.deployed_size for a in compiled().values()}
    largest = max(sizes, key=lambda n: sizes[n])
    return row("size.max_runtime_bytes", sizes[largest], "bytes", MAX_RUNTIME, note=largest)


def data_folder() -> Path | None:
    """Folder of the real traces, or None."""
    for place in (os.environ.get("HEARTH_DATA", ""), str(ROOT.parent / "shared" / "data")):
        if place and (Path(place) / "nodes.csv").is_file():
            return Path(place)
    return None


def replay_row(data: Path) -> dict[str, Any]:
    """The 50-node day with outages: seconds from start to the last redemption."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [
            str(Path(sys.executable).with_name("hearth")), "replay", "--nodes", str(data / "nodes.csv"),
            "--jobs", str(data / "jobs_openb.csv"), "--outages", str(data / "availability.csv.gz"),
            "--node-limit", "50", "--from-day", "140", "--days", "1", "--report", str(report),
        ]  # fmt: skip
        began = time.monotonic()
        subprocess.run(command, check=True)
        seconds = round(time.monotonic() - began, 1)
        found = json.loads(report.read_text())
    note = f"{found['leases']} leases, {found['reports']} reports, difference {found['difference_wei']} wei"
    return row("replay.day_50_s", seconds, "s", REPLAY_SECONDS, note=note, command="hearth replay (docs/replay.md)")


def table(rows: list[dict[str, Any]]) -> str:
    """What a person reads."""
    lines = [f"{'id':28} {'ours':>10} {'goal':>10}      {'peer':>10}  ratio  note"]
    for r in rows:
        mark = "ok   " if r["value"] <= r["goal"] else "short"
        peer = f"{r['peer_value']:>10,}" if r["peer_value"] else " " * 10
        ratio = f"{r['value'] / r['peer_value']:5.2f}" if r["peer_value"] else "     "
        note = r["note"] if not r["peer"] else f"{r['note']} (peer: {r['peer']})"
        lines.append(f"{r['id']:28} {r['value']:>10,} {r['goal']:>10,} {mark}{peer}  {ratio}  {note}")
    return "\n".join(lines)


def main() -> int:
    """Measures, prints, writes build/bench.json; exits 0 also where a goal is short: a measure is no test."""
    parser = argparse.ArgumentParser(prog="python -m bench.rows", description=__doc__.splitlines()[0])
    parser.add_argument("--no-peers", action="store_true", help="only our own contracts")
    parser.add_argument("--no-replay", action="store_true", help="leave out the replay of a day")
    parser.add_argument("--no-rebuild", action="store_true", help="leave out the rebuilding of a month")
    options = parser.parse_args()
    harness = None if options.no_peers else peers.find()
    rows = gas_rows(peers.measure(harness) if harness else alone())
    rows.append(size_row())
    if not options.no_rebuild:
        rows += rebuild.rows()
    data = data_folder()
    if data and not options.no_replay:
        rows.append(replay_row(data))
    print(table(rows))
    out = ROOT / "build" / "bench.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(rows, indent=1) + "\n")
    print(f"wrote {out.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

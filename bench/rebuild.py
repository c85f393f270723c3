"""How fast the truth is rebuilt: a month of reports from logs at hand, every root checked, on one core.

    python -m bench.rebuild             the three rows of `make bench`
    python -m bench.rebuild --real DIR  the month of real outages (availability.csv.gz, gpu_failures_titan.csv.gz)

The logs are made first, by the code that attesters use; only reading, applying and checking them is timed. Where more
runs are made than one, the best is taken: the others measure what else the machine does.
"""

from __future__ import annotations

import argparse
import random
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from bench.row import Row, line, row
from keepers.protocol.counters import Header
from keepers.protocol.merge import Merged
from keepers.protocol.rebuild import EpochLog, advance
from keepers.protocol.records import DARK, Record
from keepers.protocol.report import build
from keepers.protocol.uptime_tree import UptimeTree

EPOCHS = 720
SHARE = 100  # one node of so many deviates in an epoch


def changed(nodes: int) -> int:
    """How many of so many nodes deviate in an epoch."""
    return max(1, nodes // SHARE)


def logs(nodes: int, epochs: int, seed: int = 1) -> Iterator[EpochLog]:
    """Reports of a network in which 1 % of the nodes deviate an epoch: some for slots, some until they come back."""
    rng = random.Random(seed)
    tree = UptimeTree()
    for _ in range(epochs):
        records = []
        for index in sorted(rng.sample(range(nodes), changed(nodes))):
            dark, u = tree.leaf(index).dark, tree.leaf(index).u
            mask = 0 if dark else rng.choice((0xF00, 0x800, 0x3C0, 1 << rng.randrange(11)))
            records.append(Record(index, 0, 0 if dark else u, mask))
        merged = Merged((), 0, 5 * 10**11, tuple(records))
        built = build(tree, merged, count=nodes, view=0, challenged=True)
        yield EpochLog(built.header.pack(), built.root, tuple((p.data, p.root) for p in built.parts))


def rebuild(history: list[EpochLog]) -> tuple[float, UptimeTree, int]:
    """(seconds of processor, tree, records) of one rebuild. Raises SystemExit where a root is wrong."""
    tree, records = UptimeTree(), 0
    began = time.process_time()
    for log in history:
        fault = advance(tree, log)
        if fault is not None:
            raise SystemExit(f"bench: epoch {fault.epoch}: {fault.why}")
        records += sum(len(data) // 352 * 64 + len(data) % 352 // 5 for data, _ in log.parts)
    return time.process_time() - began, tree, records


def month(nodes: int, runs: int) -> tuple[float, str]:
    """(best seconds, note) of a month of that many nodes."""
    history = list(logs(nodes, EPOCHS))
    found = [rebuild(history) for _ in range(runs)]
    _, tree, records = found[0]
    if Header.unpack(history[-1].header) != tree.header or tree.root != history[-1].root:
        raise SystemExit("bench: the rebuilt tree is another one")
    return min(f[0] for f in found), f"{EPOCHS} epochs, {records:,} records, every root and running root checked"


def epoch(nodes: int, runs: int) -> tuple[float, str]:
    """(best seconds, note) of the root after an epoch in which 1 % of the nodes deviate."""
    tree = UptimeTree()
    rng = random.Random(3)
    header = tree.header.reported(count=nodes, challenged=True)
    tree.apply_report(header, [Record(i, 0, 0, DARK if i % 7 == 0 else 1) for i in range(nodes)])
    best = 1e9
    for _ in range(runs):
        records = [Record(i, 0, 1, rng.getrandbits(12)) for i in sorted(rng.sample(range(nodes), changed(nodes)))]
        header = tree.header.reported(count=nodes, challenged=True)
        began = time.process_time()
        tree.apply_report(header, records)
        best = min(best, time.process_time() - began)
    return best, f"{changed(nodes):,} deviations, {changed(nodes) // 64 + 1} running roots"


ROWS = (
    ("rebuild.month_10k_s", 5.0, lambda: month(10_000, 3)),
    ("rebuild.month_100k_s", 45.0, lambda: month(100_000, 1)),
    ("epoch.100k_s", 0.1, lambda: epoch(100_000, 10)),
)


def rows() -> list[Row]:
    """The rows of `make bench`."""
    out = []
    for id_, goal, measure in ROWS:
        value, note = measure()
        note = f"{note}; processor time of one core"
        out.append(row(id_, round(value, 3), "s", goal, note=note, command="python -m bench.rebuild"))
    return out


def main() -> int:
    """Prints the rows; always 0: a measure is no test."""
    parser = argparse.ArgumentParser(prog="python -m bench.rebuild", description=__doc__.splitlines()[0])
    parser.add_argument("--real", type=Path, metavar="DIR", help="rebuild the month of real outages from this folder")
    parser.add_argument("--nodes", type=int, default=10_000, help="nodes of the real month")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="epochs of the real month")
    options = parser.parse_args()
    if options.real:
        from bench.month import compare

        for said in compare(options.real, options.nodes, options.epochs):
            print(said, flush=True)
    else:
        for made in rows():
            print(line(made), flush=True)
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())

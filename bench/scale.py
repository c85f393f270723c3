"""What attestation costs as the network grows: the table of docs/attestation.md, measured anew.

    python -m bench.scale [--no-gas]

Seven seats, one node in a hundred changed an epoch (of ten, one). Seconds are processor time of one core.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Iterator, Sequence

from bench import ours, rebuild
from bench.chain import Chain
from keepers.protocol.merge import Body, Observation, SnapshotNode, merge
from keepers.protocol.report import build
from keepers.protocol.uptime_tree import UptimeTree

NODES = (10, 1_000, 100_000)
SEATS = 7
PRICE = 5 * 10**11
SLOT = 300


def epoch(nodes: int) -> tuple[float, float, int, int]:
    """(seconds of merging, seconds of building the report, bytes of its records, siblings of a proof)."""
    down = set(random.Random(1).sample(range(nodes), rebuild.changed(nodes)))
    seen = [0x0FF if i in down else 0xFFF for i in range(nodes)]
    # a provider of eight nodes each
    snapshot = [SnapshotNode(i // 8 + 1, 1, True) for i in range(nodes)]
    weights = {node.provider: 10**9 for node in snapshot}
    tree = UptimeTree()
    began = time.process_time()
    merged = merge(
        [Observation(seat, seen, PRICE) for seat in range(SEATS)],
        n=SEATS, epoch=1, nodes=snapshot, leaf_of=tree.leaf, weights=weights, used_in_period=0,
    )  # fmt: skip
    between = time.process_time()
    built = build(tree, merged, count=nodes, view=0, challenged=True)
    after = time.process_time()
    return between - began, after - between, sum(len(part.data) for part in built.parts), tree.depth


def gas(nodes: Sequence[int]) -> Iterator[int]:
    """Gas of a report of so many nodes, five of seven seats, rings turned once."""
    chain = Chain()
    try:
        for count in nodes:
            before = chain.rpc("evm_snapshot")
            bench = ours.Bench(chain, count, SEATS)
            bench.live(1)
            step = count // rebuild.changed(count)
            yield int(bench.report(list(range(min(7, step - 1), count, step))))
            chain.rpc("evm_revert", before)
    finally:
        chain.stop()


def table(nodes: Sequence[int], with_gas: bool) -> list[list[str]]:
    """The rows of the page, a list of cells each."""
    epochs = [epoch(n) for n in nodes]
    rows = [["gas of the report", *(f"{used:,}" for used in gas(nodes))]] if with_gas else []
    return [
        *rows,
        ["bytes of its records", *(f"{e[2]:,}" for e in epochs)],
        ["body of one observation, bytes", *(f"{Body.length(n):,}" for n in nodes)],
        [
            "heartbeats a second at every seat, on average",
            *(f"{n / SLOT:,.3g}" for n in nodes),
        ],
        ["merging 7 observations, s", *(_seconds(e[0]) for e in epochs)],
        ["records, root and parts of the report, s", *(_seconds(e[1]) for e in epochs)],
        ["siblings of a proof", *(str(e[3]) for e in epochs)],
        ["a month rebuilt from its logs, every root checked, s", *(_seconds(rebuild.month(n, 1)[0]) for n in nodes)],
    ]


def _seconds(value: float) -> str:
    """Two digits; below a thousandth nothing that a clock tells."""
    return "< 0.001" if value < 0.001 else f"{value:.2g}"


def main() -> int:
    """Prints the table as the page has it; always 0: a measure is no test."""
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__.splitlines()[0])
    parser.add_argument("--no-gas", action="store_true", help="leave out the chain")
    for row in table(NODES, not parser.parse_args().no_gas):
        print(f"| {' | '.join(row)} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

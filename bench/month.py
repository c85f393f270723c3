"""A month of real outages: the attesters' own state against one rebuilt from logged records, leaf by leaf.

Even nodes follow a spot instance's up and down intervals (`availability.csv.gz`), each an hour later in it than the
one before; odd nodes a Titan slot's: from a GPU's failure to the next GPU put there (`gpu_failures_titan.csv.gz`).
Four seats observe, one of them lies; the real merge makes the records, the real report code the roots, and the hub's
bytecode takes them, brought by keys and by contracts. What it logged goes through the same reader as `hearth rebuild`,
and every node's D is counted slot by slot besides.
"""

from __future__ import annotations

import csv
import gzip
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from keepers.chain.history import read_history
from keepers.protocol.counters import Leaf, down_seconds, fault_seconds
from keepers.protocol.epochs import SLOTS
from keepers.protocol.merge import Observation, SnapshotNode, merge
from keepers.protocol.rebuild import advance
from keepers.protocol.records import FULL_MASK
from keepers.protocol.report import build
from keepers.protocol.uptime_tree import UptimeTree
from tests.support.court import Court, Signed

SLOT = 300  # seconds
SEATS = 4
PRICE = 5 * 10**11
PER_PERIOD = 24
FILES = ("availability.csv.gz", "gpu_failures_titan.csv.gz")

Runs = list[tuple[int, int]]  # dark slots [first, last), ascending, apart


def outages(folder: Path, nodes: int, epochs: int) -> list[Runs]:
    """Dark runs of slots of each node, from the two files."""
    slots = epochs * SLOTS
    spot, titan = _spot(folder / FILES[0]), _titan(folder / FILES[1], slots)
    out: list[Runs] = []
    for k in range(nodes):
        if k % 2 == 0:
            length, gaps = spot[k // 2 % len(spot)]
            out.append(_wrapped(gaps, length, 3_600 * (k // 2), slots))
        else:
            out.append(titan[k // 2 % len(titan)])
    return out


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as text:
        yield from csv.DictReader(text)


def _spot(path: Path) -> list[tuple[int, list[tuple[int, int]]]]:
    """(length in seconds, seconds in which nothing was available) of each instance."""
    units: dict[str, list[tuple[int, int, int]]] = {}
    for row in _rows(path):
        units.setdefault(row["unit_id"], []).append((int(row["start_s"]), int(row["end_s"]), int(row["available"])))
    return [(rows[-1][1], [(start, end) for start, end, up in rows if not up]) for rows in units.values()]


def _titan(path: Path, slots: int) -> list[Runs]:
    """Dark slots of every Titan node slot in the month with the most failures, those with one first."""
    stays: dict[str, list[tuple[int, int, bool]]] = {}
    for row in _rows(path):
        if row["insert_utc"] and row["end_utc"]:
            stays.setdefault(row["node_id"], []).append(
                (_utc(row["insert_utc"]), _utc(row["end_utc"]), bool(row["event"]))
            )
    ends = sorted(end for rows in stays.values() for _, end, failed in rows if failed)
    length = slots * SLOT
    begin = max(ends[::7], key=lambda t: sum(t <= e < t + length for e in ends))
    out: list[Runs] = []
    for rows in stays.values():
        rows.sort()
        runs: Runs = []
        for at, (_, end, failed) in enumerate(rows):
            back = rows[at + 1][0] if at + 1 < len(rows) else begin + length
            first, last = _slot(end - begin), _slot(max(back, end + SLOT) - begin)
            if failed and first < slots and last > 0:
                runs.append((max(0, first), min(slots, last)))
        out.append(_apart(runs))
    return sorted(out, key=lambda runs: not runs)


def _utc(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def _slot(second: int) -> int:
    """The first slot that begins at or after a second: a node is dark in a slot iff it is down as the slot begins."""
    return -(-second // SLOT)


def _wrapped(gaps: Sequence[tuple[int, int]], length: int, shift: int, slots: int) -> Runs:
    """Gaps of a trace that begins `shift` seconds in and starts again at its end, as runs of slots."""
    runs: Runs = []
    lap = -(shift % length)
    while lap < slots * SLOT:
        for start, end in gaps:
            first, last = _slot(lap + start), _slot(lap + end)
            if first < slots and last > 0:
                runs.append((max(0, first), min(slots, last)))
        lap += length
    return _apart(runs)


def _apart(runs: Runs) -> Runs:
    out: Runs = []
    for first, last in sorted(runs):
        if out and first <= out[-1][1]:
            out[-1] = (out[-1][0], max(out[-1][1], last))
        elif first < last:
            out.append((first, last))
    return out


@dataclass
class Network:
    """The truth, epoch by epoch: `masks(e)` of all nodes; `down` counts their dark slots."""

    runs: list[Runs]
    at: list[int] = field(default_factory=list)
    down: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.at, self.down = [0] * len(self.runs), [0] * len(self.runs)

    def masks(self, epoch: int) -> list[int]:
        """Dark slots of every node in epoch 1, 2, …, asked in order."""
        low = (epoch - 1) * SLOTS
        out = []
        for k, runs in enumerate(self.runs):
            mask, i = 0, self.at[k]
            while i < len(runs) and runs[i][0] < low + SLOTS:
                first, last = max(runs[i][0], low) - low, min(runs[i][1], low + SLOTS) - low
                mask |= (1 << last) - (1 << first)
                if runs[i][1] > low + SLOTS:
                    break
                i += 1
            self.at[k] = i
            self.down[k] += mask.bit_count()
            out.append(mask)
        return out


class Carriers:
    """Who brings a report to the hub: a key, a contract that posts its parts and reports in one transaction, a contract
    called by another, or one that brings two reports at once, the first an hour late."""

    def __init__(self, court: Court) -> None:
        self.court = court
        self.waiting: list[Signed] = []
        self.brought: Counter[str] = Counter()

    def bring(self, report: Signed, last: bool) -> None:
        """The report of the next epoch, by the turn of its number."""
        turn, waited = report.epoch % 5, self.waiting
        calls = len(report.log.parts)
        if waited:
            self.waiting = []
            both = [*self.court.calls(waited[0]), *self.court.calls(report)]
            if len(both) <= 4:
                self._carry("two in one transaction", 2, both)
                return
            self._carry("by a contract", 1, both[: len(waited[0].log.parts)])
            self._carry("by a contract", 1, both[len(waited[0].log.parts) :])
        elif turn == 3 and not last:
            self.waiting = [report]
        elif turn in (1, 2) and calls <= 4:
            nested = turn == 2 and sum(len(data) for data, _ in report.log.parts) < 60_000
            self._carry("by nested contracts" if nested else "by a contract", 1, self.court.calls(report), nested)
        else:
            self.court.send(report)
            self.brought["by a key"] += 1

    def _carry(self, how: str, reports: int, calls: list[tuple[str, bytes]], nested: bool = False) -> None:
        self.court.carry(calls, nested)
        self.brought[how] += reports


def compare(folder: Path, nodes: int, epochs: int, seed: int = 1) -> Iterator[str]:
    """Lines for people; raises SystemExit where one leaf, root or count differs."""
    began = time.process_time()
    network = Network(outages(folder, nodes, epochs))
    rng = random.Random(seed)
    listed = [SnapshotNode(k // 10, 1, True) for k in range(nodes)]
    weights = dict.fromkeys(range(nodes // 10 + 1), 10**12)
    court = Court(seats=SEATS)
    court.must("registry", "set_count", nodes)
    tree, carriers, used, blamed = UptimeTree(), Carriers(court), 0, [0] * nodes
    words = []
    for epoch in range(1, epochs + 1):
        truth = network.masks(epoch)
        used = 0 if epoch % PER_PERIOD == 0 else used
        seen = [FULL_MASK & ~mask for mask in truth]
        lies = [rng.getrandbits(12) for _ in truth]
        observations = [Observation(s, lies if s == epoch % SEATS else seen, PRICE + s) for s in range(SEATS)]
        merged = merge(
            observations, n=SEATS, epoch=epoch, nodes=listed, leaf_of=tree.leaf, weights=weights, used_in_period=used
        )
        if list(merged.masks) != truth:
            raise SystemExit(f"month: epoch {epoch} was merged to something else than what was seen")
        used += merged.indet.bit_count()
        for k, mask in enumerate(truth):
            if mask:
                blamed[k] += (mask & ~merged.indet).bit_count()
        court.warp(max(court.now, court.end(epoch)))
        before = UptimeTree.at(tree.snapshot())
        # the epoch after a report that still waits has no seed, and so no challenge
        built = build(tree, merged, count=nodes, view=0, challenged=court.challenged(epoch))
        carriers.bring(court.signed(built, before), epoch == epochs)
        words.append(tree.ring_word)
    made = time.process_time() - began
    records = sum(len(e["data"]) // 352 * 64 + len(e["data"]) % 352 // 5 for e in court.found if "data" in e.args)
    dark = sum(network.down)
    share = f"{dark:,} dark slots ({dark / nodes / epochs / SLOTS:.1%})"
    yield f"real outages   {nodes:,} nodes, {epochs} epochs, {share}, made in {made:.1f} s"
    brought = ", ".join(f"{n} {how}" for how, n in sorted(carriers.brought.items(), key=lambda row: -row[1]))
    yield f"brought        to the hub's bytecode, {SEATS - 1} of {SEATS} seats' signatures: {brought}"

    began = time.process_time()
    history = read_history(court, 0, court.head())  # type: ignore[arg-type]
    reader, rebuilt = UptimeTree(), []
    for logged in history:
        fault = advance(reader, logged.log)
        if fault is not None:
            raise SystemExit(f"month: epoch {fault.epoch}: {fault.why}")
        rebuilt.append(reader.ring_word)
    took = time.process_time() - began
    if list(reader.words) != list(tree.words) or rebuilt != words:
        raise SystemExit("month: a rebuilt leaf or root is not the attesters' own")
    if [court.view("hub", "ring_word", e) for e in range(1, epochs + 1)] != words:
        raise SystemExit("month: a word of the hub's storage is not the attesters' own")
    yield f"rebuilt        {records:,} records, {epochs} roots right, in {took:.2f} s of processor"
    for k in range(nodes):
        leaf: Leaf = reader.leaf(k)
        if down_seconds(reader.header, leaf, SLOTS * SLOT, SLOT) != network.down[k] * SLOT:
            raise SystemExit(f"month: D of node {k} is not what a count of its slots gives")
        if fault_seconds(reader.header, leaf, SLOTS * SLOT, SLOT) != blamed[k] * SLOT:
            raise SystemExit(f"month: F of node {k} is not what a count of its slots gives")
    yield f"equal          {nodes:,} leaves, bit for bit; D and F of each by a count of its slots"

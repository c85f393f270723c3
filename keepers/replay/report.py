"""What a replay writes down: the JSON report and the table of leases, chain beside bill.

Integers are plain JSON numbers, wei included; read them with a parser that keeps 60 digits (Python's does).
"""

from __future__ import annotations

import csv
import dataclasses
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from keepers.protocol.errors import HearthError
from keepers.replay.bill import Bill, Line
from keepers.replay.rates import Rate
from keepers.replay.traces import Skipped

SCHEMA = "hearth.replay/1"
SHOWN = 10  # faults that the error names
LEASE_COLUMNS = (
    "job_id",
    "node_id",
    "provider",
    "gpus",
    "rate_wei",
    "start_s",
    "stop_s",
    "reason",
    "deposited_wei",
    "paid_wei",
    "returned_wei",
    "expected_wei",
    "down_seconds",
)


@dataclass(frozen=True)
class LeaseRow:
    """One lease as the chain closed it; times in the trace's clock. Deposited, paid (the settlers' bounty in it) and
    returned come from its events, `held_wei`, what still lies in it, from a view at the end: 0 once it is finished."""

    job_id: str
    node_id: str
    provider: int
    gpus: int
    rate_wei: int
    start_s: int
    stop_s: int
    reason: str
    deposited_wei: int
    paid_wei: int
    returned_wei: int
    held_wei: int
    settled_seconds: int

    @property
    def down_seconds(self) -> int:
        """Seconds between start and stop that were not paid."""
        return self.stop_s - self.start_s - self.settled_seconds


@dataclass(frozen=True)
class Money:
    """Sums read from the chain's events: credits `bounties` and `fees`, tokens `burned` for credits and `minted`."""

    bounties_wei: int
    fees_wei: int
    burned_wei: int
    minted_wei: int


@dataclass(frozen=True)
class Effort:
    """What it cost: transactions of the whole run with their gas, reports among them, seconds on both clocks.

    And the compute challenge: epochs that had one, answers that nodes signed, and epochs of nodes in which a draw was
    not passed yet, summed over the nodes."""

    reports: int
    report_gas: int
    transactions: int
    gas: int
    virtual_seconds: int
    real_seconds: float
    challenged_epochs: int
    answers: int
    unproven_epochs: int


@dataclass(frozen=True)
class Report:
    """Everything `--report` holds; see `document`. `gpus_of`: node id -> its GPUs."""

    gpus_of: Mapping[str, int]
    jobs: int
    leases: Sequence[LeaseRow]
    bill: Bill
    unmatched: Mapping[str, Mapping[str, int]]
    skipped: Sequence[Skipped]
    rates: Sequence[Rate]
    money: Money
    effort: Effort
    parameters: Mapping[str, object]
    seed: int

    @property
    def difference_wei(self) -> int:
        """Σ over leases of |paid - expected|; a lease that only one side knows counts in full."""
        paid = {row.job_id: row.paid_wei for row in self.leases}
        owed = {line.job_id: line.expected_wei for line in self.bill.lines}
        return sum(abs(paid.get(job, 0) - owed.get(job, 0)) for job in {*paid, *owed})

    def faults(self) -> list[str]:
        """What does not agree, in words; empty when chain and bill tell the same story."""
        found = []
        lines = {line.job_id: line for line in self.bill.lines}
        for row in self.leases:
            line = lines.pop(row.job_id, None)
            if line is None:
                found.append(f"job {row.job_id}: the chain has a lease, the bill has none")
            else:
                found += _lease_faults(row, line)
        found += [f"job {job}: the bill has a lease, the chain has none" for job in lines]
        if {*self.unmatched} != {*self.bill.unmatched}:
            found.append("the orders that nobody took are not the same")
        return found + over_booked(self.leases, self.gpus_of)

    def document(self) -> dict[str, object]:
        """The report as a JSON document."""
        rows = self.leases
        return {
            "schema": SCHEMA,
            "nodes": len(self.gpus_of),
            "jobs": self.jobs,
            "orders": self.jobs - len(self.skipped),
            "leases": len(rows),
            "unmatched": len(self.unmatched),
            "skipped": len(self.skipped),
            "attested_seconds": sum(row.settled_seconds for row in rows),
            "wall_seconds": sum(row.stop_s - row.start_s for row in rows),
            "deposited_wei": sum(row.deposited_wei for row in rows),
            "paid_wei": sum(row.paid_wei for row in rows),
            "returned_wei": sum(row.returned_wei for row in rows),
            "held_wei": sum(row.held_wei for row in rows),
            **dataclasses.asdict(self.money),
            "expected_paid_wei": self.bill.expected_wei,
            "difference_wei": self.difference_wei,
            **dataclasses.asdict(self.effort),
            "seed": self.seed,
            "parameters": dict(self.parameters),
            "rates": {
                rate.model: {
                    "usd_per_gpu_hour": f"{float(rate.usd_per_hour):.6g}",
                    "rate_wei": rate.wei,
                    "source": rate.source,
                }
                for rate in self.rates
            },
            "unmatched_orders": [{"job_id": job, "why": dict(why)} for job, why in self.unmatched.items()],
            "skipped_rows": [dataclasses.asdict(row) for row in self.skipped],
            "faults": self.faults(),
        }


def _lease_faults(row: LeaseRow, line: Line) -> Iterable[str]:
    pairs = (
        ("node", row.node_id, line.node_id),
        ("GPUs", row.gpus, line.gpus),
        ("rate", row.rate_wei, line.rate_wei),
        ("start", row.start_s, line.start_s),
        ("stop", row.stop_s, line.stop_s),
        ("down seconds", row.down_seconds, line.down_seconds),
        ("pay", row.paid_wei, line.expected_wei),
    )
    for what, chain, bill in pairs:
        if chain != bill:
            yield f"job {row.job_id}: {what} is {chain} on the chain, {bill} in the bill"
    if row.deposited_wei != row.paid_wei + row.returned_wei + row.held_wei:
        sums = f"{row.paid_wei} paid + {row.returned_wei} returned + {row.held_wei} held"
        yield f"job {row.job_id}: {row.deposited_wei} wei deposited, {sums}"
    if row.held_wei:
        yield f"job {row.job_id}: {row.held_wei} wei are neither paid nor returned"


def over_booked(rows: Sequence[LeaseRow], gpus_of: Mapping[str, int]) -> list[str]:
    """Moments at which a node's leases hold more GPUs than it has, in words. A lease holds its GPUs in
    [start_s, stop_s): at one second stops come before starts."""
    moves = [(row.stop_s, -row.gpus, row.node_id) for row in rows]
    moves += [(row.start_s, row.gpus, row.node_id) for row in rows]
    held: Counter[str] = Counter()
    found = []
    for second, gpus, node in sorted(moves):
        held[node] += gpus
        if held[node] > gpus_of[node]:
            found.append(f"node {node}: {held[node]} GPUs leased at {second} s, it has {gpus_of[node]}")
    return found


def failure(report: Report, json_path: Path | None, leases_path: Path | None) -> HearthError | None:
    """The error of a replay whose books do not agree, with what to look at; None where they do."""
    faults = report.faults()
    if not report.difference_wei and not faults:
        return None
    look = []
    if leases_path is not None:
        look.append(f"{leases_path}: rows where paid_wei is not expected_wei, or returned_wei closes no deposit")
    if json_path is not None:
        look.append(f"{json_path}: `faults` has all {len(faults)} of them")
    if not look:
        look.append("the same command with --report OUT.json --leases-csv OUT.csv writes down every lease")
    more = (f"and {len(faults) - SHOWN} more",) if len(faults) > SHOWN else ()
    return HearthError(
        "H5009",
        f"the bill is off by {report.difference_wei} wei",
        why=(*faults[:SHOWN], *more),
        next=(*look, "this is a defect: keep the files, and report it with the command and its seed"),
    )


def write_json(path: Path, report: Report) -> None:
    """Write the report; the file appears whole or not at all."""
    _replace(path, json.dumps(report.document(), indent=1) + "\n")


def write_leases(path: Path, report: Report) -> None:
    """Write the table of leases, one row a lease in the order in which they were taken."""
    expected = {line.job_id: line.expected_wei for line in report.bill.lines}
    beside = path.with_name(path.name + ".part")
    with beside.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(LEASE_COLUMNS)
        for row in report.leases:
            owed = {"expected_wei": expected.get(row.job_id, 0), "down_seconds": row.down_seconds}
            values = {**dataclasses.asdict(row), **owed}
            writer.writerow([values[column] for column in LEASE_COLUMNS])
    beside.replace(path)


def _replace(path: Path, text: str) -> None:
    beside = path.with_name(path.name + ".part")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)

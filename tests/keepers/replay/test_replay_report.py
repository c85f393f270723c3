"""The report: sums, the difference, and faults in words."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from keepers.replay.bill import Bill, Line
from keepers.replay.rates import rate_of
from keepers.replay.report import LEASE_COLUMNS, Effort, LeaseRow, Money, Report, write_json, write_leases
from keepers.replay.traces import Skipped

ROW = LeaseRow("j", "n0", 3, 2, 10, 100, 200, "RENTER_CLOSED", 5_000, 1_600, 3_400, 80)
LINE = Line("j", 0, "n0", 2, 10, 100, 200, 20, 1_600)
REPORT = Report(
    nodes=1, jobs=3, leases=[ROW], bill=Bill((LINE,), ("k",)), unmatched={"k": {"full": 1}},
    skipped=[Skipped("jobs.csv", 4, "l", "no duration")], rates=[rate_of("t4", Fraction(1), "fixed")],
    money=Money(1, 2, 3, 4), effort=Effort(5, 6, 7, 8, 9, 1.5), parameters={"slot_s": 300}, seed=1,
)  # fmt: skip
FIELDS = {
    "nodes", "jobs", "leases", "unmatched", "skipped", "attested_seconds", "wall_seconds", "deposited_wei", "paid_wei",
    "bounties_wei", "fees_wei", "returned_wei", "burned_wei", "minted_wei", "expected_paid_wei", "difference_wei",
    "reports", "report_gas", "transactions", "gas", "virtual_seconds", "real_seconds", "seed",
}  # fmt: skip


def test_document__has_every_field_and_the_sums(tmp_path: Path) -> None:
    write_json(tmp_path / "out.json", REPORT)
    document = json.loads((tmp_path / "out.json").read_text())
    assert set(document) >= FIELDS
    assert {k: document[k] for k in ("leases", "unmatched", "skipped", "orders")} == {
        "leases": 1, "unmatched": 1, "skipped": 1, "orders": 2,
    }  # fmt: skip
    assert (document["attested_seconds"], document["wall_seconds"]) == (80, 100)
    assert document["deposited_wei"] == document["paid_wei"] + document["returned_wei"] + document["held_wei"] == 5_000
    assert (document["difference_wei"], document["faults"]) == (0, [])
    assert [path.name for path in tmp_path.iterdir()] == ["out.json"]


def test_difference__counts_each_lease_and_both_sides() -> None:
    off = replace(REPORT, leases=[replace(ROW, paid_wei=1_590)])
    assert off.difference_wei == 10
    assert off.faults() == [
        "job j: pay is 1590 on the chain, 1600 in the bill",
        "job j: 10 wei are neither paid nor returned",
    ]
    assert replace(REPORT, leases=[]).difference_wei == 1_600
    extra = replace(REPORT, leases=[ROW, replace(ROW, job_id="m")])
    assert extra.difference_wei == 1_600
    assert extra.faults() == ["job m: the chain has a lease, the bill has none"]
    assert replace(REPORT, unmatched={}).faults() == ["the orders that nobody took are not the same"]


def test_leases_csv__columns_in_order(tmp_path: Path) -> None:
    write_leases(tmp_path / "out.csv", REPORT)
    with (tmp_path / "out.csv").open(newline="") as file:
        header, row = csv.reader(file)
    assert tuple(header) == LEASE_COLUMNS
    assert " ".join(row) == "j n0 3 2 10 100 200 RENTER_CLOSED 5000 1600 3400 1600 20"

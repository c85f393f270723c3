"""The report: sums, the difference, and faults in words."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from keepers.replay.bill import Bill, Line
from keepers.replay.rates import rate_of
from keepers.replay.report import (
    LEASE_COLUMNS,
    SHOWN,
    Effort,
    LeaseRow,
    Money,
    Report,
    failure,
    over_booked,
    write_json,
    write_leases,
)
from keepers.replay.traces import Skipped

ROW = LeaseRow("j", "n0", 3, 2, 10, 100, 200, "RENTER_CLOSED", 5_000, 1_600, 3_400, 0, 80)
LINE = Line("j", 0, "n0", 2, 10, 100, 200, 20, 1_600)
REPORT = Report(
    gpus_of={"n0": 2}, jobs=3, leases=[ROW], bill=Bill((LINE,), ("k",)), unmatched={"k": {"full": 1}},
    skipped=[Skipped("jobs.csv", 4, "l", "no duration")], rates=[rate_of("t4", Fraction(1), "fixed")],
    money=Money(1, 2, 3, 4), effort=Effort(5, 6, 7, 8, 9, 1.5, 10, 11, 12), parameters={"slot_s": 300}, seed=1,
)  # fmt: skip
FIELDS = {
    "nodes", "jobs", "leases", "unmatched", "skipped", "attested_seconds", "wall_seconds", "deposited_wei", "paid_wei",
    "bounties_wei", "fees_wei", "returned_wei", "burned_wei", "minted_wei", "expected_paid_wei", "difference_wei",
    "reports", "report_gas", "transactions", "gas", "virtual_seconds", "real_seconds", "seed",
    "challenged_epochs", "answers", "unproven_epochs",
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
        "job j: 5000 wei deposited, 1590 paid + 3400 returned + 0 held",
    ]
    assert replace(REPORT, leases=[]).difference_wei == 1_600
    extra = replace(REPORT, leases=[ROW, replace(ROW, job_id="m")], gpus_of={"n0": 4})
    assert extra.difference_wei == 1_600
    assert extra.faults() == ["job m: the chain has a lease, the bill has none"]
    assert replace(REPORT, unmatched={}).faults() == ["the orders that nobody took are not the same"]


def test_faults__what_is_still_held_and_what_does_not_close() -> None:
    held = replace(REPORT, leases=[replace(ROW, returned_wei=3_000, held_wei=400)])
    assert held.faults() == ["job j: 400 wei are neither paid nor returned"]
    assert held.document()["held_wei"] == 400
    lost = replace(REPORT, leases=[replace(ROW, returned_wei=3_000)])
    assert lost.faults() == ["job j: 5000 wei deposited, 1600 paid + 3000 returned + 0 held"]


def test_over_booked__stops_come_before_starts() -> None:
    after = replace(ROW, job_id="k", start_s=200, stop_s=300)
    assert over_booked([ROW, after], {"n0": 2}) == []
    beside = replace(after, start_s=199, gpus=1)
    assert over_booked([ROW, beside], {"n0": 2}) == ["node n0: 3 GPUs leased at 199 s, it has 2"]
    assert over_booked([beside, ROW], {"n0": 3}) == []
    assert "node n0: 3 GPUs leased at 199 s, it has 2" in replace(REPORT, leases=[ROW, beside]).faults()


def test_failure__names_what_to_look_at() -> None:
    assert failure(REPORT, None, None) is None
    off = replace(REPORT, leases=[replace(ROW, paid_wei=1_590)])
    error = failure(off, Path("out.json"), Path("out.csv"))
    assert error is not None
    assert (error.code, error.exit_code, error.message) == ("H5009", 1, "the bill is off by 10 wei")
    assert error.why == tuple(off.faults())
    assert error.next[0].startswith("out.csv: rows where paid_wei is not expected_wei")
    assert error.next[1] == "out.json: `faults` has all 2 of them"
    blind = failure(off, None, None)
    assert blind is not None
    assert "--report OUT.json --leases-csv OUT.csv" in blind.next[0]


def test_failure__also_where_only_the_words_differ() -> None:
    error = failure(replace(REPORT, unmatched={}), None, None)
    assert error is not None
    assert error.message == "the bill is off by 0 wei"
    many = replace(REPORT, leases=[replace(ROW, job_id=f"m{i}") for i in range(12)])
    error = failure(many, None, None)
    assert error is not None
    assert len(error.why) == SHOWN + 1
    assert error.why[-1].startswith("and ")


def test_leases_csv__columns_in_order(tmp_path: Path) -> None:
    write_leases(tmp_path / "out.csv", REPORT)
    with (tmp_path / "out.csv").open(newline="") as file:
        header, row = csv.reader(file)
    assert tuple(header) == LEASE_COLUMNS
    assert " ".join(row) == "j n0 3 2 10 100 200 RENTER_CLOSED 5000 1600 3400 1600 20"

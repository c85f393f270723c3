"""`hearth replay` as a command: exit codes and what is said, for each kind of bad file and for a bill that is off."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from keepers.cli.main import run
from keepers.replay import driver
from keepers.replay.report import Report
from tests.keepers.replay.conftest import JOB_HEADER, NODE_HEADER, OUTAGE_HEADER
from tests.keepers.replay.test_replay_report import REPORT, ROW

Write = Callable[..., Path]
Said = pytest.CaptureFixture[str]
NODES = NODE_HEADER + "n0,t4,2\n"
JOBS = JOB_HEADER + "a,0,1000,2,any\n"
OUTAGES = OUTAGE_HEADER + "u,0,900,1\n"
PRICES = "gpu_model,usd_per_gpu_hour\nt4,0.3\n"


def options(write: Write, **files: str) -> list[str]:
    """The command's options for a good trace of which `files` replace some."""
    texts = {"nodes": NODES, "jobs": JOBS, "outages": OUTAGES, "prices": PRICES, **files}
    return [word for name, text in texts.items() for word in (f"--{name}", str(write(f"{name}.csv", text)))]


@pytest.mark.parametrize(
    ("file", "text", "says"),
    [
        # missing columns
        ("nodes", "node_id,gpu_model\nn0,t4\n", "nodes.csv, row 1: missing column gpu_count"),
        ("jobs", "job_id,submit_s\na,0\n", "jobs.csv, row 1: missing columns duration_s, gpu_count, gpu_model"),
        ("outages", "unit_id,start_s,end_s\nu,0,9\n", "outages.csv, row 1: missing column available"),
        ("prices", "gpu_model,usd\nt4,1\n", "prices.csv, row 1: missing column usd_per_gpu_hour"),
        # empty files
        ("nodes", "", "nodes.csv: the file is empty"),
        ("jobs", JOB_HEADER, "jobs.csv: there is a header and no row"),
        ("outages", "", "outages.csv: the file is empty"),
        ("prices", "gpu_model,usd_per_gpu_hour\n", "prices.csv: there is a header and no row"),
        # rows out of order
        ("jobs", JOB_HEADER + "a,9,9,1,any\nb,8,9,1,any\n", "jobs.csv, row 3: submit_s 8 is before row 2's 9"),
        ("outages", OUTAGE_HEADER + "u,0,9,1\nu,5,12,0\n", "outages.csv, row 3: unit u: start_s 5 is before 9"),
        # unknown models
        ("nodes", NODE_HEADER + "n0,t4,2\nn1,abacus,1\n", "nodes.csv, row 3: no rate is known for the model 'abacus'"),
        # times beyond the trace
        ("jobs", JOB_HEADER + "a,86400,9,1,any\n", "jobs.csv: no row lies on day 0"),
        ("jobs", JOB_HEADER + "a,0,268435456,1,any\n", "jobs.csv, row 2: duration_s 268435456 is beyond"),
        # cells
        ("nodes", NODE_HEADER + "n0,t4,two\n", "nodes.csv, row 2: gpu_count is not a number: 'two'"),
        ("jobs", JOB_HEADER + "a,0,9,-1,any\n", "jobs.csv, row 2: gpu_count is negative: -1"),
        ("prices", "gpu_model,usd_per_gpu_hour\nt4,cheap\n", "prices.csv, row 2: usd_per_gpu_hour is not a number"),
        ("prices", "gpu_model,usd_per_gpu_hour\nt4,1e12\n", "prices.csv: 1e+12 USD per GPU-hour of t4 is not"),
        (
            "prices",
            "gpu_model,usd_per_gpu_hour\nt4,1e999999999\n",
            "prices.csv, row 2: usd_per_gpu_hour is not a number",
        ),
    ],
)
def test_bad_file__is_named_with_its_row(write: Write, capsys: Said, file: str, text: str, says: str) -> None:
    assert run(["replay", *options(write, **{file: text})]) == 2
    said = capsys.readouterr()
    assert says in " ".join(said.err.split())
    assert "H1006" in said.err
    assert "Traceback" not in said.err
    assert said.out == ""


def test_bad_file__as_json(write: Write, capsys: Said) -> None:
    assert run(["--json", "replay", *options(write, nodes="")]) == 2
    error = json.loads(capsys.readouterr().err)
    assert "H1006" in json.dumps(error)
    assert "the file is empty" in json.dumps(error)


@pytest.mark.parametrize(
    "words",
    [
        ["--attesters", "3"],
        ["--node-limit", "0"],
        ["--from-day", "-1"],
        ["--days", "0"],
        ["--seed", "x"],
        ["--report", "/no/such/folder/out.json"],
    ],
)
def test_bad_option__is_a_usage_error(write: Write, words: list[str]) -> None:
    assert run(["replay", *options(write), *words]) == 2


def test_missing_file__and_missing_option(write: Write, capsys: Said, tmp_path: Path) -> None:
    assert run(["replay", "--nodes", str(tmp_path / "none.csv"), "--jobs", str(write("jobs.csv", JOBS))]) == 2
    assert "none.csv: there is no such file" in capsys.readouterr().err
    assert run(["replay", "--jobs", "jobs.csv"]) == 2


@pytest.fixture
def lived(monkeypatch: pytest.MonkeyPatch) -> Callable[[Report], None]:
    """Let the replay come to a given report without living it."""

    def to(report: Report) -> None:
        monkeypatch.setattr(driver.Replay, "run", lambda self: report)

    return to


def test_bill_that_agrees__exits_0(write: Write, lived: Callable[[Report], None], capsys: Said) -> None:
    lived(REPORT)
    assert run(["replay", *options(write)]) == 0
    assert "difference 0 wei" in capsys.readouterr().out


def test_bill_that_is_off__exits_1_and_says_where_to_look(
    write: Write, lived: Callable[[Report], None], capsys: Said, tmp_path: Path
) -> None:
    lived(replace(REPORT, leases=[replace(ROW, paid_wei=1_599)]))
    report, leases = tmp_path / "out.json", tmp_path / "out.csv"
    assert run(["replay", *options(write), "--report", str(report), "--leases-csv", str(leases)]) == 1
    said = " ".join(capsys.readouterr().err.split())
    assert "H5009" in said
    assert "the bill is off by 1 wei" in said
    assert "job j: pay is 1599 on the chain, 1600 in the bill" in said
    assert report.name in said
    assert leases.name in said
    # both files are there although the command failed
    assert json.loads(report.read_text())["difference_wei"] == 1
    assert "1599" in leases.read_text()

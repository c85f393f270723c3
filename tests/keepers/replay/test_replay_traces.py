"""Readers: what they accept, and the line that they name when they do not."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from keepers.protocol.errors import HearthError
from keepers.replay import traces

JOBS = "job_id,submit_s,duration_s,gpu_count,gpu_model\n"
NODES = "node_id,gpu_model,gpu_count\n"
OUTAGES = "unit_id,start_s,end_s,available\n"
PRICES = "gpu_model,usd_per_gpu_hour\n"

Write = Callable[..., Path]


def test_nodes__first_n_that_have_a_gpu(write: Write) -> None:
    path = write("nodes.csv", NODES + "a,t4,2\nb,,0\nc,v100,8\nd,t4,1\n")
    nodes = traces.read_nodes(path, 2)
    assert [(n.row, n.node_id, n.model, n.gpus) for n in nodes.nodes] == [(2, "a", "t4", 2), (4, "c", "v100", 8)]
    assert nodes.skipped == (traces.Skipped("nodes.csv", 3, "b", "no GPU"),)


def test_nodes__gzip_is_told_by_its_bytes(write: Write) -> None:
    assert traces.read_nodes(write("nodes.csv", NODES + "a,t4,2\n", zipped=True)).nodes[0].gpus == 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "the file is empty"),
        (NODES, "there is a header and no row"),
        ("node_id,gpu_count\na,1\n", "row 1: missing column gpu_model"),
        ("node_id,node_id,gpu_model,gpu_count\na,a,t4,1\n", "column node_id stands there twice"),
        (NODES + "a,t4,1\na,t4,1\n", "row 3: node a stands in row 2 already"),
        (NODES + ",t4,1\n", "row 2: node_id is empty"),
        (NODES + "a,,1\n", "row 2: gpu_model is empty"),
        (NODES + "a,t4,17\n", "row 2: 17 GPUs, a node has at most 16"),
        (NODES + "a,t4,two\n", "row 2: gpu_count is not a number: 'two'"),
        (NODES + "a,t4,-1\n", "row 2: gpu_count is negative: -1"),
        (NODES + "a,t4,1/2\n", "row 2: gpu_count is not a number"),
        (NODES + "a,t4,1.5\n", "row 2: gpu_count is not a whole number: 1.5"),
        (NODES + "a,t4\n", "row 2: 2 cells, the header has 3"),
        (NODES + "a,t4,0\n", "no node has a GPU"),
    ],
)
def test_nodes__refused_with_the_row(write: Write, text: str, says: str) -> None:
    with pytest.raises(HearthError) as error:
        traces.read_nodes(write("nodes.csv", text))
    assert error.value.code == "H1006"
    assert says in error.value.message
    assert error.value.message.startswith("nodes.csv")


def test_nodes__fewer_than_asked_for(write: Write) -> None:
    with pytest.raises(HearthError, match="1 nodes with a GPU, 5 asked for"):
        traces.read_nodes(write("nodes.csv", NODES + "a,t4,1\n"), 5)


def test_nodes__no_limit_below_one(write: Write) -> None:
    with pytest.raises(HearthError, match="a limit of 0 nodes"):
        traces.read_nodes(write("nodes.csv", NODES + "a,t4,1\n"), 0)


def test_file__missing_and_damaged(tmp_path: Path) -> None:
    with pytest.raises(HearthError, match="there is no such file"):
        traces.read_nodes(tmp_path / "nowhere.csv")
    with pytest.raises(HearthError, match="cannot be read"):
        traces.read_nodes(tmp_path)
    (tmp_path / "cut.gz").write_bytes(b"\x1f\x8b\x08\x00cut")
    with pytest.raises(HearthError, match="damaged gzip"):
        traces.read_nodes(tmp_path / "cut.gz")
    (tmp_path / "latin.csv").write_bytes(NODES.encode() + b"\xe9,t4,1\n")
    with pytest.raises(HearthError, match=f"not UTF-8 at byte {len(NODES)}"):
        traces.read_nodes(tmp_path / "latin.csv")
    (tmp_path / "quote.csv").write_text(NODES + '"a,t4,1\n')
    with pytest.raises(HearthError, match="not CSV"):
        traces.read_nodes(tmp_path / "quote.csv")


def test_jobs__orders_of_the_days_in_file_order(write: Write) -> None:
    day = traces.DAY
    text = (
        f"x,{day - 1},9,1,any\ny,{day},60,0.46,t4\nz,{day},30,2,t4|v100\n"
        f"u,{day + 5},,1,any\nv,{day + 6},7,0,any\nw,{2 * day},1,1,any\n"
    )
    jobs = traces.read_jobs(write("jobs.csv", JOBS + text), from_day=1)
    assert [(o.job_id, o.gpus, o.models, o.stop_s) for o in jobs.orders] == [
        ("y", 1, frozenset({"t4"}), day + 60),
        ("z", 2, frozenset({"t4", "v100"}), day + 30),
    ]
    assert [(s.row, s.id, s.reason) for s in jobs.skipped] == [(5, "u", "no duration"), (6, "v", "no GPU")]
    assert (jobs.count, jobs.outside, jobs.first_s, jobs.end_s) == (4, 2, day, 2 * day)


def test_jobs__any_among_others_is_any(write: Write) -> None:
    assert traces.read_jobs(write("jobs.csv", JOBS + "x,0,9,1,any|t4\n")).orders[0].models == frozenset()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x,9,9,1,any\ny,8,9,1,any\n", "row 3: submit_s 8 is before row 2's 9"),
        ("x,9,9,1,any\nx,9,9,1,any\n", "row 3: job x stands in row 2 already"),
        ("x,9,9,1,t4|\n", "row 2: gpu_model 't4|' names an empty model"),
        ("x,9,9,1,\n", "row 2: gpu_model is empty"),
        ("x,,9,1,any\n", "row 2: submit_s is not a number: ''"),
        ("x,-5,9,1,any\n", "row 2: submit_s is negative"),
        ("x,9,1.5,1,any\n", "row 2: duration_s is not a whole number"),
        ("x,9,4294967295,1,any\n", "row 2: duration_s 4294967295 is beyond"),
        ("x,nan,9,1,any\n", "row 2: submit_s is not a number: 'nan'"),
        (f"x,{3 * traces.DAY},9,1,any\n", "no row lies on day 0"),
    ],
)
def test_jobs__refused_with_the_row(write: Write, text: str, says: str) -> None:
    with pytest.raises(HearthError) as error:
        traces.read_jobs(write("jobs.csv", JOBS + text))
    assert says in error.value.message


def test_jobs__a_day_beyond_the_trace_names_its_last(write: Write) -> None:
    with pytest.raises(HearthError, match="no row lies on day 9 to 10") as error:
        traces.read_jobs(write("jobs.csv", JOBS + f"x,{3 * traces.DAY},9,1,any\n"), from_day=9, days=2)
    assert "ends on day 3" in error.value.next[0]


@pytest.mark.parametrize(("from_day", "days"), [(-1, 1), (0, 0)])
def test_jobs__days_that_are_none(write: Write, from_day: int, days: int) -> None:
    with pytest.raises(HearthError, match="are no days"):
        traces.read_jobs(write("jobs.csv", JOBS + "x,9,9,1,any\n"), from_day, days)


def test_outages__periodic_and_shifted_by_node(write: Write) -> None:
    outages = traces.read_outages(write("out.csv", OUTAGES + "u,0,3600,1\nv,0,100,0\nu,3600,7200,0\nv,100,200,3\n"))
    assert [u.unit_id for u in outages.units] == ["u", "v"]
    unit = outages.units[0]
    assert [unit.dark_at(t) for t in (0, 3599, 3600, 7199, 7200)] == [False, False, True, True, False]
    # Node 0 stands where u stands at t; node 2 follows u too, 7,200 s later, a whole turn of it.
    assert [outages.dark(0, t) for t in (0, 3600)] == [False, True]
    assert [outages.dark(2, t) for t in (0, 3600)] == [False, True]
    # Node 1 follows v at 3,600 + t, which is t modulo 200.
    assert [outages.dark(1, t) for t in (0, 99, 100, 199, 200)] == [True, True, False, False, True]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("u,5,9,1\n", "row 2: unit u: nothing is known from 0 to 5 s"),
        ("u,0,9,1\nu,8,12,0\n", "row 3: unit u: start_s 8 is before 9"),
        ("u,0,9,1\nu,10,12,0\n", "row 3: unit u: nothing is known from 9 to 10 s"),
        ("u,0,0,1\n", "row 2: unit u: end_s 0 is not after start_s 0"),
        ("u,0,9,\n", "row 2: available is not a number"),
    ],
)
def test_outages__refused_with_the_row(write: Write, text: str, says: str) -> None:
    with pytest.raises(HearthError) as error:
        traces.read_outages(write("out.csv", OUTAGES + text))
    assert says in error.value.message


def test_prices__median_exact_and_empty_rows_counted(write: Write) -> None:
    prices, skipped = traces.read_prices(write("p.csv", PRICES + "t4,0.3\nt4,0.1\nv100,1\nt4,\nt4,0.2\nv100,2\na,0\n"))
    assert prices == {"t4": Fraction(1, 5), "v100": Fraction(3, 2)}
    assert [(s.row, s.id) for s in skipped] == [(5, "t4"), (8, "a")]


def test_real_traces__read_whole(data: Path) -> None:
    assert len(traces.read_nodes(data / "nodes.csv").nodes) == 1213
    jobs = traces.read_jobs(data / "jobs_openb.csv", from_day=140)
    assert (jobs.count, len(jobs.orders), len(jobs.skipped)) == (271, 218, 53)
    assert traces.read_jobs(data / "jobs_philly.csv").count > 0
    assert len(traces.read_outages(data / "availability.csv.gz").units) == 17
    assert traces.read_prices(data / "prices.csv.gz")[0]["v100"] == 1

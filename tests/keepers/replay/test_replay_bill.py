"""The second opinion: by hand on small traces, and against the replay's own matching on the real ones."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from keepers.replay import bill, orders, rates, traces

Write = Callable[..., Path]
USD = {"t4": "0.36", "v100": "3.6"}
CENT = 10**14  # wei a GPU-second at 0.36 USD per GPU-hour
NODES = "node_id,gpu_model,gpu_count\nn0,t4,2\nn1,v100,4\n"


def test_pay__only_seconds_of_lit_slots() -> None:
    assert bill.pay(0, 900, set(), 300, 7, 2) == (0, 7 * 2 * 900)
    assert bill.pay(100, 700, {1}, 300, 7, 2) == (300, 7 * 2 * 300)
    assert bill.pay(100, 350, {0, 1}, 300, 7, 2) == (250, 0)
    assert bill.pay(100, 100, {0}, 300, 7, 2) == (0, 0)
    assert bill.pay(299, 301, {0}, 300, 1, 1) == (1, 1)


def test_pay__is_what_counting_second_by_second_gives() -> None:
    dark = {1, 2, 5}
    for start in range(0, 700, 97):
        for length in range(1, 1500, 113):
            paid = sum((second // 100) not in dark for second in range(start, start + length))
            assert bill.pay(start, start + length, dark, 100, 3, 5) == (length - paid, 15 * paid)


def test_expected__by_hand(write: Write) -> None:
    nodes = write("nodes.csv", NODES)
    jobs = write(
        "jobs.csv",
        "job_id,submit_s,duration_s,gpu_count,gpu_model\n"
        "a,10,1000,2,any\n"  # the cheap node
        "b,20,500,1,t4\n"  # full
        "c,1010,50,1,t4\n"  # a stops at this very second
        "d,1100,50,1,t4|v100\n"  # n0 is dark from 900 to 1,500
        "e,1200,,1,any\n",
    )
    outages = write("out.csv", "unit_id,start_s,end_s,available\nu,0,900,1\nu,900,1500,0\nu,1500,9000,1\n")
    result = bill.expected(nodes, jobs, fixed_usd=USD, slot=300, outages=outages)
    assert [(x.job_id, x.node_id, x.gpus, x.down_seconds, x.expected_wei) for x in result.lines] == [
        ("a", "n0", 2, 110, CENT * 2 * 890),
        ("d", "n1", 1, 0, CENT * 10 * 50),
    ]
    assert result.unmatched == ("b", "c")
    assert bill.expected(nodes, jobs, fixed_usd=USD, slot=300).lines[1].job_id == "c"


def test_expected__prices_win_over_the_table(write: Write) -> None:
    prices = write("p.csv", "gpu_model,usd_per_gpu_hour\nt4,7.2\nt4,\nt4,3.6\n")
    jobs = write("jobs.csv", "job_id,submit_s,duration_s,gpu_count,gpu_model\na,0,1,1,any\nb,0,1,1,t4\n")
    result = bill.expected(write("nodes.csv", NODES), jobs, fixed_usd=USD, slot=300, prices=prices)
    assert [(x.node, x.rate_wei) for x in result.lines] == [(1, 10 * CENT), (0, 15 * CENT)]


def test_bill__knows_nothing_of_the_rest() -> None:
    source = Path(bill.__file__).read_text(encoding="utf-8")
    roots = set()
    for statement in ast.walk(ast.parse(source)):
        if isinstance(statement, ast.Import):
            roots |= {alias.name.split(".")[0] for alias in statement.names}
        elif isinstance(statement, ast.ImportFrom):
            assert statement.level == 0
            roots.add((statement.module or "").split(".")[0])
    assert roots <= sys.stdlib_module_names


@pytest.mark.parametrize("with_outages", [False, True])
@pytest.mark.parametrize("with_prices", [False, True])
def test_real_day__bill_and_matching_agree(data: Path, with_outages: bool, with_prices: bool) -> None:
    outages = data / "availability.csv.gz" if with_outages else None
    prices = data / "prices.csv.gz" if with_prices else None
    nodes = traces.read_nodes(data / "nodes.csv", 50).nodes
    jobs = traces.read_jobs(data / "jobs_openb.csv", from_day=140)
    known = traces.read_prices(prices)[0] if prices else {}
    table = rates.rates_for([node.model for node in nodes], known)
    units = traces.read_outages(outages) if outages else None

    def dark(node: int, second: int) -> bool:
        return units is not None and units.dark(node, (second - jobs.first_s) // 300 * 300)

    seconds, unmatched = orders.timeline(jobs.orders, orders.Book(nodes, table, dark))
    result = bill.expected(
        data / "nodes.csv", data / "jobs_openb.csv", fixed_usd=rates.FIXED_USD_PER_HOUR, slot=300, node_limit=50,
        from_day=140, outages=outages, prices=prices,
    )  # fmt: skip
    takes = [take for second in seconds for take in second.takes]
    assert [(x.job_id, x.node) for x in result.lines] == [(t.order.job_id, t.node) for t in takes]
    assert [x.rate_wei for x in result.lines] == [t.rate_wei for t in takes]
    assert result.unmatched == tuple(u.order.job_id for u in unmatched)
    assert len(takes) + len(unmatched) == len(jobs.orders)
    assert (sum(line.down_seconds for line in result.lines) > 0) is with_outages
    # Second by second of which anything changes, no node runs more than it has; [start, stop) holds the GPUs.
    for k, node in enumerate(nodes):
        runs = [line for line in result.lines if line.node == k]
        busiest = max((sum(x.gpus for x in runs if x.start_s <= line.start_s < x.stop_s) for line in runs), default=0)
        assert busiest <= node.gpus


def test_rates__bounds() -> None:
    assert rates.rate_of("t4", Fraction("0.36"), "fixed").wei == CENT
    with pytest.raises(ValueError, match="not a rate"):
        rates.rate_of("t4", Fraction(1, 10**18), "fixed")
    with pytest.raises(ValueError, match="not a rate"):
        rates.rate_of("t4", Fraction(10**6), "fixed")
    assert set(rates.rates_for(["t4", "no-such"], {})) == {"t4"}


HEADER = "job_id,submit_s,duration_s,gpu_count,gpu_model\n"


def test_expected__same_price__the_first_node(write: Write) -> None:
    nodes = write("nodes.csv", "node_id,gpu_model,gpu_count\nn0,t4,2\nn1,t4,2\n")
    result = bill.expected(nodes, write("jobs.csv", HEADER + "a,0,1,1,any\n"), fixed_usd=USD, slot=300)
    assert [line.node for line in result.lines] == [0]


def test_expected__days__half_open(write: Write) -> None:
    jobs = write("jobs.csv", HEADER + "a,86399,1,1,any\nb,86400,1,1,any\nc,172799,1,1,any\nd,172800,1,1,any\n")
    result = bill.expected(write("nodes.csv", NODES), jobs, fixed_usd=USD, slot=300, from_day=1, days=1)
    assert [line.job_id for line in result.lines] == ["b", "c"]


def test_expected__node_that_runs_two_leases__both_hold_their_gpus(write: Write) -> None:
    jobs = write("jobs.csv", HEADER + "a,0,1000,1,t4\nb,10,1000,1,t4\nc,20,10,1,t4\nd,1005,1,2,t4\ne,1005,1,1,t4\n")
    result = bill.expected(write("nodes.csv", NODES), jobs, fixed_usd=USD, slot=300)
    assert [line.job_id for line in result.lines] == ["a", "b", "e"] and result.unmatched == ("c", "d")


def test_expected__outages_end_before_the_day__begin_again(write: Write) -> None:
    outages = write("out.csv", "unit_id,start_s,end_s,available\nu,0,300,0\nu,300,900,1\n")
    jobs = write("jobs.csv", HEADER + "a,300,1500,1,t4\n")  # [300, 1800): dark from 900 to 1,200
    (line,) = bill.expected(write("nodes.csv", NODES), jobs, fixed_usd=USD, slot=300, outages=outages).lines
    assert (line.node, line.down_seconds) == (0, 300)

"""`hearth replay`."""

from __future__ import annotations

from pathlib import Path

import rich_click as click

from keepers.cli import units
from keepers.cli.options import FILE, Options, command
from keepers.protocol.errors import HearthError


@command()
@click.option("--nodes", type=FILE, required=True, metavar="FILE", help="Machines: node_id, gpu_model, gpu_count.")
@click.option(
    "--jobs",
    type=FILE,
    required=True,
    metavar="FILE",
    help="Jobs: job_id, submit_s, duration_s, gpu_count, gpu_model.",
)
@click.option("--outages", type=FILE, metavar="FILE", help="Up and down intervals: unit_id, start_s, end_s, available.")
@click.option("--prices", type=FILE, metavar="FILE", help="Rates: the median usd_per_gpu_hour of each gpu_model.")
@click.option("--node-limit", type=click.IntRange(1), metavar="N", help="Only the first N nodes.")
@click.option(
    "--from-day",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    metavar="D",
    help="First day of the jobs' clock.",
)
@click.option(
    "--days", type=click.IntRange(1), default=1, show_default=True, metavar="K", help="How many days of jobs."
)
@click.option(
    "--attesters", type=click.IntRange(4, 31), default=4, show_default=True, metavar="N", help="Seats of the committee."
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**63 - 1),
    default=1,
    show_default=True,
    metavar="S",
    help="The same seed gives the same report.",
)
@click.option("--report", type=FILE, metavar="OUT.json", help="Write the report here.")
@click.option("--leases-csv", type=FILE, metavar="OUT.csv", help="Write a row a lease here.")
def replay(
    options: Options,
    nodes: Path,
    jobs: Path,
    outages: Path | None,
    prices: Path | None,
    node_limit: int | None,
    from_day: int,
    days: int,
    attesters: int,
    seed: int,
    report: Path | None,
    leases_csv: Path | None,
) -> None:
    """Live a day of a real cluster on a local chain: every role on virtual time, every wei compared with a second bill.

    Exits 1 if any lease was paid one wei more or less than the trace says.
    """
    for out in (report, leases_csv):
        if out is not None and not out.absolute().parent.is_dir():
            raise HearthError("H1005", f"{out} cannot be written: its folder does not exist")
        if out is not None and out.is_dir():
            raise HearthError("H1005", f"{out} cannot be written: it is a folder")

    from keepers.cli.progress import Bar
    from keepers.replay import report as reports
    from keepers.replay.driver import Replay
    from keepers.replay.inputs import Inputs

    inputs = Inputs(nodes, jobs, outages, prices, node_limit, from_day, days, attesters, seed)
    with Bar(quiet=options.quiet or options.json) as bar:
        result = Replay(inputs, bar.update).run()
    if report is not None:
        reports.write_json(report, result)
    if leases_csv is not None:
        reports.write_leases(leases_csv, result)
    options.emit("replay", result.document(), lambda: summary(result.document()))
    failed = reports.failure(result, report, leases_csv)
    if failed is not None:
        raise failed


def summary(document: dict[str, object]) -> str:
    """The report for people."""

    def get(name: str) -> int:
        return int(str(document[name]))

    lines = [
        f"nodes {get('nodes')} · jobs {get('jobs')}: leases {get('leases')} · unmatched {get('unmatched')} ·"
        f" skipped {get('skipped')}",
        f"seconds    wall {get('wall_seconds'):,} · attested {get('attested_seconds'):,}",
        f"credits    deposited {units.say_usd(get('deposited_wei'))} = paid {units.say_usd(get('paid_wei'))}"
        f" + returned {units.say_usd(get('returned_wei'))} + held {units.say_usd(get('held_wei'))}",
        f"           of what was paid: bounties {units.say_usd(get('bounties_wei'))} · fees"
        f" {units.say_usd(get('fees_wei'))}",
        f"tokens     burned {units.say_tokens(get('burned_wei'))} · minted {units.say_tokens(get('minted_wei'))}",
        f"chain      {get('transactions'):,} transactions · {get('gas'):,} gas · {get('reports')} reports,"
        f" {get('report_gas'):,} gas",
        f"challenge  {get('answers'):,} answers in {get('challenged_epochs')} challenged epochs ·"
        f" {get('unproven_epochs'):,} node-epochs without a pass that was owed",
        f"time       {units.say_duration(get('virtual_seconds'))} lived in"
        f" {float(str(document['real_seconds'])):.0f} s",
        f"CHECKED    expected {get('expected_paid_wei')} wei · paid {get('paid_wei')} wei · difference"
        f" {get('difference_wei')} wei",
    ]
    rates = document["rates"]
    if isinstance(rates, dict):
        said = [f"{model} {rate['usd_per_gpu_hour']} ({rate['source']})" for model, rate in rates.items()]
        lines.insert(1, "rates      USD per GPU-hour: " + " · ".join(said))
    return "\n".join(lines)

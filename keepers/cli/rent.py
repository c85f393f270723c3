"""`hearth rent`, `hearth topup`, `hearth close`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rich_click as click

from keepers.cli import units
from keepers.cli.offers import nothing_fits, wanted_of
from keepers.cli.options import Options, command
from keepers.cli.quotes import chosen
from keepers.cli.receipt import receipt_data, receipt_text
from keepers.cli.status import lease_data, lease_text
from keepers.protocol.errors import HearthError
from keepers.protocol.leases import least_prepaid, payment

if TYPE_CHECKING:
    from keepers.sdk.client import Hearth
    from keepers.sdk.types import RentPlan


@command()
@click.argument("row", metavar="[ROW]", required=False)
@click.option("--gpu", "gpu_text", metavar="NAME[:N]", help="GPU and how many, like RTX-4090:2.")
@click.option("--hours", "term", metavar="TIME", help="Term, like 12h or 90m.")
@click.option("--prepay", metavar="TIME", help="Pay this much ahead; the whole term by default.")
@click.option("--max", "most", metavar="USD", help="Most USD per GPU-hour.")
@click.option("--region", "regions", type=int, multiple=True, metavar="ID", help="Region id; repeat for several.")
@click.option("--node", type=click.IntRange(0), metavar="N", help="This node only.")
@click.option("--offers", "place", metavar="PLACE", default="", help="Folder, file or URL with signed asks.")
@click.option("--slippage", default="1", show_default=True, metavar="PERCENT", help="How much worse it may get.")
@click.option("--idempotency-key", default="", metavar="TEXT", help="Repeating it returns the first lease.")
def rent(
    options: Options,
    row: str | None,
    gpu_text: str | None,
    term: str | None,
    prepay: str | None,
    most: str | None,
    regions: tuple[int, ...],
    node: int | None,
    place: str,
    slippage: str,
    idempotency_key: str,
) -> None:
    """Rent GPUs: plan, confirm, buy what the purse lacks, open the lease.

    ROW is a row of your last `hearth offers`, valid for 10 minutes, or its id for scripts. Without it: the cheapest
    node that fits --gpu and --hours.
    """
    worse = int(units.number(slippage, "percentage", "write a percentage like 1 or 0.5") * 100)
    if row is None and not (gpu_text and term):
        raise HearthError(
            "H1005",
            "rent what? A row of the last offers, or --gpu and --hours",
            next=("hearth rent --gpu NAME:N --hours TIME", "hearth offers, then: hearth rent 1"),
        )
    hearth = options.hearth()
    if idempotency_key and not options.dry_run and (first := hearth.rented(idempotency_key)) is not None:
        options.note(f"lease {first.ordinal} was opened with this key before: nothing was sent")
        options.emit("lease", lease_data(first), lambda: lease_text(options, first), hearth)
        return
    ask = ""
    if row is not None:
        picked = chosen(options, hearth, row)
        gpu_text, term = gpu_text or picked.gpu, term or picked.hours
        ask, node, regions = picked.ask, picked.node, regions or picked.regions
        place, most = place or picked.place, most or picked.max_usd
    quote = wanted_of(gpu_text or "", term or "", most).quote(hearth, regions, place)
    rows = [r for r in quote.rows if node is None or r.node == node]
    rows = [r for r in rows if not ask or "0x" + r.signed.digest.hex() == ask]
    if not rows:
        limit = f" at <= ${most} per GPU-hour" if most else ""
        raise nothing_fits(
            quote.why(), f"gpu={gpu_text or 'any'} for {term}{limit}" + (f" on node {node}" if node is not None else "")
        )
    plan = hearth.plan(
        rows[0],
        gpus=quote.gpus,
        duration_s=quote.duration_s,
        prepaid_s=units.hours(prepay) if prepay else None,
        idempotency_key=idempotency_key,
    )
    options.note(plan_text(hearth, plan))
    if options.planned(plan, hearth):
        return
    options.confirm()
    plan = hearth.again(plan, worse, idempotency_key)
    view = hearth.rent(plan, options.progress)
    options.emit("lease", lease_data(view), lambda: lease_text(options, view), hearth)
    options.note(f"next  hearth status {view.ordinal}")


def plan_text(hearth: Hearth, plan: RentPlan) -> str:
    """What will be done, what it costs at most, and how it ends."""
    ends = units.say_when(hearth.head().timestamp + plan.prepaid_s)
    parts = [
        f"node {plan.row.node} · {plan.gpus} x {plan.row.class_name} · {units.say_rate(plan.row.rate_wei)} USD per"
        " GPU-hour"
    ]
    if plan.burn_wei:
        parts.append(f"burn {units.say_tokens(plan.burn_wei)} for credits")
    parts.append(f"lock {units.say_usd(plan.deposit_wei)} · runs to {ends} or until you close")
    lines = [f" {'plan' if i == 0 else '':<5} {part}" for i, part in enumerate(parts)]
    sheet = plan.row.sheet
    least = least_prepaid(sheet, hearth.calendar.slot)
    lines.append(
        f" you   pay attested seconds only · close any time after {units.say_duration(least)} · bond"
        f" {plan.bond_gwei / 1e9:,.4f} HRTH"
        f" stands behind it · from key {units.short(hearth.address)}"
    )
    return "\n".join(lines)


@command()
@click.argument("lease")
@click.option("--hours", "time_text", metavar="TIME", required=True, help="How much longer, like 6h.")
@click.option("--idempotency-key", default="", metavar="TEXT", help="Repeating it pays once.")
def topup(options: Options, lease: str, time_text: str, idempotency_key: str) -> None:
    """Pay a running lease further ahead, never past the end of its term."""
    seconds = units.hours(time_text)
    hearth = options.hearth()
    view = hearth.status(lease)
    cost = hearth.topup_cost(lease, seconds, idempotency_key)
    if cost:
        options.note(
            f" plan  lease {view.ordinal}: at most {units.say_usd(cost)} more, runway now"
            f" {units.say_duration(view.runway_s)}"
        )
        if options.planned({"lease": view.ordinal, "credits_wei": cost}, hearth):
            return
        options.confirm()
    after = hearth.topup(lease, seconds, options.progress, idempotency_key)
    options.emit("lease", lease_data(after), lambda: lease_text(options, after), hearth)
    options.note(f"next  hearth status {after.ordinal}")


@command()
@click.argument("lease")
def close(options: Options, lease: str) -> None:
    """Stop a lease. What can no longer be owed comes home at once, the rest when its last report is final."""
    hearth = options.hearth()
    view = hearth.status(lease)
    if view.terms.stopped:
        options.note(f"lease {view.ordinal} has stopped already: {view.reason}")
    else:
        owed = payment(view.terms, view.money, view.wall_s)
        options.note(
            f" plan  stop lease {view.ordinal} after {units.say_duration(view.wall_s)} · at least"
            f" {units.say_usd(view.money.credits - owed)} back at once, up to {units.say_usd(owed)} held until the"
            " last report is final"
        )
        if options.planned({"lease": view.ordinal}, hearth):
            return
        options.confirm()
        hearth.close(lease, options.progress)
    receipt = hearth.receipt(lease)
    options.emit("receipt", receipt_data(receipt), lambda: receipt_text(receipt), hearth)
    options.note(f"next  hearth receipt {view.ordinal}")

"""`hearth status`, `hearth receipt`."""

from __future__ import annotations

import csv
import io
import json
import time
from typing import TYPE_CHECKING, Any

import rich_click as click

from keepers.cli import output, units
from keepers.cli.options import Options, command

if TYPE_CHECKING:
    from keepers.sdk.types import LeaseView, Receipt


def lease_data(view: LeaseView) -> dict[str, Any]:
    """A lease as JSON data."""
    terms, money = view.terms, view.money
    return {
        "lease": view.ordinal,
        "id": f"0x{view.lease_id:064x}",
        "state": view.state,
        "reason": terms.reason.name if terms.stopped else None,
        "cause": terms.cause.name.lower() if terms.stopped else None,
        "node": terms.node,
        "provider": terms.provider,
        "gpus": terms.gpus,
        "rate_wei": terms.rate,
        "renter": view.renter,
        "start_at": units.rfc3339(terms.start),
        "until_at": units.rfc3339(view.until_at),
        "wall_s": view.wall_s,
        "attested_s": money.settled,
        "held_wei": money.credits,
        "runway_s": view.runway_s,
        "sheet": terms.sheet,
    }


def lease_text(view: LeaseView) -> str:
    """A lease for people; `final` is what settlements have paid."""
    terms, money = view.terms, view.money
    age = f"block {view.block}, {units.say_time(view.now_at)}"
    ended = f" · {view.reason}, cause: {view.cause.name.lower()}" if terms.stopped else ""
    return "\n".join(
        [
            f" lease {view.ordinal}  {view.state}{ended}",
            f" node  {terms.node}  {terms.gpus} GPU{'s' if terms.gpus > 1 else ''} "
            f" ${units.say_rate(terms.rate)}/GPU-h          {age}",
            f" wall      {units.say_duration(view.wall_s):<16} attested {units.say_duration(money.settled)} final,"
            " settled so far",
            f" paid      {units.say_usd(money.settled * terms.per_second):<16} still in the lease"
            f" {units.say_usd(money.credits)}"
            f"     runway {units.say_duration(view.runway_s)}",
            f" from      {units.say_time(terms.start)} to {units.say_time(view.until_at)}",
        ]
    )


@command()
@click.argument("lease", required=False)
@click.option("--watch", is_flag=True, help="Again every few seconds, until it has ended.")
@click.option("--renter", metavar="ADDRESS", help="Leases of this address instead of the key's.")
def status(options: Options, lease: str | None, watch: bool, renter: str | None) -> None:
    """Your leases, ended ones included; or one of them in full."""
    hearth = options.hearth()
    if lease is None:
        views = hearth.leases(renter)

        def text() -> str:
            if not views:
                return "no lease yet"
            headers = ["lease", "state", "node", "GPUs", "$/GPU-h", "wall", "runway", "held", "reason"]
            rows = [
                [
                    str(v.ordinal),
                    v.state,
                    str(v.terms.node),
                    str(v.terms.gpus),
                    units.say_rate(v.terms.rate),
                    units.say_duration(v.wall_s),
                    units.say_duration(v.runway_s),
                    units.say_usd(v.money.credits),
                    v.terms.reason.name if v.terms.stopped else "",
                ]
                for v in views
            ]
            return output.table(headers, rows, output.terminal_width())

        options.emit("status", [lease_data(v) for v in views], text, hearth)
        return
    while True:
        view = hearth.status(lease)
        if watch and options.json:
            options.say(json.dumps(output.plain(lease_data(view))))
        else:
            options.emit("status", lease_data(view), lambda view=view: lease_text(view), hearth)  # type: ignore[misc]
        if not watch or view.state == "ENDED":
            return
        time.sleep(5)


def receipt_data(receipt: Receipt) -> dict[str, Any]:
    """A receipt as JSON data: lines, and totals that close to the wei."""
    return {
        **lease_data(receipt.view),
        "lines": [{**output.plain(line), "at": units.rfc3339(line.at)} for line in receipt.lines],
        "deposited_wei": receipt.deposited_wei,
        "paid_wei": receipt.paid_wei,
        "returned_wei": receipt.returned_wei,
        "held_wei": receipt.held_wei,
        "closes": receipt.closes,
    }


def receipt_text(receipt: Receipt) -> str:
    """A receipt for people."""
    headers = ["time", "what", "attested s", "deposited", "paid", "returned", "tx"]
    rows = [
        [
            units.say_time(line.at),
            line.what,
            str(line.seconds or ""),
            *(units.say_usd(v) if v else "" for v in (line.deposited_wei, line.paid_wei, line.returned_wei)),
            units.short(line.tx),
        ]
        for line in receipt.lines
    ]
    view = receipt.view
    total = (
        f"deposited {units.say_usd(receipt.deposited_wei)} = paid {units.say_usd(receipt.paid_wei)}"
        f" + returned {units.say_usd(receipt.returned_wei)} + held {units.say_usd(receipt.held_wei)}"
    )
    closes = "closes to the wei" if receipt.closes else "DOES NOT CLOSE: the events and the lease's word differ"
    head = f"lease {view.ordinal}  {view.state}  wall {view.wall_s:,} s · attested {view.money.settled:,} s final"
    return "\n".join([head, output.table(headers, rows, 140), total, closes])


@command()
@click.argument("lease")
@click.option("--format", "form", type=click.Choice(["text", "json", "csv"]), default="text", show_default=True)
def receipt(options: Options, lease: str, form: str) -> None:
    """Everything that moved money in a lease, and the totals."""
    hearth = options.hearth()
    found = hearth.receipt(lease)
    if form == "csv":
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        names = ("at", "block", "tx", "what", "seconds", "deposited_wei", "paid_wei", "bounty_wei", "returned_wei")
        writer.writerow(names)
        for line in found.lines:
            writer.writerow([getattr(line, name) if name != "at" else units.rfc3339(line.at) for name in names])
        options.say(text.getvalue().rstrip())
        return
    if form == "json":
        options.json = True
    options.emit("receipt", receipt_data(found), lambda: receipt_text(found), hearth)

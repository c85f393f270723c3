"""`hearth status`."""

from __future__ import annotations

import json
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import rich_click as click

from keepers.cli import output, units
from keepers.cli.options import Options, command
from keepers.protocol.leases import Reason, payment

if TYPE_CHECKING:
    from keepers.sdk.client import Hearth
    from keepers.sdk.history import Ending
    from keepers.sdk.types import LeaseView
    from keepers.sdk.uptime import Uptime


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


_BY_HOST = (Reason.HOST_NOTICE, Reason.HOST_EXIT)
STATE_STYLE = {"RUNNING": "good", "LAPSED": "late", "STOPPED": "late", "ENDED": "dim"}


def money_now(view: LeaseView, uptime: Uptime) -> dict[str, int]:
    """What a settlement now would pay, and what closing now would give back at once or hold; in wei."""
    due = payment(view.terms, view.money, uptime.final_s)
    owed = payment(view.terms, view.money, view.wall_s)
    return {"due_wei": due, "back_at_once_wei": view.money.credits - owed, "held_until_final_wei": owed}


def uptime_data(view: LeaseView, uptime: Uptime) -> dict[str, Any]:
    """What the committee saw, and the money that follows from it, as JSON data."""
    return {
        "attested_final_s": uptime.final_s,
        "attested_pending_s": uptime.pending_s - uptime.final_s,
        "unattested_s": uptime.pending_missed_s,
        "final_through_at": units.rfc3339(uptime.final_at),
        "reported_through_at": units.rfc3339(uptime.pending_at),
        "uptime_bps": uptime.uptime_bps,
        "slots": uptime.slots,
        **money_now(view, uptime),
    }


def ending_data(ending: Ending | None) -> dict[str, Any]:
    """Who stopped a lease and on which report, as JSON data; null while it runs."""
    if ending is None:
        return {"ended": None}
    report = {"epoch": ending.report_epoch, "tx": ending.report_tx, "signers": ending.signers, "seats": ending.seats}
    return {
        "ended": {
            "by": ending.by,
            "tx": ending.tx,
            "block": ending.block,
            "report": report if ending.report_tx else None,
        }
    }


def ending_lines(view: LeaseView, ending: Ending) -> list[str]:
    """The same for people."""
    who = "its renter" if ending.by == view.renter else "its host" if view.terms.reason in _BY_HOST else "somebody else"
    lines = [f" closed    by {who}, {ending.by} · tx {ending.tx}"]
    if ending.report_tx:
        lines.append(
            f" report    epoch {ending.report_epoch}, signers {ending.signers}/{ending.seats} · tx {ending.report_tx}"
        )
    return lines


def lease_text(options: Options, view: LeaseView, uptime: Uptime | None = None, ending: Ending | None = None) -> str:
    """A lease for people. `final` no report can change any more, `pending` is reported and not usable yet."""
    terms, money = view.terms, view.money
    age = f"block {view.block}, {units.say_when(view.now_at)}"
    ended = f" · {view.reason}, cause: {view.cause.name.lower()}" if terms.stopped else ""
    lines = [
        f" lease {view.ordinal}  {options.paint(view.state, STATE_STYLE[view.state])}{ended}",
        f" node  {terms.node}  {terms.gpus} GPU{'s' if terms.gpus > 1 else ''} "
        f" ${units.say_rate(terms.rate)}/GPU-h          {age}",
    ]
    paid = f" paid      {units.say_usd(money.settled * terms.per_second):<16}"
    if uptime is None:
        lines.append(
            f" wall      {units.say_duration(view.wall_s):<16} settled {units.say_duration(money.settled)} so far"
        )
        lines.append(f"{paid} still in the lease {units.say_usd(money.credits)}")
    else:
        now = money_now(view, uptime)
        lines.append(
            f" wall      {units.say_duration(view.wall_s):<16} attested {units.say_duration(uptime.final_s)} final"
            f" + {units.say_duration(uptime.pending_s - uptime.final_s)} pending     not attested"
            f" {units.say_duration(uptime.pending_missed_s)}"
        )
        lines.append(
            f"{paid} due if settled now {units.say_usd(now['due_wei'])}    still in the lease"
            f" {units.say_usd(money.credits)}"
        )
        if not terms.stopped:
            lines.append(
                f" if closed now    {units.say_usd(now['back_at_once_wei'])} back at once,"
                f" {units.say_usd(now['held_until_final_wei'])} when final"
            )
        if uptime.uptime_bps is not None:
            lines.append(f" uptime    {uptime.uptime_bps / 100:.2f} % final")
        if uptime.slots:
            lines.append(f" slots     {uptime.slots}     # up  . missed  ? not reported")
    lines += ending_lines(view, ending) if ending else []
    runway = "" if terms.stopped else f"     runway {units.say_duration(view.runway_s)}"
    lines.append(f" from      {units.say_when(terms.start)} to {units.say_when(view.until_at)}{runway}")
    if view.state == "STOPPED":
        lines.append(" you may   wait: a settler finishes it when the last report is usable, and the rest comes home")
    return "\n".join(lines)


def _uptime(hearth: Hearth, lease: str) -> Uptime | None:
    """What the committee saw; None where its reports cannot be read now: the money is shown all the same."""
    from keepers.protocol.errors import HearthError

    try:
        return hearth.uptime(lease)
    except HearthError as error:
        if error.code == "H5001":
            raise
        return None


def _ending(hearth: Hearth, lease: str) -> Ending | None:
    """Who stopped it; None while it runs, and where its events cannot be read now."""
    from keepers.protocol.errors import HearthError

    try:
        return hearth.ending(lease)
    except HearthError:
        return None


@command()
@click.argument("lease", required=False)
@click.option("--watch", is_flag=True, help="Again every few seconds, until it has ended.")
@click.option("--renter", metavar="ADDRESS", help="Leases of this address instead of the key's.")
def status(options: Options, lease: str | None, watch: bool, renter: str | None) -> None:
    """Your leases, ended ones included; or one of them in full."""
    whose = None if renter is None else units.address(renter)
    hearth = options.hearth()
    if lease is None:
        views = hearth.leases(whose)

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
        options.note(f"next  hearth status {views[-1].ordinal}" if views else "next  hearth offers")
        return
    while True:
        view, uptime = hearth.status(lease), _uptime(hearth, lease)
        ending = _ending(hearth, lease) if view.terms.stopped else None
        data = lease_data(view) | (uptime_data(view, uptime) if uptime else {}) | ending_data(ending)
        text_of = partial(lease_text, options, view, uptime, ending)
        if watch and options.json:
            options.say(json.dumps(output.plain(data)))
        else:
            options.emit("status", data, text_of, hearth)
        if not watch or view.state == "ENDED":
            return
        time.sleep(5)

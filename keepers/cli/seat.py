"""`hearth seat`: a seat of the committee, its bond, its way in and out; and what anybody may do about seats."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from keepers.cli import output, units
from keepers.cli.files import read_bytes
from keepers.cli.options import FILE, Options, group
from keepers.protocol.seats import REPEAT, Seat, bounty

if TYPE_CHECKING:
    from keepers.sdk.client import Hearth
    from keepers.sdk.types import SeatTable, SeatView

ANYBODY = "attester or renter"  # whose key pays for what anybody may do
DAY_S = 86_400


@group(default="show")
def seat() -> None:
    """A seat of the committee: show, list, join, endpoint, leave, withdraw; apply, punish, prove."""


def _at(second: int, now: int) -> str:
    """`2026-12-01 14:05:02 UTC, in 3 h 00 min`."""
    gap = second - now
    return f"{units.say_time(second)}, " + (
        f"in {units.say_duration(gap)}" if gap > 0 else f"{units.say_duration(-gap)} ago"
    )


def _table(table: SeatTable | None, what: str) -> str:
    if table is None:
        return f"no table {what}"
    place = "no seat in it" if table.seat is None else f"seat {table.seat} of {table.seats}"
    return f"{place} · generation {table.generation}, in force from epoch {table.start}"


def seat_text(view: SeatView, log: str = "") -> str:
    """A seat for people."""
    lines = [
        f" account   {view.account}          epoch {view.epoch}",
        f" state     {view.state}",
        f" bond      {units.say_tokens(view.bond_wei)} · required {units.say_tokens(view.required_wei)}"
        + (f" · {units.say_tokens(view.missing_wei)} missing" if view.missing_wei else ""),
        f" now       {_table(view.present, 'is in force')}",
    ]
    if view.coming is not None:
        lines.append(f" coming    {_table(view.coming, '')}")
    if view.signs and not view.seated and not view.free_at:
        behind = "" if view.bond_wei else ": no bond stands behind the seat"
        lines.append(f" note      the owner seated this account in the hub itself{behind}")
    if view.seated and not view.signs and (view.coming is None or view.coming.seat is None):
        lines.append(
            " note      the owner set a table without this account in the hub itself: it signs nothing until the next"
        )
    if view.proposed_at:
        lines.append(f" proposed  for a table that anyone may apply from {_at(view.proposed_at, view.now)}")
    if view.leaving_at:
        lines.append(f" leaving   out of the table that is applied from {_at(view.leaving_at, view.now)}")
    if view.free_at and view.bond_wei:
        lines.append(f" free      the bond can be withdrawn from {_at(view.free_at, view.now)}")
    if view.fault_at and view.fault_at + REPEAT > view.now:
        lines.append(
            f" fault     a report of {units.say_time(view.fault_at)} fell: another by"
            f" {units.say_time(view.fault_at + REPEAT)} takes the whole bond"
        )
    if view.stuck:
        lines.append(f" table     another one waits and cannot be applied now: {view.stuck}")
    lines.append(f" endpoint  {view.endpoint or 'none set: hearth seat join --endpoint URL'}")
    if log:
        lines.append(f" sign log  {log}")
    lines += [f"{'next' if i == 0 else '':<4}  {step}" for i, step in enumerate(view.next or ("nothing to do",))]
    return "\n".join(lines)


def seat_data(view: SeatView, log: str | None = None) -> dict[str, Any]:
    """The same as JSON data."""
    times = {name: getattr(view, name) for name in ("leaving_at", "free_at", "fault_at", "proposed_at")}
    return {
        **output.plain(view),
        **{name: units.rfc3339(second) if second else None for name, second in times.items()},
        "signs": view.signs,
        "missing_wei": output.plain(view.missing_wei),
        "sign_log": log,
    }


def _emit(options: Options, view: SeatView, hearth: Hearth, log: str = "") -> None:
    options.emit("seat", seat_data(view, log or None), lambda: seat_text(view, log), hearth)


# ---- looking


@seat.command()
@click.argument("account", required=False)
@click.pass_obj
def show(options: Options, account: str | None) -> None:
    """How an account stands as a seat: bond, tables, times, sign log, what to do next. Yours by default."""
    wanted = None if account is None else units.address(account).lower()
    hearth = options.hearth("attester")
    view = hearth.seat(wanted)
    own = wanted is None or (hearth.has_key and wanted == hearth.address.lower())
    _emit(options, view, hearth, _sign_log(options) if own else "")


def _sign_log(options: Options) -> str:
    """State of the sign log of [attester], in words; opening it changes nothing that a start would not."""
    from keepers.cli.signlog import in_words

    return in_words(options)


@seat.command("list")
@click.pass_obj
def list_(options: Options) -> None:
    """Everybody in the committee, present and coming: state, bond, endpoint."""
    hearth = options.hearth("attester")
    views = hearth.seats()
    rows = [
        [
            str(view.present.seat) if view.present is not None and view.present.seat is not None else "coming",
            units.short(view.account),
            view.state,
            units.say_tokens(view.bond_wei),
            view.endpoint or "-",
        ]
        for view in views
    ]
    headers = ["seat", "account", "state", "bond", "endpoint"]
    options.emit(
        "seats",
        [seat_data(view) for view in views],
        lambda: output.table(headers, rows, 140) if rows else "no committee is set yet: the owner sets the first",
        hearth,
    )


# ---- the attester


@seat.command()
@click.argument("tokens", required=False)
@click.option("--endpoint", default="", metavar="URL", help="Where the seat answers; what the chain has by default.")
@click.option("--idempotency-key", default="", metavar="TEXT", help="Repeating it bonds once.")
@click.pass_obj
def join(options: Options, tokens: str | None, endpoint: str, idempotency_key: str) -> None:
    """Bond TOKENS, or what the required bond lacks; then the owner can propose the account."""
    amount = None if tokens is None else units.token_wei(tokens)
    hearth = options.hearth("attester")
    view = hearth.seat()
    where = hearth.check_endpoint(endpoint or view.endpoint)
    bonds = view.missing_wei if amount is None else amount
    held = units.say_duration(hearth.deployment_number("dispute_epochs") * hearth.calendar.epoch_seconds
                              + hearth.deployment_number("unbonding_s"))  # fmt: skip
    first = Seat(view.bond_wei + bonds).penalty(view.now)
    options.note(
        f" plan  bond {units.say_tokens(bonds)} of {units.short(view.account)}, in all"
        f" {units.say_tokens(view.bond_wei + bonds)} of {units.say_tokens(view.required_wei)} required"
        f" · endpoint {where}\n"
        f" risk  a report that is refuted costs {units.say_tokens(first)}, a second one within"
        f" {REPEAT // DAY_S} days or two signatures in one place all of it\n"
        f" undo  hearth seat withdraw: at once before the account has sat, else {held} after its last epoch"
    )
    if options.planned({"account": view.account, "bond_wei": bonds, "endpoint": where}, hearth):
        return
    if bonds or where != view.endpoint:
        options.confirm()
    _emit(options, hearth.join(amount, where, options.progress, idempotency_key), hearth)


@seat.command()
@click.argument("url")
@click.pass_obj
def endpoint(options: Options, url: str) -> None:
    """Where the seat answers, from the next table on: until one is applied, everybody goes on using the old URL."""
    hearth = options.hearth("attester")
    where = hearth.check_endpoint(url)
    options.note(
        f" plan  {units.short(hearth.address)} answers at {where}, once another table is applied\n"
        " note  keep the old address answering until then"
    )
    if options.planned({"account": hearth.address, "endpoint": where}, hearth):
        return
    options.confirm()
    _emit(options, hearth.set_endpoint(where, options.progress), hearth)


@seat.command()
@click.pass_obj
def leave(options: Options) -> None:
    """Leave the committee: nobody is asked. Keep signing until the table without the seat is in force."""
    hearth = options.hearth("attester")
    view = hearth.seat()
    notice = units.say_duration(hearth.deployment_number("seat_notice_s"))
    options.note(
        f" plan  {units.short(view.account)} is out of the table that anyone may apply in {notice}\n"
        " risk  it signs until that table is in force; a seat that stops sooner delays everybody's reports · cannot be"
        " taken back\n"
        " then  hearth seat apply, and hearth seat withdraw once the bond is free"
    )
    if options.planned({"account": view.account, "notice_s": hearth.deployment_number("seat_notice_s")}, hearth):
        return
    if not view.leaving_at:
        options.confirm_name(view.account[:10], "leaving the committee cannot be taken back")
    _emit(options, hearth.leave_seat(options.progress), hearth)


@seat.command()
@click.pass_obj
def withdraw(options: Options) -> None:
    """Bring the bond home, all of it: at once for an account that never sat, else when it is free."""
    hearth = options.hearth("attester")
    amount = hearth.free_bond()
    options.note(f" plan  withdraw the bond of {units.short(hearth.address)}: {units.say_tokens(amount)}")
    if options.planned({"account": hearth.address, "bond_wei": amount}, hearth):
        return
    options.confirm()
    _emit(options, hearth.withdraw_bond(options.progress), hearth)
    options.note(f"next  hearth wallet show {hearth.address}")


# ---- anybody


@seat.command()
@click.pass_obj
def apply(options: Options) -> None:
    """Apply the table that is due: the proposed one after its notice, or the last without those that left."""
    hearth = options.hearth(ANYBODY)
    hearth.check_due()
    options.note(" plan  hand the hub the table that is due; in force from the next epoch on · costs gas only")
    if options.planned({"by": hearth.address}, hearth):
        return
    options.confirm()
    made = hearth.apply_table(options.progress)
    options.emit(
        "table",
        made,
        lambda: f"generation {made.generation}: {made.seats} seats, in force from epoch {made.start}",
        hearth,
    )
    options.note("next  hearth seat list")


@seat.command()
@click.argument("epoch", type=click.IntRange(1, 2**32 - 1))
@click.pass_obj
def punish(options: Options, epoch: int) -> None:
    """After a refutation: take a tenth of the bond of each signer, all of it the second time in a month. By anyone."""
    hearth = options.hearth(ANYBODY)
    open_ = hearth.unpunished(epoch)
    options.note(
        f" plan  punish the signers of {len(open_)} refuted reports of epoch {epoch} · the finder gets a fifth, the"
        " rest burns · costs gas only"
    )
    if options.planned({"epoch": epoch, "reports": list(open_)}, hearth):
        return
    if open_:
        options.confirm()
    taken = hearth.punish(epoch, options.progress)
    data = {"epoch": epoch, "taken": [{"seat": who, "taken_wei": wei} for who, wei in taken]}
    options.emit(
        "punished",
        data,
        lambda: "\n".join(f"{who} lost {units.say_tokens(wei)}" for who, wei in taken) or "its signers were punished",
        hearth,
    )


@seat.command()
@click.argument("file", type=FILE)
@click.pass_obj
def prove(options: Options, file: Path) -> None:
    """Show FILE, two things that a seat signed in one place: its bond is taken, a fifth of it is yours."""
    from keepers.sdk import evidence

    hearth = options.hearth(ANYBODY)
    shown = evidence.read(read_bytes(file, evidence.MAX_BYTES))
    guilty = hearth.guilty(shown)
    bond = hearth.seat(guilty).bond_wei
    options.note(
        f" plan  commit, then prove that seat {shown.seat} ({units.short(guilty)}) signed twice in epoch"
        f" {shown.epoch}\n"
        f" pays  {units.say_tokens(bounty(bond))} of its bond of {units.say_tokens(bond)}, to"
        f" {units.short(hearth.address)}; the rest burns"
    )
    if options.planned({"seat": guilty, "epoch": shown.epoch, "bond_wei": bond}, hearth):
        return
    options.confirm()
    _emit(options, hearth.prove(shown, options.progress), hearth)

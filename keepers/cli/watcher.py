"""`hearth watcher`: the daemon that judges every report, and the same look once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import rich_click as click
from click.exceptions import Exit

from keepers.cli import output, units
from keepers.cli.options import Options, command
from keepers.protocol.errors import HearthError

if TYPE_CHECKING:
    from keepers.roles.watcher.findings import Row
    from keepers.roles.watcher.role import Watcher
    from keepers.runtime.settings import Settings
    from keepers.sdk.client import Hearth

FAULT = 9  # something false is on chain, or was signed, and is not settled
SHOWN = 20  # settled findings that people are shown


@command()
@click.option("--once", is_flag=True, help="Look once, print what was found, exit 9 where something is not settled.")
@click.option("--submit", is_flag=True, help="Send the proofs of what is found; needs the key of [watcher].")
def watcher(options: Options, once: bool, submit: bool) -> None:
    """Run a watcher: derives every root again from the chain's logs and refutes what is false while it can be.

    It needs an endpoint and a deployment record; a key only to submit. Without --submit, or submit = true in
    [watcher], it looks and alarms, and sends nothing.
    """
    from keepers.sdk.connect import load_settings

    settings = load_settings(options.flags()).settings
    if once and submit:
        raise HearthError("H1005", "--once looks and sends nothing", next=("leave --once or --submit out",))
    if once:
        _once(options, settings)
        return
    from keepers.cli.up import run_roles

    if submit:
        section = settings.watcher  # type: ignore[attr-defined]
        settings = settings.model_copy(update={"watcher": section.model_copy(update={"submit": True})})
    if not settings.watcher.submit or options.dry_run:  # type: ignore[attr-defined]
        options.note("dry: looks and alarms, sends nothing")
    run_roles(options, settings, ["watcher"])


def _once(options: Options, settings: Settings) -> None:
    hearth = options.hearth()
    role, at, rows = look(hearth, settings)
    open_keys = {verdict.finding.key: verdict.state for verdict in role.verdicts}
    now = at.timestamp
    data = {
        "last": role.books.last,
        "epochs_checked": role.books.checked,
        "false": None if role.books.false is None else role.books.false.found.epoch,
        "unsettled": len(open_keys),
        "findings": [row_data(row, now, row.finding.key in open_keys) for row in rows],
    }
    options.emit("watcher", data, lambda: text(role, rows, now, options.verbose > 0), hearth)
    if open_keys:
        options.note("next  hearth watcher --submit proves what can be proven; docs/operators/watcher.md")
        raise Exit(FAULT)


def look(hearth: Hearth, settings: Settings) -> tuple[Watcher, Any, list[Row]]:
    """One look over a network, with the states and findings of this machine's database; (role, block, findings)."""
    from keepers.chain.contracts import Suite
    from keepers.chain.keys import keystore_address
    from keepers.outbox.queue import Queue
    from keepers.roles.watcher.role import Policy, Watcher
    from keepers.runtime.clock import SystemClock
    from keepers.runtime.role import Context
    from keepers.store.migrations import open_store

    section: Any = settings.watcher  # type: ignore[attr-defined]
    account = keystore_address(section.keystore.expanduser()) if section.keystore else ""
    policy = Policy(unpaid=section.unpaid, native_usd=int(section.native_usd * 10**12))
    record, at = hearth.deployment, hearth.reader.head()
    clock = SystemClock(adopt=True)  # the chain's time: windows are in it
    clock.saw(at.timestamp)
    store = open_store(settings.database(record.network))
    try:
        role = Watcher(None, policy, account)
        context = Context(hearth.reader, clock, record.clock(), record, Suite.over(hearth.reader), store)
        if account:
            context.senders[account] = Queue(store, account, record.codec(), clock.now)
        role.mount(context)
        try:
            role.start()
            role.look(at)
            return role, at, role.findings.all()
        finally:
            role.close()
    finally:
        store.close()


def row_data(row: Row, now: int, unsettled: bool) -> dict[str, Any]:
    """A finding as JSON data. `provable`: it could be shown on chain at this block."""
    finding = row.finding
    return {
        "key": finding.key,
        "kind": finding.kind,
        "epoch": finding.epoch,
        "node": finding.node if finding.node >= 0 else None,
        "seat": finding.seat if finding.seat >= 0 else None,
        "state": row.state.value,
        "unsettled": unsettled,
        "provable": _provable(row, unsettled),
        "why": finding.why,
        "bounty_wei": finding.bounty,
        "gas": finding.gas,
        "deadline_at": units.rfc3339(finding.deadline) if finding.deadline > 1 else None,
        "deadline_s": max(0, finding.deadline - now) if finding.deadline else None,
        "first_seen_at": units.rfc3339(row.first_seen),
        "changed_at": units.rfc3339(row.updated),
    }


def _provable(row: Row, unsettled: bool) -> bool:
    return unsettled and row.finding.provable and row.state.value != "too late"


def text(role: Watcher, rows: list[Row], now: int, verbose: bool) -> str:
    """What was looked at and what was found, for people."""
    open_keys = {verdict.finding.key for verdict in role.verdicts}
    books = role.books
    false = "" if books.false is None else f"; the report of epoch {books.false.found.epoch} is false"
    lines = [f" checked   {books.checked} epochs now; every root through epoch {books.last} is right{false}"]
    settled = [row for row in rows if row.finding.key not in open_keys]
    shown = [row for row in rows if row.finding.key in open_keys] + (settled if verbose else settled[:SHOWN])
    if not shown:
        return "\n".join([*lines, " findings  none"])
    cells = []
    for row in shown:
        finding = row.finding
        who = f"node {finding.node}" if finding.node >= 0 else f"seat {finding.seat}" if finding.seat >= 0 else "-"
        unsettled = finding.key in open_keys
        left = units.say_duration(finding.deadline - now) if finding.deadline > now else "over"
        cells.append(
            [
                finding.kind,
                who,
                str(finding.epoch),
                "yes" if _provable(row, unsettled) else "no",
                units.say_tokens(finding.bounty),
                f"{finding.gas:,}",
                left if finding.deadline and unsettled else "-",
                row.state.value,
            ]
        )
    names = ["kind", "node", "epoch", "provable now", "bounty", "gas", "deadline", "state"]
    lines += ["", output.table(names, cells, output.terminal_width()), ""]
    lines += [f" {row.finding.kind} of epoch {row.finding.epoch}: {row.finding.why}" for row in shown]
    if len(settled) > SHOWN and not verbose:
        lines.append(f" {len(settled) - SHOWN} older ones: -v")
    return "\n".join(lines)

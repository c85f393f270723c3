"""`hearth rebuild`, `hearth proof`, `hearth verify`: the truth from the chain alone."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from keepers.cli import output, units
from keepers.cli.options import FILE, Options, command
from keepers.cli.progress import Bar
from keepers.protocol.errors import HearthError

if TYPE_CHECKING:
    from keepers.protocol.seconds import Span
    from keepers.sdk.audit import Audit, Rebuilt
    from keepers.sdk.client import Hearth
    from keepers.sdk.verify import Verified

_FROM = click.option(
    "--from", "start", type=FILE, metavar="FILE", help="Begin with these leaves (checked against the chain)."
)


@contextmanager
def _audit(options: Options) -> Iterator[tuple[Hearth, Audit]]:
    from keepers.sdk.audit import Audit

    hearth = options.hearth()
    with Bar(options.quiet or options.json) as bar:
        yield hearth, Audit(hearth.reader, hearth.deployment, bar.update)


# ---- rebuild


def rebuilt_data(found: Rebuilt) -> dict[str, Any]:
    """A rebuild as JSON data."""
    header = found.tree.header
    return {
        "started": found.started,
        "last": found.rows[-1].epoch if found.rows else found.started,
        "right": found.right,
        "records": found.records,
        "cancelled": found.cancelled,
        "compared": found.compared,
        "epoch": header.epoch,
        "root": found.tree.root,
        "ring_word": found.tree.ring_word,
        "nodes": header.count,
        "leaves": sum(word != 0 for word in found.tree.words),
        "fault": output.plain(found.fault) if found.fault else None,
        "roots": [output.plain(row) for row in found.rows],
    }


def rebuilt_text(found: Rebuilt, network: str, verbose: bool) -> str:
    """A rebuild for people."""
    tree, rows = found.tree, found.rows
    voids = sum(row.void for row in rows)
    right = sum(row.right is True for row in rows)
    begin = f"from the leaves of epoch {found.started}" if found.started else "from the first epoch"
    leaves = sum(word != 0 for word in tree.words)
    lines = [
        f" rebuilt   {network}, block {found.at.number:,}, {begin}: {_count(len(rows), 'epoch')},"
        f" {voids} of them void, {_count(found.records, 'record')}",
        f" roots     {right} of {len(rows)} right; {found.compared} compared with the words that the hub keeps",
        f" state     epoch {tree.header.epoch}, {_count(tree.header.count, 'node')}, {leaves} with a record",
        f" root      0x{tree.root.hex()}",
        f" w         0x{tree.ring_word.hex()}",
    ]
    if found.cancelled:
        lines.insert(1, f" cancelled {_count(found.cancelled, 'epoch')} that were reported and taken back")
    if found.fault is not None:
        lines += [f" WRONG     epoch {found.fault.epoch}: {found.fault.why}"]
    if verbose and rows:
        words = {True: "right", False: "WRONG", None: "rests on a wrong one"}
        table = [
            [str(r.epoch), "void" if r.void else str(r.records), str(r.count), words[r.right], "0x" + r.root.hex()]
            for r in rows
        ]
        lines += ["", output.table(["epoch", "records", "nodes", "verdict", "root"], table, 140)]
    return "\n".join(lines)


def _count(n: int, what: str) -> str:
    return f"{n:,} {what}{'' if n == 1 else 's'}"


@command()
@_FROM
@click.option("--to", type=click.IntRange(0), metavar="EPOCH", help="Last epoch; the newest where none is given.")
@click.option("--write", type=FILE, metavar="FILE", help="Write every leaf here: a start for later rebuilds.")
@click.option("--roots", type=FILE, metavar="FILE.csv", help="Write a row an epoch here.")
def rebuild(options: Options, start: Path | None, to: int | None, write: Path | None, roots: Path | None) -> None:
    """Every leaf and every root, from an endpoint and the deployment record alone.

    Says whether each root is what its records give, and names the first epoch and record where it is not (exit 9).
    """
    from keepers.sdk.audit import wrong

    with _audit(options) as (hearth, audit):
        found = audit.rebuild(to, start)
    if roots is not None:
        _write_roots(roots, found)
    if write is not None and found.right:
        count = audit.write(write, found.tree)
        options.note(
            f"{_count(count, 'leaf' if count == 1 else 'leave')} of epoch {found.tree.header.epoch} in {write}"
        )
    options.emit(
        "rebuild",
        rebuilt_data(found),
        lambda: rebuilt_text(found, hearth.deployment.network, options.verbose > 0),
        hearth,
    )
    if found.fault is not None:
        raise wrong(found.fault)
    options.note(f"next  hearth proof NODE {found.tree.header.epoch}")


def _write_roots(path: Path, found: Rebuilt) -> None:
    names = ("epoch", "void", "records", "count", "root", "ring_word", "block", "tx", "right")
    try:
        with path.open("w", encoding="ascii", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(names)
            for row in found.rows:
                writer.writerow([_cell(getattr(row, name)) for name in names])
    except OSError as error:
        raise HearthError("H1006", f"{path} cannot be written: {error.strerror}") from None


def _cell(value: Any) -> str:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    return "" if value is None else str(value).lower()


# ---- proof


@command()
@click.argument("node", type=click.IntRange(0, 2**24 - 1))
@click.argument("epoch", type=click.IntRange(0, 2**32 - 1))
@_FROM
def proof(options: Options, node: int, epoch: int, start: Path | None) -> None:
    """The proof of a node's uptime after an epoch: header, leaf and siblings, as the contracts take them."""
    from keepers.protocol.counters import Header, Leaf, ring_word

    with _audit(options) as (hearth, audit):
        made, root = audit.proof(node, epoch, start)
    header, leaf = Header.unpack(made.header), Leaf.unpack(made.leaf)
    word = ring_word(root, made.header)
    data = {
        "node": node,
        "epoch": epoch,
        "header": f"0x{made.header:064x}",
        "leaf": f"0x{made.leaf:064x}",
        "siblings": list(made.siblings),
        "root": root,
        "ring_word": word,
        "read": {"leaf": output.plain(leaf), "header": output.plain(header)},
    }

    def text() -> str:
        state = "no record was ever written: up since its first epoch"
        if made.leaf:
            state = (
                f"last record at ordinal {leaf.last}: {leaf.down} slots down, {leaf.fault} its fault,"
                f" {leaf.unproven} unproven, {leaf.missed} missed{', dark since' if leaf.dark else ''}"
            )
        lines = [
            f" node      {node} after epoch {epoch} of {hearth.deployment.network}; every root up to it is right",
            f" leaf      0x{made.leaf:064x}",
            f"           {state}",
            f" header    0x{made.header:064x}",
            f" root      0x{root.hex()}",
            f" w         0x{word.hex()}",
        ]
        return "\n".join(lines + [f" sibling {d:<2} 0x{s.hex()}" for d, s in enumerate(made.siblings)])

    options.emit("proof", data, text, hearth)


# ---- verify


def span_text(span: Span) -> str:
    """Why a span of seconds was or was not paid."""
    from keepers.protocol.seconds import Why

    last = span.slot + span.slots - 1
    which = f"slot {span.slot}" if span.slots == 1 else f"slots {span.slot} to {last}"
    words: dict[Why, str] = {
        Why.PAID: "paid: attested and settled",
        Why.UP: "attested, not settled yet",
        Why.DARK: f"not paid: {which} of epoch {span.epoch} dark",
        Why.INDETERMINATE: f"not paid: {which} of epoch {span.epoch} dark, indeterminate (nobody's fault)",
        Why.VOID: f"not paid: epoch {span.epoch} is void",
        Why.UNPROVABLE: "not paid: anchored after its report had left the ring",
        Why.WAITING: "no report yet",
        Why.UNFUNDED: "not paid: beyond funding",
        Why.AFTER: "not paid: after the stop",
    }
    return words[span.why]


def verified_data(found: Verified) -> dict[str, Any]:
    """A check of a bill as JSON data."""
    terms = found.terms
    return {
        "lease": found.number,
        "id": f"0x{found.lease_id:064x}",
        "node": terms.node,
        "reason": terms.reason.name,
        "right": found.right,
        "rate_wei": terms.rate,
        "gpus": terms.gpus,
        "start_at": units.rfc3339(terms.start),
        "stop_at": units.rfc3339(found.stop),
        "settled_s": found.money.settled,
        "deposited_wei": found.deposited_wei,
        "paid_wei": found.paid_wei,
        "bounty_wei": found.bounty_wei,
        "returned_wei": found.returned_wei,
        "held_wei": found.held_wei,
        "spans": [
            {
                "from_at": units.rfc3339(s.first),
                "to_at": units.rfc3339(s.last),
                "seconds_s": s.seconds,
                "what": s.why.value,
                "epoch": s.epoch if s.epoch >= 0 else None,
                "slots": list(range(s.slot, s.slot + s.slots)) if s.epoch >= 0 else [],
            }
            for s in found.spans
        ],
        "checks": [output.plain(check) for check in found.checks],
    }


def verified_text(found: Verified) -> str:
    """A check of a bill for people: seconds, money, checks."""
    from keepers.protocol.seconds import Why

    terms = found.terms
    rows = [
        [units.say_time(s.first), units.say_time(s.last), f"{s.seconds:,}", span_text(s)] for s in _long(found.spans)
    ]
    kinds = [f"{found.seconds(why):,} {why.value}" for why in Why if found.seconds(why)]
    price = f"{terms.gpus} GPU{'s' if terms.gpus > 1 else ''}, {terms.per_second:,} wei a second"
    money = [
        ("deposited", found.deposited_wei),
        ("paid", found.paid_wei),
        ("returned", found.returned_wei),
        ("held", found.held_wei),
    ]
    lines = [
        f" lease {found.number}  node {terms.node}, {price}; {terms.reason.name}",
        output.table(["from", "to", "seconds", "why"], rows, 140),
        f" seconds   {' · '.join(kinds)}",
        *(f" {name:<9} {units.say_usd(wei)}  {wei:,} wei" for name, wei in money),
    ]
    for check in found.checks:
        lines.append(
            f" {'ok   ' if check.right else 'WRONG'} {check.what}{': ' + check.detail if check.detail else ''}"
        )
    return "\n".join(lines)


def _long(spans: tuple[Span, ...]) -> list[Span]:
    """Spans of attested seconds over several epochs as one row: only what interrupts them is news."""
    from dataclasses import replace

    out: list[Span] = []
    for span in spans:
        if out and out[-1].why is span.why and out[-1].last == span.first and span.why.value in ("paid", "attested"):
            out[-1] = replace(out[-1], last=span.last)
        else:
            out.append(span)
    return out


@command()
@click.argument("what", metavar="LEASE|FILE|URL")
@_FROM
def verify(options: Options, what: str, start: Path | None) -> None:
    """Check one lease's bill from the chain alone: why each second was or was not paid, totals to the wei.

    LEASE is a number or a 0x… id. FILE or URL is a receipt, as `hearth receipt LEASE --json` gives it. Exit 9 where the
    bill or the receipt is wrong.
    """
    from keepers.sdk.verify import Verify

    with _audit(options) as (hearth, audit):
        checker: Verify = Verify(audit)
        is_lease = what.isdecimal() or (what.lower().startswith("0x") and not what.endswith(".json"))
        found = checker.lease(what, start) if is_lease else checker.receipt(what, start)
    options.emit("verify", verified_data(found), lambda: verified_text(found), hearth)
    if not found.right:
        wrong = [check for check in found.checks if not check.right]
        raise HearthError(
            "H5008",
            f"the bill of lease {found.number} does not add up",
            why=tuple(f"{check.what}: {check.detail}" if check.detail else check.what for check in wrong),
            next=(f"hearth receipt {found.number}", "docs/audit.md says what each check means"),
        )

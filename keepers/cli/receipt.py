"""`hearth receipt`: text, JSON, CSV, or one printable page."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from keepers.cli import output, units
from keepers.cli.options import FILE, Options, command
from keepers.cli.status import lease_data
from keepers.protocol.errors import HearthError
from keepers.protocol.units import GWEI, PRICE_ONE, WAD, decimal_text

if TYPE_CHECKING:
    from keepers.sdk.history import ReportProof
    from keepers.sdk.types import Receipt, ReceiptLine

_COLUMNS = (
    "at",
    "block",
    "tx",
    "what",
    "seconds",
    "deposited_wei",
    "paid_wei",
    "bounty_wei",
    "returned_wei",
    "epoch",
    "lease",
    "period",
    "attested_s",
    "rate_wei",
    "provider_wei",
    "fee_bps",
    "fee_wei",
    "fee_attesters_wei",
    "fee_builders_wei",
    "fee_destroyed_wei",
    "damages_gwei",
    "burned_gwei",
    "price_usd",
)
_HEADERS = (
    "time (UTC)", "what", "attested s", "deposited", "paid", "fee", "returned", "damages", "price", "period", "block",
)  # fmt: skip
FEE_NOTE = "the fee is taken when the provider redeems the tally of the period; its shares are those in force now"
_FEE = ("fee_wei", "fee_attesters_wei", "fee_builders_wei", "fee_destroyed_wei")
TEXT_WIDTH = 180  # of the table of a text, which a terminal may wrap; a page has all of it
NEVER = 2**40  # after every block
INVOICE_FIELDS = ("name", "address", "vat", "customer", "number", "note")


def receipt_data(receipt: Receipt, proofs: Sequence[ReportProof] | None = None) -> dict[str, Any]:
    """A receipt as JSON data: lines, totals that close to the wei, and the Merkle proof of each line's epoch.

    A proof shows the node's `leaf` in the tree whose `root`, hashed with `header`, is the hub's ring word of the epoch.
    `proofs_missing` are epochs that left the hub's ring, so that nobody can prove them any more.
    """
    data = {
        **lease_data(receipt.view),
        "lines": [_line_data(line) for line in receipt.lines],
        "carried_wei": receipt.carried_wei,
        "deposited_wei": receipt.deposited_wei,
        "paid_wei": receipt.paid_wei,
        "returned_wei": receipt.returned_wei,
        "held_wei": receipt.held_wei,
        "closes": receipt.closes,
        "shares": {name: receipt.total(name) for name in ("bounty_wei", "provider_wei", *_FEE)},
        "damages_gwei": receipt.total("damages_gwei"),
        "burned_gwei": receipt.total("burned_gwei"),
    }
    if proofs is not None:
        shown = {proof.epoch for proof in proofs}
        data["proofs"] = [
            {
                "epoch": proof.epoch,
                "node": receipt.view.terms.node,
                "header": f"0x{proof.header:064x}",
                "leaf": f"0x{proof.leaf:064x}",
                "siblings": proof.siblings,
                "root": proof.root,
            }
            for proof in proofs
        ]
        data["proofs_missing"] = sorted({line.epoch for line in receipt.lines if line.epoch} - shown)
    return data


def _line_data(line: ReceiptLine) -> dict[str, Any]:
    row = {**output.plain(line), **_shared(line)}
    del row["price"]
    return row


def _shared(line: ReceiptLine) -> dict[str, Any]:
    """What CSV and JSON say of a line beside its own fields."""
    return {
        "at": units.rfc3339(line.at),
        "provider_wei": output.plain(line.provider_wei),
        "fee_destroyed_wei": output.plain(line.fee_destroyed_wei),
        "price_usd": _price(line, 12) or None,
    }


def _price(line: ReceiptLine, places: int = 4) -> str:
    """USD a token at which a settlement's tally is redeemed; empty where nothing was settled or that is open."""
    return decimal_text(line.price * (WAD // PRICE_ONE), places) if line.price else ""


def _cells(line: ReceiptLine) -> list[str]:
    """A line under _HEADERS."""
    return [
        units.say_time(line.at).removesuffix(" UTC"),
        line.what,
        f"{line.attested_s:,}" if line.attested_s else "",
        *(
            units.say_usd(wei) if wei else ""
            for wei in (line.deposited_wei, line.paid_wei, line.fee_wei, line.returned_wei)
        ),
        units.say_tokens(line.damages_gwei * GWEI) if line.damages_gwei else "",
        _price(line),
        "" if line.period is None else str(line.period),
        str(line.block),
    ]


def _split(receipt: Receipt) -> str:
    """Who gets what was paid, in words."""
    bounty, provider, fee, attesters, builders, destroyed = (
        units.say_usd(receipt.total(name)) for name in ("bounty_wei", "provider_wei", *_FEE)
    )
    return (
        f"settlers {bounty} + provider {provider} + fee {fee}"
        f" (attesters {attesters}, builders {builders}, destroyed {destroyed})"
    )


def _damages(receipt: Receipt) -> str:
    """What the bond lost, in words; empty where it lost nothing."""
    paid, burned = receipt.total("damages_gwei") * GWEI, receipt.total("burned_gwei") * GWEI
    if not paid and not burned:
        return ""
    return f"{units.say_tokens(paid)} to the renter, as a ticket; {units.say_tokens(burned)} burned"


def receipt_text(receipt: Receipt) -> str:
    """A receipt for people."""
    rows = [[*_cells(line), units.short(line.tx)] for line in receipt.lines]
    view = receipt.view
    carried = f"carried {units.say_usd(receipt.carried_wei)} + " if receipt.carried_wei else ""
    total = (
        f"{carried}deposited {units.say_usd(receipt.deposited_wei)} = paid {units.say_usd(receipt.paid_wei)}"
        f" + returned {units.say_usd(receipt.returned_wei)} + held {units.say_usd(receipt.held_wei)}"
    )
    closes = "closes to the wei" if receipt.closes else "DOES NOT CLOSE: the events and the lease's word differ"
    head = (
        f"lease {view.ordinal}  {view.state}  {view.terms.gpus} GPUs at"
        f" {units.say_rate(view.terms.rate)} USD per GPU-hour"
        f" · wall {view.wall_s:,} s · attested {view.money.settled:,} s final"
    )
    more = [f"paid = {_split(receipt)}"] if receipt.paid_wei else []
    more += [f"damages {_damages(receipt)}"] if _damages(receipt) else []
    return "\n".join([head, output.table([*_HEADERS, "tx"], rows, TEXT_WIDTH), total, *more, closes])


def receipt_csv(receipts: Sequence[Receipt]) -> str:
    """Receipts as CSV: a row a line, wei as they are."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for receipt in receipts:
        for line in receipt.lines:
            view = receipt.view
            row = {**vars(line), **_shared(line), "lease": view.ordinal, "rate_wei": view.terms.rate}
            writer.writerow([row[name] for name in _COLUMNS])
    return text.getvalue().rstrip()


def receipt_html(
    receipts: Sequence[Receipt], network: str, chain_id: int, invoice: dict[str, str] | None = None
) -> str:
    """Receipts as one self-contained page, no scripts; the browser prints it. `invoice` stays on this machine."""
    title = ", ".join(str(receipt.view.ordinal) for receipt in receipts) or "none"
    legal = "".join(f"<tr><th>{escape(k)}</th><td>{escape(v)}</td></tr>" for k, v in (invoice or {}).items())
    head = f"<h1>Invoice</h1><table>{legal}</table>" if legal else ""
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Hearth receipt, lease {title}</title>
<style>
body {{ font: 14px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 80rem; color: #111; background: #fff }}
table {{ border-collapse: collapse; margin: 1rem 0; width: 100% }}
th, td {{ border-bottom: 1px solid #ccc; padding: .3rem .6rem; text-align: left; overflow-wrap: anywhere }}
tfoot td {{ font-weight: 600 }}
</style></head><body>
{head}{"".join(_section(receipt, network, chain_id) for receipt in receipts)}
<p>USD, rounded down to 0.0001; the chain keeps every wei. Price: USD a token at which the tally is redeemed.</p>
</body></html>"""


def _section(receipt: Receipt, network: str, chain_id: int) -> str:
    """One lease on the page."""
    view = receipt.view
    terms = view.terms

    def cells(values: list[str], tag: str = "td") -> str:
        return "<tr>" + "".join(f"<{tag}>{escape(value)}</{tag}>" for value in values) + "</tr>"

    rows = [cells([*_cells(line), line.tx]) for line in receipt.lines]
    totals = ["total", "", f"{receipt.total('attested_s'):,}"]
    totals += [
        units.say_usd(wei)
        for wei in (receipt.deposited_wei, receipt.paid_wei, receipt.total("fee_wei"), receipt.returned_wei)
    ]
    totals.append(units.say_tokens(receipt.total("damages_gwei") * GWEI))
    totals += [""] * (len(_HEADERS) - len(totals))
    facts = [
        ("lease", f"{view.ordinal} (0x{view.lease_id:064x})"),
        ("network", f"{network}, chain {chain_id}"),
        ("state", f"{view.state} {view.reason}".strip()),
        ("node", f"{terms.node} of provider {terms.provider}, {terms.gpus} GPUs"),
        ("rate", f"{units.say_rate(terms.rate)} USD per GPU-hour"),
        ("time", f"{units.say_time(terms.start)} to {units.say_time(view.until_at)}, {view.wall_s:,} s on the wall"),
        ("renter", view.renter),
        ("paid to", f"{_split(receipt)}; {FEE_NOTE}"),
        ("held", f"{units.say_usd(receipt.held_wei)} still in the lease"),
        ("check", "closes to the wei" if receipt.closes else "DOES NOT CLOSE: events and lease differ"),
    ]
    if receipt.carried_wei:
        facts.insert(7, ("carried", f"{units.say_usd(receipt.carried_wei)} from before"))
    if _damages(receipt):
        facts.insert(-1, ("damages", _damages(receipt)))
    head = "".join(f"<tr><th>{escape(k)}</th><td>{escape(v)}</td></tr>" for k, v in facts)
    columns = cells([*_HEADERS, "transaction"], "th")
    return f"""<h1>Receipt of lease {view.ordinal}</h1>
<table>{head}</table>
<table><thead>{columns}</thead><tbody>{"".join(rows)}</tbody><tfoot>{cells([*totals, ""])}</tfoot></table>
<p>Block {view.block}, {units.say_time(view.now_at)}.</p>
"""


def read_invoice(path: Path) -> dict[str, str]:
    """Legal fields for the page from a TOML file, INVOICE_FIELDS. Raises H1006 (exit 2)."""
    import tomllib

    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise HearthError("H1006", f"{path} cannot be read as TOML", why=(str(error),)) from None
    wrong = [key for key, value in found.items() if key not in INVOICE_FIELDS or not isinstance(value, str)]
    if wrong:
        raise HearthError(
            "H1006",
            f"{path} has {wrong[0]!r}, which is no field of an invoice",
            next=(f"texts named {', '.join(INVOICE_FIELDS)}",),
        )
    return {str(key): str(value) for key, value in found.items()}


@command()
@click.argument("lease", required=False)
@click.option("--from", "since", metavar="TIME", help="Only lines from then on: 2026-12-01 (UTC), or 30d ago.")
@click.option("--to", "until", metavar="TIME", help="Only lines before then.")
@click.option("--format", "form", type=click.Choice(["text", "json", "csv", "html"]), default="text", show_default=True)
@click.option("--html", "form", flag_value="html", help="One printable page: --format html.")
@click.option("--out", type=FILE, metavar="FILE", help="Write it there instead of to stdout.")
@click.option("--invoice", type=FILE, metavar="FILE", help="TOML with name, address, vat, customer for the page.")
def receipt(
    options: Options,
    lease: str | None,
    since: str | None,
    until: str | None,
    form: str,
    out: Path | None,
    invoice: Path | None,
) -> None:
    """Everything that moved money in a lease, and the totals; all your leases by default.

    JSON carries the Merkle proof of each settlement. Exit 9 if a lease does not close to the wei.
    """
    fields = read_invoice(invoice) if invoice else None
    hearth = options.hearth()
    now = hearth.head().timestamp
    first, end = units.moment(since, now) if since else 0, units.moment(until, now) if until else NEVER
    if first >= end:
        raise HearthError("H1005", "--from is not before --to", next=("--from TIME --to TIME",))
    whole = [hearth.receipt(lease)] if lease else [hearth.receipt(view.ordinal) for view in hearth.leases()]
    found = [one.between(first, end) for one in whole]
    if not lease:
        found = [one for one in found if one.lines]
    if form == "html":
        text = receipt_html(found, hearth.deployment.network, hearth.deployment.chain_id, fields)
    elif form == "csv":
        text = receipt_csv(found)
    elif form == "json" or options.json:
        rows = [receipt_data(one, hearth.proofs(one)) for one in found]
        text = options.document("receipt", rows[0] if lease else {"receipts": rows}, hearth)
    else:
        text = "\n\n".join(receipt_text(one) for one in found) or "no lease moved money in that time"
    if out is None:
        options.say(text)
    else:
        _write(out, text)
        options.note(f"wrote {out}")
    for one in found:
        if not one.closes:
            raise HearthError(
                "H5008",
                f"the receipt of lease {one.view.ordinal} does not close",
                why=(
                    f"events leave {one.held_wei + one.later_wei} wei in it, its own word says"
                    f" {one.view.money.credits}",
                ),
                next=("ask another endpoint: --rpc URL",),
            )


def _write(path: Path, text: str) -> None:
    beside = path.with_name(path.name + ".part")
    try:
        beside.write_text(text + "\n", encoding="utf-8")
        os.replace(beside, path)
    except OSError as error:
        raise HearthError("H1006", f"{path} cannot be written", why=(str(error.strerror),)) from None

"""`hearth earnings`."""

from __future__ import annotations

import csv
import io

import rich_click as click

from keepers.cli import output, units
from keepers.cli.options import Options, command


@command()
@click.option("--provider", type=click.IntRange(0), metavar="ID", help="Provider id; the key's own by default.")
@click.option("--address", metavar="ADDRESS", help="Bounties of this address instead.")
@click.option("--csv", "as_csv", is_flag=True, help="CSV instead of a table.")
def earnings(options: Options, provider: int | None, address: str | None, as_csv: bool) -> None:
    """What was settled, what can be redeemed now, and what was redeemed."""
    hearth = options.hearth()
    if address is not None:
        keys = [units.address_number(address)]
    elif provider is not None:
        keys = [provider]
    else:
        keys = list(hearth.reads.providers_of(hearth.address))
    found = [hearth.earnings(key) for key in keys]
    rows = [
        [
            str(e.key) if e.key < 2**24 else units.short(f"0x{e.key:040x}"),
            str(t.period),
            str(t.credits_wei),
            str(t.backing_wei),
            "redeemable" if t.closed else "period open",
        ]
        for e in found
        for t in e.tallies
    ]
    if as_csv:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(
            [["key", "period", "credits_wei", "backing_wei", "state"], *rows]
        )
        options.say(text.getvalue().rstrip())
        return

    def text_of() -> str:
        if not keys:
            return "this key owns no provider\nnext  hearth node register"
        shown = [
            [key, period, units.say_usd(int(c)), units.say_tokens(int(k)), state] for key, period, c, k, state in rows
        ]
        lines = (
            [output.table(["key", "period", "settled", "backing", "state"], shown)]
            if shown
            else ["no tally is waiting"]
        )
        for e in found:
            lines.append(
                f"redeemed so far: {units.say_usd(e.redeemed_credits_wei)}, of it fee {units.say_usd(e.fees_wei)},"
                f" minted {units.say_tokens(e.minted_wei)}"
            )
        return "\n".join(lines)

    options.emit("earnings", found, text_of, hearth)
    if any(e.redeemable_wei for e in found):
        options.note("next  hearth wallet redeem" + (f" --provider {found[0].key}" if found[0].key < 2**24 else ""))

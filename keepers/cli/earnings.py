"""`hearth earnings`."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import rich_click as click

from keepers.cli import output, units
from keepers.cli.options import Options, command
from keepers.cli.stake import own_provider
from keepers.protocol.errors import HearthError
from keepers.protocol.messages import address_text
from keepers.protocol.nodes import MAX_PROVIDERS

if TYPE_CHECKING:
    from keepers.sdk.client import Hearth
    from keepers.sdk.history import Earned
    from keepers.sdk.types import Earnings


@command()
@click.option("--provider", type=click.IntRange(0), metavar="ID", help="Provider id; the key's own by default.")
@click.option("--address", metavar="ADDRESS", help="Bounties of this address instead.")
@click.option("--since", metavar="TIME", help="What leases earned since then: 2026-12-01 (UTC), or 30d ago.")
@click.option("--by", "by", type=click.Choice(["day", "node", "lease"]), help="The same, added up by that.")
@click.option("--csv", "as_csv", is_flag=True, help="CSV instead of a table.")
def earnings(
    options: Options, provider: int | None, address: str | None, since: str | None, by: str | None, as_csv: bool
) -> None:
    """What was settled, what can be redeemed now, and what was redeemed.

    With --since or --by: what each day, node or lease of the provider earned, from the settlements on chain.
    """
    if address is not None and (since or by):
        raise HearthError("H1005", "--since and --by are of a provider's leases", next=("--provider ID",))
    hearth = options.hearth()
    if address is not None:
        keys = [units.address_number(address)]
    elif provider is not None:
        keys = [own_provider(hearth, provider)]
    else:
        keys = list(hearth.reads.providers_of(hearth.address))
    if since or by:
        start = units.moment(since, hearth.head().timestamp) if since else 0
        _grouped(options, hearth, keys, start, by or "day", as_csv)
        return
    found = [hearth.earnings(key) for key in keys]
    rows = [
        [
            str(e.key) if e.key < MAX_PROVIDERS else units.short(address_text(e.key)),
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

    options.emit("earnings", found, lambda: _summary(found, rows), hearth)
    if any(e.redeemable_wei for e in found):
        whose = f" --provider {found[0].key}" if found[0].key < MAX_PROVIDERS else ""
        options.note(f"next  hearth wallet redeem{whose}")


def _summary(found: Sequence[Earnings], rows: Sequence[Sequence[str]]) -> str:
    """The waiting tallies as a table, and what was redeemed so far."""
    if not found:
        return "this key owns no provider\nnext  hearth node register"
    shown = [[key, period, units.say_usd(int(c)), units.say_tokens(int(k)), state] for key, period, c, k, state in rows]
    headers = ["key", "period", "settled", "backing", "state"]
    lines = [output.table(headers, shown) if shown else "no tally is waiting"]
    lines += [
        f"redeemed so far: {units.say_usd(e.redeemed_credits_wei)}, of it fee {units.say_usd(e.fees_wei)},"
        f" minted {units.say_tokens(e.minted_wei)}"
        for e in found
    ]
    return "\n".join(lines)


def _grouped(options: Options, hearth: Hearth, keys: Sequence[int], since: int, by: str, as_csv: bool) -> None:
    """Settlements added up by day (UTC), node or lease; net of settlers' bounties, before the network's fee."""

    def name(row: Earned) -> str:
        return {"day": units.rfc3339(row.at)[:10], "node": str(row.node), "lease": str(row.lease)}[by]

    sums: dict[tuple[int, str], list[int]] = {}
    for key in keys:
        for row in hearth.earned(key, since):
            into = sums.setdefault((key, name(row)), [0, 0, 0, 0])
            for i, value in enumerate((row.seconds, row.seconds * row.gpus, row.credits_wei, row.bounty_wei)):
                into[i] += value
    ordered = sorted(sums.items(), key=lambda item: (item[0][0], item[0][1] if by == "day" else int(item[0][1])))
    headers = ["provider", by, "attested_s", "gpu_s", "credits_wei", "bounty_wei"]
    rows = [[str(key), group, *map(str, values)] for (key, group), values in ordered]
    if as_csv:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([headers, *rows])
        options.say(text.getvalue().rstrip())
        return

    def text_of() -> str:
        if not rows:
            return "nothing was settled in that time"
        shown = [
            [
                p,
                group,
                units.say_duration(int(s)),
                f"{int(g) / 3_600:,.2f}",
                units.say_usd(int(c)),
                units.say_usd(int(b)),
            ]
            for p, group, s, g, c, b in rows
        ]
        total = units.say_usd(sum(values[2] for values in sums.values()))
        table = output.table(["provider", by, "attested", "GPU-hours", "settled", "bounties"], shown)
        return f"{table}\ntotal {total} settled, before the network's fee"

    data = {
        "since_at": units.rfc3339(since) if since else None,
        "by": by,
        "rows": [
            {"provider": key, by: group if by == "day" else int(group), **dict(zip(headers[2:], values, strict=True))}
            for (key, group), values in ordered
        ],
    }
    options.emit("earnings-by", data, text_of, hearth)

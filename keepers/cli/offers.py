"""`hearth offers`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import rich_click as click

from keepers.cli import output, quotes, units
from keepers.cli.options import Options, command
from keepers.protocol.errors import HearthError

if TYPE_CHECKING:
    from keepers.sdk.client import Hearth
    from keepers.sdk.history import Share
    from keepers.sdk.types import Quote


@command()
@click.option("--gpu", "gpu_text", metavar="NAME[:N]", default="", help="GPU and how many, like RTX-4090:2.")
@click.option("--hours", "term", metavar="TIME", default="1h", show_default=True, help="How long, like 12h or 90m.")
@click.option("--max", "most", metavar="USD", help="Most USD per GPU-hour, like 0.50.")
@click.option("--region", "regions", type=int, multiple=True, metavar="ID", help="Region id; repeat for several.")
@click.option("--offers", "place", metavar="PLACE", default="", help="Folder, file or URL with signed asks.")
def offers(options: Options, gpu_text: str, term: str, most: str | None, regions: Sequence[int], place: str) -> None:
    """Offers that can be taken now, cheapest first; each is checked against the chain before it is shown."""
    name, count = units.gpu(gpu_text) if gpu_text else ("", 1)
    duration = _hours(term)
    hearth = options.hearth()
    quote = hearth.quote(
        gpu=name,
        count=count,
        duration_s=duration,
        regions=regions,
        place=place,
        max_usd_per_gpu_hour=None if most is None else units.price(most),
    )

    wish = {"gpu": gpu_text, "hours": term, "place": place, "max_usd": most, "regions": list(regions)}
    name_of_quote = quotes.remember(options, hearth, quote, wish)
    shares = _shares(hearth, quote)

    def text() -> str:
        headers = [
            "#",
            "node",
            "class",
            "GPUs",
            "$/GPU-h",
            "total",
            "uptime 30 d",
            "notice",
            "min",
            "provider",
            "region",
        ]
        rows = []
        for i, row in enumerate(quote.rows, 1):
            total = row.rate_wei * count * duration
            rows.append(
                [
                    str(i),
                    str(row.node),
                    row.class_name,
                    f"{row.free_gpus}/{row.gpus}",
                    units.say_rate(row.rate_wei),
                    units.say_usd(total, 2),
                    f"{shares[row.node].bps / 100:.2f} %" if row.node in shares else "-",
                    units.say_duration(row.sheet.notice),
                    units.say_duration(max(row.sheet.min_seconds, hearth.calendar.slot)),
                    str(row.provider),
                    str(row.region),
                ]
            )
        lines = [output.table(headers, rows, output.terminal_width())] if rows else ["no offer can be taken"]
        hidden = [f"{n} {reason.value}" for reason, n in quote.explanation.refused]
        hidden += [f"{n} {reason}" for reason, n in quote.left_out.items()]
        if hidden:
            lines.append("not shown: " + " · ".join(hidden))
        lines.append(f"quote {name_of_quote} · checked against block {quote.block}, can be filled now")
        return "\n".join(lines)

    data = {
        "quote": name_of_quote,
        "offers": [
            {
                "row": f"{name_of_quote}-{i}",
                "node": row.node,
                "provider": row.provider,
                "class": row.class_name,
                "region": row.region,
                "free_gpus": row.free_gpus,
                "gpus": row.gpus,
                "rate_wei": row.rate_wei,
                "usd_per_gpu_hour": units.say_rate(row.rate_wei),
                "total_wei": row.rate_wei * count * duration,
                "uptime_bps": shares[row.node].bps if row.node in shares else None,
                "uptime_over_s": shares[row.node].over_s if row.node in shares else None,
                "sheet": row.sheet_id,
                "min_duration_s": row.min_duration_s,
                "max_duration_s": row.max_duration_s,
                "expiry_at": units.rfc3339(min(row.expiry_at, 253402300799)),
                "ask": "0x" + row.signed.digest.hex(),
                "source": row.signed.source,
            }
            for i, row in enumerate(quote.rows, 1)
        ],
        "left_out": {**{reason.value: n for reason, n in quote.explanation.refused}, **quote.left_out},
    }
    options.emit("offers", data, text, hearth)
    if quote.best is not None:
        options.note("next  hearth rent 1")


def _shares(hearth: Hearth, quote: Quote) -> dict[int, Share]:
    """Uptime of the nodes shown; nothing where the reports cannot be read now: the offers stand all the same."""
    try:
        return hearth.shares(row.node for row in quote.rows) if quote.rows else {}
    except HearthError:
        return {}


def _hours(text: str) -> int:
    """`--hours 12` means hours, as does `12h`."""
    return units.duration(f"{text}h" if text.replace(".", "", 1).isdecimal() else text)


def nothing_fits(why: str, wanted: str) -> HearthError:
    """H4203, exit 5."""
    return HearthError(
        "H4203",
        f"no offer matches {wanted}",
        why=why,
        next=("hearth offers", "a higher --max, fewer GPUs, or another time"),
        exit_code=5,
    )

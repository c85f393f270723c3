"""`hearth offers`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import rich_click as click

from keepers.cli import output, quotes, units
from keepers.cli.options import Options, command
from keepers.protocol.errors import HearthError
from keepers.protocol.leases import least_prepaid

if TYPE_CHECKING:
    from keepers.sdk.client import Hearth
    from keepers.sdk.history import Share
    from keepers.sdk.types import OfferRow, Quote

HEADERS = (
    "#", "node", "class", "GPUs", "$/GPU-h", "total", "uptime 30 d", "notice", "min", "provider", "region",
)  # fmt: skip
LAST_SECOND = 253_402_300_799  # of the year 9999: the last that RFC 3339 can write


@command()
@click.option("--gpu", "gpu_text", metavar="NAME[:N]", default="", help="GPU and how many, like RTX-4090:2.")
@click.option("--hours", "term", metavar="TIME", default="1h", show_default=True, help="How long, like 12h or 90m.")
@click.option("--max", "most", metavar="USD", help="Most USD per GPU-hour, like 0.50.")
@click.option("--region", "regions", type=int, multiple=True, metavar="ID", help="Region id; repeat for several.")
@click.option("--offers", "place", metavar="PLACE", default="", help="Folder, file or URL with signed asks.")
def offers(options: Options, gpu_text: str, term: str, most: str | None, regions: Sequence[int], place: str) -> None:
    """Offers that can be taken now, cheapest first; each is checked against the chain before it is shown."""
    wanted = wanted_of(gpu_text, term, most)
    hearth = options.hearth()
    quote = wanted.quote(hearth, regions, place)
    wish = {"gpu": gpu_text, "hours": term, "place": place, "max_usd": most, "regions": list(regions)}
    seen = Seen(quote, quotes.remember(options, hearth, quote, wish), _shares(hearth, quote))
    options.emit("offers", seen.data(), lambda: seen.text(hearth.calendar.slot), hearth)
    if quote.best is not None:
        options.note("next  hearth rent 1")


@dataclass(frozen=True)
class Seen:
    """What is shown of a quote: its id, and the uptime of its nodes."""

    quote: Quote
    name: str
    shares: Mapping[int, Share]

    def text(self, slot: int) -> str:
        """A table for people; `slot` is the shortest time that a lease is prepaid for, in seconds."""
        rows = [self._row(str(i), row, slot) for i, row in enumerate(self.quote.rows, 1)]
        lines = [output.table(HEADERS, rows, output.terminal_width())] if rows else ["no offer can be taken"]
        hidden = [f"{n} {reason}" for reason, n in self._left_out().items()]
        if hidden:
            lines.append("not shown: " + " · ".join(hidden))
        lines.append(f"quote {self.name} · checked against block {self.quote.block}, can be filled now")
        return "\n".join(lines)

    def data(self) -> dict[str, object]:
        """The same as JSON."""
        rows = [self._data(f"{self.name}-{i}", row) for i, row in enumerate(self.quote.rows, 1)]
        return {"quote": self.name, "offers": rows, "left_out": self._left_out()}

    def _left_out(self) -> Counter[str]:
        refused = Counter({reason.value: n for reason, n in self.quote.explanation.refused})
        return refused + Counter(self.quote.left_out)

    def _total(self, row: OfferRow) -> int:
        return row.rate_wei * self.quote.gpus * self.quote.duration_s

    def _row(self, number: str, row: OfferRow, slot: int) -> list[str]:
        return [
            number,
            str(row.node),
            row.class_name,
            f"{row.free_gpus}/{row.gpus}",
            units.say_rate(row.rate_wei),
            units.say_usd(self._total(row), 2),
            f"{self.shares[row.node].bps / 100:.2f} %" if row.node in self.shares else "-",
            units.say_duration(row.sheet.notice),
            units.say_duration(least_prepaid(row.sheet, slot)),
            str(row.provider),
            str(row.region),
        ]

    def _data(self, name: str, row: OfferRow) -> dict[str, object]:
        share = self.shares.get(row.node)
        return {
            "row": name,
            "node": row.node,
            "provider": row.provider,
            "class": row.class_name,
            "region": row.region,
            "free_gpus": row.free_gpus,
            "gpus": row.gpus,
            "rate_wei": row.rate_wei,
            "usd_per_gpu_hour": units.say_rate(row.rate_wei),
            "total_wei": self._total(row),
            "uptime_bps": None if share is None else share.bps,
            "uptime_over_s": None if share is None else share.over_s,
            "sheet": row.sheet_id,
            "min_duration_s": row.min_duration_s,
            "max_duration_s": row.max_duration_s,
            "expiry_at": units.rfc3339(min(row.expiry_at, LAST_SECOND)),
            "ask": "0x" + row.signed.digest.hex(),
            "source": row.signed.source,
        }


@dataclass(frozen=True)
class Wanted:
    """GPU ("" = any) and how many, how long, and the most USD per GPU-hour."""

    gpu: str
    count: int
    duration_s: int
    most: Fraction | None

    def quote(self, hearth: Hearth, regions: Sequence[int], place: str) -> Quote:
        """The offers at `place` that fit."""
        return hearth.quote(
            gpu=self.gpu,
            count=self.count,
            duration_s=self.duration_s,
            regions=regions,
            place=place,
            max_usd_per_gpu_hour=self.most,
        )


def wanted_of(gpu_text: str, term: str, most: str | None) -> Wanted:
    """What `--gpu`, `--hours` and `--max` say."""
    name, count = units.gpu(gpu_text) if gpu_text else ("", 1)
    return Wanted(name, count, units.hours(term), None if most is None else units.price(most))


def _shares(hearth: Hearth, quote: Quote) -> dict[int, Share]:
    """Uptime of the nodes shown; nothing where the reports cannot be read now: the offers stand all the same."""
    try:
        return hearth.shares(row.node for row in quote.rows) if quote.rows else {}
    except HearthError:
        return {}


def nothing_fits(why: str, wanted: str) -> HearthError:
    """H4203, exit 5."""
    return HearthError(
        "H4203",
        f"no offer matches {wanted}",
        why=why,
        next=("hearth offers", "a higher --max, fewer GPUs, or another time"),
    )

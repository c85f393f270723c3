"""`hearth exposure` and `hearth explain collusion`: what a committee that lies could cost at most."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import rich_click as click

from keepers.cli import units
from keepers.cli.options import Options, command
from keepers.cli.progress import Bar
from keepers.protocol.collusion import HOUR, Worked, held_open, lost_share, price_factor

if TYPE_CHECKING:
    from keepers.sdk.exposure import Exposure

FORMULA = (
    "What a quorum of the committee that lies can cost at most. SECURITY.md says what it can and cannot do.",
    "",
    "  L = sum over open leases of  rate x GPUs x min(seconds paid ahead, seconds until the renter stops)  +  bond",
    "      rent paid for machines that were down, or denied to machines that were up, whose bonds fall with it",
    "  A = sum over open leases of  credits + bond,  and tallies of periods whose price is not final",
    "      all of it, whatever is said of uptime and price, and whoever sleeps. Beside it only purses whose owners",
    "      buy, refund or rent while the price is told wrong: at most what they move",
)


def usd(wei: int) -> str:
    """Whole dollars are enough for a bound: rounded up, so that it stays one."""
    return f"${-(-wei // 10**18):,}"


def explained() -> tuple[dict[str, Any], str]:
    """(data, text) of the formula with the figures of the default profile."""
    worked = Worked()
    week, hour = worked.rent(worked.sheet.prepay), worked.rent(HOUR)
    factor = price_factor(worked.bound, held_open(worked.grace))
    first, again = worked.committee.penalty(worked.price)
    share = float(lost_share(factor))
    data = {
        "leases": worked.leases, "gpus": worked.gpus, "usd_hour": worked.usd_hour,
        "rent_unwatched_wei": week, "rent_stopped_after_an_hour_wei": hour, "bonds_wei": worked.bonds,
        "bound_unwatched_wei": week + worked.bonds, "bound_stopped_after_an_hour_wei": hour + worked.bonds,
        "price_factor": round(float(factor), 2), "tally_lost_share": round(share, 4),
        "seats": worked.committee.seats, "quorum": worked.committee.quorum,
        "penalty_wei": first, "penalty_repeated_wei": again,
    }  # fmt: skip
    lines = [
        *FORMULA,
        "",
        f"default profile, {worked.leases:,} leases of {worked.gpus} GPUs at ${worked.usd_hour} a GPU-hour, each paid"
        f" {units.say_duration(worked.sheet.prepay)} ahead:",
        f"  rent       {usd(week):>12}  if no renter ever looks",
        f"             {usd(hour):>12}  if each stops after an hour",
        f"  bonds      {usd(worked.bonds):>12}  unless the providers check in on chain",
        f"  L          {usd(week + worked.bonds):>12}  or {usd(hour + worked.bonds)}",
        f"  price      told {float(factor):.2f} times too high after {held_open(worked.grace)} reports,"
        f" as long as a period stays open: a tally redeemed at that loses {share:.1%}",
        f"  at stake   {usd(again):>12}  bonds of {worked.committee.quorum} of {worked.committee.seats} seats;"
        f" a report that falls takes {usd(first)}, a second one within 30 days all",
    ]
    return data, "\n".join(lines)


def exposure_data(found: Exposure) -> dict[str, Any]:
    """An exposure as JSON data."""
    reach = found.reach
    return {
        "block": found.at.number,
        "leases": reach.leases,
        "noticed_s": found.noticed_s,
        "rent_wei": reach.rent,
        "bonds_wei": reach.bonds,
        "uptime_wei": reach.uptime,
        "credits_wei": reach.credits,
        "tallies_wei": reach.tallies,
        "all_wei": reach.all,
        "tally_lost_share": round(found.lost, 4),
        "seats": found.seats,
        "quorum_bond_wei": found.bonded,
    }


def exposure_text(found: Exposure, network: str) -> str:
    """An exposure for people."""
    reach = found.reach
    rows = (
        ("rent ahead", reach.rent, f"that renters who stop within {units.say_duration(found.noticed_s)} can lose"),
        ("bonds", reach.bonds, "that providers who never check in can lose"),
        ("L", reach.uptime, "most that lies about uptime cost by then"),
        ("in leases", reach.credits, "credits, settled last or paid ahead"),
        ("tallies", reach.tallies, f"whose price is not final; {found.lost:.1%} if it is told as high as can be"),
        ("A", reach.all, "all that is within reach of a quorum"),
        ("at stake", found.bonded, f"bonds of the cheapest quorum of {found.seats} seats, at the price that it tells"),
    )
    head = f" {network}, block {found.at.number:,}: {reach.leases:,} open lease{'' if reach.leases == 1 else 's'}"
    return "\n".join([head, *(f"  {name:<11}{usd(wei):>14}  {what}" for name, wei, what in rows)])


@command()
@click.option(
    "--noticed", metavar="TIME", default="1h", show_default=True, help="How soon a renter stops a lease lied about."
)
def exposure(options: Options, noticed: str) -> None:
    """What a committee that lies could cost at most, on this chain, now. `hearth explain collusion` has the formula."""
    from keepers.sdk.exposure import exposure as measure

    seconds = units.duration(noticed)
    hearth = options.hearth()
    with Bar(options.quiet or options.json) as bar:
        found = measure(hearth.reads, seconds, bar.update)
    options.emit("exposure", exposure_data(found), lambda: exposure_text(found, hearth.deployment.network), hearth)

"""What a quorum that lies can reach on this chain now: open leases, their bonds, tallies whose price is not final."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from keepers.chain.history import Progress, pages
from keepers.chain.ports import BlockRef, Call
from keepers.protocol.collusion import LeaseReach, Reach, held_open, lease_reach, lost_share, price_factor, total
from keepers.protocol.credits import Balance
from keepers.protocol.leases import Money, Party, Sheet, Terms
from keepers.protocol.merge import quorum
from keepers.protocol.seats import Seat
from keepers.protocol.stake import Own, value_of
from keepers.protocol.units import GWEI, credits_for
from keepers.sdk.reads import Reads, parameter

BATCH = 100  # views asked for at once
ESCROW = "LeaseEscrow"


@dataclass(frozen=True)
class Exposure:
    """At one block: what is within reach if renters stop `noticed_s` after the lie begins; `seats` of the committee in
    force, what its cheapest quorum has bonded (USD wei), and the part of a tally that a price told too high for as long
    as a period can be held open leaves unpaid."""

    reach: Reach
    noticed_s: int
    seats: int
    bonded: int
    lost: float
    at: BlockRef


def exposure(reads: Reads, noticed: int, progress: Progress | None = None) -> Exposure:
    """Reads every open lease. `noticed`: seconds until a renter stops a lease that is lied about."""
    at = reads.reader.head()
    price = reads.price(at).high
    opened = pages(reads.reader, reads.deployment.first_block, at.number, ESCROW, ("Opened",), progress, "leases")
    ids = [int(event["id"]) for event in opened]
    terms = [Terms.unpack(word) for word in _views(reads, at, "terms", [(i,) for i in ids])]
    running = [(i, t) for i, t in zip(ids, terms, strict=True) if not t.finished]
    leases = _leases(reads, at, running, price, noticed)
    keys = {t.provider for t in terms} | _payees(reads, at)
    seats, bonded = _committee(reads, at, price)
    bound, grace = (parameter(reads.deployment, name) for name in ("price_bound_bps", "grace_epochs"))
    lost = float(lost_share(price_factor(bound, held_open(grace))))
    return Exposure(total(leases, _tallies(reads, at, keys)), noticed, seats, bonded, lost, at)


def _views(reads: Reads, at: BlockRef, function: str, given: Sequence[tuple[Any, ...]]) -> list[Any]:
    calls = [Call(ESCROW, function, arguments) for arguments in given]
    return _many(reads, at, calls)


def _many(reads: Reads, at: BlockRef, calls: Sequence[Call]) -> list[Any]:
    return [
        word for low in range(0, len(calls), BATCH) for word in reads.reader.read_many(calls[low : low + BATCH], at)
    ]


def _leases(
    reads: Reads, at: BlockRef, running: Sequence[tuple[int, Terms]], price: int, noticed: int
) -> list[LeaseReach]:
    ids = [(i,) for i, _ in running]
    moneys = [Money.unpack(word) for word in _views(reads, at, "money", ids)]
    parties = [Party.unpack(word) for word in _views(reads, at, "party", ids)]
    numbers = sorted({t.sheet for _, t in running})
    sheets = dict(zip(numbers, map(Sheet.unpack, _views(reads, at, "sheet", [(n,) for n in numbers])), strict=True))
    providers = sorted({t.provider for _, t in running})
    words = _many(reads, at, [Call("StakingPool", "own", (p,)) for p in providers])
    pools = dict(zip(providers, map(Own.unpack, words), strict=True))
    out = []
    for (_, t), money, party in zip(running, moneys, parties, strict=True):
        own = pools[t.provider]
        bond = credits_for(value_of(party.bond, own.assets, own.shares) * GWEI, price)
        out.append(lease_reach(t, money, sheets[t.sheet], bond, at.timestamp, noticed))
    return out


def _payees(reads: Reads, at: BlockRef) -> set[int]:
    settled = pages(reads.reader, reads.deployment.first_block, at.number, ESCROW, ("Settled",))
    return {int(event["payee"]) for event in settled}


def _tallies(reads: Reads, at: BlockRef, keys: set[int]) -> int:
    """Credits in tallies of periods whose price may still be told."""
    periods = range(reads.calendar.period(max(at.timestamp, reads.calendar.genesis)) + 1)
    closed = reads.closed_periods(periods, at)
    wanted = [(key, p) for p in periods if p not in closed for key in sorted(keys)]
    return sum(Balance.unpack(word).credits for word in _views(reads, at, "tally", wanted))


def _committee(reads: Reads, at: BlockRef, price: int) -> tuple[int, int]:
    """(seats of the committee in force, USD wei that its cheapest quorum has bonded)."""
    epoch = max(1, reads.calendar.epoch(max(at.timestamp, reads.calendar.genesis)))
    n = int(reads.suite.hub.committee(epoch, at=at)[2])
    if n == 0:
        return 0, 0
    seated = reads.suite.committee.seats(at=at)
    bonds = [Seat.unpack(reads.suite.committee.seat_of(who, at=at)).bond for who in seated]
    cheapest = sorted([*bonds, *[0] * (n - len(bonds))])[: quorum(n)]
    return n, credits_for(sum(cheapest), price)

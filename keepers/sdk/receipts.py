"""What a receipt's lines say beside the escrow's events: seconds, fee and price of a settlement, damages of the end.

The network's fee is taken when the provider redeems the tally of a period, rounded up once for the whole tally; the
share of a line is rounded down here, so that lines never add up to more than was taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from keepers.chain.ports import BlockRef, Event
from keepers.protocol.price import PeriodWord
from keepers.protocol.units import bps_floor
from keepers.sdk.types import LeaseView, ReceiptLine

if TYPE_CHECKING:
    from keepers.sdk.reads import Reads


def complete(
    reads: Reads, view: LeaseView, lines: Sequence[ReceiptLine], events: Sequence[Event], at: BlockRef
) -> tuple[ReceiptLine, ...]:
    """The lines of `events`, one each in the same order, with everything that only other contracts know."""
    settlements = [line for line, event in zip(lines, events, strict=True) if event.name == "Settled"]
    periods = sorted({reads.calendar.period(line.at) for line in settlements})
    engine, hub = reads.suite.engine, reads.suite.hub
    answers = reads.reader.read_many(
        [*(engine.view("fee_of", p) for p in periods), *(hub.view("period_word", p) for p in periods)], at
    )
    fees = dict(zip(periods, answers, strict=False))
    words = dict(zip(periods, answers[len(periods) :], strict=True))
    closed = reads.closed_periods(periods, at) if periods else set()
    prices = {p: PeriodWord.unpack(int(words[p])).price for p in closed}
    shares = engine.shares(at=at) if periods else (0, 0)
    return tuple(
        _settled(line, view.terms.per_second, reads.calendar.period(line.at), fees, shares, prices)
        if event.name == "Settled"
        else _finished(line, event, reads, view.terms.provider)
        if event.name == "Finished" and event["taken"]
        else line
        for line, event in zip(lines, events, strict=True)
    )


def _settled(
    line: ReceiptLine,
    per_second: int,
    period: int,
    fees: dict[int, int],
    shares: tuple[int, int],
    prices: dict[int, int],
) -> ReceiptLine:
    fee = bps_floor(line.paid_wei - line.bounty_wei, fees[period])
    attesters, builders = (bps_floor(fee, share) for share in shares)
    return replace(
        line,
        period=period,
        attested_s=line.paid_wei // per_second,
        fee_bps=fees[period],
        fee_wei=fee,
        fee_attesters_wei=attesters,
        fee_builders_wei=builders,
        price=prices.get(period, 0),
    )


def _finished(line: ReceiptLine, finish: Event, reads: Reads, provider: int) -> ReceiptLine:
    """The last line with what the bond lost: gwei to the renter, as a ticket, and gwei burned."""
    block = finish.block_number
    ends = [
        e
        for e in reads.reader.events(block, block, "StakingPool", ("BondEnded",))
        if (e.tx_hash, e["provider"], e["shares"], e["taken"])
        == (finish.tx_hash, provider, finish["bond"], finish["taken"])
    ]
    # one transaction may finish several leases with equal bonds: each end stands beside its own event
    end = min(ends, key=lambda e: abs(e.index - finish.index))
    return replace(line, damages_gwei=int(end["paid"]), burned_gwei=int(end["burned"]))

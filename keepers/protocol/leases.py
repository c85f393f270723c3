"""A lease: its words, what it owes by attested seconds, when it stops, why, and what its bond loses.

terms  rate 64 @192 | gpus 8 @184 | node 24 @160 | provider 24 @136 | start 40 @96 | duration 28 @68
       | stop - start 28 @40 | sheet 32 @8 | flags 8 @0 (reason 4 | cause 2 @4 | finished @6 | notice given @7)
money  credits 96 @160 | backing 96 @64 | settled 32 @32 | base + 2**31 32 @0 (0 = no anchor)
party  renter 160 @96 | bond shares 64 @0
sheet  notice 32 @224 | min_seconds 32 @192 | prepay 32 @160 | dark limit 32 @128 | table 128 @0
Source: docs/protocol.md §6.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum

from keepers.protocol.counters import Header, Leaf, down_seconds, fault_seconds
from keepers.protocol.epochs import RING, Calendar
from keepers.protocol.units import BPS, M16, M32, M64, M96, M128, field, fits, mul_div_ceil, tokens_for

ANCHOR_BIAS = 2**31  # base is signed: it is stored with this added, so that 0 means no anchor
NO_LIMIT = 2**32 - 1  # a sheet without a downtime limit
BOND_BPS = 15_000  # 150 %: room for a fall of the token's price
GWEI_PER_PRICE = 1_000  # wei of USD × 1e12 / price = wei of token; / 1e9 = gwei, so 1e12 / 1e9
FINISHED = 1 << 6
BARRED_TERMS = 15 | FINISHED


class Reason(IntEnum):
    """Why a lease stopped."""

    RUNNING = 0
    RENTER_CLOSED = 1
    FUNDS = 2
    TERM = 3
    HOST_NOTICE = 4
    HOST_EXIT = 5
    HOST_DOWN = 6
    HOST_FAULT = 7
    CLUSTER = 8
    BARRED = 15


class Cause(IntEnum):
    """Whose doing the stop was."""

    RENTER = 0
    HOST = 1
    NETWORK = 2
    INDETERMINATE = 3


HOST_REASONS = frozenset({Reason.HOST_EXIT, Reason.HOST_DOWN, Reason.HOST_FAULT})

REASON_TEXT = {
    Reason.RUNNING: "running",
    Reason.RENTER_CLOSED: "closed by the renter",
    Reason.FUNDS: "paid time used up",
    Reason.TERM: "end of its term",
    Reason.HOST_NOTICE: "ended by the provider with notice",
    Reason.HOST_EXIT: "ended by the provider without notice",
    Reason.HOST_DOWN: "node dark for longer than its sheet allows",
    Reason.HOST_FAULT: "node faulted",
    Reason.CLUSTER: "another node of the cluster failed",
    Reason.BARRED: "cancelled before it opened",
}


@dataclass(frozen=True)
class Terms:
    """What was agreed: rate (wei of a USD a GPU-second), GPUs, node, provider, start, duration, sheet; and the stop."""

    rate: int
    gpus: int
    node: int
    provider: int
    start: int
    duration: int
    sheet: int
    stop_after: int = 0
    reason: Reason = Reason.RUNNING
    cause: Cause = Cause.RENTER
    finished: bool = False
    notice: bool = False

    def pack(self) -> int:
        """The terms word. Raises ValueError where a field does not fit."""
        return (
            fits("rate", self.rate, 64) << 192
            | fits("gpus", self.gpus, 8) << 184
            | fits("node", self.node, 24) << 160
            | fits("provider", self.provider, 24) << 136
            | fits("start", self.start, 40) << 96
            | fits("duration", self.duration, 28) << 68
            | fits("stop", self.stop_after, 28) << 40
            | fits("sheet", self.sheet, 32) << 8
            | int(self.notice) << 7
            | int(self.finished) << 6
            | int(self.cause) << 4
            | int(self.reason)
        )

    @classmethod
    def unpack(cls, value: int) -> Terms:
        """Reads a terms word. Raises ValueError for a reason that does not exist."""
        return cls(
            rate=value >> 192 & M64,
            gpus=field(value, 184, 8),
            node=field(value, 160, 24),
            provider=field(value, 136, 24),
            start=field(value, 96, 40),
            duration=field(value, 68, 28),
            stop_after=field(value, 40, 28),
            sheet=value >> 8 & M32,
            reason=Reason(value & 15),
            cause=Cause(value >> 4 & 3),
            finished=bool(value >> 6 & 1),
            notice=bool(value >> 7 & 1),
        )

    @property
    def per_second(self) -> int:
        """Credits (wei) a second: rate × GPUs."""
        return self.rate * self.gpus

    @property
    def stopped(self) -> bool:
        """Whether a stop is recorded."""
        return self.reason != Reason.RUNNING

    @property
    def end(self) -> int:
        """End of the term."""
        return self.start + self.duration

    def with_stop(self, after: int, reason: Reason, cause: Cause) -> Terms:
        """The same lease with a recorded stop, `after` seconds from its start."""
        return replace(self, stop_after=after, reason=reason, cause=cause)


@dataclass(frozen=True)
class Money:
    """What a lease holds: credits, their backing, seconds settled, base (None = no anchor)."""

    credits: int
    backing: int
    settled: int = 0
    base: int | None = None

    def pack(self) -> int:
        """The money word. Raises ValueError where a field does not fit."""
        anchor = 0 if self.base is None else self.base + ANCHOR_BIAS
        if self.base is not None and anchor == 0:
            raise ValueError("base is out of range")
        return (
            fits("credits", self.credits, 96) << 160
            | fits("backing", self.backing, 96) << 64
            | fits("settled", self.settled, 32) << 32
            | fits("base", anchor, 32)
        )

    @classmethod
    def unpack(cls, value: int) -> Money:
        """Reads a money word."""
        anchor = value & M32
        return cls(value >> 160, value >> 64 & M96, value >> 32 & M32, anchor - ANCHOR_BIAS if anchor else None)


@dataclass(frozen=True)
class Party:
    """Renter (address as a number) and bond shares."""

    renter: int
    bond: int

    def pack(self) -> int:
        """The party word."""
        return fits("renter", self.renter, 160) << 96 | fits("bond", self.bond, 64)

    @classmethod
    def unpack(cls, value: int) -> Party:
        """Reads a party word."""
        return cls(value >> 96, value & M64)


@dataclass(frozen=True)
class Sheet:
    """A term sheet: notice, minimum and longest prepayment in seconds, downtime limit, uptime table (0 = none)."""

    notice: int
    min_seconds: int
    prepay: int
    dark_limit: int = NO_LIMIT
    table: int = 0

    def pack(self) -> int:
        """The sheet word."""
        return (
            fits("notice", self.notice, 32) << 224
            | fits("min_seconds", self.min_seconds, 32) << 192
            | fits("prepay", self.prepay, 32) << 160
            | fits("dark limit", self.dark_limit, 32) << 128
            | fits("table", self.table, 128)
        )

    @classmethod
    def unpack(cls, value: int) -> Sheet:
        """Reads a sheet word."""
        return cls(value >> 224, field(value, 192, 32), field(value, 160, 32), field(value, 128, 32), value & M128)

    @property
    def steps(self) -> tuple[tuple[int, int], ...]:
        """(uptime bps, credit bps) steps of the table, the first highest."""
        out = []
        for i in range(4):
            step = self.table >> (96 - 32 * i) & M32
            if step:
                out.append((step >> 16, step & M16))
        return tuple(out)

    @property
    def binding_seconds(self) -> int:
        """max(notice, min_seconds): what the bond covers."""
        return max(self.notice, self.min_seconds)


def until(terms: Terms, money: Money) -> int:
    """funded_until: start + min(duration, settled + credits // (rate × GPUs)). Settling does not move it."""
    return terms.start + min(terms.duration, money.settled + money.credits // terms.per_second)


def effective_stop(terms: Terms, money: Money) -> int:
    """The recorded stop, else funded_until: nothing after it is ever owed."""
    return terms.start + terms.stop_after if terms.stopped else until(terms, money)


def anchor_epoch(terms: Terms, calendar: Calendar, top: int) -> int:
    """e1 = max(epoch(start), top - RING + 1): the only epoch from whose leaf the base may be taken."""
    return max(calendar.epoch(terms.start), top - RING + 1)


def base_of(terms: Terms, calendar: Calendar, epoch: int, header: Header, leaf: Leaf) -> int:
    """base = D(max(start, start(e1))) - max(0, start(e1) - start); what cannot be proven any more counts as down."""
    first = calendar.start(epoch)
    at = max(terms.start, first)
    return down_seconds(header, leaf, at - first, calendar.slot) - max(0, first - terms.start)


def due_seconds(terms: Terms, stop: int, base: int, calendar: Calendar, header: Header, leaf: Leaf) -> int:
    """due(t) = max(0, t - start - (D(t) - base)) with t = min(stop, end(e)): attested seconds owed in all.

    Where a lying committee makes D fall below the base, D(t) - base counts as 0: no second outside the lease is due.
    Raises ValueError for an epoch that begins at or after the stop.
    """
    first = calendar.start(header.epoch)
    if first >= stop:
        raise ValueError(f"epoch {header.epoch} begins after the lease stopped")
    t = min(stop, calendar.end(header.epoch))
    if t <= terms.start:
        return 0
    dark = max(0, down_seconds(header, leaf, t - first, calendar.slot) - base)
    return max(0, t - terms.start - dark)


def payment(terms: Terms, money: Money, due: int) -> int:
    """Credits that a settlement at `due` seconds pays: min(credits, rate × GPUs × (due - settled)), or 0."""
    return 0 if due <= money.settled else min(money.credits, terms.per_second * (due - money.settled))


def fault_between(
    terms: Terms, stop: int, calendar: Calendar, header0: Header, leaf0: Leaf, header: Header, leaf: Leaf
) -> int:
    """F(min(stop, end(e))) - F(max(start, start(e0))): seconds of fault of the lease, for the downtime limit."""
    first0, first = calendar.start(header0.epoch), calendar.start(header.epoch)
    begin = max(terms.start, first0)
    t = min(stop, calendar.end(header.epoch))
    return fault_seconds(header, leaf, t - first, calendar.slot) - fault_seconds(
        header0, leaf0, begin - first0, calendar.slot
    )


def room(terms: Terms, money: Money, sheet: Sheet, now: int) -> int:
    """Credits that a top-up can still bring in at `now`: up to the end of the term, prepay seconds ahead at most."""
    cover = min(terms.duration, now - terms.start + sheet.prepay)
    return max(0, terms.per_second * (cover - money.settled) - money.credits)


def excess(terms: Terms, money: Money, after: int) -> int:
    """Credits that go home at a stop `after` seconds from the start: what can no longer be owed."""
    return max(0, money.credits - terms.per_second * (after - money.settled))


def notice_duration(terms: Terms, sheet: Sheet, now: int) -> int:
    """Duration after the provider gave notice: min(duration, max(min_seconds, now + notice - start))."""
    return min(terms.duration, max(sheet.min_seconds, now + sheet.notice - terms.start))


def bond_gwei(sheet: Sheet, rate: int, gpus: int, price_low: int) -> int:
    """Bond of one lease in gwei: max(notice, min_seconds) × rate × GPUs × 1.5 / min(P, TWAP), rounded up."""
    return mul_div_ceil(sheet.binding_seconds * rate * gpus, BOND_BPS * GWEI_PER_PRICE, BPS * price_low)


def forfeit_shares(bond: int, sheet: Sheet, elapsed: int) -> int:
    """Shares of the bond lost at a stop for the host, `elapsed` seconds in, rounded up.

    bond × max(notice, min_seconds - elapsed) / max(notice, min_seconds).
    """
    whole = sheet.binding_seconds
    return min(bond, mul_div_ceil(bond, max(sheet.notice, sheet.min_seconds - elapsed), whole))


def damage_limit(paid: int, price_high: int) -> int:
    """Most gwei of damages that the renter may get: what it paid on this lease (wei) / max(P, TWAP), rounded down."""
    return tokens_for(paid, price_high) // 10**9


def lapse_reason(terms: Terms, money: Money) -> tuple[Reason, Cause]:
    """Why a lease that ran until funded_until stopped: out of funds, end of its term, or end of a notice."""
    if until(terms, money) != terms.end:
        return Reason.FUNDS, Cause.RENTER
    return (Reason.HOST_NOTICE, Cause.HOST) if terms.notice else (Reason.TERM, Cause.RENTER)


def is_harmless(terms: Terms, sheet: Sheet, calendar: Calendar) -> bool:
    """Whether nothing can be claimed of a stopped lease, so that anyone may finish it as soon as its report is usable.

    It lasted less than the downtime limit and, where the sheet has a table, holds no whole window: a run of
    EPOCHS_PER_PERIOD epochs from the first that begins at or after the start.
    """
    if terms.stop_after >= sheet.dark_limit:
        return False
    if sheet.table == 0:
        return True
    whole = calendar.start(calendar.epoch(terms.start + calendar.epoch_seconds - 1))
    return whole + calendar.period_seconds > terms.start + terms.stop_after


def is_abandoned(stop: int, now: int, abandon: int, calendar: Calendar, usable_at: int) -> bool:
    """Whether a lease that stopped at `stop` may finish without a proof: no exit waits for a report for ever.

    `usable_at` of epoch(stop - 1): 0 = no report stands, 1 = it left the ring (it was usable), else the second from
    which it is usable. True with no report at stop + ABANDON, none usable at stop + 2·ABANDON, or RING epochs after.
    """
    if now < stop + abandon:
        return False
    if now >= stop + RING * calendar.epoch_seconds or usable_at == 0:
        return True
    return now >= stop + 2 * abandon and usable_at > now


def least_prepaid(sheet: Sheet, slot: int) -> int:
    """Fewest seconds that a taker must prepay: max(min_seconds, SLOT)."""
    return max(sheet.min_seconds, slot)


def stop_epoch(terms: Terms, stop: int, calendar: Calendar) -> int:
    """Epoch whose leaf finishes the lease: epoch(stop - 1). Raises ValueError for length 0, which needs none."""
    if stop <= terms.start:
        raise ValueError("a lease of length 0 needs no proof")
    return calendar.epoch(stop - 1)

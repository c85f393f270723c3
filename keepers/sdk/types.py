"""What the SDK hands out: frozen rows with units in their names.

Suffixes: `_wei` (1e-18), `_gwei`, `_s` seconds, `_bps`, `_at` unix seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from keepers.protocol.leases import REASON_TEXT, Cause, Money, Party, Reason, Sheet, Terms
from keepers.protocol.matching import Explanation
from keepers.protocol.messages import Ask, address_text
from keepers.protocol.units import WAD

HOUR = 3_600


def usd_per_gpu_hour(rate_wei: int) -> Fraction:
    """USD per GPU-hour of a rate in wei of a USD a GPU-second."""
    return Fraction(rate_wei * HOUR, WAD)


@dataclass(frozen=True)
class SignedAsk:
    """An ask with its operator's signature and the place it was read from (which nobody trusts)."""

    ask: Ask
    signature: bytes
    digest: bytes
    source: str = ""


@dataclass(frozen=True)
class OfferRow:
    """One node under one checked ask, as a renter sees it."""

    signed: SignedAsk
    node: int
    provider: int
    class_id: int
    class_name: str
    region: int
    gpus: int
    free_gpus: int
    rate_wei: int
    min_duration_s: int
    max_duration_s: int
    sheet_id: int
    sheet: Sheet
    expiry_at: int


@dataclass(frozen=True)
class OfferBook:
    """Offers that stand, cheapest first, and why the others were left out: reason -> how many nodes or files."""

    rows: tuple[OfferRow, ...]
    left_out: Mapping[str, int]
    block: int


@dataclass(frozen=True)
class Quote:
    """What fits a wish, cheapest first, with the reasons of what does not, at one block."""

    rows: tuple[OfferRow, ...]
    explanation: Explanation
    left_out: Mapping[str, int]
    block: int
    gpus: int
    duration_s: int

    @property
    def best(self) -> OfferRow | None:
        """The cheapest, None if nothing fits."""
        return self.rows[0] if self.rows else None

    def why(self) -> str:
        """Why the others do not fit, in one line."""
        parts = [self.explanation.text()]
        parts += [f"{count} {reason}" for reason, count in self.left_out.items()]
        return " · ".join(parts)


@dataclass(frozen=True)
class RentPlan:
    """Everything that a `rent` will do, priced at one block; nothing has been sent."""

    row: OfferRow
    gpus: int
    duration_s: int
    prepaid_s: int
    salt: int
    deadline_at: int
    lease_id: int
    deposit_wei: int
    bond_gwei: int
    purse_wei: int
    burn_wei: int
    approve_wei: int
    price_low: int
    action: str = ""  # its name in the outbox

    @property
    def usd_per_hour(self) -> Fraction:
        """USD an hour of the whole lease."""
        return usd_per_gpu_hour(self.row.rate_wei) * self.gpus


@dataclass(frozen=True)
class LeaseView:
    """A lease at one block. `ordinal` is its number: the count of `Opened` events up to its own, from 1."""

    ordinal: int
    lease_id: int
    terms: Terms
    money: Money
    party: Party
    until_at: int
    now_at: int
    block: int

    @property
    def renter(self) -> str:
        """Who pays."""
        return address_text(self.party.renter)

    @property
    def state(self) -> str:
        """RUNNING, LAPSED (over, not yet recorded), STOPPED (waits for its last report) or ENDED."""
        if self.terms.finished:
            return "ENDED"
        if self.terms.stopped:
            return "STOPPED"
        return "LAPSED" if self.now_at >= self.until_at else "RUNNING"

    @property
    def reason(self) -> str:
        """Why it stopped, by name and in words; empty while it runs."""
        if not self.terms.stopped:
            return ""
        return f"{self.terms.reason.name} ({REASON_TEXT[self.terms.reason]})"

    @property
    def cause(self) -> Cause:
        """Whose doing the stop was."""
        return self.terms.cause

    @property
    def wall_s(self) -> int:
        """Seconds from the start to now, or to the stop."""
        return max(0, min(self.now_at, self.until_at) - self.terms.start)

    @property
    def runway_s(self) -> int:
        """Seconds until it lapses; 0 once it has stopped."""
        return 0 if self.terms.stopped else max(0, self.until_at - self.now_at)


@dataclass(frozen=True)
class ReceiptLine:
    """One event of a lease that moved money or ended something.

    A settlement has the period whose tally it went to, the seconds that it paid for, the network's fee on it (taken
    when that tally is redeemed) with the attesters' and the builders' part, and `price`, 1e-12 USD a token, at which
    the tally is redeemed: 0 while that is open. `seconds` are all that were paid so far; of a stop, those since the
    start. The end has the bond's damages: gwei of tokens to the renter, as a ticket, and gwei burned.
    """

    at: int
    block: int
    tx: str
    what: str
    seconds: int = 0
    deposited_wei: int = 0
    paid_wei: int = 0
    bounty_wei: int = 0
    returned_wei: int = 0
    bond_shares_lost: int = 0
    epoch: int = 0  # whose report it was proven with; 0 = none
    period: int | None = None
    attested_s: int = 0
    fee_bps: int = 0
    fee_wei: int = 0
    fee_attesters_wei: int = 0
    fee_builders_wei: int = 0
    price: int = 0
    damages_gwei: int = 0
    burned_gwei: int = 0

    @property
    def provider_wei(self) -> int:
        """What is the provider's: the payment without the settler's bounty and the network's fee."""
        return self.paid_wei - self.bounty_wei - self.fee_wei

    @property
    def fee_destroyed_wei(self) -> int:
        """The part of the fee that nobody gets."""
        return self.fee_wei - self.fee_attesters_wei - self.fee_builders_wei

    @property
    def held_wei(self) -> int:
        """By how much it changed what lies in the lease."""
        return self.deposited_wei - self.paid_wei - self.returned_wei


@dataclass(frozen=True)
class Receipt:
    """Lines of a lease and their totals, which close to the wei: carried + deposited = paid + returned + held.

    `carried_wei` lay in the lease before the first line, `later_wei` is what lines after the last one changed: both 0
    unless the receipt is of a part of the time (`between`).
    """

    view: LeaseView
    lines: tuple[ReceiptLine, ...]
    carried_wei: int = 0
    later_wei: int = 0

    def between(self, first: int, end: int) -> Receipt:
        """Only the lines of first <= time < end (unix seconds)."""
        before = sum(line.held_wei for line in self.lines if line.at < first)
        after = sum(line.held_wei for line in self.lines if line.at >= end)
        lines = tuple(line for line in self.lines if first <= line.at < end)
        return Receipt(self.view, lines, self.carried_wei + before, self.later_wei + after)

    @property
    def deposited_wei(self) -> int:
        """Credits that came in."""
        return sum(line.deposited_wei for line in self.lines)

    @property
    def paid_wei(self) -> int:
        """Credits that went to the provider, settlers' bounties included."""
        return sum(line.paid_wei for line in self.lines)

    @property
    def returned_wei(self) -> int:
        """Credits that went back to the renter's purse."""
        return sum(line.returned_wei for line in self.lines)

    def total(self, name: str) -> int:
        """Sum of one of the lines' figures, such as `fee_wei` or `damages_gwei`."""
        return sum(getattr(line, name) for line in self.lines)

    @property
    def held_wei(self) -> int:
        """Credits that lie in the lease after the last line."""
        return self.carried_wei + self.deposited_wei - self.paid_wei - self.returned_wei

    @property
    def closes(self) -> bool:
        """Whether the events, all of them, and the lease's own word agree."""
        return self.held_wei + self.later_wei == self.view.money.credits


@dataclass(frozen=True)
class Wallet:
    """What an address holds: native coin for gas, tokens, the engine's allowance, credits with their backing."""

    address: str
    native_wei: int
    token_wei: int
    allowance_wei: int
    credits_wei: int
    backing_wei: int
    price: int
    block: int


@dataclass(frozen=True)
class StakeView:
    """A provider's stake in gwei: all of it, what bonds lock, what is required, what could leave, and tickets."""

    provider: int
    owner: str
    staked_gwei: int
    locked_gwei: int
    required_gwei: int
    free_shares: int
    tickets: tuple[tuple[int, int, int], ...]  # (number, gwei, release at)

    @property
    def enough(self) -> bool:
        """Whether the provider may take new leases."""
        return self.staked_gwei >= self.required_gwei


@dataclass(frozen=True)
class Tally:
    """What a provider (or a settler's address) earned in one period and has not redeemed."""

    period: int
    credits_wei: int
    backing_wei: int
    closed: bool


@dataclass(frozen=True)
class Earnings:
    """Of one tally key: waiting tallies, and what its redemptions minted so far."""

    key: int
    tallies: tuple[Tally, ...]
    redeemed_credits_wei: int
    minted_wei: int
    fees_wei: int

    @property
    def redeemable_wei(self) -> int:
        """Credits whose period has closed."""
        return sum(tally.credits_wei for tally in self.tallies if tally.closed)


@dataclass(frozen=True)
class SeatTable:
    """A committee as the hub has it: its generation, the first epoch of which it signs, its size, and a seat in it."""

    generation: int
    start: int
    seats: int
    seat: int | None


@dataclass(frozen=True)
class SeatView:
    """How an account stands as a seat. Bonds in wei of the token, times in unix seconds (0 = none).

    `state` are the contract's words. `present` is the hub's table of this epoch, `coming` a later one that is set
    already. `proposed_at`: from when a proposed table with the account may be applied. `due`: a table can be applied
    now; `stuck`: why not, where one waits that cannot.
    """

    account: str
    state: str
    endpoint: str
    bond_wei: int
    required_wei: int
    seated: bool
    leaving_at: int
    free_at: int
    fault_at: int
    proposed_at: int
    due: bool
    stuck: str
    epoch: int
    present: SeatTable | None
    coming: SeatTable | None
    now: int
    next: tuple[str, ...] = ()

    @property
    def signs(self) -> bool:
        """Whether the account signs the present epoch."""
        return self.present is not None and self.present.seat is not None

    @property
    def missing_wei(self) -> int:
        """What the bond lacks."""
        return max(0, self.required_wei - self.bond_wei)


@dataclass(frozen=True)
class CheckedIn:
    """A node's check-ins of an epoch on chain (12 bits) and the slot that this one is for; gas money in wei.

    `tx` is empty where nothing had to be sent.
    """

    node: int
    epoch: int
    slot: int
    slots: int
    key: str
    balance_wei: int
    tx: str = ""
    cost_wei: int = 0


@dataclass(frozen=True)
class EpochView:
    """What stands of an epoch: the contract's words, from when it is usable (0: unreported), who signed its report
    (accounts, of `seats`), how many reports of it fell, and whether it was voided."""

    epoch: int
    state: str
    usable_at: int
    signers: tuple[str, ...]
    seats: int
    cancels: int
    void: bool


@dataclass(frozen=True)
class HubView:
    """The hub at a block: price gate, reports, committee. Prices in 1e-12 USD a token, times in unix seconds.

    `closed`: why nothing new can be bought or rented; empty = open. `paused_until`: from when anyone may lift the
    guardian's pause; 0 = none. `due_epoch`: the next to be reported, over since `due_at`; `behind`: ended epochs
    without a report. `epochs`: newest first.
    """

    now: int
    epoch: int
    closed: str
    paused: bool
    clamped: bool
    stale: bool
    paused_until: int
    price: int
    twap: int
    stamp_at: int
    last_epoch: int
    newest_usable: int
    due_epoch: int
    due_at: int
    behind: int
    present: SeatTable | None
    coming: SeatTable | None
    quorum: int
    epochs: tuple[EpochView, ...]


@dataclass(frozen=True)
class Done:
    """One transaction of an action, mined."""

    what: str
    key: str
    tx: str
    block: int
    gas: int


__all__ = [
    "Cause",
    "CheckedIn",
    "Done",
    "Earnings",
    "EpochView",
    "HubView",
    "LeaseView",
    "OfferBook",
    "OfferRow",
    "Quote",
    "Reason",
    "Receipt",
    "ReceiptLine",
    "RentPlan",
    "SeatTable",
    "SeatView",
    "SignedAsk",
    "StakeView",
    "Tally",
    "Wallet",
    "usd_per_gpu_hour",
]

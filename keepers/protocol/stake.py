"""Stake: buckets of assets and shares, required stake, bonds, tickets, slashing by factor. Gwei of the token.

own    assets 64 @192 | shares 64 @128 | locked shares 64 @64 | last_below 40 @24
need   owner 160 @96 | units 64 @0 (1e-9 USD)
stake  delegated shares 64 @0 | tickets issued 32 @64
unb    own assets 64 @192 | own shares 64 @128 | delegated assets 64 @64 | delegated shares 64 @0
ticket claim 1 @105 (a renter's damages) | shares 64 @41 | release 40 @1 | bucket 1 @0 (0 = own)
Source: docs/protocol.md §5. Delegation comes later; its fields are kept here because the words have them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from keepers.protocol.units import M32, M40, M64, PRICE_ONE, field, fits, mul_div_ceil, mul_div_floor

DEAD_RATIO = 1_000  # a bucket whose shares exceed 1,000 × its assets is dead
FINDER_DIVISOR = 5  # a finder gets at most a fifth of the own stake slashed
MAX_CUT_TENTHS = 9  # one slash leaves a tenth: never the whole pool, and the bucket stays alive
FAULT_FACTOR = 3  # a node's first fault costs its units once, the repetition twice
FAULT_PERIODS = 30  # periods in which a repetition counts double, and in which a full ceiling is empty again


@dataclass(frozen=True)
class Own:
    """The own bucket of a pool, and when it was last below the required stake."""

    assets: int = 0
    shares: int = 0
    locked: int = 0
    last_below: int = 0

    def pack(self) -> int:
        """The word. Raises ValueError where a field does not fit."""
        return (
            fits("assets", self.assets, 64) << 192
            | fits("shares", self.shares, 64) << 128
            | fits("locked", self.locked, 64) << 64
            | fits("last_below", self.last_below, 40) << 24
        )

    @classmethod
    def unpack(cls, value: int) -> Own:
        """Reads the word."""
        return cls(value >> 192, field(value, 128, 64), value >> 64 & M64, value >> 24 & M40)

    @property
    def dead(self) -> bool:
        """Takes no deposit any more; pays out what is left."""
        return is_dead(self.assets, self.shares)


@dataclass(frozen=True)
class Need:
    """Owner of a pool (address as a number) and the stake units of its provider's nodes."""

    owner: int
    units: int

    def pack(self) -> int:
        """The word. Raises ValueError where a field does not fit."""
        return fits("owner", self.owner, 160) << 96 | fits("units", self.units, 64)

    @classmethod
    def unpack(cls, value: int) -> Need:
        """Reads the word."""
        return cls(value >> 96, value & M64)


@dataclass(frozen=True)
class Unbonding:
    """Stake on its way out, both buckets, each with its own factor."""

    assets: int = 0
    shares: int = 0
    delegated_assets: int = 0
    delegated_shares: int = 0

    def pack(self) -> int:
        """The word. Raises ValueError where a field does not fit."""
        return (
            fits("assets", self.assets, 64) << 192
            | fits("shares", self.shares, 64) << 128
            | fits("delegated assets", self.delegated_assets, 64) << 64
            | fits("delegated shares", self.delegated_shares, 64)
        )

    @classmethod
    def unpack(cls, value: int) -> Unbonding:
        """Reads the word."""
        return cls(value >> 192, field(value, 128, 64), value >> 64 & M64, value & M64)


@dataclass(frozen=True)
class Ticket:
    """A claim on unbonding stake: shares of its bucket and the second from which it can be withdrawn.

    `claim`: a renter's damages; a finder is paid nothing of what it loses by a slash.
    """

    shares: int
    release: int
    delegated: bool = False
    claim: bool = False

    def pack(self) -> int:
        """The word."""
        low = fits("release", self.release, 40) << 1 | int(self.delegated)
        return int(self.claim) << 105 | fits("shares", self.shares, 64) << 41 | low

    @classmethod
    def unpack(cls, value: int) -> Ticket:
        """Reads the word."""
        return cls(value >> 41 & M64, value >> 1 & M40, bool(value & 1), bool(value >> 105 & 1))


def tickets_issued(stake_word: int) -> int:
    """Tickets that an account was given, from its stake word."""
    return stake_word >> 64 & M32


def required(units: int, stake_price: int) -> int:
    """Required stake in gwei: ceil(units × S / 1e12)."""
    return mul_div_ceil(units, stake_price, PRICE_ONE)


def backed_units(units: int, assets: int, stake_price: int) -> int:
    """min(stake units, stake at the snapshot) in 1e-9 USD: a provider's weight in a correlated outage."""
    return min(units, assets * PRICE_ONE // stake_price) if stake_price else 0


def is_dead(assets: int, shares: int) -> bool:
    """shares > 1,000 × assets."""
    return shares > DEAD_RATIO * assets


def shares_for(amount: int, assets: int, shares: int) -> int:
    """Shares that a deposit of `amount` buys, rounded down; one for one in an empty bucket."""
    return amount if shares == 0 else mul_div_floor(amount, shares, assets)


def value_of(shares: int, assets: int, total: int) -> int:
    """Gwei that `shares` of a bucket are worth, rounded down; 0 in an empty bucket."""
    return mul_div_floor(assets, shares, total) if total else 0


def deposit(own: Own, amount: int) -> tuple[Own, int]:
    """(bucket, shares) after staking `amount`. Raises ValueError for a dead bucket or a deposit worth no share."""
    if own.dead:
        raise ValueError("the bucket is dead; stake under a new provider id")
    got = shares_for(amount, own.assets, own.shares)
    if got == 0:
        raise ValueError("the deposit is worth no share")
    return replace(own, assets=own.assets + amount, shares=own.shares + got), got


def unbond(own: Own, unbonding: Unbonding, shares: int, release: int) -> tuple[Own, Unbonding, Ticket, int]:
    """Moves free shares into the ticket word: (bucket, unbonding, ticket, gwei).

    Raises ValueError for shares that are locked, not there, or worth nothing, and where no ticket can be issued.
    """
    if not 0 < shares <= own.shares - own.locked:
        raise ValueError(f"{own.shares - own.locked} shares are free, not {shares}")
    amount = value_of(shares, own.assets, own.shares)
    if amount == 0:
        raise ValueError("the shares are worth nothing")
    after = replace(own, assets=own.assets - amount, shares=own.shares - shares)
    unbonding, ticket = issue(unbonding, amount, release)
    return after, unbonding, ticket, amount


def ticket_shares(unbonding: Unbonding, amount: int) -> int:
    """Shares of a new ticket of `amount` gwei; 0 where none can be issued now (dead bucket, dust, full word)."""
    if is_dead(unbonding.assets, unbonding.shares):
        return 0
    got = shares_for(amount, unbonding.assets, unbonding.shares)
    fit = amount <= M64 - unbonding.assets and got <= M64 - unbonding.shares
    return got if fit else 0


def issue(unbonding: Unbonding, amount: int, release: int, claim: bool = False) -> tuple[Unbonding, Ticket]:
    """A ticket of own unbonding stake, or of a renter's damages, worth `amount`. Raises ValueError where none can be
    issued."""
    got = ticket_shares(unbonding, amount)
    if got == 0:
        raise ValueError("no ticket can be issued: old tickets must be withdrawn first")
    after = replace(unbonding, assets=unbonding.assets + amount, shares=unbonding.shares + got)
    return after, Ticket(got, release, claim=claim)


def bond_shares(own: Own, bond: int) -> int:
    """Shares that a bond of `bond` gwei locks, rounded up. Raises ValueError in an empty bucket."""
    if own.assets == 0:
        raise ValueError("the bucket is empty")
    return mul_div_ceil(bond, own.shares, own.assets)


@dataclass(frozen=True)
class BondEnd:
    """A bond that ended: the bucket after it, gwei that become a ticket of the renter, gwei burned."""

    own: Own
    paid: int
    burned: int


def end_bond(own: Own, unbonding: Unbonding, shares: int, taken: int, limit: int) -> BondEnd:
    """Unlocks `shares`; `taken` of them are lost, at most `limit` gwei of their worth to the renter, the rest burned.

    Where no ticket can be issued all of it is burned. Always succeeds, on a dead bucket too; raises ValueError only
    for more shares than are locked, or more taken than the bond has.
    """
    if not 0 <= taken <= shares <= own.locked:
        raise ValueError(f"{shares} shares of {own.locked} locked, {taken} taken")
    lost = value_of(taken, own.assets, own.shares)
    after = Own(own.assets - lost, own.shares - taken, own.locked - shares, own.last_below)
    paid = min(lost, limit)
    if paid == 0 or ticket_shares(unbonding, paid) == 0:
        paid = 0
    return BondEnd(after, paid, lost - paid)


@dataclass(frozen=True)
class Slash:
    """A slash by factor: gwei cut from the own bucket and from own tickets, and the finder's part."""

    active: int
    unbonding: int
    reward: int

    @property
    def total(self) -> int:
        """Gwei slashed in all."""
        return self.active + self.unbonding


def slash_cut(amount: int, own_assets: int, unbonding: Unbonding, claims: int, finder: bool) -> Slash:
    """Cuts `amount` gwei, at most 90 % of all there is, from active stake and tickets by one factor.

    The active part is rounded up. `claims` are the shares of the tickets that are renters' damages: the finder gets a
    fifth, rounded down, of what the active part and the other tickets lose.
    """
    whole = own_assets + unbonding.assets
    cut = min(amount, whole * MAX_CUT_TENTHS // 10)
    active = min(own_assets, mul_div_ceil(cut, own_assets, whole)) if whole else 0
    earned = active + value_of(unbonding.shares - claims, cut - active, unbonding.shares)
    return Slash(active, cut - active, earned // FINDER_DIVISOR if finder else 0)


@dataclass(frozen=True)
class Faults:
    """Units slashed and not leaked away at the last slash, its time, and the largest units of the last 30 periods while
    they count.

    Word: slashed 96 @160 | time 40 @120 | peak 64 @56 | peak until 40 @16.
    """

    slashed: int = 0
    slashed_at: int = 0
    peak: int = 0
    peak_until: int = 0

    def limit(self, units: int, now: int) -> int:
        """Units that the bucket of the ceiling holds: 3 × the largest units of the last 30 periods."""
        return FAULT_FACTOR * (max(units, self.peak) if now < self.peak_until else units)

    def level(self, units: int, now: int, period_seconds: int) -> int:
        """Units slashed that have not leaked away: the whole limit leaks in 30 periods, rounded down."""
        leaked = mul_div_floor(self.limit(units, now), now - self.slashed_at, FAULT_PERIODS * period_seconds)
        return max(0, self.slashed - leaked)

    def left(self, units: int, now: int, period_seconds: int) -> int:
        """Units that slashes can take now."""
        return max(0, self.limit(units, now) - self.level(units, now, period_seconds))

    def admit(self, units: int, asked: int, now: int, period_seconds: int) -> tuple[Faults, int]:
        """(word after a slash of `asked` units, units that it may take)."""
        admitted = min(asked, self.left(units, now, period_seconds))
        if admitted == 0:
            return self, 0
        level = self.level(units, now, period_seconds)
        return replace(self, slashed=level + admitted, slashed_at=now), admitted

    def shrunk(self, old_units: int, now: int, period_seconds: int) -> Faults:
        """The word after the provider's units fell from `old_units`: they still count for 30 periods."""
        peak = max(old_units, self.peak) if now < self.peak_until else old_units
        return replace(self, peak=peak, peak_until=now + FAULT_PERIODS * period_seconds)

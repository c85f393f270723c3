"""Credits: bought by burning, moved with their own backing, redeemed or refunded by minting at most that backing.

A balance is (credits, backing): wei of a USD, wei of the token burned for exactly these credits.
Word: credits 128 @128 | backing 128 @0. Source: docs/protocol.md §9.
"""

from __future__ import annotations

from dataclasses import dataclass

from keepers.protocol.units import (
    BPS,
    M40,
    M128,
    PRICE_ONE,
    bps_ceil,
    bps_floor,
    credits_for,
    fits,
    mul_div_ceil,
    mul_div_floor,
    tokens_for,
)

MAX_BOUNTY = 100  # ceilings of the engine, bps: a settler's share of a payment …
MAX_CUT = 1_000  # … bounty and fee together …
MAX_SPREAD = 1_000  # … what buying and refunding cost …
MAX_ATTESTERS = 3_000  # … and the attesters' and the builders' shares of the fee
MAX_BUILDERS = 2_000
COVER_BPS = 9_500  # a deposit's backing must be worth at least 95 % of its credits


@dataclass(frozen=True)
class Balance:
    """A purse, tally or amount on its way: credits and the backing that belongs to them."""

    credits: int = 0
    backing: int = 0

    def pack(self) -> int:
        """The word of a purse or tally."""
        return fits("credits", self.credits, 128) << 128 | fits("backing", self.backing, 128)

    @classmethod
    def unpack(cls, value: int) -> Balance:
        """Reads the word of a purse or tally."""
        return cls(value >> 128, value & M128)

    def __add__(self, other: Balance) -> Balance:
        return Balance(self.credits + other.credits, self.backing + other.backing)

    def split(self, credits: int) -> tuple[Balance, Balance]:
        """(what leaves with `credits`, what stays). Raises ValueError if the balance has fewer credits."""
        backing = part(self.credits, self.backing, credits)
        return Balance(credits, backing), Balance(self.credits - credits, self.backing - backing)


def part(credits: int, backing: int, x: int) -> int:
    """Backing that moves with x of the credits: floor(k·x/c), all of k when x = c, nothing when x = 0."""
    if not 0 <= x <= credits:
        raise ValueError(f"{x} of {credits} credits cannot be moved")
    if x == 0:
        return 0
    return backing if x == credits else mul_div_floor(backing, x, credits)


def tally_key(key: int, period: int) -> int:
    """Storage key of a tally: key << 40 | period; a key below 2**24 is a provider, else an address."""
    return key << 40 | (period & M40)


def buy(tokens: int, price_low: int, spread: int) -> int:
    """Credits for burning `tokens` (wei): floor(T·p·(1 - s)), p = min(P, TWAP)."""
    return bps_floor(credits_for(tokens, price_low), BPS - spread)


def burn_for(credits: int, price_low: int, spread: int) -> int:
    """Fewest tokens (wei) whose burn buys at least `credits`: the inverse of `buy`."""
    return mul_div_ceil(mul_div_ceil(credits, BPS, BPS - spread), PRICE_ONE, price_low)


def covers(moved: Balance, price_low: int) -> bool:
    """Whether backing · p ≥ 95 % of the credits moved in."""
    return moved.backing * price_low * BPS >= moved.credits * COVER_BPS * PRICE_ONE


def bounty(paid: Balance, bps: int) -> Balance:
    """The settler's part of a payment: floor(β·x) with floor(k_x·b/x)."""
    credits = bps_floor(paid.credits, bps)
    return Balance(credits, mul_div_floor(paid.backing, credits, paid.credits) if credits else 0)


@dataclass(frozen=True)
class FeeTerms:
    """Shares in bps: fee of a tally; of the fee the attesters' and builders' shares; peg ≤ cap ≤ 1."""

    fee: int
    attesters: int
    builders: int
    peg: int
    cap: int


@dataclass(frozen=True)
class Redemption:
    """One tally redeemed: what it held, fee in credits, tokens minted, tokens owed to the two pots."""

    credits: int
    backing: int
    fee: int
    minted: int
    attesters: int
    builders: int


def worth(credits: int, backing: int, price: int, peg: int, cap: int) -> int:
    """Tokens (wei) minted for credits: min(peg·y / R, CAP·k), each rounded down."""
    return min(bps_floor(tokens_for(credits, price), peg), bps_floor(backing, cap))


def redeem(tally: Balance, price: int, terms: FeeTerms) -> Redemption:
    """Redeems one tally at the period's price R_p. A bounty's tally passes terms with fee 0."""
    if tally.credits == 0:
        return Redemption(0, tally.backing, 0, 0, 0, 0)
    fee = bps_ceil(tally.credits, terms.fee)
    shares = [bps_floor(fee, terms.attesters), bps_floor(fee, terms.builders)]
    backings = [mul_div_floor(tally.backing, a, tally.credits) for a in shares]
    owed = [worth(a, k, price, terms.peg, terms.cap) for a, k in zip(shares, backings, strict=True)]
    minted = worth(tally.credits - fee, tally.backing - sum(backings), price, terms.peg, terms.cap)
    return Redemption(tally.credits, tally.backing, fee, minted, owed[0], owed[1])


def refund(moved: Balance, price_high: int, spread: int) -> int:
    """Tokens (wei) minted for credits that go back: min(x/R, k_x)·(1 - s), R = max(P, TWAP)."""
    return bps_floor(min(tokens_for(moved.credits, price_high), moved.backing), BPS - spread)

"""The token's price: clamp, averages, the stake price and the words in which they stand. 12 decimals throughout.

Price word: P 64 @192 | TWAP 64 @128 | stake price 64 @64 | stamp 40 @24 | flags 24 @0.
Period word: R_p 64 @72 | epoch 32 @40 | time 40 @0. Source: docs/protocol.md §7 and §5.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from keepers.protocol.units import BPS, M24, M40, M64, STAKE_PRICE_PRODUCT, field, fits

PAUSED = 1
CLAMPED = 2
PAUSE_EVERY = 30 * 86_400  # seconds between two pauses of the guardian at least …
PAUSE_LENGTH = 14 * 86_400  # … and after which anyone lifts one
MAX_BOUND = 5_000  # widest step of the price that may be set, bps an epoch
STAKE_STEP_DIVISOR = 30  # the stake price moves by a thirtieth of the gap a period …
STAKE_STEP_LIMIT = 20  # … and by at most 5 % of itself


@dataclass(frozen=True)
class PriceWord:
    """Spot P and TWAP (USD a token), stake price (tokens a USD), stamp (end of the epoch that set it), flags."""

    spot: int
    twap: int
    stake_price: int
    stamp: int
    flags: int = 0

    def pack(self) -> int:
        """The price word. Raises ValueError where a field does not fit."""
        return (
            fits("P", self.spot, 64) << 192
            | fits("TWAP", self.twap, 64) << 128
            | fits("stake price", self.stake_price, 64) << 64
            | fits("stamp", self.stamp, 40) << 24
            | fits("flags", self.flags, 24)
        )

    @classmethod
    def unpack(cls, value: int) -> PriceWord:
        """Reads a price word."""
        return cls(value >> 192, field(value, 128, 64), value >> 64 & M64, value >> 24 & M40, value & M24)

    @property
    def low(self) -> int:
        """min(P, TWAP): what a deposit is worth, what a bond is counted in."""
        return min(self.spot, self.twap)

    @property
    def high(self) -> int:
        """max(P, TWAP): what is paid out in tokens is counted in."""
        return max(self.spot, self.twap)

    @property
    def paused(self) -> bool:
        """Entries are paused."""
        return bool(self.flags & PAUSED)

    @property
    def clamped(self) -> bool:
        """The last median lay outside the bound."""
        return bool(self.flags & CLAMPED)

    def with_flags(self, flags: int) -> PriceWord:
        """The same word with other flags."""
        return replace(self, flags=flags)


def first_word(price: int, stamp: int) -> PriceWord:
    """The first word: P = TWAP = `price`, stake price 1e24 // P. Raises ValueError where either leaves 64 bits."""
    if not 0 < price <= M64 or STAKE_PRICE_PRODUCT // price > M64:
        raise ValueError(f"a first price of {price} is out of range: 54,211 … 2**64 - 1 units of 1e-12 USD")
    return PriceWord(price, price, STAKE_PRICE_PRODUCT // price, stamp)


def clamp(previous: int, median: int, bound: int) -> tuple[int, bool]:
    """(P, clamped): `median` held within `bound` bps of `previous`, at least 1.

    The step is rounded down, but one unit is always open: a price of a few units must not be stuck.
    """
    step = max(1, previous * bound // BPS)
    if median > previous + step:
        return previous + step, True
    if median + step < previous:
        return previous - step, True
    return max(1, median), False


def next_twap(twap: int, price: int) -> int:
    """TWAP' = (3·TWAP + P) // 4; at least 1, as both are."""
    return (3 * twap + price) // 4


def next_stake_price(stake_price: int, twap: int) -> int:
    """S' = S + (1e24 // TWAP - S) / 30, at most ± 5 % of S, both truncated towards S; below 2**64."""
    target = STAKE_PRICE_PRODUCT // twap
    limit = stake_price // STAKE_STEP_LIMIT
    if target > stake_price:
        return min(stake_price + min((target - stake_price) // STAKE_STEP_DIVISOR, limit), M64)
    return stake_price - min((stake_price - target) // STAKE_STEP_DIVISOR, limit)


def next_word(word: PriceWord, median: int, bound: int, stamp: int, renew: bool) -> PriceWord:
    """The word after a report with `median` of an epoch that ends at `stamp`; `renew`: the stake price moves too."""
    price, clamped = clamp(word.spot, median, bound)
    twap = next_twap(word.twap, price)
    stake_price = next_stake_price(word.stake_price, twap) if renew else word.stake_price
    return PriceWord(price, twap, stake_price, stamp, CLAMPED if clamped else 0)


@dataclass(frozen=True)
class PeriodWord:
    """R_p of a period with the epoch and the time of the report that wrote it; all zero = none yet."""

    price: int = 0
    epoch: int = 0
    time: int = 0

    def pack(self) -> int:
        """The period word. Raises ValueError where a field does not fit."""
        return fits("R_p", self.price, 64) << 72 | fits("epoch", self.epoch, 32) << 40 | fits("time", self.time, 40)

    @classmethod
    def unpack(cls, value: int) -> PeriodWord:
        """Reads a period word."""
        return cls(value >> 72 & M64, value >> 40 & (2**32 - 1), value & M40)

    def closed(self, last: int, now: int, dispute: int) -> bool:
        """Whether redemptions of the period may use it: set, by a standing report, and `dispute` seconds old."""
        return self.price != 0 and self.epoch <= last and now >= self.time + dispute


def period_word_after(
    word: PeriodWord,
    *,
    period: int,
    epoch: int,
    epochs_per_period: int,
    grace: int,
    price: PriceWord,
    clamped: bool,
    now: int,
) -> PeriodWord:
    """The word of `period` after a report of `epoch` (of a later period, at most two on) that set `price` at `now`.

    Written with the first unclamped report of period + 1, or with the first report of an epoch ≥ end(period) + grace
    epochs, clamped or not. A word set by this epoch or a later one is void (its report was cancelled) and is redone.
    """
    if word.price != 0 and word.epoch < epoch:
        return word
    following = epoch // epochs_per_period == period + 1
    late = epoch >= (period + 1) * epochs_per_period + grace
    if (following and not clamped) or late:
        return PeriodWord(price.high, epoch, now)
    return PeriodWord()

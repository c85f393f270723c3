# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title What a lease owes
@license AGPL-3.0-only
@notice Pure rules of a lease: how far it is funded, the anchor of its downtime, the seconds that are due, what a top-up
        may bring in, its bond, what a stop for the host takes of it and what the renter may get of that.
        Terms, money and sheet words as in words.vy; seconds, credits (wei of a USD), gwei of the token; prices USD a
        token with 12 decimals. Source: docs/protocol.md, "LeaseMarket, LeaseEscrow".
"""

from . import words

# The base may be negative: it is stored with this added, so that 0 means no anchor.
BIAS: constant(uint256) = 2**31
# 150 % in bps: room for a fall of the token's price while the bond is locked.
BOND_BPS: constant(uint256) = 15_000
BPS: constant(uint256) = 10_000
# wei of a USD × 1e12 / price = wei of the token; / 1e9 = gwei
GWEI_PER_PRICE: constant(uint256) = 1_000


@internal
@pure
def _until(terms: uint256, money: uint256) -> uint256:
    """
    @notice funded_until = start + min(duration, settled + credits // (rate × GPUs)), floor. Settling moves Δ from
            credits // (rate × GPUs) to settled, so it does not move this; a top-up does.
    @dev settled < 2**32 and the quotient < 2**96: no sum carries. A lease that opened has rate × GPUs != 0.
    """
    funded: uint256 = unsafe_add((money >> 32) & words.M32, unsafe_div(money >> 160, unsafe_mul(terms >> 192, (terms >> 184) & words.M8)))
    return unsafe_add((terms >> 96) & words.M40, min((terms >> 68) & words.M28, funded))


@internal
@pure
def _stop(terms: uint256, money: uint256) -> uint256:
    """@notice The effective stop: the one recorded, else funded_until. Nothing after it is owed."""
    if terms & words.REASON != 0:
        return unsafe_add((terms >> 96) & words.M40, (terms >> 40) & words.M28)
    return self._until(terms, money)


@internal
@pure
def _base(start: uint256, first: uint256, down: uint256) -> uint256:
    """
    @notice The anchor: base + 2**31, base = D(max(start, first)) - max(0, first - start). Time between the start and
            `first`, which can no longer be proven, so counts as down.
    @param first Start of the epoch of the leaf. @param down D(max(start, first)) of that leaf, seconds.
    @return The anchor, or 0 where it does not fit (only a committee that lies gets there).
    """
    stored: uint256 = down + BIAS
    if first > start:
        lost: uint256 = unsafe_sub(first, start)
        if lost >= stored:
            return 0
        stored = unsafe_sub(stored, lost)
    if stored > words.M32:
        return 0
    return stored


@internal
@pure
def _due(start: uint256, t: uint256, anchor: uint256, down: uint256) -> uint256:
    """
    @notice due(t) = max(0, t - start - (D(t) - base)): attested seconds of the lease up to t.
    @dev D never falls and never outruns time, so this never falls and pays no second twice. A lying committee may make D
         fall: then D(t) - base counts as 0, so that no second outside the lease is ever due.
    @param t min(stop, end(e)). @param anchor base + 2**31. @param down D(t), seconds.
    """
    if t <= start:
        return 0
    due: uint256 = unsafe_sub(t, start)
    biased: uint256 = down + BIAS
    if biased <= anchor:
        return due
    dark: uint256 = unsafe_sub(biased, anchor)
    if dark >= due:
        return 0
    return unsafe_sub(due, dark)


@internal
@pure
def _room(terms: uint256, money: uint256, prepay: uint256, now: uint256) -> (bool, uint256):
    """
    @notice Credits that may still come into a running lease: at most what the rest of the term can cost, and at most
            `prepay` seconds beyond `now`.
    @dev rate × GPUs < 2**80, seconds < 2**41: the product stays below 2**121. settled <= now - start and settled <= duration,
         so `cover` is not below it.
    @return Whether the lease has not lapsed at `now` (funded_until > now), and the room if so.
    """
    per_second: uint256 = unsafe_mul(terms >> 192, (terms >> 184) & words.M8)
    duration: uint256 = (terms >> 68) & words.M28
    settled: uint256 = (money >> 32) & words.M32
    credits: uint256 = money >> 160
    elapsed: uint256 = unsafe_sub(now, (terms >> 96) & words.M40)
    if elapsed >= min(duration, unsafe_add(settled, unsafe_div(credits, per_second))):
        return False, 0
    most: uint256 = unsafe_mul(per_second, unsafe_sub(min(duration, unsafe_add(elapsed, prepay)), settled))
    return True, unsafe_sub(most, min(most, credits))


@internal
@pure
def _bond(sheet: uint256, per_second: uint256, low: uint256) -> uint256:
    """
    @notice Bond in gwei: max(notice, min_seconds) × rate × GPUs × 1.5 / min(P, TWAP), rounded up.
    @dev 2**32 × 2**80 × 2**24 < 2**136. A price is at least 1 unit.
    """
    seconds: uint256 = max(sheet >> 224, (sheet >> 192) & words.M32)
    scaled: uint256 = unsafe_mul(unsafe_mul(seconds, per_second), BOND_BPS * GWEI_PER_PRICE // BPS)
    return unsafe_add(scaled, unsafe_sub(low, 1)) // low


@internal
@pure
def _forfeit(bond: uint256, sheet: uint256, elapsed: uint256) -> uint256:
    """
    @notice Shares lost at a stop for the host: bond × max(notice, min_seconds - elapsed) / max(notice, min_seconds),
            rounded up (slashes round up); never more than the bond.
    @dev bond < 2**64, seconds < 2**32. The divisor is at least the notice, so at least an EPOCH.
    """
    notice: uint256 = words._notice(sheet)
    least: uint256 = words._min_seconds(sheet)
    rest: uint256 = 0
    if least > elapsed:
        rest = unsafe_sub(least, elapsed)
    whole: uint256 = max(notice, least)
    return unsafe_add(unsafe_mul(bond, max(notice, rest)), unsafe_sub(whole, 1)) // whole


@internal
@pure
def _limit(paid: uint256, high: uint256) -> uint256:
    """
    @notice Most gwei that the renter gets of a bond: what was paid on the lease / max(P, TWAP), rounded down.
    @dev paid < 2**112.
    """
    return unsafe_mul(paid, GWEI_PER_PRICE) // high

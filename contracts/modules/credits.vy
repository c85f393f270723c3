# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Credits and the backing that travels with them
@license AGPL-3.0-only
@notice A balance is (credits, backing): wei of a USD, wei of the token burned for exactly these credits. Purses and
        tallies are one word, credits 128 @128 | backing 128 @0. Prices are USD a token with 12 decimals, shares bps.
        Σ backing + supply <= 2**96 for ever (a buy moves supply to backing, a redemption mints at most the backing it
        retires), so no sum of backing carries. Source: docs/protocol.md, "BurnMintEngine, Emission".
"""

M128: constant(uint256) = 2**128 - 1
BPS: constant(uint256) = 10_000
PRICE_ONE: constant(uint256) = 10**12
# A deposit's backing must be worth 95 % of its credits: less would let an old, dear purchase buy new work.
COVER_BPS: constant(uint256) = 9_500


@internal
@pure
def _part(credits: uint256, backing: uint256, x: uint256) -> uint256:
    """
    @notice Backing that moves with x of the credits: floor(k·x/c), all of k when x = c, nothing when x = 0. Rounding
            stays with who keeps the rest. The caller has checked x <= credits.
    @dev backing < 2**96 and x < 2**128: the product stays below 2**224.
    """
    if x == credits:
        return backing
    return unsafe_div(unsafe_mul(backing, x), credits)


@internal
@pure
def _covers(credits: uint256, backing: uint256, low: uint256) -> bool:
    """
    @notice Whether backing · min(P, TWAP) >= 95 % of the credits.
    @dev 2**96 × 2**64 × 2**14 and 2**128 × 2**14 × 2**40: no product overflows.
    """
    return unsafe_mul(unsafe_mul(backing, low), BPS) >= unsafe_mul(credits, COVER_BPS * PRICE_ONE)


@internal
@pure
def _share(x: uint256, bps: uint256) -> uint256:
    """@notice floor(bps of x); x < 2**240."""
    return unsafe_mul(x, bps) // BPS


@internal
@pure
def _fee(credits: uint256, bps: uint256) -> uint256:
    """@notice ceil(bps of the credits): a fee rounds up."""
    return unsafe_add(unsafe_mul(credits, bps), BPS - 1) // BPS


@internal
@pure
def _bought(tokens: uint256, low: uint256, spread: uint256) -> uint256:
    """@notice Credits for burning tokens: floor(floor(T·p) × (1 - s)), p = min(P, TWAP). tokens < 2**96."""
    return unsafe_mul(unsafe_mul(tokens, low) // PRICE_ONE, unsafe_sub(BPS, spread)) // BPS


@internal
@pure
def _worth(credits: uint256, backing: uint256, price: uint256, peg: uint256, cap: uint256) -> uint256:
    """
    @notice Tokens minted for credits at the period's price: min(peg·y/R, CAP·k), each rounded down; at most the backing
            because cap <= 1.
    """
    return min(unsafe_mul(unsafe_mul(credits, PRICE_ONE) // price, peg) // BPS, unsafe_mul(backing, cap) // BPS)


@internal
@pure
def _refund(credits: uint256, backing: uint256, high: uint256, spread: uint256) -> uint256:
    """@notice Tokens minted for credits that go back: floor(min(floor(x/R), k) × (1 - s)), R = max(P, TWAP)."""
    return unsafe_mul(min(unsafe_mul(credits, PRICE_ONE) // high, backing), unsafe_sub(BPS, spread)) // BPS

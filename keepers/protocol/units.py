"""Units and the named roundings of docs/protocol.md §11. Money has 18 decimals, prices 12, stake 9, shares are bps."""

from __future__ import annotations

WAD = 10**18  # one USD of credits, one token
GWEI = 10**9  # wei of the token in one gwei, the unit of stake
BPS = 10_000  # 100 %
PRICE_ONE = 10**12  # a price of 1 (USD a token, or tokens a USD)
STAKE_PRICE_PRODUCT = 10**24  # stake price × price = 1 in 12 + 12 decimals
MAX_SUPPLY = 10**10 * WAD  # tokens that may ever exist: 1e19 gwei fit 64 bits

M8 = 2**8 - 1
M16 = 2**16 - 1
M24 = 2**24 - 1
M28 = 2**28 - 1
M32 = 2**32 - 1
M40 = 2**40 - 1
M64 = 2**64 - 1
M96 = 2**96 - 1
M128 = 2**128 - 1
M160 = 2**160 - 1  # an address as a number


def mul_div_floor(a: int, b: int, d: int) -> int:
    """floor(a·b / d). Payments, backing and seconds use it. Raises ZeroDivisionError for d = 0."""
    return a * b // d


def mul_div_ceil(a: int, b: int, d: int) -> int:
    """ceil(a·b / d). Fees, bonds, slashes and required stake use it. Raises ZeroDivisionError for d = 0."""
    return -(-a * b // d)


def bps_floor(a: int, bps: int) -> int:
    """The share `bps` of `a`, rounded down."""
    return a * bps // BPS


def bps_ceil(a: int, bps: int) -> int:
    """The share `bps` of `a`, rounded up."""
    return -(-a * bps // BPS)


def credits_for(tokens: int, price: int) -> int:
    """Credits (wei of a USD) that `tokens` (wei) are worth at `price` (USD a token, 12 decimals), rounded down."""
    return tokens * price // PRICE_ONE


def tokens_for(credits: int, price: int) -> int:
    """Tokens (wei) that `credits` (wei of a USD) are worth at `price` (USD a token, 12 decimals), rounded down."""
    return credits * PRICE_ONE // price


def decimal_text(wei: int, places: int) -> str:
    """An amount of wei (not negative) as whole units with `places` decimals, rounded down: `1,240.0602`."""
    whole, rest = divmod(wei * 10**places // WAD, 10**places)
    return f"{whole:,}.{rest:0{places}d}"


def field(value: int, shift: int, bits: int) -> int:
    """The `bits`-wide field of a packed word that begins at bit `shift`."""
    return (value >> shift) & ((1 << bits) - 1)


def fits(name: str, value: int, bits: int) -> int:
    """`value` if it fits `bits` unsigned bits, else ValueError that names the field."""
    if not 0 <= value < 1 << bits:
        raise ValueError(f"{name} is {value}; it must be 0 … 2**{bits} - 1")
    return value

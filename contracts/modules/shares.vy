# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Arithmetic of a stake bucket
@license AGPL-3.0-only
@notice A bucket is (assets, shares). It starts at one share a gwei; slashing lowers the assets and never the shares, so
        one multiplication slashes everybody in it by the same factor. Assets and shares are below 2**64: no product of two
        overflows. Each function names the side that its rounding favours. Source: docs/protocol.md, "StakingPool".
"""

# A bucket with more than 1,000 shares a gwei is dead: it lost 99.9 % and further dilution would leave 64 bits.
DEAD_RATIO: constant(uint256) = 1_000


@internal
@pure
def _dead(assets: uint256, shares: uint256) -> bool:
    """
    @notice Whether the bucket takes no deposit any more. An empty bucket (no shares) is alive.
    """
    return shares > unsafe_mul(assets, DEAD_RATIO)


@internal
@pure
def _mint(amount: uint256, assets: uint256, shares: uint256) -> uint256:
    """
    @notice Shares for `amount` gwei brought in, rounded down: the depositor never gains.
    @param amount Below 2**64; the bucket is alive (so shares != 0 implies assets != 0).
    """
    if shares == 0:
        return amount
    return unsafe_div(unsafe_mul(amount, shares), assets)


@internal
@pure
def _worth(part: uint256, assets: uint256, shares: uint256) -> uint256:
    """
    @notice Gwei that `part` of the shares give when they leave, rounded down: those who stay never lose.
    @param part At most `shares`, which is not 0.
    """
    return unsafe_div(unsafe_mul(part, assets), shares)


@internal
@pure
def _cover(amount: uint256, assets: uint256, shares: uint256) -> uint256:
    """
    @notice Least number of shares worth `amount` gwei, rounded up: a bond is never short. Reverts on overflow.
    @param assets Not 0.
    """
    return unsafe_div(amount * shares + unsafe_sub(assets, 1), assets)


@internal
@pure
def _cut(total: uint256, a: uint256, b: uint256) -> (uint256, uint256):
    """
    @notice Splits a slash of `total` gwei over two amounts by the same factor: (from a, from b), the sum exactly `total`;
            a's part is rounded up, b's down.
    @param total At most a + b, below 2**64 each; a + b != 0.
    """
    sum: uint256 = unsafe_add(a, b)
    from_a: uint256 = unsafe_div(unsafe_add(unsafe_mul(total, a), unsafe_sub(sum, 1)), sum)
    return from_a, unsafe_sub(total, from_a)

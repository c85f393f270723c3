# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title The words of a lease and of a sheet
@license AGPL-3.0-only
@notice terms  rate 64 @192 | gpus 8 @184 | node 24 @160 | provider 24 @136 | start 40 @96 | duration 28 @68
               | stop - start 28 @40 | sheet 32 @8 | flags 8 @0 (reason 4 @0 | cause 2 @4 | finished @6 | notice given @7)
        money  credits 96 @160 | backing 96 @64 | settled 32 @32 | base + 2**31 32 @0 (0 = no anchor)
        party  renter 160 @96 | bond shares 64 @0
        sheet  notice 32 @224 | min_seconds 32 @192 | prepay 32 @160 | dark limit 32 @128 | table 128 @0
        Credits are wei of a USD, backing wei of the token, times seconds.
        Source: docs/protocol.md, "LeaseMarket, LeaseEscrow".
"""

M8: constant(uint256) = 2**8 - 1
M24: constant(uint256) = 2**24 - 1
M28: constant(uint256) = 2**28 - 1
M32: constant(uint256) = 2**32 - 1
M40: constant(uint256) = 2**40 - 1
M64: constant(uint256) = 2**64 - 1
M96: constant(uint256) = 2**96 - 1

# why a lease stopped
RENTER_CLOSED: constant(uint256) = 1
FUNDS: constant(uint256) = 2
TERM: constant(uint256) = 3
HOST_NOTICE: constant(uint256) = 4
HOST_EXIT: constant(uint256) = 5
HOST_DOWN: constant(uint256) = 6
HOST_FAULT: constant(uint256) = 7
CLUSTER: constant(uint256) = 8
BARRED: constant(uint256) = 15
REASON: constant(uint256) = 15

# whose doing it was, in place
BY_RENTER: constant(uint256) = 0
BY_HOST: constant(uint256) = 1 << 4

FINISHED: constant(uint256) = 1 << 6
NOTICE: constant(uint256) = 1 << 7

# the reasons for which a bond is forfeited, and a cluster may be left: bit = reason
HOST_REASONS: constant(uint256) = 1 << 5 | 1 << 6 | 1 << 7
# a sheet without a downtime limit
NO_LIMIT: constant(uint256) = 2**32 - 1


@internal
@pure
def _terms(rate: uint256, gpus: uint256, start: uint256, duration: uint256, sheet: uint256) -> uint256:
    """@notice A running lease without its node and provider; the caller has checked that each field fits."""
    return rate << 192 | gpus << 184 | start << 96 | duration << 68 | sheet << 8


@internal
@pure
def _per_second(terms: uint256) -> uint256:
    """@notice rate × GPUs, credits a second: below 2**72, and not 0 in a lease that opened."""
    return unsafe_mul(terms >> 192, (terms >> 184) & M8)


@internal
@pure
def _node(terms: uint256) -> uint256:
    return (terms >> 160) & M24


@internal
@pure
def _provider(terms: uint256) -> uint256:
    return (terms >> 136) & M24


@internal
@pure
def _start(terms: uint256) -> uint256:
    return (terms >> 96) & M40


@internal
@pure
def _duration(terms: uint256) -> uint256:
    return (terms >> 68) & M28


@internal
@pure
def _length(terms: uint256) -> uint256:
    """@notice Seconds from the start to the recorded stop."""
    return (terms >> 40) & M28


@internal
@pure
def _sheet(terms: uint256) -> uint256:
    return (terms >> 8) & M32


@internal
@pure
def _credits(money: uint256) -> uint256:
    return money >> 160


@internal
@pure
def _backing(money: uint256) -> uint256:
    return (money >> 64) & M96


@internal
@pure
def _settled(money: uint256) -> uint256:
    return (money >> 32) & M32


@internal
@pure
def _anchor(money: uint256) -> uint256:
    return money & M32


@internal
@pure
def _notice(sheet: uint256) -> uint256:
    return sheet >> 224


@internal
@pure
def _min_seconds(sheet: uint256) -> uint256:
    return (sheet >> 192) & M32


@internal
@pure
def _prepay(sheet: uint256) -> uint256:
    return (sheet >> 160) & M32


@internal
@pure
def _dark_limit(sheet: uint256) -> uint256:
    return (sheet >> 128) & M32


@internal
@pure
def _table(sheet: uint256) -> uint256:
    return sheet & (2**128 - 1)

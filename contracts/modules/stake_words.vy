# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title The words of the StakingPool
@license AGPL-3.0-only
@notice Fields of the packed words; amounts in gwei, units in 1e-9 USD, times in seconds.
        own[p]    assets 64 @192 | shares 64 @128 | locked shares 64 @64 | last_below 40 @24
        need[p]   owner 160 @96 | units 64 @0
        unb[p]    own assets 64 @192 | own shares 64 @128 | delegated assets 64 @64 | delegated shares 64 @0
        stake     delegated shares 64 @0 | tickets issued 32 @64
        ticket    claim 1 @105 (a renter's damages) | shares 64 @41 | release 40 @1 | bucket 1 @0 (0 = own)
        faults[p] units slashed and not leaked 96 @160 | time of that 40 @120 | peak units 64 @56 | peak holds until 40 @16
        Source: docs/protocol.md, "StakingPool".
@dev Every writer proves its sums before it packs; the packers here do not check widths again.
"""

M24: constant(uint256) = 2**24 - 1
M32: constant(uint256) = 2**32 - 1
M40: constant(uint256) = 2**40 - 1
M64: constant(uint256) = 2**64 - 1
LOW_HALF: constant(uint256) = 2**128 - 1

# One of a field, to add or subtract in place.
ASSET: constant(uint256) = 1 << 192
SHARE: constant(uint256) = 1 << 128
LOCKED: constant(uint256) = 1 << 64
ISSUED: constant(uint256) = 1 << 64
# Mark of a ticket that a renter got for damages.
CLAIM: constant(uint256) = 1 << 105


@internal
@pure
def _assets(word: uint256) -> uint256:
    """@notice Assets of own[p], own assets of unb[p]."""
    return word >> 192


@internal
@pure
def _shares(word: uint256) -> uint256:
    """@notice Shares of own[p], own shares of unb[p]."""
    return (word >> 128) & M64


@internal
@pure
def _locked(word: uint256) -> uint256:
    """@notice Locked shares of own[p]."""
    return (word >> 64) & M64


@internal
@pure
def _last_below(word: uint256) -> uint256:
    """@notice Time at which own[p] was last found below its required stake."""
    return (word >> 24) & M40


@internal
@pure
def _with_last_below(word: uint256, at: uint256) -> uint256:
    """@notice own[p] with last_below = `at` (< 2**40)."""
    return word & ~(M40 << 24) | at << 24


@internal
@pure
def _owner(word: uint256) -> address:
    """@notice Owner in need[p]."""
    return convert(word >> 96, address)


@internal
@pure
def _units(word: uint256) -> uint256:
    """@notice Stake units in need[p]."""
    return word & M64


@internal
@pure
def _issued(word: uint256) -> uint256:
    """@notice Tickets issued, in stake[p][who]: the number of the next one."""
    return (word >> 64) & M32


@internal
@pure
def _ticket(shares: uint256, release: uint256) -> uint256:
    """@notice A ticket in the own bucket."""
    return shares << 41 | release << 1


@internal
@pure
def _ticket_shares(word: uint256) -> uint256:
    """@notice Shares of a ticket."""
    return (word >> 41) & M64


@internal
@pure
def _ticket_release(word: uint256) -> uint256:
    """@notice First second in which a ticket can be withdrawn."""
    return (word >> 1) & M40


@internal
@pure
def _faults(slashed: uint256, slashed_at: uint256, peak: uint256, peak_until: uint256) -> uint256:
    """@notice faults[p]."""
    return slashed << 160 | slashed_at << 120 | peak << 56 | peak_until << 16


@internal
@pure
def _slashed(word: uint256) -> uint256:
    """@notice Units slashed that had not leaked away at the last slash, in faults[p]."""
    return word >> 160


@internal
@pure
def _slashed_at(word: uint256) -> uint256:
    """@notice Time of the last slash that took something, in faults[p]."""
    return (word >> 120) & M40


@internal
@pure
def _peak(word: uint256) -> uint256:
    """@notice Units the provider had before it last shrank."""
    return (word >> 56) & M64


@internal
@pure
def _peak_until(word: uint256) -> uint256:
    """@notice Time until which the peak still counts for the slash ceiling."""
    return (word >> 16) & M40

# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Network time
@license AGPL-3.0-only
@notice One calendar for every contract: slots of SLOT seconds, 12 to an epoch, EPOCHS_PER_PERIOD epochs to a
        period. Epochs count from 1; GENESIS lies one epoch before the first, so epoch 0 is never reported.
        Seconds everywhere. Source: docs/protocol.md, "Time and state".
"""

# An epoch's mask is 12 bits wide, so 12 is no parameter.
SLOTS_PER_EPOCH: constant(uint256) = 12
# Bounds that keep every time below 2**40 and every span below 2**32 seconds.
MAX_SLOT: constant(uint256) = 3_600
MAX_EPOCHS_PER_PERIOD: constant(uint256) = 168

GENESIS: immutable(uint256)
SLOT: immutable(uint256)
EPOCH: immutable(uint256)
PERIOD: immutable(uint256)


@deploy
def __init__(genesis: uint256, slot: uint256, epochs_per_period: uint256):
    assert genesis != 0 and genesis < 2**39, "epochs: genesis"
    assert slot != 0 and slot <= MAX_SLOT, "epochs: slot"
    assert epochs_per_period != 0 and epochs_per_period <= MAX_EPOCHS_PER_PERIOD, "epochs: period"
    GENESIS = genesis
    SLOT = slot
    EPOCH = slot * SLOTS_PER_EPOCH
    PERIOD = slot * SLOTS_PER_EPOCH * epochs_per_period


@internal
@view
def _epoch(t: uint256) -> uint256:
    """@notice Epoch in which `t` lies; reverts before GENESIS."""
    return (t - GENESIS) // EPOCH


@internal
@view
def _start(e: uint256) -> uint256:
    """@notice First second of epoch `e` (e < 2**32, so nothing overflows)."""
    return unsafe_add(GENESIS, unsafe_mul(e, EPOCH))


@internal
@view
def _end(e: uint256) -> uint256:
    """@notice First second after epoch `e`."""
    return unsafe_add(GENESIS, unsafe_mul(unsafe_add(e, 1), EPOCH))


@internal
@view
def _period(t: uint256) -> uint256:
    """@notice Period in which `t` lies; reverts before GENESIS."""
    return (t - GENESIS) // PERIOD


@internal
@view
def _period_start(p: uint256) -> uint256:
    """@notice First second of period `p`."""
    return GENESIS + p * PERIOD

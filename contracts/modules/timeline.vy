# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Settings by period
@license AGPL-3.0-only
@notice A setting on which money of ended periods depends: its present value stands in a lane of a word that the importing
        contract reads anyway, every value before it in storage, so that a period keeps its own, whenever it is asked.
            lane   changes so far 16 @48 | first period of the value 32 @16 | value 16 @0; its bit in the word names the setting
        A wider value (an address) stands elsewhere in the importing contract; its place in the lane is zero.
        Source: docs/protocol.md, "BurnMintEngine".
@dev Periods are below 2**32, values below 2**160. The importing contract authorises, checks the value and refuses a change
     beyond MAX_CHANGES. First periods never fall; the very first is 0, so that each period has a value.
"""

# Changes of one setting, ever: they bound the search for an old value (2,300 gas a change that lies between).
MAX_CHANGES: constant(uint256) = 128
M16: constant(uint256) = 2**16 - 1
M32: constant(uint256) = 2**32 - 1
M64: constant(uint256) = 2**64 - 1
M160: constant(uint256) = 2**160 - 1

# setting << 16 | number of the change that ended it -> first period 32 @160 | value 160 @0
past: HashMap[uint256, uint256]


@internal
@pure
def _newest(word: uint256, setting: uint256) -> uint256:
    """@notice The value that was set last. @param setting Bit of its lane."""
    return (word >> setting) & M16


@internal
@pure
def _first(word: uint256, setting: uint256) -> uint256:
    """@notice First period of the value that was set last."""
    return (word >> setting >> 16) & M32


@internal
@pure
def _is_full(word: uint256, setting: uint256) -> bool:
    """@notice Whether the setting was changed MAX_CHANGES times and stands for ever."""
    return (word >> setting >> 48) & M16 == MAX_CHANGES


@internal
@view
def _of(word: uint256, setting: uint256, period: uint256) -> uint256:
    """@notice The value in force when the period ended, of a setting whose value stands in its lane."""
    lane: uint256 = word >> setting
    if period >= (lane >> 16) & M32:
        return lane & M16
    return self._before(word, setting, period)


@internal
@view
def _before(word: uint256, setting: uint256, period: uint256) -> uint256:
    """@notice The value of a period before the newest value's first one."""
    i: uint256 = (word >> setting >> 48) & M16
    found: uint256 = 0
    for unused: uint256 in range(MAX_CHANGES):
        i = i - 1
        found = self.past[setting << 16 | i]
        # the very first period is 0, so one is found
        if period >= found >> 160:
            break
    return found & M160


@internal
def _change(word: uint256, setting: uint256, old: uint256, new: uint256, period: uint256) -> uint256:
    """
    @notice Keeps the value that a setting had.
    @param old That value. @param new The lane's part of the next one, below 2**16. @param period The first that has it.
    @return The word with the lane of the next value.
    """
    lane: uint256 = (word >> setting) & M64
    changes: uint256 = lane >> 48
    self.past[setting << 16 | changes] = ((lane >> 16) & M32) << 160 | old
    return word ^ (lane << setting) | ((changes + 1) << 48 | period << 16 | new) << setting

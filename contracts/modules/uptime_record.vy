# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title The record of a report, judged and applied
@license AGPL-3.0-only
@notice 5 bytes big-endian: index 24 @16 | spare 2 @14 | x 1 @13 | u 1 @12 | mask 12 @0, in groups of 64. After each
        full group but the last of a part stands the running root. Within a group indices ascend, so that one
        multiproof opens it. Layouts of leaf and header: uptime_leaf.vy. The same arithmetic in
        keepers/protocol/counters.py. Source: docs/protocol.md, "Record".
"""

from . import uptime_leaf

GROUP: constant(uint256) = 64
BYTES: constant(uint256) = 5
GROUP_BYTES: constant(uint256) = 352    # 64 records and the running root
RECORD_BYTES: constant(uint256) = 320   # 64 records
M24: constant(uint256) = 2**24 - 1
M32: constant(uint256) = 2**32 - 1
SPARE: constant(uint256) = 3 << 14


@internal
@pure
def _last_group(length: uint256) -> uint256:
    """@notice Number of the last group of a part of that many bytes (0 for an empty part)."""
    if length == 0:
        return 0
    return unsafe_sub(length, 1) // GROUP_BYTES


@internal
@pure
def _well_formed(length: uint256) -> bool:
    """@notice Whether a part has 352·a + 5·b bytes with 1 ≤ b ≤ 64, or none."""
    if length == 0:
        return True
    rest: uint256 = unsafe_sub(length, unsafe_mul(self._last_group(length), GROUP_BYTES))
    return rest <= RECORD_BYTES and rest % BYTES == 0


@internal
@pure
def _ordinal(header: uint256) -> uint256:
    """@notice m: the header's epoch counted without void ones."""
    return unsafe_sub(header & M32, (header >> 32) & M32)


@internal
@pure
def _apply(leaf: uint256, record: uint256, before: uint256, header: uint256) -> uint256:
    """
    @notice The leaf after a record of the header's epoch.
    @param leaf With its last record in an earlier epoch.
    @param record 40 bits.
    @param before Header of the epoch before.
    @param header Of the record's epoch.
    """
    m: uint256 = self._ordinal(header)
    mask: uint256 = record & 4095
    u: uint256 = (record >> 12) & 1
    down: uint256 = leaf >> 64
    fault: uint256 = leaf >> 96
    unproven: uint256 = leaf >> 128
    if leaf & uptime_leaf.DARK != 0:
        # dark since: every slot between was down, those indeterminate then were nobody's fault
        gap: uint256 = unsafe_mul(12, unsafe_sub(unsafe_sub(m, 1), (leaf >> 32) & M32))
        down = unsafe_add(down, gap)
        fault = unsafe_add(fault, unsafe_sub(gap, unsafe_sub((before >> 96) & M32, (leaf >> 160) & M32)))
    if leaf & uptime_leaf.STICKY != 0:
        unproven = unsafe_add(unproven, unsafe_sub((before >> 64) & M32, (leaf >> 192) & M32))
    down = unsafe_add(down, uptime_leaf._pop(mask))
    fault = unsafe_add(fault, uptime_leaf._pop(mask & ~(header >> 160)))
    if header & uptime_leaf.CHALLENGED != 0:
        unproven = unsafe_add(unproven, u)
    counters: uint256 = (unproven & M32) << 128 | (fault & M32) << 96 | (down & M32) << 64
    missed: uint256 = unsafe_add(leaf >> 224, (record >> 13) & 1)
    # header bits 64 … 127 are Q and I, which stand in the leaf as Q @192 and I @160
    return (
        missed << 224 | ((header >> 64) & M32) << 192 | ((header >> 96) & M32) << 160 | counters | m << 32 | u << 12
        | mask
    )

# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title The deviation leaf, read
@license AGPL-3.0-only
@notice One leaf and one header give the seconds in which a node was not attested (D), the part of them that is
        its fault (F), its unproven challenged epochs (U) and its missed challenges, through any moment of the epoch.
        leaf    mask 12 @0 | u @12 | last 32 @32 | down 32 @64 | fault 32 @96 | unproven 32 @128 | I 32 @160 | Q 32 @192 | missed 32 @224
        header  epoch 32 @0 | V 32 @32 | Q 32 @64 | I 32 @96 | count 24 @128 | indet 12 @160 | void @172 | challenged @173
        Times are offsets from the start of the header's epoch, in seconds, 0 … 12·slot.
        Source: docs/protocol.md, "Reading a leaf".
"""

M32: constant(uint256) = 2**32 - 1
MASK: constant(uint256) = 4095
DARK: constant(uint256) = 2048          # bit 11: the node's last slot was dark
STICKY: constant(uint256) = 6144        # dark or u: unproven until a record says otherwise
VOID: constant(uint256) = 1 << 172
CHALLENGED: constant(uint256) = 1 << 173


@internal
@pure
def _pop(x: uint256) -> uint256:
    """@notice Set bits of a 12-bit word."""
    v: uint256 = unsafe_sub(x, (x >> 1) & 1365)
    v = unsafe_add(v & 819, (v >> 2) & 819)
    v = unsafe_add(v, v >> 4) & 3855
    return unsafe_add(v, v >> 8) & 15


@internal
@pure
def _mask(header: uint256, leaf: uint256) -> uint256:
    """@notice Slots of the header's epoch in which the node was not attested."""
    if header & VOID != 0:
        return MASK
    if (leaf >> 32) & M32 == unsafe_sub(header & M32, (header >> 32) & M32):
        return leaf & MASK
    if leaf & DARK != 0:
        return MASK
    return 0


@internal
@pure
def _after(mask: uint256, offset: uint256, slot: uint256) -> uint256:
    """@notice Seconds of the mask's slots that lie at or after `offset` (0 … 12·slot)."""
    k: uint256 = offset // slot
    return unsafe_sub(unsafe_mul(self._pop(mask >> k), slot), unsafe_mul((mask >> k) & 1, unsafe_sub(offset, unsafe_mul(k, slot))))


@internal
@pure
def _down(header: uint256, leaf: uint256, offset: uint256, slot: uint256) -> uint256:
    """@notice D: seconds before start(e) + offset in which the node was not attested, void epochs included."""
    n: uint256 = unsafe_add((leaf >> 64) & M32, unsafe_mul(12, (header >> 32) & M32))
    if leaf & DARK != 0:
        # m - last >= 0: a leaf of a later epoch proves against no root of this one
        n = unsafe_add(n, unsafe_mul(12, unsafe_sub(unsafe_sub(header & M32, (header >> 32) & M32), (leaf >> 32) & M32)))
    return unsafe_sub(unsafe_mul(n, slot), self._after(self._mask(header, leaf), offset, slot))


@internal
@pure
def _fault(header: uint256, leaf: uint256, offset: uint256, slot: uint256) -> uint256:
    """@notice F: those seconds that were neither void nor indeterminate."""
    n: uint256 = (leaf >> 96) & M32
    if leaf & DARK != 0:
        g: uint256 = unsafe_mul(12, unsafe_sub(unsafe_sub(header & M32, (header >> 32) & M32), (leaf >> 32) & M32))
        n = unsafe_sub(unsafe_add(n, g), unsafe_sub((header >> 96) & M32, (leaf >> 160) & M32))
    mask: uint256 = 0
    if header & VOID == 0:
        mask = self._mask(header, leaf) & ~(header >> 160)
    return unsafe_sub(unsafe_mul(n, slot), self._after(mask, offset, slot))


@internal
@pure
def _unproven(header: uint256, leaf: uint256) -> uint256:
    """@notice U: challenged epochs that were not proven, or wholly dark, through the header's epoch."""
    n: uint256 = (leaf >> 128) & M32
    if leaf & STICKY != 0:
        n = unsafe_add(n, unsafe_sub((header >> 64) & M32, (leaf >> 192) & M32))
    return n

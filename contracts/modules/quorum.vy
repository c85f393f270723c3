# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Quorum of a committee
@license AGPL-3.0-only
@notice How a committee's signatures are counted; nothing else in the suite knows. A table is a data contract of one
        zero byte and 31 words of 32 bytes, an address each, unused ones zero. Signatures are 64 bytes (r ‖ s) for
        v = 27, in ascending order of the seats whose bits stand in `who`.
        Source: docs/protocol.md, "Committee".
"""

# 31 words are one data contract of less than 1 KiB, and a bit set of seats fits beside a time in one word.
MAX_SEATS: constant(uint256) = 31
TABLE_BYTES: constant(uint256) = 32 * MAX_SEATS


@internal
@pure
def _size(n: uint256) -> uint256:
    """@notice q = (n + f) // 2 + 1 with f = (n - 1) // 3: any two quorums share an honest seat. n is 1 … 31."""
    return unsafe_add(unsafe_add(n, unsafe_sub(n, 1) // 3) // 2, 1)


@internal
@view
def _check(digest: bytes32, table: address, n: uint256, who: uint256, sigs: Bytes[64 * MAX_SEATS]):
    """
    @notice Reverts unless exactly a quorum of distinct seats signed the digest.
    @dev A bad signature recovers to zero, and so does an unused entry of the table: zero never counts. A set bit
         beyond the signatures finds no bytes to read, a signature beyond the set bits is counted at the end.
    @param digest What was signed.
    @param table Data contract of the seats.
    @param n Seats, 1 … 31.
    @param who Bits of the seats that signed.
    @param sigs Their signatures.
    """
    length: uint256 = self._size(n) << 6
    assert len(sigs) == length, "quorum: signatures"
    seats: Bytes[TABLE_BYTES] = slice(table.code, 1, TABLE_BYTES)
    rest: uint256 = who
    at: uint256 = 0
    for i: uint256 in range(MAX_SEATS):
        if rest & 1 != 0:
            signer: uint256 = convert(
                ecrecover(
                    digest,
                    27,
                    convert(extract32(sigs, at), uint256),
                    convert(extract32(sigs, unsafe_add(at, 32)), uint256),
                ),
                uint256,
            )
            assert signer != 0, "quorum: bad signature"
            assert signer == convert(extract32(seats, i << 5), uint256), "quorum: not the seat"
            at = unsafe_add(at, 64)
        rest >>= 1
        if rest == 0:
            break
    assert rest == 0 and at == length, "quorum: seats"

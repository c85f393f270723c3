# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Positional Merkle tree
@license AGPL-3.0-only
@notice Depth at most 24. A leaf is hashed from 65 bytes, an inner node from 64: no inner node passes as a leaf,
        so a proof's length needs no check but that the index is used up. Word 0 hashes to 0.
"""


@internal
@pure
def _leaf(index: uint256, word: uint256) -> bytes32:
    """@notice keccak256(0x00 ‖ index ‖ word), or 0 for the empty leaf."""
    if word == 0:
        return empty(bytes32)
    return keccak256(concat(b"\x00", convert(index, bytes32), convert(word, bytes32)))


@internal
@pure
def _root(index: uint256, word: uint256, proof: DynArray[bytes32, 24]) -> bytes32:
    """@notice Root that `proof` (siblings from the leaf up) gives for the leaf. Reverts if the index is not used up."""
    h: bytes32 = self._leaf(index, word)
    x: uint256 = index
    for sibling: bytes32 in proof:
        if x & 1 == 0:
            h = keccak256(abi_encode(h, sibling))
        else:
            h = keccak256(abi_encode(sibling, h))
        x >>= 1
    assert x == 0, "merkle: proof"
    return h

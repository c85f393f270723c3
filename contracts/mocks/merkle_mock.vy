# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Reference wiring of modules/merkle.vy
@license AGPL-3.0-only
"""

from ..modules import merkle


@external
@pure
def leaf(index: uint256, word: uint256) -> bytes32:
    return merkle._leaf(index, word)


@external
@pure
def root(index: uint256, word: uint256, proof: DynArray[bytes32, 24]) -> bytes32:
    return merkle._root(index, word, proof)

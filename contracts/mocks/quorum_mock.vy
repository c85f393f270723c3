# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Reference wiring of modules/quorum.vy
@license AGPL-3.0-only
"""

from ..modules import quorum


@external
@pure
def size(n: uint256) -> uint256:
    return quorum._size(n)


@external
@view
def check(digest: bytes32, table: address, n: uint256, who: uint256, sigs: Bytes[1984]):
    quorum._check(digest, table, n, who, sigs)

# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title matrix_mock
@license AGPL-3.0-only
@notice The referee's product of many pairs of keys at once, for the tests.
"""

from ..modules import matrix


@external
@pure
def dots(a: DynArray[uint256, 64], b: DynArray[uint256, 64], n: uint256) -> DynArray[uint256, 64]:
    found: DynArray[uint256, 64] = []
    for i: uint256 in range(len(a), bound=64):
        found.append(matrix._dot(a[i], b[i], n))
    return found

# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Reference wiring of modules/uptime_record.vy, many at a call
@license AGPL-3.0-only
@notice For the duel of the two implementations: records applied, and leaves read.
"""

from ..modules import uptime_leaf
from ..modules import uptime_record


@external
@pure
def apply_many(
    leaves: DynArray[uint256, 64],
    records: DynArray[uint256, 64],
    befores: DynArray[uint256, 64],
    headers: DynArray[uint256, 64],
) -> DynArray[uint256, 64]:
    out: DynArray[uint256, 64] = []
    for i: uint256 in range(len(leaves), bound=64):
        out.append(uptime_record._apply(leaves[i], records[i], befores[i], headers[i]))
    return out


@external
@pure
def read_many(
    headers: DynArray[uint256, 64], leaves: DynArray[uint256, 64], offsets: DynArray[uint256, 64], slot: uint256
) -> DynArray[uint256[3], 64]:
    out: DynArray[uint256[3], 64] = []
    for i: uint256 in range(len(leaves), bound=64):
        out.append([
            uptime_leaf._down(headers[i], leaves[i], offsets[i], slot),
            uptime_leaf._fault(headers[i], leaves[i], offsets[i], slot),
            uptime_leaf._unproven(headers[i], leaves[i]),
        ])
    return out

# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title A contract that carries calls, as multisigs, relayers and batchers do
@license AGPL-3.0-only
@notice Makes any calls in one transaction: for tests that a report means the same whoever brings it.
"""


@external
def carry(targets: DynArray[address, 4], calls: DynArray[Bytes[66_000], 4]):
    """
    @notice Makes each call in turn; reverts with the reason of the first that fails.
    @param targets One a call. @param calls Selector and arguments.
    """
    assert len(targets) == len(calls), "relay: lengths differ"
    for i: uint256 in range(len(targets), bound=4):
        raw_call(targets[i], calls[i])

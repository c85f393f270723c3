# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title What a call costs by itself
@license AGPL-3.0-only
@notice Makes a call twice and tells the gas of the second, with everything it touches warm; for the bench.
"""


@external
def warm(target: address, data: Bytes[4096]) -> uint256:
    first: Bytes[256] = raw_call(target, data, max_outsize=256)
    before: uint256 = msg.gas
    second: Bytes[256] = raw_call(target, data, max_outsize=256)
    spent: uint256 = before - msg.gas
    assert keccak256(first) == keccak256(second)
    return spent

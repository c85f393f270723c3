# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title A price feed for tests
@license AGPL-3.0-only
@notice Answers what it was told: well, late, with nonsense, with all of its gas, or not at all.
"""

decimals: public(uint8)
mode: public(uint256)           # 0 answers, 1 reverts, 2 burns all gas
answer: int256
updated: uint256


@deploy
def __init__(decimals: uint8):
    self.decimals = decimals


@external
def set(answer: int256, updated: uint256, mode: uint256):
    self.answer = answer
    self.updated = updated
    self.mode = mode


@external
@view
def latestRoundData() -> (uint80, int256, uint256, uint256, uint80):
    assert self.mode != 1, "feed: told to"
    if self.mode == 2:
        h: bytes32 = empty(bytes32)
        for i: uint256 in range(1_000_000):
            h = keccak256(h)
    return 7, self.answer, self.updated, self.updated, 7

# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title An outside price, asked for and not trusted
@license AGPL-3.0-only
@notice A feed with Chainlink's interface beside the committee's median: a median further than BAND from its answer is
        moved to the edge of that band. A feed that fails, is old or answers nonsense changes nothing, so it can stop
        no report. Prices are USD a token with 12 decimals. Source: docs/protocol.md, "Price word".
"""

BPS: constant(uint256) = 10_000
# Wide enough for exchanges that disagree in a fast market, narrow enough that a lying median cannot run away.
BAND: constant(uint256) = 1_000
# Seconds. The slowest heartbeat of a public feed is a day; an hour more for its transaction.
MAX_AGE: constant(uint256) = 90_000
# A proxy and its aggregator take 15,000 to 30,000 gas. Whoever carries a report cannot starve the call: what would
# be left of less than this does not pay for the rest of the report.
GAS: constant(uint256) = 100_000
ONE: constant(uint256) = 10**12
MAX_DECIMALS: constant(uint256) = 24


@internal
@view
def _one(feed: address) -> uint256:
    """@notice 1 USD in answers of the feed; 0 without a feed."""
    if feed == empty(address):
        return 0
    said: Bytes[32] = raw_call(feed, method_id("decimals()"), max_outsize=32, is_static_call=True)
    decimals: uint256 = convert(said, uint256)
    assert len(said) == 32 and decimals <= MAX_DECIMALS, "aggregator: decimals"
    return 10**decimals


@internal
@view
def _answer(feed: address, one: uint256) -> uint256:
    """@notice Its newest answer, at most 2**128 - 1; 0 where there is none to go by."""
    ok: bool = False
    said: Bytes[160] = b""
    ok, said = raw_call(
        feed,
        method_id("latestRoundData()"),
        max_outsize=160,
        gas=GAS,
        is_static_call=True,
        revert_on_failure=False,
    )
    # round, answer, started, updated, answered in round
    if not ok or len(said) != 160:
        return 0
    answer: uint256 = convert(extract32(said, 32), uint256)
    updated: uint256 = convert(extract32(said, 96), uint256)
    # a negative one is large
    if answer >= 2**128 or updated > block.timestamp or block.timestamp - updated > MAX_AGE:
        return 0
    return answer * ONE // one


@internal
@view
def _within(feed: address, one: uint256, median: uint256) -> uint256:
    """@notice The median, moved to the edge of the feed's band where it lies beyond it; below 2**64."""
    answer: uint256 = self._answer(feed, one)
    if answer == 0:
        return median
    step: uint256 = answer * BAND // BPS
    return min(max(median, answer - step), min(answer + step, 2**64 - 1))

# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title shares_mock
@license AGPL-3.0-only
@notice Reference wiring of modules/shares.vy and modules/stake_words.vy: each function as it is.
"""

from ..modules import shares
from ..modules import stake_words


@pure
@external
def dead(assets: uint256, total: uint256) -> bool:
    return shares._dead(assets, total)


@pure
@external
def mint(amount: uint256, assets: uint256, total: uint256) -> uint256:
    return shares._mint(amount, assets, total)


@pure
@external
def worth(part: uint256, assets: uint256, total: uint256) -> uint256:
    return shares._worth(part, assets, total)


@pure
@external
def cover(amount: uint256, assets: uint256, total: uint256) -> uint256:
    return shares._cover(amount, assets, total)


@pure
@external
def cut(total: uint256, a: uint256, b: uint256) -> (uint256, uint256):
    return shares._cut(total, a, b)


@pure
@external
def own_fields(word: uint256) -> (uint256, uint256, uint256, uint256):
    return stake_words._assets(word), stake_words._shares(word), stake_words._locked(word), stake_words._last_below(word)


@pure
@external
def with_last_below(word: uint256, at: uint256) -> uint256:
    return stake_words._with_last_below(word, at)


@pure
@external
def need_fields(word: uint256) -> (address, uint256):
    return stake_words._owner(word), stake_words._units(word)


@pure
@external
def issued(word: uint256) -> uint256:
    return stake_words._issued(word)


@pure
@external
def ticket(shares_: uint256, release: uint256) -> uint256:
    return stake_words._ticket(shares_, release)


@pure
@external
def ticket_fields(word: uint256) -> (uint256, uint256):
    return stake_words._ticket_shares(word), stake_words._ticket_release(word)


@pure
@external
def faults(slashed: uint256, slashed_at: uint256, peak: uint256, peak_until: uint256) -> uint256:
    return stake_words._faults(slashed, slashed_at, peak, peak_until)


@pure
@external
def fault_fields(word: uint256) -> (uint256, uint256, uint256, uint256):
    return stake_words._slashed(word), stake_words._slashed_at(word), stake_words._peak(word), stake_words._peak_until(word)

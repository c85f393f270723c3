# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title timeline_mock
@license AGPL-3.0-only
@notice Reference wiring of modules/timeline.vy: two settings in the lanes of one word.
"""

from ..modules import timeline

initializes: timeline

word: public(uint256)


@external
def change(setting: uint256, new: uint256, period: uint256):
    self.word = timeline._change(self.word, setting, timeline._newest(self.word, setting), new, period)


@external
@view
def of(setting: uint256, period: uint256) -> uint256:
    return timeline._of(self.word, setting, period)


@external
@view
def first(setting: uint256) -> uint256:
    return timeline._first(self.word, setting)


@external
@view
def is_full(setting: uint256) -> bool:
    return timeline._is_full(self.word, setting)

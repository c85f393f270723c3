"""Settings by period: each period keeps the value in force when it ended."""

from __future__ import annotations

import pytest

from keepers.protocol.timeline import MAX_CHANGES, Timeline


def test_each_period_keeps_its_value() -> None:
    fees = Timeline.of(400).changed(100, 5).changed(900, 6).changed(0, 9)
    assert [fees.at(p) for p in (0, 4, 5, 6, 8, 9, 2**32)] == [400, 400, 100, 900, 900, 0, 0]
    assert (fees.newest, fees.first) == (0, 9)


def test_of_two_changes_for_one_period_the_last_holds() -> None:
    hubs = Timeline.of(1).changed(2, 7).changed(3, 7)
    assert [hubs.at(p) for p in (6, 7)] == [1, 3]


def test_full_after_the_last_change() -> None:
    setting = Timeline.of(0)
    for i in range(1, MAX_CHANGES + 1):
        assert not setting.is_full
        setting = setting.changed(i, i)
    assert setting.is_full and setting.at(0) == 0


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match="period 4 lies before 5"):
        Timeline.of(0).changed(1, 5).changed(2, 4)
    with pytest.raises(ValueError, match="period is -1"):
        Timeline.of(0).at(-1)

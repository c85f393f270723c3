"""modules/timeline.vy through its mock, beside keepers.protocol.timeline: a change moves no period before it, and
nothing of the setting beside it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keepers.protocol.timeline import MAX_CHANGES, Timeline
from tests.support.suite import compiled

PEG, FEE = 192, 0  # bits of the lanes at both ends of the word
M16 = 2**16 - 1
M32 = 2**32 - 1
changes = st.lists(st.tuples(st.sampled_from((PEG, FEE)), st.integers(0, M16), st.integers(0, 3)), max_size=20)


@pytest.fixture(scope="module")
def deployed() -> Any:
    return compiled("mocks/timeline_mock.vy").deploy()


@pytest.fixture
def mock(deployed: Any) -> Iterator[Any]:
    with boa.env.anchor():
        yield deployed


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(changes)
def test_of__after_any_changes__each_period_keeps_its_own(deployed: Any, steps: list[tuple[int, int, int]]) -> None:
    model = {PEG: Timeline.of(0), FEE: Timeline.of(0)}
    with boa.env.anchor():
        for setting, value, gap in steps:
            period = model[setting].first + gap
            deployed.change(setting, value, period)
            model[setting] = model[setting].changed(value, period)
        for setting, line in model.items():
            borders = {max(0, first + d) for first, _ in line.values for d in (-1, 0, 1)} | {M32}
            assert deployed.first(setting) == line.first
            assert {p: deployed.of(setting, p) for p in borders} == {p: line.at(p) for p in borders}


def test_change__widest_value_and_period__touch_no_other_lane(mock: Any) -> None:
    for setting in (PEG, FEE):
        mock.change(setting, M16, M32)
    lane = 1 << 48 | M32 << 16 | M16
    assert mock.word() == lane << PEG | lane << FEE
    assert [mock.of(PEG, p) for p in (M32 - 1, M32)] == [0, M16]


def test_is_full__after_the_last_change__the_first_value_is_still_found(mock: Any) -> None:
    for i in range(1, MAX_CHANGES + 1):
        assert not mock.is_full(PEG)
        mock.change(PEG, i, i)
    assert mock.is_full(PEG) and not mock.is_full(FEE)
    assert [mock.of(PEG, p) for p in (0, 1, MAX_CHANGES)] == [0, 1, MAX_CHANGES]

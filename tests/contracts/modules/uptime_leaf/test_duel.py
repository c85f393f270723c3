"""Short seeded runs of the duel between keepers, contracts and a count of slots. The long one: `make fuzz`."""

from __future__ import annotations

import pytest

from tests.fuzz.mock import Mock
from tests.fuzz.uptime import Differs, Duel, Reading, against, play


@pytest.fixture(scope="module")
def mock() -> Mock:
    return Mock()


@pytest.mark.parametrize("seed", range(6))
def test_three_accounts_agree(mock: Mock, seed: int) -> None:
    epochs, leaves, asked = play(1_000 + seed, 70, mock)
    assert epochs > 70 and leaves > 100 and asked > 200


def test_a_difference_is_told(mock: Mock) -> None:
    duel = Duel(5)
    for _ in range(30):
        duel.step()
    last = duel.readings[-1]
    duel.readings[-1] = Reading(last.header, last.leaf, last.offset, (last.found[0] + 1, *last.found[1:]))
    with pytest.raises(Differs, match="contracts read"):
        against(mock, duel)
    duel = Duel(6)
    while not duel.nodes:
        duel.step()
    for node in duel.nodes:
        node.down += 1
    with pytest.raises(Differs, match="counted"):
        for _ in range(20):
            duel.step()

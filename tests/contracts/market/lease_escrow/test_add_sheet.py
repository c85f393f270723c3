"""add_sheet: anyone adds an immutable row, within bounds."""

import boa
import pytest

from tests.contracts.market.support import events
from tests.support.actors import STRANGER
from tests.support.constants import DAY, M32


def steps(*rows):
    """Uptime and credit bps, the first in the high bits."""
    return sum((u << 16 | c) << (96 - 32 * i) for i, (u, c) in enumerate(rows))


def add(w, notice=3600, least=0, prepay=DAY, limit=M32, table=0):
    return w.escrow.add_sheet(notice, least, prepay, limit, table, sender=STRANGER.address)


def test_default(world):
    w = world
    table = steps((9_990, 0), (9_900, 1_000), (9_000, 1_000), (1, 10_000))
    id = add(w, 7200, 3600, 2 * DAY, 1800, table)
    (log,) = events(w.escrow, "SheetAdded")
    word = 7200 << 224 | 3600 << 192 | 2 * DAY << 160 | 1800 << 128 | table
    assert (id, log.sheet, log.word) == (1, 1, word)
    assert w.escrow.sheet(1) == word
    assert w.escrow.sheet_count() == 2
    assert w.escrow.sheet(2) == 0


@pytest.mark.parametrize("notice", [3599, M32 + 1])
def test_reverts_notice(world, notice):
    with boa.reverts("escrow: notice out of range"):
        add(world, notice=notice)


def test_reverts_minimum_over_prepayment(world):
    with boa.reverts("escrow: minimum over prepayment"):
        add(world, least=DAY + 1)


@pytest.mark.parametrize("prepay", [299, M32 + 1])
def test_reverts_prepayment(world, prepay):
    with boa.reverts("escrow: prepayment out of range"):
        add(world, prepay=prepay)


def test_reverts_limit(world):
    with boa.reverts("escrow: limit out of range"):
        add(world, limit=M32 + 1)


@pytest.mark.parametrize(
    "table",
    [
        1 << 128,
        steps((10_001, 0)),
        steps((9_000, 10_001)),
        steps((9_000, 100), (9_000, 200)),
        steps((9_000, 100), (9_500, 200)),
        steps((9_000, 100), (8_000, 99)),
        steps((9_000, 100), (0, 0), (8_000, 200)),
    ],
)
def test_reverts_table(world, table):
    with boa.reverts("escrow: table out of order"):
        add(world, table=table)


def test_reverts_without_an_id_left(world):
    world.escrow.eval(f"self.sheet_count = {2**32}")
    with boa.reverts("escrow: no sheet id left"):
        add(world)

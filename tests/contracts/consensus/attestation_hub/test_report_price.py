"""report: the price word, its bound and flag, and the stake price pushed once a period."""

from __future__ import annotations

import pytest

from tests.contracts.consensus.drafts import draft
from tests.support.constants import BPS, M64, PRICE_ONE
from tests.support.suite import Suite


def word(net: Suite) -> tuple[int, int, int, int, int]:
    """P, TWAP, S, stamp, flags."""
    w = net.hub.price()
    return w >> 192, w >> 128 & M64, w >> 64 & M64, w >> 24 & (2**40 - 1), w & 0xFFFFFF


def test_within_the_bound_the_median_is_the_price(net: Suite) -> None:
    p = net.parameters
    median = p.price * 105 // 100
    net.report(price=median)
    spot, twap, _, stamp, flags = word(net)
    assert (spot, twap) == (median, (3 * p.price + median) // 4)
    assert (stamp, flags) == (p.end(1), 1), "still paused, not clamped"


@pytest.mark.parametrize(
    ("median", "spot", "clamped"),
    [
        (2_200_000_000_000, 2_200_000_000_000, 0),
        (2_200_000_000_001, 2_200_000_000_000, 2),
        (2**64 - 1, 2_200_000_000_000, 2),
        (1_800_000_000_000, 1_800_000_000_000, 0),
        (1_799_999_999_999, 1_800_000_000_000, 2),
        (0, 1_800_000_000_000, 2),
    ],
)
def test_outside_it_moves_to_the_bound_and_is_flagged(net: Suite, median: int, spot: int, clamped: int) -> None:
    net.report(price=median)
    assert word(net)[0] == spot
    assert word(net)[4] & 2 == clamped


def test_the_flag_goes_with_the_next_report(net: Suite) -> None:
    net.report(price=4 * PRICE_ONE)
    assert word(net)[4] & 2
    net.report()
    assert not word(net)[4] & 2


def test_a_crash_takes_as_many_epochs_as_the_bound_says(net: Suite) -> None:
    spot = net.parameters.price
    for _ in range(12):
        net.report(price=PRICE_ONE // 10)
        spot = max(PRICE_ONE // 10, spot - spot * net.parameters.bound // BPS)
        assert word(net)[0] == spot


def test_a_void_epoch_keeps_the_word_and_the_flag(net: Suite) -> None:
    net.report(price=4 * PRICE_ONE)
    before = net.hub.price()
    net.void(2)
    assert net.hub.price() == before


def test_the_stamp_ages_with_every_void_epoch(net: Suite) -> None:
    """It never looks younger than 255 epochs, far beyond what any entry takes."""
    net.report_until(3)
    for voids in (24, 240, 264, 480):
        while net.hub.last_epoch() < 3 + voids:
            net.void(24)
        assert word(net)[3] == net.parameters.end(3 + max(0, voids - 255))
    net.report()
    assert word(net)[3] == net.parameters.end(484)


def test_stake_price_with_the_first_report_of_a_period(net: Suite) -> None:
    q = net.parameters
    per = q.epochs_per_period
    net.report(price=q.price * 11 // 10)
    twap = (3 * q.price + q.price * 11 // 10) // 4
    s = q.stake_price - (q.stake_price - 10**24 // twap) // 30
    assert net.pool.stake_price() == word(net)[2] == s
    assert (net.pool.pushes(), net.pool.pusher()) == (1, net.hub.address)
    net.report_until(per - 1)
    assert net.pool.pushes() == 1
    assert word(net)[2] == s, "it stands for the whole period"
    net.report()
    assert net.pool.pushes() == 2
    assert net.pool.stake_price() == word(net)[2]


def test_stake_price_waits_for_a_report_over_void_epochs(net: Suite) -> None:
    per = net.parameters.epochs_per_period
    net.report_until(per - 2)
    net.void(4)
    assert net.pool.pushes() == 1
    net.report()
    net.report()
    assert net.pool.pushes() == 2


def test_stake_price_moves_five_percent_at_most(net: Suite) -> None:
    """The price halves; the stake price must double, and does so at 5 % a period."""
    q = net.parameters
    for _ in range(q.epochs_per_period - 1):
        net.report(price=q.price // 20)
    s = word(net)[2]
    net.report(price=q.price // 20)
    assert word(net)[2] == s + s // 20


def test_median_of_the_highest_width(net: Suite) -> None:
    draft(net, price=M64).send(net)
    assert word(net)[0] == net.parameters.price * 11 // 10

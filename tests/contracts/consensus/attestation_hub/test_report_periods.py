"""report: the word that closes a period, and the rules when it is written."""

from __future__ import annotations

import boa
import pytest

from tests.support.actors import keccak, words
from tests.support.constants import M64, PRICE_ONE
from tests.support.suite import Suite


def parts(net: Suite, p: int) -> tuple[int, int, int]:
    """R_p, epoch, time."""
    w = net.hub.period_word(p)
    return w >> 72, w >> 40 & 0xFFFFFFFF, w & (2**40 - 1)


def high(net: Suite) -> int:
    w = net.hub.price()
    return max(w >> 192, w >> 128 & M64)


FAR = 100 * PRICE_ONE  # a median no bound allows


def run(net: Suite, to: int, price: int | None = None) -> None:
    while net.hub.last_epoch() < to:
        net.report(price=price)


def test_first_unclamped_report_of_the_next_period_writes_it(net: Suite) -> None:
    run(net, 23, 2_100_000_000_000)
    assert net.hub.period_word(0) == 0
    net.report()
    assert parts(net, 0) == (high(net), 24, net.now)
    written = net.hub.period_word(0)
    run(net, 30, 2_200_000_000_000)
    assert net.hub.period_word(0) == written, "and no later one touches it"


def test_the_higher_of_price_and_twap(net: Suite) -> None:
    run(net, 23, 2_100_000_000_000)
    net.report(price=1_950_000_000_000)
    w = net.hub.price()
    assert parts(net, 0)[0] == w >> 128 & M64 > w >> 192


@pytest.mark.attack("A18")
def test_clamped_reports_leave_it_open_until_one_is_not(net: Suite) -> None:
    run(net, 23)
    for _ in range(3):
        net.report(price=FAR)
        assert net.hub.period_word(0) == 0
    net.report()
    assert parts(net, 0)[1] == 27


def test_after_grace_a_clamped_report_writes_it(net: Suite) -> None:
    run(net, 23)
    run(net, 47, FAR)
    assert net.hub.period_word(0) == 0
    net.report(price=FAR)
    assert parts(net, 0)[1] == 48, "the first epoch at end(p) + 24 epochs"
    assert net.hub.period_word(1) == 0, "period 1 has its own grace"


def test_void_epochs_write_nothing(net: Suite) -> None:
    run(net, 22)
    net.void(6)
    assert net.hub.period_word(0) == 0
    net.report()
    assert parts(net, 0)[1] == 29


def test_after_a_void_period_the_two_before_are_written(net: Suite) -> None:
    """Epochs 24 … 50 are void: epoch 51 is the first after both ends, beyond the grace of period 0."""
    run(net, 23)
    net.void(24)
    net.void(3)
    net.report()
    assert parts(net, 0)[1] == parts(net, 1)[1] == 51


def test_periods_further_back_are_left_to_abandon(net: Suite) -> None:
    run(net, 23)
    for _ in range(3):
        net.void(24)
    net.report()
    assert [parts(net, p)[1] for p in range(5)] == [0, 0, 96, 96, 0]


def write(net: Suite, p: int, word: int) -> None:
    """Into the contract's own storage, for what only a cancelled report leaves behind."""
    slot = net.hub.compiler_data.storage_layout["storage_layout"]["periods"]["slot"]
    boa.env.set_storage(net.hub.address, int.from_bytes(keccak(words(slot, p)), "big"), word)
    assert net.hub.period_word(p) == word


@pytest.mark.parametrize("clamped", [True, False])
@pytest.mark.attack("A18")
def test_a_word_of_a_report_that_no_longer_stands_is_erased_or_rewritten(net: Suite, clamped: bool) -> None:
    run(net, 23)
    write(net, 0, 7 << 72 | 24 << 40 | net.now)
    net.report(price=FAR if clamped else None)
    assert parts(net, 0) == ((0, 0, 0) if clamped else (high(net), 24, net.now))
    net.report()
    assert parts(net, 0)[1] == (25 if clamped else 24)


def test_a_word_of_a_report_that_does_not_stand_is_not_closed(net: Suite) -> None:
    run(net, 23)
    write(net, 0, 7 << 72 | 24 << 40 | net.now)
    net.at(net.now + net.hub.DISPUTE())
    with boa.reverts("hub: period open"):
        net.hub.period_price(0)


def test_closes_after_the_dispute_window(net: Suite) -> None:
    run(net, 24)
    _, _, at = parts(net, 0)
    net.at(at + net.hub.DISPUTE() - 1)
    with boa.reverts("hub: period open"):
        net.hub.period_price(0)
    net.at(at + net.hub.DISPUTE())
    assert net.hub.period_price(0) == parts(net, 0)[0]


@pytest.mark.parametrize("p", [0, 1, 5, 2**200])
def test_a_period_without_a_word_is_open(net: Suite, p: int) -> None:
    with boa.reverts("hub: period open"):
        net.hub.period_price(p)

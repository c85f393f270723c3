"""cancel: a refuted epoch and all after it no longer stand; what they changed is undone, what they drew is kept."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import boa
import pytest

from tests.contracts.consensus.drafts import draft, events
from tests.support.actors import GUARDIAN, OWNER, STRANGER
from tests.support.constants import PRICE_ONE, RING
from tests.support.suite import Suite
from tests.support.uptime import ALL, Uptime


def cancel(net: Suite, before: Uptime) -> None:
    """Cancel every epoch after the state `before`, and go back to it."""
    net.hub.cancel(before.root, before.header, sender=net.refuter.address)
    net.uptime = deepcopy(before)


def again(net: Suite, **more: Any) -> int:
    """Report the next epoch with the view that its cancels demand."""
    e = int(net.hub.last_epoch()) + 1
    return net.report(view=int(net.hub.cancels(e)) << 16, **more)


def void_again(net: Suite, n: int) -> int:
    first = int(net.hub.last_epoch()) + 1
    return net.void(n, view=int(net.hub.cancels(first)) << 16)


def period_of(net: Suite, word: int) -> tuple[int, int]:
    """(price, epoch) of a period word."""
    return word >> 72, word >> 40 & 0xFFFFFFFF


def test_takes_back_the_epoch_and_all_after_it(net: Suite) -> None:
    net.report({1: ALL})
    before, counters, price = deepcopy(net.uptime), net.hub.counters(), net.hub.price()
    net.report({2: 7}, indet=1, price=21 * PRICE_ONE // 10)
    net.report({3: ALL}, count=8)
    net.void()
    cancel(net, before)
    (event,) = events(net.hub, "Cancelled")
    assert (event.first, event.last) == (2, 4)
    assert (net.hub.last_epoch(), net.hub.counters(), net.hub.price()) == (1, counters, price)
    assert [net.hub.cancels(e) for e in range(6)] == [0, 0, 1, 1, 1, 0]
    assert net.hub.usable_at(2) == 0
    for e in (2, 3, 4):
        with boa.reverts("hub: not in the ring"):
            net.hub.ring_word(e)
        with boa.reverts("hub: no report in the ring"):
            net.hub.meta(e)
        with boa.reverts("hub: not usable"):
            net.hub.usable(e)


def test_they_are_signed_again_with_the_next_view(net: Suite) -> None:
    before = deepcopy(net.uptime)
    net.report({1: ALL})
    cancel(net, before)
    assert again(net, down={1: 7}) == 1
    assert (net.hub.cancels(1), net.hub.usable_at(1)) == (1, net.now + net.hub.DISPUTE()), "a window of its own"
    before = deepcopy(before)
    cancel(net, before)
    assert net.hub.cancels(1) == 2
    again(net)
    assert net.hub.cancels(1) == 2
    net.report()
    assert net.hub.cancels(2) == 0


@pytest.mark.attack("A05")
def test_a_cancelled_report_cannot_be_sent_again(net: Suite) -> None:
    before, signed = deepcopy(net.uptime), draft(net).signed(net)
    net.hub.report(*signed)
    cancel(net, before)
    with boa.reverts("hub: other view"):
        net.hub.report(*signed)
    again(net)


@pytest.mark.attack("A05")
def test_nor_a_cancelled_void(net: Suite) -> None:
    before = deepcopy(net.uptime)
    net.void(2)
    cancel(net, before)
    with boa.reverts("hub: view"):
        net.void(2)
    assert void_again(net, 2) == 2
    assert (net.hub.cancels(1), net.hub.cancels(2)) == (1, 1)


@pytest.mark.parametrize("cancels", [1, 2, 255])
@pytest.mark.attack("A05")
def test_a_view_of_cancels_that_never_were(net: Suite, cancels: int) -> None:
    signed = draft(net, view=cancels << 16).signed(net)
    with boa.reverts("hub: other view"):
        net.hub.report(*signed)
    net.report(view=2**16 - 1)


@pytest.mark.attack("T39")
def test_seeds_stay_and_so_does_challenged(net: Suite) -> None:
    """A seed is drawn once, so nobody gets a second draw by having a report refuted; a late second report of an epoch
    does not spare the next one its challenge."""
    net.report()
    before = deepcopy(net.uptime)
    net.report({1: ALL})
    net.report()
    seeds = [net.hub.seed(e) for e in (2, 3, 4)]
    cancel(net, before)
    assert [net.hub.seed(e) for e in (2, 3, 4)] == seeds
    net.at(net.now + 5 * net.parameters.epoch)
    again(net, down={1: 7})
    assert net.uptime.header >> 173 & 1, "epoch 2 was drawn in time"
    assert [net.hub.seed(e) for e in (2, 3, 4)] == seeds
    again(net)
    assert net.uptime.header >> 173 & 1, "epoch 3 too, by the first report of epoch 2"
    again_drawn = net.hub.seed(4)
    assert again_drawn == seeds[2]
    net.report()
    assert net.uptime.header >> 173 & 1
    assert net.hub.seed(5)[1] == net.now, "a new epoch draws anew"


def test_a_void_keeps_seeds_too(net: Suite) -> None:
    before = deepcopy(net.uptime)
    net.report()
    net.report()
    seeds = [net.hub.seed(e) for e in (2, 3)]
    cancel(net, before)
    net.go(8)
    void_again(net, 4)
    assert [net.hub.seed(e) for e in (2, 3)] == seeds
    assert {net.hub.seed(e)[1] for e in (4, 5)} == {net.now}


def test_epoch_one_stays_unchallenged(net: Suite) -> None:
    before = deepcopy(net.uptime)
    net.report()
    cancel(net, before)
    again(net)
    assert not net.uptime.header >> 173 & 1


@pytest.mark.parametrize("clamped", [False, True])
def test_the_clamp_is_that_of_the_epoch_before(net: Suite, clamped: bool) -> None:
    high = 9 * PRICE_ONE
    net.report(price=high if clamped else None)
    before, price = deepcopy(net.uptime), net.hub.price()
    net.report(price=None if clamped else high)
    assert bool(net.hub.price() & 2) != clamped
    cancel(net, before)
    assert net.hub.price() == price
    assert bool(net.hub.price() & 2) == clamped
    assert net.hub.meta(1) >> 63 & 1 == 0, "the mark is not part of `who`"


def test_the_clamp_before_void_epochs(net: Suite) -> None:
    net.report(price=9 * PRICE_ONE)
    net.void(2)
    before, price = deepcopy(net.uptime), net.hub.price()
    net.report()
    cancel(net, before)
    assert net.hub.price() == price


def test_a_pause_outlives_it(net: Suite) -> None:
    net.hub.open_entries(sender=OWNER.address)
    net.at(net.now + 31 * 86_400)
    net.report_until(2)
    before = deepcopy(net.uptime)
    net.report()
    net.hub.pause_entries(sender=GUARDIAN.address)
    cancel(net, before)
    assert net.hub.price() & 1


def test_the_stake_price_is_due_again(net: Suite) -> None:
    q = net.parameters
    per = q.epochs_per_period
    net.report_until(per - 1)
    before, pushes = deepcopy(net.uptime), net.pool.pushes()
    net.report(price=q.price * 11 // 10)
    first = net.pool.stake_price()
    assert net.pool.pushes() == pushes + 1
    cancel(net, before)
    again(net, price=q.price * 11 // 10)
    assert net.pool.pushes() == pushes + 2
    assert net.pool.stake_price() == first, "not a second step"


def test_the_stake_price_is_not_due_when_the_first_report_stands(net: Suite) -> None:
    net.report_until(net.parameters.epochs_per_period)
    before, pushes = deepcopy(net.uptime), net.pool.pushes()
    net.report()
    cancel(net, before)
    again(net)
    assert net.pool.pushes() == pushes


def test_the_stake_price_is_due_when_only_void_epochs_stand(net: Suite) -> None:
    """The first report of a period comes after void epochs of it."""
    per = net.parameters.epochs_per_period
    net.report_until(per - 1)
    net.void(3)
    before, pushes = deepcopy(net.uptime), net.pool.pushes()
    net.report()
    assert net.pool.pushes() == pushes + 1
    cancel(net, before)
    again(net)
    assert net.pool.pushes() == pushes + 2


def test_a_period_word_is_rewritten(net: Suite) -> None:
    q = net.parameters
    per = q.epochs_per_period
    net.report_until(per - 1)
    before = deepcopy(net.uptime)
    net.report(price=q.price * 11 // 10)
    wrong = net.hub.period_word(0)
    assert period_of(net, wrong) == (q.price * 11 // 10, per)
    cancel(net, before)
    net.at(net.now + 30 * q.epoch)
    with boa.reverts("hub: period open"):
        net.hub.period_price(0)
    again(net, price=q.price)
    assert period_of(net, net.hub.period_word(0)) == (q.price, per)


def test_a_period_word_is_erased_by_a_clamped_report(net: Suite) -> None:
    q = net.parameters
    per = q.epochs_per_period
    net.report_until(per - 1)
    before = deepcopy(net.uptime)
    net.report()
    cancel(net, before)
    again(net, price=9 * PRICE_ONE)
    assert net.hub.period_word(0) == 0
    net.report(price=int(net.hub.price()) >> 192)
    assert period_of(net, net.hub.period_word(0))[1] == per + 1


def test_a_period_word_is_erased_by_a_void_epoch(net: Suite) -> None:
    """Or it would be closed, once the void ones have passed the epoch that wrote it, by a report that fell."""
    q = net.parameters
    per = q.epochs_per_period
    net.report_until(per - 1)
    before = deepcopy(net.uptime)
    net.report(price=q.price * 11 // 10)
    cancel(net, before)
    net.go(per + 3)
    void_again(net, 3)
    assert net.hub.period_word(0) == 0
    net.at(net.now + 40 * q.epoch)
    with boa.reverts("hub: period open"):
        net.hub.period_price(0)
    net.report(price=q.price)
    assert period_of(net, net.hub.period_word(0)) == (q.price, per + 3)


@pytest.mark.parametrize("void", [False, True])
def test_a_period_word_of_an_earlier_report_stays(net: Suite, void: bool) -> None:
    net.report_until(net.parameters.epochs_per_period)
    word, before = net.hub.period_word(0), deepcopy(net.uptime)
    assert word != 0
    net.report(price=21 * PRICE_ONE // 10)
    cancel(net, before)
    if void:
        void_again(net, 1)
    else:
        again(net)
    assert net.hub.period_word(0) == word


def test_period_words_of_two_periods(net: Suite) -> None:
    """Reports of a whole period fall, in one go, as after a long silence."""
    q = net.parameters
    per = q.epochs_per_period
    net.report_until(per - 2)
    net.go(3 * per)
    before = deepcopy(net.uptime)
    net.report_until(2 * per + 1)
    assert period_of(net, net.hub.period_word(0))[1] == per
    assert period_of(net, net.hub.period_word(1))[1] == 2 * per
    cancel(net, before)
    while net.hub.last_epoch() < per - 1:
        again(net)
    again(net, price=q.price * 21 // 20)
    assert period_of(net, net.hub.period_word(0)) == (q.price * 21 // 20, per)
    while net.hub.last_epoch() < 2 * per + 1:
        again(net)
    assert period_of(net, net.hub.period_word(1))[1] == 2 * per
    assert net.hub.cancels(2 * per + 1) == 1


@pytest.mark.attack("A10")
def test_words_that_left_the_ring_do_not_come_back(net: Suite) -> None:
    """A ring word that a cancelled epoch overwrote is gone: the epoch a turn before stays out of the ring."""
    while net.hub.last_epoch() < RING - 1:
        net.void(24 if net.hub.last_epoch() + 24 < RING else RING - 1 - int(net.hub.last_epoch()))
    before = deepcopy(net.uptime)
    net.report()
    net.report()
    assert net.hub.usable_at(1) == 1
    cancel(net, before)
    assert net.hub.last_epoch() == RING - 1
    assert net.hub.usable_at(1) == 1, "its word is that of epoch RING + 1 still"
    with boa.reverts("hub: not in the ring"):
        net.hub.ring_word(1)
    assert net.hub.newest_usable() in range(2, RING)


def test_only_the_refuter(net: Suite) -> None:
    before = deepcopy(net.uptime)
    net.report()
    for who in (OWNER, GUARDIAN, STRANGER):
        with boa.reverts("hub: not the refuter"):
            net.hub.cancel(before.root, before.header, sender=who.address)


def test_only_what_stands_and_is_in_dispute(net: Suite) -> None:
    net.report()
    after = deepcopy(net.uptime)
    with boa.reverts("hub: not in dispute"):
        cancel(net, after)
    for header in (2**32 - 1, 2**32 - 2, 2**256 - 1):
        with boa.reverts("hub: not in dispute"):
            net.hub.cancel(after.root, header, sender=net.refuter.address)
    net.report()
    usable = int(net.hub.usable_at(2))
    net.at(usable - 1)
    with boa.env.anchor():
        cancel(net, deepcopy(after))
    net.at(usable)
    with boa.reverts("hub: not in dispute"):
        cancel(net, after)


def test_only_by_the_epoch_before(net: Suite) -> None:
    before = deepcopy(net.uptime)
    net.report()
    for root, header in ((bytes(32), before.header), (before.root, before.header | 1 << 128)):
        with boa.reverts("hub: header before"):
            net.hub.cancel(root, header, sender=net.refuter.address)


def test_a_table_cannot_change_under_it(net: Suite) -> None:
    """While reports before the last change may fall, no further change forgets the table that signs them again."""
    net.report()
    net.set_committee(start=5, n=7)
    net.report_until(6)
    with boa.reverts("hub: in dispute"):
        net.set_committee(start=int(net.epoch) + 3)

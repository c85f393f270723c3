"""Leases: attested seconds only, never one twice, any split of settlements to the wei; stops, bonds, forfeits."""

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keepers.protocol import leases
from keepers.protocol.counters import Header, Leaf
from keepers.protocol.credits import Balance
from keepers.protocol.epochs import Calendar
from keepers.protocol.leases import Cause, Money, Party, Reason, Sheet, Terms
from keepers.protocol.records import FULL_MASK, Record
from keepers.protocol.uptime_tree import UptimeTree

CALENDAR = Calendar(genesis=10_000, slot=5, epochs_per_period=4)
EPOCHS = 14
NODE = 1


class Weather:
    """Random epochs of one node: what was attested second by second, and the leaves that say so."""

    def __init__(self, seed: int) -> None:
        rng = random.Random(seed)
        tree = UptimeTree()
        self.headers: dict[int, Header] = {0: tree.header}
        self.leaves: dict[int, Leaf] = {0: tree.leaf(NODE)}
        self.masks: dict[int, int] = {0: 0}
        predicted = (0, 0)
        for e in range(1, EPOCHS + 1):
            if rng.random() < 0.1:
                tree.void(e)
                mask = FULL_MASK
            else:
                mask = rng.choice((0, 0, 0, predicted[0], rng.getrandbits(12), FULL_MASK))
                u = int(mask == FULL_MASK)
                changed = (mask, u) != predicted
                header = tree.header.reported(
                    count=2, indet=rng.getrandbits(12) & rng.getrandbits(12) & rng.getrandbits(12)
                )
                tree.apply_report(header, [Record(NODE, 0, u, mask)] if changed else [])
                predicted = (FULL_MASK, 1) if mask >> 11 else (0, u)
            self.headers[e], self.leaves[e], self.masks[e] = tree.header, tree.leaf(NODE), mask

    def attested(self, t: int) -> bool:
        e, k = CALENDAR.slot_of(t)
        return not self.masks[e] >> k & 1


def settle(terms: Terms, money: Money, epoch: int, weather: Weather) -> tuple[Money, Balance]:
    """One settlement as the escrow does it; nothing where the epoch is not the lease's or nothing new is due."""
    stop = leases.effective_stop(terms, money)
    if CALENDAR.start(epoch) >= stop or epoch < CALENDAR.epoch(terms.start) or money.base is None:
        return money, Balance()
    due = leases.due_seconds(terms, stop, money.base, CALENDAR, weather.headers[epoch], weather.leaves[epoch])
    x = leases.payment(terms, money, due)
    if due <= money.settled:
        return money, Balance()
    paid, left = Balance(money.credits, money.backing).split(x)
    return replace(money, credits=left.credits, backing=left.backing, settled=due), paid


def random_lease(rng: random.Random) -> tuple[Terms, Money]:
    start = rng.randrange(CALENDAR.start(1), CALENDAR.start(6))
    duration = rng.randrange(1, CALENDAR.end(EPOCHS) - start)
    rate, gpus = rng.choice((1, 7, 10**12)), rng.randrange(1, 9)
    prepaid = rng.randrange(1, duration + 1)
    credits = rate * gpus * prepaid + rng.randrange(rate * gpus)
    terms = Terms(rate, gpus, NODE, 0, start, duration, 1)
    return terms, Money(credits, rng.randrange(10**9))


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32))
def test_any_split_of_settlements_pays_the_same_to_the_wei(seed: int) -> None:
    """I2, C27: every order and subset of settlements ends where one last settlement ends."""
    rng = random.Random(seed)
    weather = Weather(seed % 97)
    terms, money = random_lease(rng)
    if rng.random() < 0.5:
        until = leases.until(terms, money)
        stop = rng.randrange(terms.start, until + 1)
        back = leases.excess(terms, money, stop - terms.start)
        _, left = Balance(money.credits, money.backing).split(back)
        money = replace(money, credits=left.credits, backing=left.backing)
        terms = terms.with_stop(stop - terms.start, Reason.RENTER_CLOSED, Cause.RENTER)
    stop = leases.effective_stop(terms, money)
    if stop == terms.start:
        return
    first, last = CALENDAR.epoch(terms.start), CALENDAR.epoch(stop - 1)
    header, leaf = weather.headers[first], weather.leaves[first]
    money = replace(money, base=leases.base_of(terms, CALENDAR, first, header, leaf))
    attested = sum(weather.attested(t) for t in range(terms.start, stop))
    results = set()
    for _ in range(4):
        epochs = rng.sample(range(first, last + 1), rng.randrange(0, last - first + 1))
        if rng.random() < 0.7:
            epochs.sort()
        m, paid = money, 0
        for e in [*epochs, last]:
            before = leases.effective_stop(terms, m)
            m, x = settle(terms, m, e, weather)
            paid += x.credits
            assert leases.effective_stop(terms, m) == before == stop, "settling moved the stop"
            assert m.settled <= attested, "an unattested second was settled"
        results.add((paid, m.settled, m.credits))
    assert len(results) == 1
    assert results.pop()[:2] == (terms.per_second * attested, attested)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32))
def test_a_base_taken_late_never_pays_more(seed: int) -> None:
    """Where epoch(start) has left the ring the unprovable time counts as down."""
    rng = random.Random(seed)
    weather = Weather(seed % 89)
    terms, money = random_lease(rng)
    stop = leases.effective_stop(terms, money)
    if stop == terms.start:
        return
    first, last = CALENDAR.epoch(terms.start), CALENDAR.epoch(stop - 1)
    e1 = rng.randrange(first, last + 1)
    assert leases.anchor_epoch(terms, CALENDAR, e1 + 2_047) == max(first, e1)
    base = leases.base_of(terms, CALENDAR, e1, weather.headers[e1], weather.leaves[e1])
    due = leases.due_seconds(terms, stop, base, CALENDAR, weather.headers[last], weather.leaves[last])
    begin = max(terms.start, CALENDAR.start(e1))
    assert due == sum(weather.attested(t) for t in range(begin, stop))


@pytest.mark.parametrize("seed", range(20))
def test_top_ups_between_settlements_pay_each_second_once(seed: int) -> None:
    """I2: the sum of payments is rate × GPUs × attested seconds of the funded time."""
    rng = random.Random(seed)
    weather = Weather(seed)
    terms, money = random_lease(rng)
    first = CALENDAR.epoch(terms.start)
    money = replace(money, base=leases.base_of(terms, CALENDAR, first, weather.headers[first], weather.leaves[first]))
    paid = 0
    for e in range(first, EPOCHS + 1):
        now = CALENDAR.end(e)
        if now < leases.until(terms, money):
            extra = min(rng.randrange(10**14), leases.room(terms, money, Sheet(60, 0, 2**31), now))
            before = leases.until(terms, money)
            money = replace(money, credits=money.credits + extra)
            assert before <= leases.until(terms, money) <= terms.end
        money, x = settle(terms, money, e, weather)
        paid += x.credits
    stop = leases.until(terms, money)
    attested = sum(weather.attested(t) for t in range(terms.start, stop))
    assert (money.settled, paid) == (attested, terms.per_second * attested)


def test_same_second_stop_pays_nothing_and_returns_everything() -> None:
    """C25"""
    terms, money = Terms(7, 2, NODE, 0, CALENDAR.start(2), 100, 1), Money(1_400, 9)
    assert leases.excess(terms, money, 0) == 1_400
    stopped = terms.with_stop(0, Reason.RENTER_CLOSED, Cause.RENTER)
    with pytest.raises(ValueError, match="length 0"):
        leases.stop_epoch(stopped, leases.effective_stop(stopped, money), CALENDAR)


def test_epochs_outside_the_lease_owe_nothing() -> None:
    terms = Terms(1, 1, NODE, 0, CALENDAR.start(3) + 7, 50, 1)
    with pytest.raises(ValueError, match="after the lease stopped"):
        leases.due_seconds(terms, terms.end, 0, CALENDAR, Header(epoch=5), Leaf())
    assert leases.due_seconds(terms, terms.end, 0, CALENDAR, Header(epoch=2), Leaf()) == 0


def test_a_falling_counter_opens_no_second_outside_the_lease() -> None:
    terms = Terms(1, 1, NODE, 0, CALENDAR.start(3), 40, 1)
    assert leases.due_seconds(terms, terms.end, 10_000, CALENDAR, Header(epoch=3), Leaf()) == 40


def test_fault_counts_from_the_start_to_the_stop_only() -> None:
    tree = UptimeTree()
    headers, masks = [tree.header], [0, 0b111111000000, 0b000000001111]
    found = [tree.leaf(NODE)]
    for mask in masks[1:]:
        tree.apply_report(tree.header.reported(count=2, indet=0b1), [Record(NODE, 0, 0, mask)])
        headers.append(tree.header)
        found.append(tree.leaf(NODE))
    start = CALENDAR.slot_start(1, 8)
    terms = Terms(1, 1, NODE, 0, start, 1_000, 1)
    whole = leases.fault_between(terms, terms.end, CALENDAR, headers[1], found[1], headers[2], found[2])
    assert whole == (4 + 3) * CALENDAR.slot  # slots 8-11 of epoch 1, slots 1-3 of epoch 2: slot 0 was indeterminate
    early = leases.fault_between(terms, CALENDAR.slot_start(2, 2), CALENDAR, headers[1], found[1], headers[2], found[2])
    assert early == (4 + 1) * CALENDAR.slot


def test_room_ends_with_the_term_and_with_prepay() -> None:
    terms, money = Terms(2, 3, NODE, 0, 1_000, 500, 1), Money(600, 0)  # 100 s at 6 a second
    assert leases.room(terms, money, Sheet(60, 0, 10_000), 1_000) == 400 * 6
    assert leases.room(terms, money, Sheet(60, 0, 120), 1_000) == 20 * 6
    assert leases.room(terms, money, Sheet(60, 0, 120), 1_050) == 70 * 6
    assert leases.room(terms, money, Sheet(60, 0, 60), 1_000) == 0


def test_notice_keeps_the_minimum_and_never_lengthens() -> None:
    terms = Terms(1, 1, NODE, 0, 1_000, 500, 1)
    assert leases.notice_duration(terms, Sheet(100, 0, 500), 1_050) == 150
    assert leases.notice_duration(terms, Sheet(100, 300, 500), 1_050) == 300
    assert leases.notice_duration(terms, Sheet(100, 0, 500), 1_450) == 500


@given(st.integers(60, 2**20), st.integers(0, 2**20), st.integers(1, 2**40), st.integers(1, 16), st.integers(1, 2**50))
def test_bond_covers_one_and_a_half_times_the_notice(notice: int, least: int, rate: int, gpus: int, price: int) -> None:
    bond = leases.bond_gwei(Sheet(notice, least, least), rate, gpus, price)
    owed = max(notice, least) * rate * gpus * 3
    # bond gwei × 1e9 wei × price / 1e12 >= 1.5 × owed, and one gwei less is short: rounded up (I9)
    assert bond * 2 * price >= owed * 1_000 > (bond - 1) * 2 * price


@given(st.integers(0, 2**64 - 1), st.integers(60, 10**6), st.integers(0, 10**6), st.integers(0, 2 * 10**6))
def test_forfeit_falls_with_time_and_never_exceeds_the_bond(bond: int, notice: int, least: int, elapsed: int) -> None:
    sheet = Sheet(notice, least, least)
    lost = leases.forfeit_shares(bond, sheet, elapsed)
    assert 0 <= lost <= bond
    assert leases.forfeit_shares(bond, sheet, 0) == bond
    assert leases.forfeit_shares(bond, sheet, elapsed + 1) <= lost
    assert lost * sheet.binding_seconds >= bond * notice


def test_damage_limit_is_what_was_paid_at_the_higher_price() -> None:
    assert leases.damage_limit(3 * 10**18, 2 * 10**12) == 1_500_000_000
    assert leases.damage_limit(0, 1) == 0


def test_a_lapse_has_its_reason() -> None:
    terms = Terms(1, 1, NODE, 0, 1_000, 500, 1)
    assert leases.lapse_reason(terms, Money(499, 0)) == (Reason.FUNDS, Cause.RENTER)
    assert leases.lapse_reason(terms, Money(500, 0)) == (Reason.TERM, Cause.RENTER)
    assert leases.lapse_reason(replace(terms, notice=True), Money(500, 0)) == (Reason.HOST_NOTICE, Cause.HOST)


def test_nothing_can_be_claimed_of_a_short_lease() -> None:
    start = CALENDAR.start(2) + 1
    terms = Terms(1, 1, NODE, 0, start, 10_000, 1).with_stop(99, Reason.TERM, Cause.RENTER)
    assert leases.is_harmless(terms, Sheet(60, 0, 60, 100), CALENDAR)
    assert not leases.is_harmless(terms, Sheet(60, 0, 60, 99), CALENDAR)
    table = 9_900 << 112 | 1
    whole = CALENDAR.start(3) + CALENDAR.period_seconds - start
    for after, harmless in ((whole - 1, True), (whole, False)):
        stopped = terms.with_stop(after, Reason.TERM, Cause.RENTER)
        assert leases.is_harmless(stopped, Sheet(60, 0, 60, leases.NO_LIMIT, table), CALENDAR) is harmless
        assert leases.is_harmless(stopped, Sheet(60, 0, 60), CALENDAR)


def test_no_exit_waits_for_ever() -> None:
    """I8"""

    def gone(now: int, usable_at: int) -> bool:
        return leases.is_abandoned(1_000, now, 50, CALENDAR, usable_at)

    assert not gone(1_049, 0) and gone(1_050, 0)
    assert not gone(1_099, 5_000) and gone(1_100, 5_000)
    assert not gone(1_100, 1_100), "a usable report gives a proof"
    assert not gone(1_100, 1), "a root that left the ring was usable"
    ring = 2_048 * CALENDAR.epoch_seconds
    assert not gone(999 + ring, 1) and gone(1_000 + ring, 1)


def test_words_survive_packing() -> None:
    terms = Terms(
        2**64 - 1,
        2**8 - 1,
        2**24 - 1,
        2**24 - 1,
        2**40 - 1,
        2**28 - 1,
        2**32 - 1,
        2**28 - 1,
        Reason.CLUSTER,
        Cause.INDETERMINATE,
        True,
        True,
    )
    assert Terms.unpack(terms.pack()) == terms
    for base in (None, 0, -5, 2**31 - 1, -(2**31) + 1):
        money = Money(2**96 - 1, 2**96 - 1, 2**32 - 1, base)
        assert Money.unpack(money.pack()) == money
    assert Party.unpack(Party(2**160 - 1, 2**64 - 1).pack()) == Party(2**160 - 1, 2**64 - 1)
    sheet = Sheet(1, 2, 3, leases.NO_LIMIT, 9_900 << 112 | 1_000 << 96 | 9_000 << 80 | 5_000 << 64)
    assert Sheet.unpack(sheet.pack()) == sheet and sheet.steps == ((9_900, 1_000), (9_000, 5_000))
    assert leases.least_prepaid(Sheet(60, 0, 60), 300) == 300 and leases.least_prepaid(Sheet(60, 900, 900), 300) == 900


@pytest.mark.parametrize("bad", [Money(0, 0, 0, -(2**31)), Money(2**96, 0), Money(0, 0, 2**32)])
def test_what_does_not_fit_is_refused(bad: Money) -> None:
    with pytest.raises(ValueError):
        bad.pack()


def test_every_reason_has_words_for_people() -> None:
    assert set(leases.REASON_TEXT) == set(Reason)
    assert set(Reason) > leases.HOST_REASONS

"""A quorum that lies on the reference model: what it costs is within the bound of SECURITY.md, and reaches it."""

from __future__ import annotations

import contextlib
import random
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from keepers.protocol import report
from keepers.protocol.collusion import (
    SEVEN,
    LeaseReach,
    Reach,
    Worked,
    bond_usd,
    held_open,
    lease_reach,
    lost_share,
    price_factor,
    total,
)
from keepers.protocol.leases import Money, Reason, Sheet, Terms
from keepers.protocol.merge import Merged, quorum
from keepers.protocol.rebuild import EpochLog
from keepers.protocol.records import FULL_MASK, Part, Record
from keepers.protocol.refute import find
from keepers.protocol.stake import value_of
from keepers.protocol.units import GWEI, WAD, credits_for
from keepers.protocol.uptime_tree import UptimeTree
from keepers.simulate.state import Revert
from scripts._profile import load_profile
from tests.keepers.roles.town import PRICE, RENTER, Town, number

RATE, GPUS = 10**14, 2
DAY, HOUR = 86_400, 3_600
LIMIT = 1_800  # downtime after which anyone may stop a lease for its host


class Liars(Town):
    """The town without its keepers: three of four seats sign whatever they like, and everybody else sleeps."""

    def _start(self) -> None:
        self.clock = _Now(self)  # type: ignore[assignment]
        self.app = _Asleep()  # type: ignore[assignment]
        self.tree = UptimeTree()
        self.states = [self.tree.snapshot()]

    def lie(self, masks: dict[int, int], price: int = PRICE, forged: UptimeTree | None = None) -> None:
        """The next report: the nodes named were down in those slots, all others up, and the token costs `price`. With
        `forged` its root is that tree's, whatever the records give."""
        w, hub, tree = self.world, self.world.hub, self.tree
        e = hub.last_epoch + 1
        w.warp(max(w.now, self.calendar.end(e) + 120))
        records = []
        for i in range(self.nodes):
            mask = masks.get(i, 0)
            u = int(mask == FULL_MASK)
            if (mask, u) != tree.leaf(i).prediction:
                records.append(Record(i, 0, u, mask))
        built = report.build(
            tree, Merged((), 0, price, tuple(records)), count=self.nodes, view=0, challenged=hub._challenged(e)
        )
        if forged is not None:
            built = replace(built, root=forged.root, parts=(Part(built.data, forged.root),))
        digest = built.digest(1, hub.domain)
        sigs = {i: self.seat_keys[i].sign_digest(digest) for i in range(quorum(self.seats))}
        who, packed = report.pack_signatures({i: _v27(s) for i, s in sigs.items()})
        w.call(
            "hub", "report", e, built.previous, built.root, built.facts.pack(), [], built.data, who, packed, sender=1
        )
        self.states.append(tree.snapshot() if forged is None else replace(forged.snapshot(), header=tree.header))

    def through(self, epoch: int, masks: dict[int, int], price: int = PRICE) -> None:
        """The same through an epoch."""
        while self.world.hub.last_epoch < epoch:
            self.lie(masks, price)

    def usable(self, epoch: int) -> None:
        """Until that epoch moves money. Nothing is reported meanwhile."""
        self.world.warp(max(self.world.now, self.world.hub.usable_at(epoch)))

    def proof(self, node: int, epoch: int) -> tuple[int, int, list[bytes]]:
        """(header, leaf, siblings)."""
        tree = UptimeTree.at(self.states[epoch])
        return tree.header.pack(), tree.word(node), tree.proof(node)

    def finish(self, lease: int) -> None:
        """Anchor, settle all that is due, and end a lease whose last epoch is usable."""
        escrow, terms = self.world.escrow, self.terms(lease)
        if not terms.stopped:
            self.world.call("escrow", "stop", lease, 0, sender=1)  # it has lapsed
        first = self.calendar.epoch(terms.start)
        if escrow.moneys[lease].base is None:
            self.world.call("escrow", "anchor", lease, *self.proof(terms.node, first), sender=1)
        last = self.calendar.epoch(escrow.until(lease) - 1)
        self.world.call("escrow", "finish", lease, *self.proof(terms.node, last), sender=RENTER)

    def terms(self, lease: int) -> Terms:
        found = self.world.escrow.leases[lease]
        assert found is not None
        return found

    def tally(self, provider: int) -> int:
        """Credits of a provider in all periods."""
        return sum(b.credits for (key, _), b in self.world.escrow.tallies.items() if key == provider)

    def bond(self, lease: int) -> int:
        """What the bond of a lease is worth, USD wei."""
        party, own = self.world.escrow.parties[lease], self.world.pool.bucket[self.terms(lease).provider]
        return credits_for(value_of(party.bond, own.assets, own.shares) * GWEI, PRICE)


class _Now:
    """The town's clock is the world's."""

    def __init__(self, town: Town) -> None:
        self._town = town

    def now(self) -> int:
        return self._town.world.now


class _Asleep:
    def pulse(self) -> None:
        """Nobody acts."""


def _v27(signature: bytes) -> bytes:
    from keepers.wire.signatures import compact

    return compact(signature)


def ready(dark_limit: int) -> Liars:
    """One node, active, and nothing rented yet."""
    town = Liars(nodes=1, dark_limit=dark_limit)
    town.lie({})
    town.usable(1)
    town.world.call("standing", "activate", 0, *town.proof(0, 1), sender=1)
    town.lie({})
    return town


@pytest.fixture
def liars() -> Liars:
    """The same with the default profile's downtime limit."""
    return ready(LIMIT)


def reach(town: Liars, lease: int, noticed: int) -> LeaseReach:
    """The bound for a lease, now."""
    sheet = town.world.escrow.sheets[0]
    assert sheet is not None
    money = town.world.escrow.moneys[lease]
    return lease_reach(town.terms(lease), money, sheet, town.bond(lease), town.world.now, noticed)


def end_of(town: Liars, lease: int) -> int:
    """The last epoch that the lease rests on."""
    return town.calendar.epoch(town.world.escrow.until(lease) - 1)


# ---- uptime


def test_called_up_while_it_was_down__unwatched__all_that_is_paid_ahead(liars: Liars) -> None:
    """The machine is dead from the first second, the quorum says otherwise, and no renter looks for a day."""
    lease = liars.rent(0, DAY, GPUS, RATE)
    bound = reach(liars, lease, noticed=10 * DAY)
    liars.through(end_of(liars, lease), {})
    liars.usable(end_of(liars, lease))
    liars.finish(lease)
    lost = liars.tally(liars.terms(lease).provider)  # paid for not one second of work
    assert lost == bound.rent == RATE * GPUS * DAY == bound.credits


@pytest.mark.parametrize("noticed", [300, HOUR, 5 * HOUR + 7])
def test_called_up_while_it_was_down__until_the_renter_stops(liars: Liars, noticed: int) -> None:
    lease = liars.rent(0, DAY, GPUS, RATE)
    bound = reach(liars, lease, noticed)
    liars.world.warp(liars.terms(lease).start + noticed)
    liars.stop(lease)
    liars.through(end_of(liars, lease), {})
    liars.usable(end_of(liars, lease))
    liars.finish(lease)
    assert liars.tally(liars.terms(lease).provider) == bound.rent == RATE * GPUS * noticed


def test_called_down_while_it_was_up__the_rent_and_the_bond(liars: Liars) -> None:
    """The machine worked all day. Nobody is paid, and whoever likes stops the lease for its host."""
    lease = liars.rent(0, DAY, GPUS, RATE)
    bound = reach(liars, lease, noticed=10 * DAY)
    provider = liars.terms(lease).provider
    before = liars.world.pool.bucket[provider].assets
    first = liars.calendar.epoch(liars.terms(lease).start)
    liars.through(end_of(liars, lease), {0: FULL_MASK})
    liars.usable(end_of(liars, lease))
    last = end_of(liars, lease)
    liars.world.call("escrow", "anchor", lease, *liars.proof(0, first), sender=1)
    liars.world.call("escrow", "stop_dark", lease, *liars.proof(0, first), *liars.proof(0, last), sender=1)
    assert liars.terms(lease).reason is Reason.HOST_DOWN
    liars.finish(lease)
    fallen = credits_for((before - liars.world.pool.bucket[provider].assets) * GWEI, PRICE)
    denied = bound.credits - liars.tally(provider)
    assert liars.tally(provider) == 0 and denied == bound.rent
    assert fallen <= bound.bond and fallen >= bound.bond * 999 // 1000
    assert denied + fallen <= total([bound], 0).uptime
    sheet = liars.world.escrow.sheets[0]
    assert sheet is not None and 0 <= bound.bond - bond_usd(sheet, RATE * GPUS) < WAD // 10**6


@pytest.mark.parametrize("seed", range(12))
def test_whatever_is_said_and_whatever_was__within_the_bound(seed: int) -> None:
    """Random truths, random lies, random attention: rent paid for dark seconds, denied to bright ones, the bond."""
    rng = random.Random(seed)
    liars = ready(rng.choice((LIMIT, 2**32 - 1)))
    lease = liars.rent(0, DAY, GPUS, RATE)
    noticed = rng.choice((300, rng.randrange(300, DAY), 2 * DAY))
    bound = reach(liars, lease, noticed)
    provider, start = liars.terms(lease).provider, liars.terms(lease).start
    before = liars.world.pool.bucket[provider].assets
    if noticed < DAY:
        liars.world.warp(start + noticed)
        liars.stop(lease)
    stop = liars.world.escrow.until(lease)
    truth, told = {}, {}
    for epoch in range(liars.world.hub.last_epoch + 1, end_of(liars, lease) + 1):
        truth[epoch], told[epoch] = (rng.choice((0, FULL_MASK, rng.getrandbits(12))) for _ in range(2))
        liars.lie({0: told[epoch]})
    last, first = end_of(liars, lease), liars.calendar.epoch(start)
    liars.usable(last)
    liars.world.call("escrow", "anchor", lease, *liars.proof(0, first), sender=1)
    with contextlib.suppress(Revert):  # it was not called down for as long as that
        liars.world.call("escrow", "stop_dark", lease, *liars.proof(0, first), *liars.proof(0, last), sender=1)
    liars.finish(lease)
    wrong = sum(
        (truth[e] ^ told[e]) >> k & 1 for e, k in (liars.calendar.slot_of(second) for second in range(start, stop))
    )
    paid = sum(not told[e] >> k & 1 for e, k in (liars.calendar.slot_of(second) for second in range(start, stop)))
    assert liars.tally(provider) == RATE * GPUS * paid
    fallen = credits_for((before - liars.world.pool.bucket[provider].assets) * GWEI, PRICE)
    assert RATE * GPUS * wrong <= bound.rent and fallen <= bound.bond
    assert RATE * GPUS * wrong + fallen <= total([bound], 0).uptime


def test_called_down_where_it_checked_in__falls(liars: Liars) -> None:
    """A node that is left out against the truth has a way: nothing is lost but its gas."""
    e = liars.calendar.epoch(liars.world.now) + 1
    liars.through(e - 1, {})
    liars.world.warp(max(liars.world.now, liars.calendar.start(e) + 5))
    liars.world.call("hub", "check_in", 0, sender=number(liars.node_keys[0]))
    before = UptimeTree.at(liars.states[-1])
    liars.lie({0: FULL_MASK})
    header, leaf, proof = liars.proof(0, e)
    liars.world.call(
        "refuter", "refute_checkin", 0, 0, header, leaf, proof, before.header.pack(), before.root, sender=1
    )
    assert liars.world.hub.last_epoch == e - 1 and liars.world.hub.cancels(e) == 1


def test_a_root_of_its_own__watched_by_nobody__all_that_lies_in_the_lease(liars: Liars) -> None:
    """The node was dark for the whole lease and reported so; then one root says that it never was."""
    lease = liars.rent(0, DAY, GPUS, RATE)
    bound = reach(liars, lease, noticed=10 * DAY)
    never_down = UptimeTree.at(liars.states[-1])
    last = end_of(liars, lease)
    liars.through(last - 1, {0: FULL_MASK})
    honest = UptimeTree.at(liars.states[-1])
    liars.lie({0: FULL_MASK}, forged=never_down)
    log = EpochLog(liars.tree.header.pack(), never_down.root, ((b"", never_down.root),))
    assert find(honest, log, 0, generation=1) is not None, "one watcher would have been enough"
    liars.usable(last)
    liars.finish(lease)
    assert liars.tally(liars.terms(lease).provider) == bound.credits <= total([bound], 0).all


# ---- price


def test_price_told_too_high__a_tally_loses_all_but_one_xth(liars: Liars) -> None:
    """Honest until the period of the tally is over; then every report tells a price far outside the bound, so that no
    report closes the period before its grace is over."""
    w = liars.world
    p, fee, peg = w.parameters, w.parameters.fee, w.parameters.peg
    lease = liars.rent(0, 6 * HOUR, GPUS, RATE)
    provider = liars.terms(lease).provider
    liars.through(end_of(liars, lease), {})
    liars.usable(end_of(liars, lease))
    liars.finish(lease)
    period = liars.calendar.period(w.now)
    y = w.escrow.tallies[provider, period].credits
    liars.through((period + 1) * p.epochs_per_period - 1, {})
    assert w.hub.price_word.spot == PRICE and w.hub.periods[period].price == 0
    told = 0
    while w.hub.periods[period].price == 0:
        liars.lie({}, 100 * PRICE)
        told += 1
    assert told == held_open(p.grace)
    factor = price_factor(p.bound, told)
    assert 0 <= factor - Fraction(w.hub.periods[period].price, PRICE) < Fraction(1, 10**9)
    w.warp(w.now + p.dispute * liars.calendar.epoch_seconds + 1)
    minted = w.call("engine", "redeem", provider, [period], sender=1)
    fair = (y - -(-y * fee // 10_000)) * peg // 10_000 * 10**12 // PRICE
    lost = 1 - Fraction(minted, fair)
    assert abs(lost_share(factor) - lost) < Fraction(1, 10**9)  # a wei of rounding


def test_price_told_too_low__mints_no_more_than_was_burned(liars: Liars) -> None:
    lease = liars.rent(0, 6 * HOUR, GPUS, RATE)
    burned = liars.world.escrow.moneys[lease].backing
    provider = liars.terms(lease).provider
    liars.through(end_of(liars, lease), {}, 1)
    liars.usable(end_of(liars, lease))
    liars.finish(lease)
    period = liars.calendar.period(liars.world.now)
    while liars.world.hub.periods[period].price == 0:
        liars.lie({}, 1)
    liars.world.warp(liars.world.now + 2 * liars.calendar.epoch_seconds)
    minted = liars.world.call("engine", "redeem", provider, [period], sender=1)
    assert 0 < minted <= burned * liars.world.parameters.cap // 10_000


# ---- the figures


def test_worked__the_default_profile_is_what_is_worked_out() -> None:
    profile = load_profile("default")
    worked, sheet = Worked(), profile.sheets[0]
    assert worked.sheet == Sheet(sheet.notice_s, sheet.min_seconds, sheet.prepay_s, sheet.dark_limit_s)
    assert (worked.bound, worked.grace) == (profile.price.bound_bps, profile.lengths.grace_epochs)
    assert worked.price == profile.price.first_usd and SEVEN.bond == profile.committee.bond_tokens


def test_worked__figures_that_security_md_quotes() -> None:
    worked = Worked()
    assert worked.rent(worked.sheet.prepay) + worked.bonds == 2_712_000 * WAD
    assert worked.rent(HOUR) == 16_000 * WAD and worked.rent(1) == worked.rent(300)
    assert worked.committee.penalty(worked.price) == (2_500 * WAD, 25_000 * WAD)
    text = (Path(__file__).resolve().parents[3] / "SECURITY.md").read_text(encoding="utf-8")
    for figure in ("$ 2,712,000", "$ 40,000", "$ 2,500", "$ 25,000", "10.83", "90.8 %"):
        assert figure in text, figure


def test_reach__ended_leases_and_those_that_cannot_be_stopped_yet() -> None:
    terms = Terms(rate=2, gpus=3, node=0, provider=0, start=1_000, duration=10_000, sheet=0)
    sheet, money = Sheet(HOUR, 2_000, DAY), Money(60_000, 1)
    assert lease_reach(terms, money, sheet, 5, 1_000, 10) == LeaseReach(6 * 2_000, 60_000, 5)
    assert lease_reach(terms, money, sheet, 5, 9_000, 10**6) == LeaseReach(6 * 2_000, 60_000, 5)
    assert lease_reach(replace(terms, finished=True), money, sheet, 5, 1_000, 10) == LeaseReach(0, 0, 0)
    assert total([LeaseReach(1, 2, 3), LeaseReach(0, 0, 0)], 7) == Reach(1, 1, 2, 3, 7)

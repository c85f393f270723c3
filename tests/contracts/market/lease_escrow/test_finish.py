"""finish: last settlement, rest home, bond ended; by whom, when, and what where no report comes."""

import boa
import pytest

from tests.contracts.market.support import FIRST, HIGH, OFFSET, PER_SECOND, events
from tests.support.actors import PROVIDER, RENTER, STRANGER
from tests.support.constants import DAY, GWEI, RING

CLAIM, ABANDON = 3 * DAY, 7 * DAY
BOND = 10**9


def finish(w, id, e, sender=RENTER, node=0):
    w.escrow.finish(id, *w.leaf(e, node), sender=sender.address)


def bare(w, id, sender=STRANGER):
    w.escrow.finish(id, 0, 0, [], sender=sender.address)


@pytest.fixture
def stopped(world, lease):
    """Stopped by the renter 5,000 s after its start (1,850 s into epoch 11); epochs 10 and 11 reported, anchored."""
    w = world
    w.after(5000)
    w.escrow.stop(lease, 0, sender=RENTER.address)
    w.report({0: 0b100})
    w.report({0: 0b110000010})  # slot 1; slots 7 and 8 come after the stop
    w.anchor(lease)
    return lease


def test_default(world, stopped):
    w = world
    c, k = w.purse()
    credits, backing, *_ = w.money(stopped)
    finish(w, stopped, FIRST + 1)
    (settled,), (log,) = events(w.escrow, "Settled"), events(w.escrow, "Finished")
    (ended,) = events(w.escrow, "BondEnded")
    seconds = 5000 - 300 - 300
    x = PER_SECOND * seconds
    kx = backing * x // credits
    assert (settled.seconds, settled.credits, settled.backing, settled.bounty) == (seconds, x, kx, 0)
    assert (log.id, log.epoch, log.refund, log.backing) == (stopped, FIRST + 1, credits - x, backing - kx)
    assert (log.bond, log.taken, log.limit) == (BOND, 0, 0)
    assert (ended.provider, ended.shares, ended.taken, ended.to) == (1, BOND, 0, RENTER.address)
    assert w.tally() == (x, kx)
    assert w.purse() == (c + credits - x, k + backing - kx)
    assert w.money(stopped)[:3] == (0, 0, seconds)
    assert w.terms(stopped)["finished"] == 1
    assert w.pool.locked(1) == 0
    w.check_ledger()


def test_is_worth_the_same_after_any_settlements(world, stopped):
    w = world
    with boa.env.anchor():
        finish(w, stopped, FIRST + 1)
        whole = w.purse()[0], w.tally()[0]
    w.settle(stopped, FIRST)
    w.settle(stopped, FIRST + 1)
    finish(w, stopped, FIRST + 1)
    assert (w.purse()[0], w.tally()[0]) == whole


def test_anybody_at_once_where_nothing_can_be_claimed(world, stopped):
    """The sheet has no limit and no table."""
    w = world
    finish(w, stopped, FIRST + 1, STRANGER)
    assert w.terms(stopped)["finished"] == 1


def claimable(w, limit=1800, table=0):
    id = w.open(node=1, sheet=w.sheet(limit=limit, table=table))
    w.after(5000)
    w.escrow.stop(id, 0, sender=RENTER.address)
    w.report_until(FIRST + 1)
    w.anchor(id, node=1)
    return id


def test_others_wait_for_claim_where_a_limit_could_be_passed(world):
    w = world
    id = claimable(w)
    w.at(w.parameters.end(FIRST + 1) + CLAIM - 1)
    with boa.reverts("escrow: claims are open"):
        finish(w, id, FIRST + 1, STRANGER, 1)
    w.after(1)
    finish(w, id, FIRST + 1, STRANGER, 1)
    assert w.terms(id)["finished"] == 1


def test_renter_need_not_wait(world):
    w = world
    id = claimable(w)
    finish(w, id, FIRST + 1, RENTER, 1)
    assert w.terms(id)["finished"] == 1


@pytest.mark.parametrize("limit, at_once", [(5000, False), (5001, True)])
def test_at_once_only_if_it_lasted_less_than_the_limit(world, limit, at_once):
    w = world
    id = claimable(w, limit)
    if at_once:
        finish(w, id, FIRST + 1, STRANGER, 1)
        assert w.terms(id)["finished"] == 1
    else:
        with boa.reverts("escrow: claims are open"):
            finish(w, id, FIRST + 1, STRANGER, 1)


@pytest.mark.parametrize("length, at_once", [(25 * 3600 - OFFSET - 1, True), (25 * 3600 - OFFSET, False)])
def test_whole_window_of_a_table_waits(world, length, at_once):
    """The first whole epoch is 11; 24 of them end with epoch 34."""
    w = world
    table = (9_900 << 16 | 1_000) << 96
    id = w.open(node=1, sheet=w.sheet(table=table))
    w.after(length)
    w.escrow.stop(id, 0, sender=RENTER.address)
    w.report_until(FIRST + 24)
    w.anchor(id, node=1)
    if at_once:
        finish(w, id, FIRST + 24, STRANGER, 1)
        assert w.terms(id)["finished"] == 1
    else:
        with boa.reverts("escrow: claims are open"):
            finish(w, id, FIRST + 24, STRANGER, 1)


def host_exit(w, elapsed, sheet, prepaid=2 * DAY):
    id = w.open(sheet=sheet, prepaid=prepaid)
    w.after(elapsed)
    w.escrow.stop(id, 0, sender=PROVIDER.address)
    return id


@pytest.mark.parametrize(
    "notice, least, elapsed",
    [(3600, 0, 100), (3600, DAY, 0), (3600, DAY, 1), (3600, DAY, 7201), (7200, DAY, DAY - 7200), (7200, DAY, DAY + 5)],
)
def test_forfeit_of_an_exit_without_notice(world, notice, least, elapsed):
    w = world
    id = host_exit(w, elapsed, w.sheet(notice=notice, min_seconds=least))
    whole = max(notice, least)
    taken = -(-BOND * max(notice, least - elapsed) // whole)
    if elapsed == 0:
        bare(w, id)
    else:
        e = w.parameters.epoch_of(w.now - 1)
        w.report_until(e)
        w.anchor(id)
        finish(w, id, e)
    (log,) = events(w.escrow, "Finished")
    assert (log.bond, log.taken, log.limit) == (BOND, taken, PER_SECOND * elapsed * 10**12 // HIGH // GWEI)
    assert w.tally()[0] == PER_SECOND * elapsed
    assert w.pool.locked(1) == 0


def test_log_of_a_forfeit(world):
    w = world
    id = host_exit(w, 7201, w.sheet(notice=3600, min_seconds=DAY))
    e = w.parameters.epoch_of(w.now - 1)
    w.report_until(e)
    w.anchor(id)
    w.price(spot=HIGH - 5, twap=HIGH)
    finish(w, id, e)
    (log,), (ended,) = events(w.escrow, "Finished"), events(w.escrow, "BondEnded")
    taken = -(-BOND * (DAY - 7201) // DAY)
    limit = PER_SECOND * 7201 * 1000 // HIGH
    assert (log.bond, log.taken, log.limit) == (BOND, taken, limit)
    assert (ended.shares, ended.taken, ended.to, ended.limit) == (BOND, taken, RENTER.address, limit)
    # I12: worth at most what was paid
    assert limit * GWEI * HIGH // 10**12 <= PER_SECOND * 7201


def test_dead_oracle_means_the_last_price(world):
    w = world
    id = host_exit(w, 3600, w.sheet())
    e = w.parameters.epoch_of(w.now - 1)
    w.report_until(e)
    w.anchor(id)
    w.price(stamp=0, flags=3)
    finish(w, id, e)
    assert events(w.escrow, "Finished")[0].limit == PER_SECOND * 3600 * 1000 // HIGH


def test_lease_without_bond(world):
    w = world
    id = w.open(bond=0)
    w.escrow.stop(id, 0, sender=PROVIDER.address)
    bare(w, id)
    assert events(w.escrow, "BondEnded") == []
    assert w.terms(id)["finished"] == 1


def test_length_0_needs_no_proof(world, lease):
    w = world
    c, k = w.purse()
    held = w.money(lease)[:2]
    w.escrow.stop(lease, 0, sender=PROVIDER.address)
    bare(w, lease)
    assert events(w.escrow, "Finished")[0].epoch == 0
    assert w.purse() == (c + held[0], k + held[1])


def test_length_0_takes_no_proof(world, lease):
    w = world
    w.escrow.stop(lease, 0, sender=PROVIDER.address)
    w.report()
    with boa.reverts("escrow: length 0 needs no proof"):
        finish(w, lease, FIRST)


def lapse(w, prepaid=5000):
    id = w.open(prepaid=prepaid)
    w.after(prepaid)
    w.escrow.stop(id, 0, sender=STRANGER.address)
    return id


def test_without_any_report_after_abandon(world):
    w = world
    id = lapse(w)
    stop = w.now
    w.at(stop + ABANDON - 1)
    with boa.reverts("escrow: finish needs a proof"):
        bare(w, id)
    w.after(1)
    c, _ = w.purse()
    bare(w, id)
    assert w.purse()[0] == c + 5000 * PER_SECOND
    w.check_ledger()


def test_settled_part_stays_paid_without_a_report(world):
    w = world
    id = lapse(w)
    stop = w.now
    w.report()
    w.anchor(id)
    w.settle(id, FIRST)
    paid = w.tally()
    period = w.period
    w.at(stop + ABANDON)
    bare(w, id)
    assert w.tally(period=period) == paid
    assert w.money(id)[2] == 3600 - OFFSET


def test_report_that_stands_but_is_not_usable_after_twice_abandon(world):
    w = world
    id = lapse(w)
    stop = w.now
    w.report_until(FIRST + 1)
    w.hub.set_root(FIRST + 1, w.uptime.word, stop + 3 * ABANDON)
    w.at(stop + 2 * ABANDON - 1)
    with boa.reverts("escrow: finish needs a proof"):
        bare(w, id)
    w.after(1)
    bare(w, id)
    assert w.terms(id)["finished"] == 1


def test_usable_report_is_not_passed_over(world):
    w = world
    id = lapse(w)
    stop = w.now
    w.report_until(FIRST + 1)
    w.at(stop + RING * 3600 - 1)
    with boa.reverts("escrow: finish needs a proof"):
        bare(w, id)
    w.after(1)
    bare(w, id)
    assert w.terms(id)["finished"] == 1


def test_root_that_left_the_ring_was_usable(world):
    w = world
    id = lapse(w)
    stop = w.now
    w.report_until(FIRST + 1)
    w.hub.set_last(FIRST + 2 + RING, FIRST + 2 + RING)
    w.at(stop + 2 * ABANDON)
    with boa.reverts("escrow: finish needs a proof"):
        bare(w, id)
    w.at(stop + RING * 3600)
    bare(w, id)
    assert w.terms(id)["finished"] == 1


def test_at_the_very_end_of_an_epoch_the_epoch_before_counts(world):
    w = world
    id = lapse(w, 7200 - OFFSET)
    w.report_until(FIRST + 2)
    w.anchor(id)
    with boa.reverts("escrow: not the stop's epoch"):
        finish(w, id, FIRST + 2)
    finish(w, id, FIRST + 1)
    assert w.tally()[0] == PER_SECOND * (7200 - OFFSET)


def test_reverts_running(world, lease):
    world.report()
    with boa.reverts("escrow: still running"):
        finish(world, lease, FIRST)


def test_reverts_unknown(world):
    with boa.reverts("escrow: no such lease"):
        bare(world, 1)


def test_reverts_twice(world, stopped):
    finish(world, stopped, FIRST + 1)
    with boa.reverts("escrow: finished"):
        finish(world, stopped, FIRST + 1)


def test_reverts_other_epoch(world, stopped):
    with boa.reverts("escrow: not the stop's epoch"):
        finish(world, stopped, FIRST)


def test_reverts_without_anchor(world):
    w = world
    id = lapse(w)
    w.report_until(FIRST + 1)
    with boa.reverts("escrow: no anchor"):
        finish(w, id, FIRST + 1)


def test_reverts_forged(world, stopped):
    w = world
    header, leaf, proof = w.leaf(FIRST + 1)
    with boa.reverts("escrow: proof"):
        w.escrow.finish(stopped, header, leaf ^ 2, proof, sender=RENTER.address)


def test_reverts_not_usable(world, stopped):
    w = world
    w.hub.set_root(FIRST + 1, w.uptime.word, w.now + 1)
    with boa.reverts("hub: not usable"):
        finish(w, stopped, FIRST + 1)

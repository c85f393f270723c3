"""stop_dark: two leaves prove more fault within a lease than its sheet allows."""

import boa
import pytest

from tests.contracts.market.support import FIRST, HOST_DOWN, OFFSET, PER_SECOND, RENTER_CLOSED, events
from tests.support.actors import OPERATOR, PROVIDER, RENTER, STRANGER
from tests.support.constants import RING

LIMIT = 1800


@pytest.fixture
def dark(world):
    """A lease of node 0 under a sheet that allows 1,800 seconds of fault."""
    return world.open(sheet=world.sheet(limit=LIMIT))


def prove(w, id, e, e0=FIRST):
    w.escrow.stop_dark(id, *w.leaf(e0), *w.leaf(e), sender=STRANGER.address)


def test_default(world, dark):
    w = world
    w.report()
    w.report({0: 0b1111111})  # 2,100 s
    w.after(100)
    c, _ = w.purse()
    credits = w.money(dark)[0]
    prove(w, dark, FIRST + 1)
    (log,) = events(w.escrow, "Stopped")
    after = 7200 - OFFSET + 100
    assert (log.id, log.by, log.reason, log.cause, log.after) == (dark, STRANGER.address, HOST_DOWN, 1, after)
    assert log.refund == credits - after * PER_SECOND
    assert w.purse()[0] == c + log.refund
    assert w.terms(dark)["reason"] == HOST_DOWN
    assert w.reserved() == 0
    w.check_ledger()


def test_at_the_limit_not_yet(world, dark):
    w = world
    w.report()
    w.report({0: 0b111111})
    with boa.reverts("escrow: not dark for so long"):
        prove(w, dark, FIRST + 1)


def test_downtime_before_the_start_does_not_count(world, dark):
    w = world
    w.report({0: 0b1111111})  # slot 0 and half of slot 1 lie before the lease: 1,650 s within
    assert w.uptime.true_fault(FIRST, 0, 3600) - w.uptime.true_fault(FIRST, 0, OFFSET) == 1650
    with boa.reverts("escrow: not dark for so long"):
        prove(w, dark, FIRST)


def test_void_and_indeterminate_slots_are_no_fault(world, dark):
    w = world
    w.report()
    w.report(void=True)
    w.report({0: 0b111111111}, indet=0b111)
    with boa.reverts("escrow: not dark for so long"):
        prove(w, dark, FIRST + 2)
    w.report({0: 0b1})
    prove(w, dark, FIRST + 3)


def test_lapsed_stops_at_the_lapse(world):
    w = world
    id = w.open(prepaid=3600, sheet=w.sheet(limit=LIMIT))
    w.report({0: 0xFF0})
    w.report_until(FIRST + 2)
    prove(w, id, FIRST)
    assert (w.terms(id)["length"], w.terms(id)["reason"]) == (3600, HOST_DOWN)


def test_nothing_after_the_effective_stop_counts(world):
    w = world
    id = w.open(prepaid=3600, sheet=w.sheet(limit=LIMIT))  # ends at 4,050 s of epoch 10: 450 s into 11
    w.report()
    w.report({0: 0b111111110})  # only 150 s of it before the lapse
    with boa.reverts("escrow: not dark for so long"):
        prove(w, id, FIRST + 1)
    w.report({0: 0xFFF})
    with boa.reverts("escrow: dark after the stop"):
        prove(w, id, FIRST + 2)


def test_gives_its_reason_to_a_lease_stopped_by_the_renter(world, dark):
    w = world
    w.report({0: 0b111111110000})
    w.after(3600)
    w.escrow.stop(dark, 0, sender=RENTER.address)
    before = w.terms(dark)
    assert before["reason"] == RENTER_CLOSED
    money = w.money(dark)
    prove(w, dark, FIRST)
    (log,) = events(w.escrow, "Stopped")
    assert (log.reason, log.after, log.refund, log.backing) == (HOST_DOWN, before["length"], 0, 0)
    after = w.terms(dark)
    assert (after["reason"], after["cause"], after["length"]) == (HOST_DOWN, 1, before["length"])
    assert w.money(dark) == money


def test_a_lease_under_notice_keeps_its_mark(world, dark):
    w = world
    w.escrow.give_notice(dark, sender=OPERATOR.address)
    w.report({0: 0b111111110000})
    w.after(3600)
    w.escrow.stop(dark, 0, sender=STRANGER.address)
    prove(w, dark, FIRST)
    assert (w.terms(dark)["reason"], w.terms(dark)["notice"]) == (HOST_DOWN, 1)


def test_counts_from_the_oldest_epoch_once_the_start_left_the_ring(world, dark):
    w = world
    w.report({0: 0b111100})
    w.report({0: 0b111111})
    w.report({0: 0b1})
    w.hub.set_last(FIRST + 2, FIRST + RING)  # epoch 10 is out
    with boa.reverts("escrow: not the anchor's epoch"):
        prove(w, dark, FIRST + 2, FIRST + 2)
    prove(w, dark, FIRST + 2, FIRST + 1)
    assert w.terms(dark)["reason"] == HOST_DOWN


def test_reverts_without_limit(world, lease):
    w = world
    w.report({0: 0xFFF})
    with boa.reverts("escrow: sheet has no dark limit"):
        prove(w, lease, FIRST)


def test_reverts_stopped_for_the_host(world, dark):
    w = world
    w.report({0: 0xFF0})
    w.escrow.stop(dark, 0, sender=PROVIDER.address)
    with boa.reverts("escrow: stopped for the host"):
        prove(w, dark, FIRST)


def test_reverts_a_second_time(world, dark):
    w = world
    w.report({0: 0xFF0})
    prove(w, dark, FIRST)
    with boa.reverts("escrow: stopped for the host"):
        prove(w, dark, FIRST)


def test_reverts_finished(world, dark):
    w = world
    w.escrow.stop(dark, 0, sender=PROVIDER.address)
    w.escrow.finish(dark, 0, 0, [], sender=STRANGER.address)
    w.report({0: 0xFF0})
    with boa.reverts("escrow: finished"):
        prove(w, dark, FIRST)


def test_reverts_unknown(world):
    world.report()
    with boa.reverts("escrow: no such lease"):
        prove(world, 1, FIRST)


@pytest.mark.parametrize("which", [1, 4])
def test_reverts_forged(world, dark, which):
    w = world
    w.report({0: 0xFF0})
    args = [*w.leaf(FIRST), *w.leaf(FIRST)]
    args[which] ^= 1 << 96
    with boa.reverts("escrow: proof"):
        w.escrow.stop_dark(dark, *args, sender=STRANGER.address)

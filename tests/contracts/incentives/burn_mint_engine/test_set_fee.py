"""set_fee: from the next PERIOD on, within the bounds of deployment."""

import boa
import pytest

from tests.contracts.incentives.burn_mint_engine.formulas import R, expected, periods
from tests.contracts.market.support import DEPLOYER, FIRST, events
from tests.support.actors import STRANGER
from tests.support.constants import DAY

OWNER = {"sender": DEPLOYER.address}

ANYBODY = {"sender": STRANGER.address}

NOT_OWNER = "ownable: caller is not the owner"


def test_set_fee_default(world):
    w = world
    p = w.period
    w.engine.set_fee(300, 2_000, 1_000, **OWNER)
    (log,) = events(w.engine, "FeeSet")
    assert (log.old, log.new, log.attesters, log.builders, log.period) == (400, 300, 2_000, 1_000, p + 1)
    assert [w.engine.fee_of(q) for q in (0, p, p + 1, p + 9)] == [400, 400, 300, 300]
    assert w.engine.shares() == (2_000, 1_000)


def test_set_fee_keeps_every_fee(world):
    w = world
    fees, began = [400], [0]
    for fee in (700, 500, 900, 0, 400):
        began.append(w.period + 1)
        fees.append(fee)
        w.engine.set_fee(fee, 0, 0, **OWNER)
        w.after(3 * DAY)
    for p in range(w.period + 2):
        assert w.engine.fee_of(p) == fees[max(i for i, first in enumerate(began) if first <= p)]


def test_set_fee_in_two_periods_running_reprices_none_before(world):
    """p - 1 and p had ended or ran when the first change was made: neither pays the fee of a later one."""
    w = world
    w.after(2 * DAY)
    p = w.period
    w.engine.set_fee(100, 0, 0, **OWNER)
    w.after(DAY)
    w.engine.set_fee(900, 0, 0, **OWNER)
    assert [w.engine.fee_of(x) for x in (p - 1, p, p + 1, p + 2)] == [400, 400, 100, 900]


def test_set_fee_shares_alone_hold_at_once_and_are_no_change_of_the_fee(world):
    w = world
    p = w.period
    w.engine.set_fee(400, 1, 2, **OWNER)
    (log,) = events(w.engine, "FeeSet")
    assert (log.old, log.new, log.attesters, log.builders, log.period) == (400, 400, 1, 2, 0)
    w.engine.set_fee(300, 3, 4, **OWNER)
    # not refused as pending: the fee of the next period stays
    w.engine.set_fee(300, 5, 6, **OWNER)
    (log,) = events(w.engine, "FeeSet")
    assert (log.old, log.new, log.attesters, log.builders, log.period) == (300, 300, 5, 6, p + 1)
    assert w.engine.shares() == (5, 6)
    assert [w.engine.fee_of(x) for x in (p, p + 1)] == [400, 300]


def test_set_fee_reverts_unchanged(world):
    w = world
    with boa.reverts("engine: fee unchanged"):
        w.engine.set_fee(400, 3_000, 2_000, **OWNER)
    w.engine.set_fee(300, 3_000, 2_000, **OWNER)
    w.after(2 * DAY)
    with boa.reverts("engine: fee unchanged"):
        w.engine.set_fee(300, 3_000, 2_000, **OWNER)


def test_set_fee_reverts_when_too_many(world):
    w = world
    for i in range(128):
        w.engine.set_fee(i, 0, 0, **OWNER)
        w.after(DAY)
    with boa.reverts("engine: too many fees"):
        w.engine.set_fee(400, 0, 0, **OWNER)
    # the oldest is still found, and the shares still move
    assert (w.engine.fee_of(0), w.engine.fee_of(w.period)) == (400, 127)
    w.engine.set_fee(127, 1, 1, **OWNER)
    assert w.engine.shares() == (1, 1)


def test_set_fee_leaves_peg_and_hub_alone(world):
    w = world
    w.engine.set_peg(9_000, **OWNER)
    w.engine.set_hub(STRANGER.address, **OWNER)
    w.engine.set_fee(0, 0, 0, **OWNER)
    assert (w.engine.peg(), w.engine.hub()) == (9_000, STRANGER.address)
    assert (w.engine.peg_of(w.period), w.engine.hub_of(w.period)) == (9_500, STRANGER.address)
    assert w.engine.fee_of(w.period + 1) == 0


def test_set_fee_reverts_pending(world):
    w = world
    w.engine.set_fee(300, 0, 0, **OWNER)
    with boa.reverts("engine: a fee change is pending"):
        w.engine.set_fee(200, 0, 0, **OWNER)
    w.at(w.parameters.genesis + (w.period + 1) * DAY)
    w.engine.set_fee(200, 0, 0, **OWNER)
    assert w.engine.fee_of(w.period) == 300


@pytest.mark.parametrize(
    "fee, attesters, builders, why",
    [
        (901, 0, 0, "engine: fee too high"),
        (1, 3_001, 0, "engine: attesters share too high"),
        (1, 0, 2_001, "engine: builders' share too high"),
    ],
)
def test_set_fee_reverts_bounds(world, fee, attesters, builders, why):
    with boa.reverts(why):
        world.engine.set_fee(fee, attesters, builders, **OWNER)


def test_redeem_pays_the_fee_of_its_period(world):
    w = world
    id = w.open()
    w.report()
    w.anchor(id)
    w.settle(id, FIRST)
    p = w.period
    w.engine.set_fee(900, 0, 0, **OWNER)
    w.report_until(FIRST + 30)
    w.settle(id, FIRST + 30)
    for x in (p, w.period):
        w.hub.set_period(x, 2 * 10**12)
    credits = [w.tally(1, x)[0] for x in (p, w.period)]
    w.engine.redeem(1, [p, w.period], **ANYBODY)
    fees = [log.fee for log in events(w.engine, "Redeemed")]
    assert fees == [-(-credits[0] * 400 // 10_000), -(-credits[1] * 900 // 10_000)]


@pytest.mark.parametrize("later", [(0, 900), (900, 0), (100, 400, 0, 900, 1)])
def test_redeem_pays_the_fee_of_its_period_after_many_changes(earned, later):
    """Tallies older than every change pay what they were promised, whenever they are redeemed."""
    w = earned
    ps = periods(w)
    assert len(ps) == 3
    for fee in later:
        w.engine.set_fee(fee, 3_000, 2_000, **OWNER)
        w.after(DAY)
    want = [expected(*w.tally(1, p)) for p in ps]
    for p in ps:
        w.hub.set_period(p, R)
    assert w.engine.redeem(1, ps, **ANYBODY) == sum(minted for _, minted, *_ in want)
    assert [log.fee for log in events(w.engine, "Redeemed")] == [fee for fee, *_ in want]


def test_set_fee_reverts_from_anybody_but_the_owner(world):
    with boa.reverts(NOT_OWNER):
        world.engine.set_fee(0, 0, 0, **ANYBODY)

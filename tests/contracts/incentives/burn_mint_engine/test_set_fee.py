"""set_fee: from the next PERIOD on, within the bounds of deployment."""

import boa
import pytest

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


def test_set_fee_keeps_the_last_two_and_the_oldest_pay_the_lower(world):
    w = world
    p = w.period
    w.engine.set_fee(700, 0, 0, **OWNER)
    w.after(3 * DAY)
    q = w.period
    w.engine.set_fee(500, 0, 0, **OWNER)
    assert [w.engine.fee_of(x) for x in (p, p + 1, q, q + 1)] == [500, 700, 700, 500]
    w.after(3 * DAY)
    w.engine.set_fee(900, 0, 0, **OWNER)
    assert [w.engine.fee_of(x) for x in (p, q, q + 1, w.period, w.period + 1)] == [500, 500, 500, 500, 900]


def test_set_fee_leaves_peg_and_hub_alone(world):
    w = world
    w.engine.set_peg(9_000, **OWNER)
    w.engine.set_hub(STRANGER.address, **OWNER)
    w.engine.set_fee(0, 0, 0, **OWNER)
    assert (w.engine.peg(), w.engine.hub()) == (9_000, STRANGER.address)
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


def test_set_fee_reverts_from_anybody_but_the_owner(world):
    with boa.reverts(NOT_OWNER):
        world.engine.set_fee(0, 0, 0, **ANYBODY)

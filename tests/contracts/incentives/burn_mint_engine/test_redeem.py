"""redeem: tallies become tokens, fees go to the pots, all backing is retired."""

import boa
import pytest

from tests.contracts.incentives.burn_mint_engine.formulas import CAP, R, expected, periods, worth
from tests.contracts.market.support import events, number
from tests.support.actors import PAYOUT, SETTLER, STRANGER
from tests.support.constants import WAD


def test_default(earned):
    w = earned
    (p, *_) = periods(w)
    w.hub.set_period(p, R)
    y, k = w.tally(1, p)
    fee, minted, attesters, builders = expected(y, k)
    out, supply = w.engine.outstanding(w.escrow.address), w.token.totalSupply()
    assert w.engine.redeem(1, [p], sender=STRANGER.address) == minted
    (log,) = events(w.engine, "Redeemed")
    assert (log.ledger, log.key, log.period, log.to) == (w.escrow.address, 1, p, PAYOUT.address)
    assert (log.credits, log.backing, log.minted, log.fee) == (y, k, minted, fee)
    assert (log.attesters, log.builders) == (attesters, builders)
    assert w.token.balanceOf(PAYOUT.address) == minted
    assert w.token.totalSupply() == supply + minted
    assert w.engine.outstanding(w.escrow.address) == out - k
    assert w.engine.pots() == (attesters, builders)
    assert w.escrow.tally(1, p) == 0
    assert minted + attesters + builders <= k * CAP // 10_000  # I5
    w.check_ledger()


def test_many_periods_are_each_by_themselves(earned):
    w = earned
    ps = periods(w)
    prices = [R, R * 3, R // 3]
    for p, r in zip(ps, prices, strict=False):
        w.hub.set_period(p, r)
    want = [expected(*w.tally(1, p), r) for p, r in zip(ps, prices, strict=False)]
    assert len(want) >= 2
    assert w.engine.redeem(1, [*ps, ps[0]], sender=STRANGER.address) == sum(m for _, m, *_ in want)
    assert len(events(w.engine, "Redeemed")) == len(ps)
    assert w.engine.pots() == (sum(e[2] for e in want), sum(e[3] for e in want))


def test_order_and_company_change_nothing(earned):
    """m depends on (y, k, R_p) alone."""
    w = earned
    ps = periods(w)
    for p in ps:
        w.hub.set_period(p, R + p)
    with boa.env.anchor():
        together = w.engine.redeem(1, ps, sender=STRANGER.address)
    apart = sum(w.engine.redeem(1, [p], sender=SETTLER.address) for p in reversed(ps))
    assert together == apart


def test_bounty_pays_no_fee(earned):
    w = earned
    key = number(SETTLER)
    (p, *_) = periods(w, key)
    w.hub.set_period(p, R)
    y, k = w.tally(key, p)
    assert w.engine.redeem(key, [p], sender=STRANGER.address) == worth(y, k)
    (log,) = events(w.engine, "Redeemed")
    assert (log.fee, log.attesters, log.builders, log.to) == (0, 0, 0, SETTLER.address)
    assert w.token.balanceOf(SETTLER.address) == worth(y, k)
    assert w.engine.pots() == (0, 0)


def test_after_a_crash_the_cap_binds(earned):
    w = earned
    (p, *_) = periods(w)
    w.hub.set_period(p, 10**6)
    y, k = w.tally(1, p)
    _, minted, attesters, builders = expected(y, k, 10**6)
    w.engine.redeem(1, [p], sender=STRANGER.address)
    assert w.token.balanceOf(PAYOUT.address) == minted
    assert k * CAP // 10_000 - 3 <= minted + attesters + builders <= k * CAP // 10_000


def test_empty_tallies_are_passed_over(earned):
    w = earned
    assert w.engine.redeem(1, [77, 78], sender=STRANGER.address) == 0
    assert w.engine.redeem(1, [], sender=STRANGER.address) == 0
    assert w.engine.redeem(2, [0], sender=STRANGER.address) == 0


def test_works_while_paused_and_stale(earned):
    w = earned
    (p, *_) = periods(w)
    w.hub.set_period(p, R)
    w.price(stamp=0, flags=3)
    assert w.engine.redeem(1, [p], sender=STRANGER.address) > 0


def test_reverts_open_period(earned):
    w = earned
    p = periods(w)[-1]
    with boa.reverts("hub: period open"):
        w.engine.redeem(1, [p], sender=STRANGER.address)
    assert w.escrow.tally(1, p) != 0


@pytest.mark.parametrize("key, period", [(2**160, 0), (1 << 216 | 1, 0), (1 << 200, 0)])
def test_reverts_key_wider_than_an_address(earned, key, period):
    with boa.reverts():
        earned.engine.redeem(key, [period], sender=STRANGER.address)


@pytest.mark.parametrize("high", [1 << 40, 1 << 41])
def test_reverts_period_that_reaches_into_anothers_key(earned, high):
    """key << 40 | period must not be made of another key: keys 2 and 3 share bits with 1."""
    w = earned
    p = periods(w)[0]
    w.hub.set_period(high | p, R)
    with boa.reverts("escrow: no such tally"):
        w.engine.redeem(0, [high | p], sender=STRANGER.address)


def test_reverts_beyond_outstanding(earned):
    w = earned
    w.escrow.eval(f"self.tallies[{1 << 40}] = {WAD << 128 | 10**25}")
    with boa.reverts("engine: beyond outstanding"):
        w.engine.redeem(1, [0], sender=STRANGER.address)

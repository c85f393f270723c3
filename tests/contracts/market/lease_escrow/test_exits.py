"""I8, I10, I11: entries paused, oracle dead, no keeper: everybody leaves with what is theirs."""

import boa

from tests.contracts.market.support import FIRST, PER_SECOND, events, number
from tests.support.actors import OPERATOR, OTHER_RENTER, PAYOUT, PROVIDER, RENTER, SETTLER, STRANGER
from tests.support.constants import DAY, WAD


def test_every_exit_works_paused_clamped_and_stale(world):
    w = world
    ids = [w.open(node=n) for n in range(4)]
    w.report()
    w.price(stamp=0, flags=3)
    with boa.reverts():
        w.engine.buy(WAD, 0, sender=RENTER.address)
    w.anchor(ids[0])
    w.settle(ids[0], FIRST, number(SETTLER))
    w.escrow.settle_first(ids[1], *w.leaf(FIRST, 1), 1, *w.leaf(FIRST, 1), sender=SETTLER.address)
    w.escrow.give_notice(ids[1], sender=OPERATOR.address)
    w.escrow.stop(ids[2], 0, sender=PROVIDER.address)
    w.after(3600)
    w.escrow.stop(ids[0], 0, sender=RENTER.address)
    w.escrow.stop(ids[1], 0, sender=STRANGER.address)
    w.after(7 * DAY)
    w.escrow.stop(ids[3], 0, sender=STRANGER.address)
    w.anchor(ids[2], node=2)
    w.escrow.finish(ids[2], *w.leaf(FIRST, 2), sender=STRANGER.address)
    for id in ids[:2]:
        w.escrow.finish(id, 0, 0, [], sender=STRANGER.address)
    w.after(7 * DAY)
    w.escrow.finish(ids[3], 0, 0, [], sender=STRANGER.address)
    for p in range(w.period + 1):
        w.hub.set_period(p, 2 * 10**12)
    before = w.token.balanceOf(PAYOUT.address)
    w.engine.redeem(1, list(range(w.period + 1)), sender=STRANGER.address)
    assert w.token.balanceOf(PAYOUT.address) > before
    credits, _ = w.purse()
    w.engine.refund(credits, 0, sender=RENTER.address)
    assert w.purse() == (0, 0)
    w.engine.redeem(number(SETTLER), list(range(w.period + 1)), sender=STRANGER.address)
    assert w.engine.outstanding(w.escrow.address) == 0
    assert all(w.reserved(n) == 0 for n in range(4))  # I3
    assert w.pool.locked(1) == 0


def test_a_purse_moves_only_by_its_owner(world, lease):
    """I11: a stranger's calls only ever add to somebody's balance."""
    w = world
    w.buy(WAD, OTHER_RENTER)
    before = w.purse(OTHER_RENTER)
    w.report()
    w.anchor(lease)
    w.settle(lease, FIRST, number(OTHER_RENTER))
    w.escrow.top_up(lease, PER_SECOND, sender=RENTER.address)
    w.after(3600)
    w.escrow.stop(lease, 0, sender=RENTER.address)
    assert w.purse(OTHER_RENTER) == before


def test_cluster_stops_one_by_one(world):
    w = world
    ids = [w.open(node=n, id=10**40 + n) for n in range(3)]
    w.escrow.stop(ids[1], 0, sender=PROVIDER.address)
    for i in (ids[0], ids[2]):
        w.escrow.stop(i, ids[1], sender=RENTER.address)
        assert events(w.escrow, "Stopped")[0].reason == 8
    for i in ids:
        w.escrow.finish(i, 0, 0, [], sender=STRANGER.address)
    w.check_ledger()


def test_ten_years_later(world, lease):
    """No time overflows; the lease is long lapsed and every wei comes home."""
    w = world
    c, k = w.purse()
    held = w.money(lease)[:2]
    w.after(3650 * DAY)
    w.escrow.stop(lease, 0, sender=STRANGER.address)
    w.escrow.finish(lease, 0, 0, [], sender=STRANGER.address)
    assert w.purse() == (c + held[0], k + held[1])

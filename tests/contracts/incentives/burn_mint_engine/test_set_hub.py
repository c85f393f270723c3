"""set_hub: earlier PERIODs keep their hub."""

import boa

from tests.contracts.market.support import DEPLOYER, FIRST, HIGH, events
from tests.support.actors import PAYOUT, STRANGER
from tests.support.constants import DAY
from tests.support.suite import compiled

OWNER = {"sender": DEPLOYER.address}

ANYBODY = {"sender": STRANGER.address}

NOT_OWNER = "ownable: caller is not the owner"

ZERO = "0x" + "00" * 20


def new_hub(price):
    hub = compiled("mocks/HubForEscrow.vy").deploy(sender=STRANGER.address)
    hub.set_price(price, price, boa.env.timestamp, 0)
    return hub


def test_set_hub_default(world):
    w = world
    w.after(2 * DAY)
    old, out = w.hub.address, w.engine.outstanding(w.escrow.address)
    hub = new_hub(5 * 10**12)
    w.engine.set_hub(hub.address, **OWNER)
    (log,) = events(w.engine, "HubSet")
    assert (log.old, log.new, log.period) == (old, hub.address, w.period)
    assert w.engine.hub() == hub.address
    assert w.engine.outstanding(w.escrow.address) == out
    assert w.engine.quote(10**12) == 5 * 10**12 * 9_975 // 10_000
    assert [w.engine.hub_of(p) for p in (0, w.period - 1, w.period, w.period + 1)] == [
        old,
        old,
        hub.address,
        hub.address,
    ]


def test_set_hub_remembers_every_hub(world):
    w = world
    hubs, since = [w.hub.address], [0]
    for _ in range(4):
        w.after(2 * DAY)
        hubs.append(new_hub(10**12).address)
        since.append(w.period)
        w.engine.set_hub(hubs[-1], **OWNER)
    for p in range(w.period + 2):
        assert w.engine.hub_of(p) == hubs[max(i for i, s in enumerate(since) if s <= p)]


def test_set_hub_twice_in_a_period(world):
    w = world
    w.after(2 * DAY)
    first, second = new_hub(1), new_hub(2)
    w.engine.set_hub(first.address, **OWNER)
    w.engine.set_hub(second.address, **OWNER)
    assert w.engine.hub_of(w.period) == second.address
    assert w.engine.hub_of(w.period - 1) == w.hub.address


def test_redeem_asks_the_old_hub_for_earlier_periods(world):
    w = world
    id = w.open()
    w.report()
    w.anchor(id)
    w.settle(id, FIRST)
    p = w.period
    w.after(2 * DAY)
    hub = new_hub(HIGH)
    hub.set_period(p, 10**18)
    w.engine.set_hub(hub.address, **OWNER)
    with boa.reverts("hub: period open"):
        w.engine.redeem(1, [p], **ANYBODY)
    w.hub.set_period(p, 2 * 10**12)
    w.engine.redeem(1, [p], **ANYBODY)
    assert w.token.balanceOf(PAYOUT.address) > 10**15


def test_set_hub_reverts_zero(world):
    with boa.reverts("engine: hub is zero"):
        world.engine.set_hub(ZERO, **OWNER)


def test_set_hub_reverts_too_many(world):
    w = world
    w.after(2 * DAY)
    for _ in range(128):
        w.engine.set_hub(STRANGER.address, **OWNER)
    with boa.reverts("engine: too many hubs"):
        w.engine.set_hub(w.hub.address, **OWNER)
    assert (w.engine.hub_of(w.period - 1), w.engine.hub_of(w.period)) == (w.hub.address, STRANGER.address)


def test_set_hub_reverts_from_anybody_but_the_owner(world):
    with boa.reverts(NOT_OWNER):
        world.engine.set_hub(STRANGER.address, **ANYBODY)

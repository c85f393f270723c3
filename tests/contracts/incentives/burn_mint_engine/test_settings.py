"""set_fee, set_peg, set_builders, set_hub, set_grant and the constructor: what the owner may do, and how far."""

import boa
import pytest

from tests.contracts.market.support import DEPLOYER, FIRST, HIGH, events
from tests.support.actors import BUILDERS, PAYOUT, RENTER, STRANGER
from tests.support.constants import DAY, M32
from tests.support.suite import compiled

OWNER = {"sender": DEPLOYER.address}
ANYBODY = {"sender": STRANGER.address}
NOT_OWNER = "ownable: caller is not the owner"
ZERO = "0x" + "00" * 20


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
        (901, 0, 0, "fee too high"),
        (1, 3_001, 0, "attesters share too high"),
        (1, 0, 2_001, "builders' share too high"),
    ],
)
def test_set_fee_reverts_bounds(world, fee, attesters, builders, why):
    with boa.reverts(f"engine: {why}"):
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


def test_set_peg_default(world):
    w = world
    w.engine.set_peg(9_900, **OWNER)
    assert (events(w.engine, "PegSet")[0].old, events(w.engine, "PegSet")[0].new) == (9_500, 9_900)
    assert w.engine.peg() == 9_900
    assert w.engine.fee_of(0) == 400


def test_set_peg_reverts_over_cap(world):
    with boa.reverts("engine: peg over the cap"):
        world.engine.set_peg(9_901, **OWNER)


def test_set_builders_default(world):
    w = world
    w.engine.set_builders(RENTER.address, **OWNER)
    (log,) = events(w.engine, "BuildersSet")
    assert (log.old, log.new) == (BUILDERS.address, RENTER.address)
    assert w.engine.builders() == RENTER.address


def test_set_builders_reverts_zero(world):
    with boa.reverts("engine: builders is zero"):
        world.engine.set_builders(ZERO, **OWNER)


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
    for _ in range(32):
        w.engine.set_hub(w.hub.address, **OWNER)
    with boa.reverts("engine: too many hubs"):
        w.engine.set_hub(w.hub.address, **OWNER)
    assert w.engine.hub_of(0) == w.hub.address


def test_set_grant_default(world):
    w = world
    w.engine.set_grant(STRANGER.address, 1, **OWNER)
    (log,) = events(w.engine, "GrantSet")
    assert (log.caller, log.old, log.new) == (STRANGER.address, 0, 1)
    assert w.engine.grant_of(STRANGER.address) == 1 << 128 | 1
    w.engine.set_grant(STRANGER.address, 0, **OWNER)
    assert w.engine.grant_of(STRANGER.address) == 1 << 128


def test_set_grant_reverts_no_ledger(world):
    for who in (ZERO, world.escrow.address):
        with boa.reverts("engine: no ledger to grant"):
            world.engine.set_grant(who, 1, **OWNER)


def test_set_grant_reverts_unknown_right(world):
    with boa.reverts("engine: unknown right"):
        world.engine.set_grant(STRANGER.address, 2, **OWNER)


@pytest.mark.parametrize(
    "name, args",
    [
        ("set_fee", (0, 0, 0)),
        ("set_peg", (0,)),
        ("set_builders", (STRANGER.address,)),
        ("set_hub", (STRANGER.address,)),
        ("set_grant", (STRANGER.address, 1)),
    ],
)
def test_reverts_from_anybody_but_the_owner(world, name, args):
    with boa.reverts(NOT_OWNER):
        getattr(world.engine, name)(*args, **ANYBODY)


def test_ownership_changes_in_two_steps(world):
    w = world
    w.engine.transfer_ownership(STRANGER.address, **OWNER)
    assert (w.engine.owner(), w.engine.pending_owner()) == (DEPLOYER.address, STRANGER.address)
    w.engine.accept_ownership(**ANYBODY)
    assert w.engine.owner() == STRANGER.address


PEERS = {name: f"0x{i:040x}" for i, name in enumerate(["token", "hub", "registry", "escrow"], 1)}
FIELDS = PEERS | {
    "genesis": 1_800_000_000, "slot": 300, "periods": 24, "max_age": 7200, "spread": 25, "peg": 9_500, "cap": 9_900,
    "fee": 400, "attesters": 3_000, "builders_share": 2_000, "builders": BUILDERS.address, "bounty": 100,
}  # fmt: skip


@pytest.mark.parametrize(
    "change, why",
    [
        *(({name: ZERO}, "zero peer") for name in PEERS),
        ({"max_age": 0}, "age out of range"),
        ({"max_age": M32 + 1}, "age out of range"),
        ({"spread": 1_001}, "spread too wide"),
        ({"cap": 10_001}, "cap over 100 %"),
        ({"peg": 9_901}, "peg over the cap"),
        ({"bounty": 101}, "bounty too high"),
        ({"fee": 901}, "fee too high"),
        ({"attesters": 3_001}, "attesters share too high"),
        ({"builders_share": 2_001}, "builders' share too high"),
        ({"builders": ZERO}, "builders is zero"),
    ],
)
def test_constructor_reverts(change, why):
    with boa.reverts(f"engine: {why}"):
        compiled("incentives/BurnMintEngine.vy").deploy(*(FIELDS | change).values(), sender=STRANGER.address)


def test_constructor_default():
    with boa.env.anchor():
        e = compiled("incentives/BurnMintEngine.vy").deploy(*FIELDS.values(), sender=STRANGER.address)
        assert (e.TOKEN(), e.hub(), e.REGISTRY(), e.ESCROW()) == tuple(PEERS.values())
        assert (e.MAX_AGE(), e.SPREAD(), e.CAP(), e.MAX_FEE(), e.peg(), e.VERSION()) == (
            7200,
            25,
            9_900,
            900,
            9_500,
            "1",
        )
        assert (e.fee_of(0), e.shares(), e.builders(), e.pots()) == (400, (3_000, 2_000), BUILDERS.address, (0, 0))

"""The reference model beside the bytecode: random sequences, exits with all keepers gone, and the harness itself."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterator

import pytest

from keepers.protocol.credits import Balance
from keepers.protocol.leases import Reason
from keepers.protocol.messages import Ask, Take, address_text, pack_nodes
from keepers.protocol.nodes import Status
from tests.model.chain import Signer
from tests.model.driver import WEIGHTS, Call, Driver, Mismatch, failing, sequence, shrink

# More for a night: HEARTH_MODEL_SEQUENCES=2000. Every seed is printed with a failure and fails again by itself.
SEQUENCES = int(os.environ.get("HEARTH_MODEL_SEQUENCES", "160"))
LENGTH = 250
BATCH = 8


@pytest.fixture(scope="module")
def driver() -> Iterator[Driver]:
    """One pair of suites for all sequences of a worker; each sequence begins at the same bootstrap."""
    found = Driver()
    yield found
    rows = [f"{k} {found.successes[k]}/{n}" for k, n in sorted(found.attempts.items())]
    print(f"\nmodel: {found.steps} steps; succeeded of attempted: " + ", ".join(rows))


@pytest.mark.parametrize("batch", range((SEQUENCES + BATCH - 1) // BATCH))
def test_model_and_bytecode_agree(driver: Driver, batch: int) -> None:
    """I1-I7 and I10-I13 after every step; outcome, words, events and return values compared."""
    for seed in range(batch * BATCH, min(SEQUENCES, (batch + 1) * BATCH)):
        assert failing(driver, sequence(seed, LENGTH)) is None, f"sequence {seed}"


def test_a_fresh_seed(driver: Driver) -> None:
    """A sequence that nobody has run before; its seed is in the message if it fails."""
    seed = random.SystemRandom().getrandbits(40)
    assert failing(driver, sequence(seed, LENGTH)) is None, f"sequence {seed}"


def test_every_kind_of_call_succeeds_and_is_refused(driver: Driver) -> None:
    """No rule is vacuous: each kind of call takes effect, and each is refused by name, in a fixed set of sequences."""
    stops: Counter[int] = Counter()
    for seed in range(500_000, 500_024):
        driver.run(sequence(seed, LENGTH))
        stops.update(e.values[2] for e in driver.world.events if e.name == "Stopped")
    assert set(stops) >= set(Reason) - {Reason.RUNNING, Reason.BARRED, Reason.HOST_FAULT}
    silent = {"warp", "usable"}
    never = {k for k in WEIGHTS if k not in silent and not driver.successes[k]} - {"intrude"}
    always = {k for k in WEIGHTS if k not in silent and driver.successes[k] == driver.attempts[k]}
    assert never == set() and always <= {"post"} and not driver.successes["intrude"]
    reasons = {reason for _, reason in driver.refusals}
    assert len(reasons) > 100


def test_everybody_leaves_with_all_keepers_gone(driver: Driver) -> None:
    """I8: from random states, with no further report, every lease, credit, tally and stake comes out in time."""
    for seed in range(8):
        driver.run(sequence(20_000 + seed, 150))
        leave(driver)


def test_changes_in_periods_running_move_no_tally_of_before(driver: Driver) -> None:
    """Fee and peg change in p, p + 1 and p + 2: what was earned before pays and gets what it was promised."""
    redeemed = 0
    for seed in range(6):
        driver.run(sequence(30_000 + seed, 150))
        engine, calendar = driver.world.engine, driver.world.calendar
        periods = {period for (_, period), tally in driver.world.escrow.tallies.items() if tally.credits}
        terms = {period: (engine.fee_of(period), engine.peg_of(period)) for period in periods}
        for fee, peg in ((2, 9_898), (898, 1), (3, 9_897)):
            driver.warp(calendar.period_end(calendar.period(driver.memory.now)))
            driver.must("engine", "set_fee", fee, 3_000, 2_000, sender=driver.owner)
            driver.must("engine", "set_peg", peg, sender=driver.owner)
        assert terms == {period: (engine.fee_of(period), engine.peg_of(period)) for period in periods}
        mark = len(driver.world.events)
        leave(driver)
        for _, key, period, y, _, _, fee, *_ in (e.values for e in driver.world.events[mark:] if e.name == "Redeemed"):
            if key >> 24 == 0 and period in periods:
                assert fee == -(-y * terms[period][0] // 10_000)
                redeemed += 1
    assert redeemed != 0


def leave(driver: Driver) -> None:
    """Everybody's exits, none of which asks a keeper, the owner or an open entry."""
    world, p = driver.world, driver.parameters
    escrow, calendar = world.escrow, world.calendar
    settler = driver.finder
    known = list(dict.fromkeys(driver.memory.leases))
    for id in known:
        terms = escrow.leases[id]
        assert terms is not None
        if not terms.stopped:
            driver.warp(max(driver.memory.now, escrow.until(id)))
            driver.must("escrow", "stop", id, 0, sender=settler)
    # at once where the stop's report never came, else RING epochs after the stop: the bound that needs no data at all
    driver.warp(driver.memory.now + 2_048 * calendar.epoch_seconds)
    for id in known:
        terms = escrow.leases[id]
        assert terms is not None
        if not terms.finished:
            driver.must("escrow", "finish", id, 0, 0, [], sender=settler)
    assert all(escrow.moneys[id].credits == 0 for id in known)
    for node in range(world.registry.count):
        word = world.registry.nodes[node]
        assert word.reserved == 0
        if word.status != Status.RETIRED:
            driver.must("registry", "retire_node", node, sender=world.registry.owners[word.provider])
    for owner, purse in list(escrow.purses.items()):
        if purse.credits:
            driver.must("engine", "refund", purse.credits, 0, sender=owner)
    full = sorted(k for k, tally in escrow.tallies.items() if tally.credits)
    driver.warp(max(driver.memory.now, calendar.period_end(max((b for _, b in full), default=0)) + p.hub_abandon))
    for period in sorted({b for _, b in full}):
        word_ = world.hub.periods[period]
        if not word_.closed(world.hub.last_epoch, world.now, world.hub.dispute):
            driver.must("hub", "close_period", period, sender=settler)
    for key, period in full:
        driver.must("engine", "redeem", key, [period], sender=settler)
    assert all(b == Balance() for b in (*escrow.purses.values(), *escrow.tallies.values()))
    assert world.engine.outstanding == 0
    leave_pools(driver)


def leave_pools(driver: Driver) -> None:
    """All stake out: bonds are ended, so every share is free; tickets mature and are paid to their owners."""
    pool = driver.world.pool
    for provider in range(driver.world.registry.provider_count):
        own = pool.bucket[provider]
        assert own.locked == 0
        if own.shares and own.assets:
            # where old tickets lie in a bucket that was slashed to nothing they have to be paid first
            driver.warp(driver.memory.now + driver.parameters.unbonding)
            withdraw_all(driver, provider)
            driver.must("pool", "unstake_own", provider, own.shares, sender=pool.need_owner[provider])
        driver.warp(driver.memory.now + driver.parameters.unbonding)
        withdraw_all(driver, provider)
        assert pool.bucket[provider].assets == 0 and pool.tickets[provider].assets == 0


def withdraw_all(driver: Driver, provider: int) -> None:
    """Pays every ticket of a pool."""
    pool = driver.world.pool
    for p, who, number in list(pool.ticket):
        if p == provider and pool.ticket[p, who, number] is not None:
            driver.must("pool", "withdraw", p, who, number, sender=driver.finder)


def test_a_lease_outlives_the_ring(driver: Driver) -> None:
    """An anchor from the oldest root that the hub still has: what cannot be proven any more counts as down (I2)."""
    driver.reset()
    world, memory, renter = driver.world, driver.memory, driver.renters[0]
    market, calendar, rng = world.market, world.calendar, random.Random(1)
    node = 0
    provider = world.registry.nodes[node].provider
    operator = world.registry.providers[provider].operator
    duration = 2_120 * calendar.epoch_seconds
    ask = Ask(provider, pack_nodes([node]), 0, 10**9, 1, duration, 0, memory.now, 0, 1)
    take = Take(
        address_text(renter), ask.digest(market.domain), pack_nodes([node]), 1, duration, duration, memory.now, 1
    )
    sig = driver.signer.sign(operator, ask.digest(market.domain))
    driver.must("market", "take", ask, take, sig, b"", [], sender=renter)
    lease = memory.leases[-1]
    first = calendar.epoch(memory.now)
    while world.hub.last_epoch < first + 2_060:
        driver.warp(max(memory.now, calendar.end(world.hub.last_epoch + rng.randrange(1, 10))))
        call = driver.do_report(rng) if rng.random() < 0.5 else driver.do_void(rng)
        assert call is not None
        driver.make(call, "report")
    driver.do_usable(rng)
    oldest = world.hub.last_epoch - 2_048 + 1
    for epoch, text in ((first, "hub: not usable"), (oldest + 1, "escrow: not the anchor's epoch")):
        call = Call("escrow", "anchor", (lease, *driver.proof(epoch, node)), driver.finder)
        assert not driver.make(call, "ring")
        assert driver.refusals["ring", text] == 1
    driver.must("escrow", "anchor", lease, *driver.proof(oldest, node), sender=driver.finder)
    newest = world.hub.newest_usable()
    driver.must("escrow", "settle", lease, *driver.proof(newest, node), driver.finder, sender=driver.finder)
    settled = world.escrow.moneys[lease].settled
    begin, end = calendar.start(oldest), min(calendar.end(newest), world.escrow.until(lease))
    assert settled == driver.attested(node, begin, end) > 0


def test_the_shrinker_finds_the_step_that_matters(driver: Driver) -> None:
    """A planted defect of the model is reduced to the calls that show it."""
    steps = sequence(5, 120)
    buys = [s for s in steps if s[0] == "buy"]
    assert buys and len(steps) == 120
    original = driver.world.engine.spread
    driver.world.engine.spread = original + 1
    try:
        small = shrink(driver, steps)
        with pytest.raises(Mismatch):
            driver.run(small)
    finally:
        driver.world.engine.spread = original
    # a buy may need its time as well
    assert len(small) <= 2 and small[-1][0] in ("buy", "refund", "pay")
    driver.run(steps)


@pytest.mark.parametrize(
    "plant",
    [
        lambda d: setattr(d.world.escrow, "bounty", 99),
        lambda d: setattr(d.world.escrow, "claim", 100),
        lambda d: setattr(d.world.pool, "unbonding_seconds", 599),
        lambda d: setattr(d.world.hub, "dispute", 239),
        lambda d: setattr(d.world.market, "max_age", 10**6),
    ],
    ids=["bounty", "claim", "unbonding", "dispute", "age"],
)
def test_a_wrong_parameter_is_noticed(plant: object) -> None:
    """The comparison has teeth: a model that differs by one second or one bps is caught within a few sequences."""
    driver = Driver()
    plant(driver)  # type: ignore[operator]
    with pytest.raises(Mismatch):
        for seed in range(40):
            driver.run(sequence(30_000 + seed, LENGTH))


def test_sequences_repeat() -> None:
    assert sequence(5, 50) == sequence(5, 50) != sequence(6, 50)
    counts = Counter(kind for kind, _ in sequence(1, 4_000))
    assert set(counts) == set(WEIGHTS)


def test_constants_of_the_bytecode_are_known(driver: Driver) -> None:
    """The dictionary holds the limits that the contracts compare with."""
    constants = set(driver.constants)
    assert {2_048, 10_000, 5_000, 1_152, 2**96 - 1} <= constants


def test_signatures_are_recovered() -> None:
    """Flipped to v 27, and high-s twins, as the hub takes them."""
    signer = Signer()
    address = signer.new(1)
    for i in range(8):
        digest = i.to_bytes(32, "big")
        sig = signer.sign(address, digest, v27=True)
        assert sig[64] == 27 and Signer().recover(digest, sig) == address
    assert Signer().recover(bytes(32), bytes(65)) == 0 and len(address_text(address)) == 42

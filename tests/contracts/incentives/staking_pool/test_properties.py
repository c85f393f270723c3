"""I4, I9, I12 and I13 beside keepers.protocol.stake: every call of a random life changes what the pure rules say it
changes, and the pool holds exactly what its words say."""

from __future__ import annotations

import random
import warnings
from dataclasses import replace
from typing import Any

import boa
from boa.util.abi import abi_encode
from hypothesis import given, settings
from hypothesis import strategies as st
from pyrevm import EVM

from keepers.protocol import stake
from keepers.protocol.units import PRICE_ONE
from tests.contracts.network.harness import ESCROW, FINDER, HUB, MARKET, SLASHER, ZERO, Trio, events
from tests.support.actors import PROVIDER, RENTER
from tests.support.constants import DAY, GWEI, M64
from tests.support.suite import compiled

amounts = st.integers(1, 10**13) | st.integers(1, 50)
share = st.integers(0, 10_000)  # of what there is, bps
acts = st.one_of(
    st.tuples(st.just("stake"), amounts),
    st.tuples(st.just("unstake"), share),
    st.tuples(st.just("lock"), share),
    st.tuples(st.just("end"), share, share),
    st.tuples(st.just("slash"), st.integers(0, 10**13) | st.integers(1, 30)),
    st.tuples(st.just("withdraw"), st.integers(0, 20)),
    st.tuples(st.just("price"), st.integers(1, 10**13)),
    st.tuples(st.just("units"), st.integers(0, 10**13)),
    st.tuples(st.just("wait"), st.integers(0, 20 * DAY)),
)


class Life:
    """The pool of provider 0 beside its model."""

    def __init__(self, trio: Trio) -> None:
        self.trio = trio
        trio.provider()
        trio.fund(PROVIDER, 10**8 * 10**18)
        trio.token.approve(trio.pool.address, 2**256 - 1, sender=PROVIDER.address)
        trio.grant_slash()
        self.own = stake.Own(last_below=trio.now)
        self.unb = stake.Unbonding()
        self.faults = stake.Faults()
        self.units = 0
        self.price = int(trio.pool.stake_price())
        self.bonds: list[int] = []
        self.claims = 0
        self.tickets: list[tuple[str, int, stake.Ticket]] = []
        self.issued = {PROVIDER.address: 0, RENTER.address: 0}
        self.held = 0
        self.fired: set[str] = set()

    @property
    def required(self) -> int:
        return stake.required(self.units, self.price)

    def touch(self, below: bool) -> None:
        if below:
            self.own = replace(self.own, last_below=self.trio.now)

    def ticket(self, who: str, ticket: stake.Ticket) -> None:
        self.tickets.append((who, self.issued[who], ticket))
        self.issued[who] += 1

    def play(self, act: tuple[str, int] | tuple[str, int, int]) -> None:
        """One call; where the model refuses, the contract must."""
        name, *xs = act
        try:
            getattr(self, f"do_{name}")(*xs)
            self.fired.add(name)
        except ValueError:
            self.fired.add(f"{name} refused")
        self.check()

    def do_stake(self, n: int) -> None:
        pool = self.trio.pool
        before = self.own.assets < self.required
        try:
            after, minted = stake.deposit(self.own, n)
            after.pack()
        except ValueError:
            with boa.reverts():
                pool.stake_own(0, n, sender=PROVIDER.address)
            raise
        assert pool.stake_own(0, n, sender=PROVIDER.address) == minted
        self.own, self.held = after, self.held + n
        self.touch(before)

    def do_unstake(self, bps: int) -> None:
        pool = self.trio.pool
        part = (self.own.shares - self.own.locked) * bps // 10_000
        release = self.trio.now + self.trio.parameters.unbonding
        try:
            own, unb, ticket, _ = stake.unbond(self.own, self.unb, part, release)
        except ValueError:
            with boa.reverts():
                pool.unstake_own(0, part, sender=PROVIDER.address)
            raise
        assert pool.unstake_own(0, part, sender=PROVIDER.address) == self.issued[PROVIDER.address]
        self.own, self.unb = own, unb
        self.touch(own.assets < self.required)
        self.ticket(PROVIDER.address, ticket)

    def do_lock(self, bps: int) -> None:
        pool = self.trio.pool
        bond = self.own.assets * bps // 10_000
        own = self.own
        ok = own.assets >= self.required and own.shares != 0 and not own.dead
        shares = stake.bond_shares(own, bond) if ok else 0
        if not ok or shares > own.shares - own.locked:
            with boa.reverts():
                pool.lock(0, bond, pool.stake_price(), sender=MARKET.address)
            raise ValueError("refused")
        assert pool.lock(0, bond, pool.stake_price(), sender=MARKET.address) == shares
        self.own = replace(own, locked=own.locked + shares)
        self.bonds.append(shares)

    def do_end(self, taken_bps: int, limit_bps: int) -> None:
        if not self.bonds:
            raise ValueError("no bond")
        shares = self.bonds.pop()
        taken = shares * taken_bps // 10_000
        lost = stake.value_of(taken, self.own.assets, self.own.shares) if taken else 0
        limit = lost * limit_bps // 5_000
        # it never reverts (I8)
        self.trio.pool.end_bond(0, shares, taken, RENTER.address, limit, sender=ESCROW.address)
        (log,) = events(self.trio.pool, "BondEnded")
        self.own = replace(
            self.own, assets=self.own.assets - lost, shares=self.own.shares - taken, locked=self.own.locked - shares
        )
        paid = min(lost, limit)
        if paid and stake.ticket_shares(self.unb, paid):
            self.unb, ticket = stake.issue(self.unb, paid, self.trio.now + self.trio.parameters.unbonding, claim=True)
            self.claims += ticket.shares
            self.ticket(RENTER.address, ticket)
        else:
            paid = 0
        assert (log.paid, log.burned) == (paid, lost - paid)
        self.held -= lost - paid
        if taken:
            self.touch(self.own.assets < self.required)

    def do_slash(self, asked: int) -> None:
        self.faults, admitted = self.faults.admit(self.units, asked, self.trio.now, self.trio.parameters.period)
        amount = stake.required(admitted, self.price)
        cut = stake.slash_cut(amount, self.own.assets, self.unb, self.claims, True)
        before = int(self.trio.token.balanceOf(FINDER.address))
        whole = self.own.assets + self.unb.assets
        self.trio.pool.slash(0, asked, FINDER.address, sender=SLASHER.address)
        (log,) = events(self.trio.pool, "Slashed")
        assert (log.own, log.reward) == (cut.total, cut.reward)
        got = int(self.trio.token.balanceOf(FINDER.address)) - before
        assert got == cut.reward * GWEI and 5 * got <= log.own * GWEI, "I13"
        assert whole == 0 or cut.total < whole, "never the whole pool"
        self.own = replace(self.own, assets=self.own.assets - cut.active)
        self.unb = replace(self.unb, assets=self.unb.assets - cut.unbonding)
        self.held -= cut.total
        self.touch(self.own.assets < self.required)

    def do_withdraw(self, k: int) -> None:
        if not self.tickets:
            raise ValueError("no ticket")
        who, i, ticket = self.tickets[k % len(self.tickets)]
        if self.trio.now < ticket.release:
            with boa.reverts("pool: ticket not mature"):
                self.trio.pool.withdraw(0, who, i)
            raise ValueError("not mature: I12, nothing leaves faster than by unbonding")
        paid = stake.value_of(ticket.shares, self.unb.assets, self.unb.shares)
        assert self.trio.pool.withdraw(0, who, i) == paid
        self.unb = replace(self.unb, assets=self.unb.assets - paid, shares=self.unb.shares - ticket.shares)
        self.held -= paid
        self.claims -= ticket.shares if ticket.claim else 0
        self.tickets.pop(k % len(self.tickets))

    def do_price(self, price: int) -> None:
        self.trio.pool.set_stake_price(price, sender=HUB.address)
        self.price = price

    def do_units(self, units: int) -> None:
        below = self.own.assets < stake.required(max(self.units, units), self.price)
        if units < self.units:
            self.faults = self.faults.shrunk(self.units, self.trio.now, self.trio.parameters.period)
        self.trio.pool.set_units(0, units, sender=self.trio.registry.address)
        self.units = units
        self.touch(below)

    def do_wait(self, seconds: int) -> None:
        self.trio.wait(seconds)

    def check(self) -> None:
        """I4: words as in the model, sums of share values within the assets, locked within the bucket, tokens held."""
        pool = self.trio.pool
        assert pool.own(0) == self.own.pack()
        assert pool.unbonding(0) == self.unb.pack()
        assert pool.ceiling(0) == self.faults.left(self.units, self.trio.now, self.trio.parameters.period)
        assert pool.required(0) == self.required == -(-self.units * self.price // PRICE_ONE)
        assert self.trio.held() == (self.own.assets + self.unb.assets) * GWEI == self.held * GWEI
        assert sum(self.bonds) == self.own.locked <= self.own.shares <= M64
        values = [stake.value_of(t.shares, self.unb.assets, self.unb.shares) for _, _, t in self.tickets]
        assert sum(values) <= self.unb.assets
        assert sum(t.shares for _, _, t in self.tickets) == self.unb.shares
        assert all(pool.ticket_of(0, who, i) == t.pack() for who, i, t in self.tickets[-3:])


@settings(max_examples=40, deadline=None)
@given(st.lists(acts, max_size=25))
def test_life__every_call_is_the_models(_trio: Trio, steps: list[tuple[str, int]]) -> None:
    with boa.env.anchor():
        life = Life(_trio.fresh())
        life.check()
        for step in steps:
            life.play(step)


def test_life__long__fires_every_rule(trio: Trio) -> None:
    """A fixed long life, so that no rule above stays untried."""
    r = random.Random(5)
    life = Life(trio)
    draw = {
        "stake": lambda: (r.randint(1, 10**13),),
        "unstake": lambda: (r.choice([0, 1, 500, 5_000, 10_000]),),
        "lock": lambda: (r.randint(0, 4_000),),
        "end": lambda: (r.choice([0, 5_000, 10_000]), r.randint(0, 10_000)),
        "slash": lambda: (r.choice([1, 10**9, 10**12, 10**13]),),
        "withdraw": lambda: (r.randint(0, 20),),
        "price": lambda: (r.choice([10**6, 10**11, 5 * 10**11, 10**12]),),
        "units": lambda: (r.choice([0, 10**9, 10**12, 10**13]),),
        "wait": lambda: (r.choice([0, 1, DAY, 20 * DAY]),),
    }
    for _ in range(300):
        name = r.choice(list(draw))
        life.play((name, *draw[name]()))
    # until the bucket is dead: it takes no stake, and end_bond on it still succeeds
    life.play(("price", 10**12))
    life.play(("units", 10**13))
    life.play(("stake", 10**13))
    life.play(("lock", 100))
    life.play(("units", 10**18))
    while not life.own.dead:
        life.play(("wait", 31 * DAY))
        life.play(("slash", 10**18))
    life.play(("stake", 10**9))
    life.play(("end", 10_000, 5_000))
    assert set(draw) <= life.fired
    assert {"stake refused", "unstake refused", "lock refused", "end refused", "withdraw refused"} <= life.fired


class Fast:
    """The same bytecode on revm: ten thousand calls in seconds. The actor owns the pool and plays every peer."""

    def __init__(self) -> None:
        self.evm = EVM(gas_limit=10**9)
        self.actor = PROVIDER.address
        # plain test tokens: only the pool is under test
        self.token = self.deploy("mocks/TokenNoReturn.vy")
        one = self.actor
        self.pool = self.deploy(
            "incentives/StakingPool.vy",
            abi_encode(
                "(address,address,address,address,address,uint256,uint256,uint256)",
                (self.token.address, one, one, one, one, PRICE_ONE, 5, 100),
            ),
        )

    def deploy(self, path: str, arguments: bytes = b"") -> Any:
        """Its address on revm, with the ABI of the compiled contract."""
        deployer = compiled(path)
        address = self.evm.deploy(self.actor, deployer.compiler_data.bytecode + arguments)
        with warnings.catch_warnings():
            # titanoboa misses the code: it lies on revm
            warnings.simplefilter("ignore")
            return deployer.at(address)

    def call(self, contract: Any, name: str, *xs: Any) -> bytes:
        self.evm.reset_transient_storage()
        return bytes(self.evm.message_call(self.actor, contract.address, getattr(contract, name).prepare_calldata(*xs)))

    def read(self, contract: Any, name: str, *xs: Any) -> int:
        return int.from_bytes(self.call(contract, name, *xs), "big")


def test_dust__ten_thousand_one_gwei_operations__never_profit_the_actor() -> None:
    """T24, I9: stake and unstake single gwei after a slash that made the shares odd; the actor never gains a gwei."""
    r = random.Random(1)
    f = Fast()
    pool, actor = f.pool, f.actor
    f.call(f.token, "mint", actor, 10**18)
    f.call(f.token, "approve", pool.address, 2**256 - 1)
    f.call(pool, "set_grant", actor, 1)
    f.call(pool, "open_pool", 0, actor)
    f.call(pool, "set_units", 0, 3 * 10**5)
    f.call(pool, "stake_own", 0, 10**6)
    f.call(pool, "slash", 0, 123_457, ZERO)
    start = model = stake.Own.unpack(f.read(pool, "own", 0))
    assert (start.assets, start.shares) == (10**6 - 123_457, 10**6)
    tickets = stake.Unbonding()
    brought = 0
    for _ in range(10_000):
        part = r.choice((0, 0, 2, 3))
        if part:
            f.call(pool, "unstake_own", 0, part)
            model, tickets, _, _ = stake.unbond(model, tickets, part, 0)
        else:
            f.call(pool, "stake_own", 0, 1)
            model, _ = stake.deposit(model, 1)
            brought += 1
    own, unb = stake.Own.unpack(f.read(pool, "own", 0)), stake.Unbonding.unpack(f.read(pool, "unbonding", 0))
    assert (own.assets, own.shares) == (model.assets, model.shares)
    assert unb == tickets
    # no operation made or lost a gwei, and what one share is worth never fell
    assert own.assets + unb.assets == start.assets + brought
    assert own.assets * start.shares >= start.assets * own.shares
    # what the actor can take out at once is no more than what it had and brought in
    out = stake.value_of(own.shares, own.assets, own.shares) + unb.assets
    assert out <= start.assets + brought
    assert f.read(f.token, "balanceOf", pool.address) == (own.assets + unb.assets) * GWEI

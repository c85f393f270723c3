"""Escrow, market, engine and token with stand-ins for hub, registry and pool.

The stand-ins keep the selectors and words of the real contracts; roots, prices and node words are set by the test.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any

import boa

from tests.support.actors import (
    BUILDERS,
    OPERATOR,
    OTHER_PROVIDER,
    OTHER_RENTER,
    OWNER,
    PAYOUT,
    PROVIDER,
    RENTER,
    SETTLER,
    STRANGER,
    Actor,
    Domain,
)
from tests.support.constants import DAY, M32, PRICE_ONE, WAD, Parameters
from tests.support.suite import ASK, TAKE, compiled, predicted
from tests.support.uptime import Uptime

NODES = 5
RATE = 555_555_555_555_555  # USD wei a GPU-second: 2 USD an hour
GPUS = 2
PER_SECOND = RATE * GPUS
FIRST = 10  # epoch in which leases of the tests start
OFFSET = 450  # seconds into it: the middle of slot 1
NO_LIMIT = M32
M96 = 2**96 - 1
M128 = 2**128 - 1
ACTIVE, FAULTED = 2, 4
PRICE = 2 * PRICE_ONE
LOW = PRICE  # min(P, TWAP)
HIGH = PRICE * 101 // 100
DEPLOYER = Actor("deployer of the ledger")

RENTER_CLOSED, FUNDS, TERM, HOST_NOTICE, HOST_EXIT, HOST_DOWN, HOST_FAULT, CLUSTER, BARRED = 1, 2, 3, 4, 5, 6, 7, 8, 15


def number(who: Actor | str) -> int:
    """An address as a tally key."""
    return int(who if isinstance(who, str) else who.address, 16)


def balance(word: int) -> tuple[int, int]:
    """(credits, backing) of a purse or tally."""
    return word >> 128, word & M128


def events(contract: Any, name: str) -> list[Any]:
    """Events of that name in the contract's last call, callees included."""
    return [e for e in contract.get_logs() if type(e).__name__ == name]


@dataclass
class World:
    parameters: Parameters
    token: Any
    hub: Any
    registry: Any
    pool: Any
    escrow: Any
    market: Any
    engine: Any
    uptime: Uptime = field(default_factory=Uptime)
    proofs: dict[int, tuple[int, dict[int, int], Uptime]] = field(default_factory=dict)
    opened: list[int] = field(default_factory=list)

    # ---- time
    @property
    def now(self) -> int:
        return int(boa.env.timestamp)

    def at(self, t: int) -> None:
        assert t >= self.now, "time does not go back"
        boa.env.timestamp = t

    def after(self, seconds: int) -> None:
        self.at(self.now + seconds)

    def go(self, e: int, offset: int = 0) -> None:
        self.at(self.parameters.start(e) + offset)

    @property
    def period(self) -> int:
        return (self.now - self.parameters.genesis) // self.parameters.period

    # ---- facts
    def price(self, spot: int = PRICE, twap: int = HIGH, stamp: int | None = None, flags: int = 0) -> None:
        self.hub.set_price(spot, twap, self.now if stamp is None else stamp, flags)

    def report(
        self, down: Mapping[int, int] | None = None, *, void: bool = False, indet: int = 0, delay: int = 0
    ) -> int:
        """The next epoch, usable `delay` seconds from its end on; moves to the later of both."""
        if void:
            self.uptime.void()
        else:
            self.uptime.report(down, NODES, indet)
        e = self.uptime.header & M32
        usable = self.parameters.end(e) + delay
        self.hub.set_root(e, self.uptime.word, usable)
        self.proofs[e] = (self.uptime.header, dict(self.uptime.leaves), deepcopy(self.uptime))
        if self.now < usable:
            self.at(usable)
        return e

    def report_until(self, e: int, down: Mapping[int, int] | None = None) -> None:
        while (self.uptime.header & M32) < e:
            self.report(down)

    def leaf(self, e: int, node: int = 0) -> tuple[int, int, list[bytes]]:
        """(header, leaf, proof) of a node at epoch e."""
        header, _, tree = self.proofs[e]
        return header, tree.leaf(node), tree.proof(node)

    # ---- money
    def buy(self, tokens: int, who: Actor = RENTER) -> int:
        self.token.transfer(who.address, tokens, sender=DEPLOYER.address)
        self.token.approve(self.engine.address, tokens, sender=who.address)
        return int(self.engine.buy(tokens, 0, sender=who.address))

    def sheet(
        self, notice: int = 3600, min_seconds: int = 3600, prepay: int = 7 * DAY, limit: int = NO_LIMIT, table: int = 0
    ) -> int:
        return int(self.escrow.add_sheet(notice, min_seconds, prepay, limit, table, sender=STRANGER.address))

    def open(
        self,
        *,
        node: int = 0,
        provider: int = 1,
        gpus: int = GPUS,
        rate: int = RATE,
        duration: int = 7 * DAY,
        prepaid: int = 2 * DAY,
        sheet: int = 0,
        renter: Actor = RENTER,
        bond: int = 10**9,
        id: int | None = None,
        extra: int = 0,
    ) -> int:
        """A lease by the market's word, GPUs reserved and bond locked; its id. `extra` wei beyond whole seconds."""
        id = 10**30 + 1000 * len(self.opened) if id is None else id
        terms = rate << 192 | gpus << 184 | node << 160 | provider << 136 | self.now << 96 | duration << 68 | sheet << 8
        as_market = self.market.address
        self.registry.reserve(node, gpus, sender=as_market)
        self.pool.lock(provider, (bond + 1) // 2, 1, sender=as_market)
        deposit = rate * gpus * prepaid + extra
        self.escrow.open(id, terms, renter.address, (bond + 1) // 2 * 2, deposit, LOW, b"\1" * 32, sender=as_market)
        self.opened.append(id)
        return id

    def anchor(self, id: int, e: int = FIRST, node: int = 0) -> None:
        self.escrow.anchor(id, *self.leaf(e, node), sender=SETTLER.address)

    def settle(self, id: int, e: int, payee: int = 1, node: int = 0) -> None:
        self.escrow.settle(id, *self.leaf(e, node), payee, sender=SETTLER.address)

    def terms(self, id: int) -> dict[str, int]:
        w = int(self.escrow.terms(id))
        return {
            "start": w >> 96 & (2**40 - 1),
            "duration": w >> 68 & (2**28 - 1),
            "length": w >> 40 & (2**28 - 1),
            "reason": w & 15,
            "cause": w >> 4 & 3,
            "finished": w >> 6 & 1,
            "notice": w >> 7 & 1,
        }

    def money(self, id: int) -> tuple[int, int, int, int]:
        """credits, backing, settled, anchor"""
        w = int(self.escrow.money(id))
        return w >> 160, w >> 64 & M96, w >> 32 & M32, w & M32

    def purse(self, who: Actor = RENTER) -> tuple[int, int]:
        return balance(int(self.escrow.purse(who.address)))

    def tally(self, key: int = 1, period: int | None = None) -> tuple[int, int]:
        return balance(int(self.escrow.tally(key, self.period if period is None else period)))

    def reserved(self, node: int = 0) -> int:
        return int(self.registry.node(node)) >> 168 & 0xFFFF

    # ---- the slow truth
    def attested(self, id: int, until: int, node: int = 0, first: int | None = None) -> int:
        """Attested seconds of [start, min(stop, until)), second by second sums of slots; before epoch `first` none."""
        t = self.terms(id)
        stop = min(int(self.escrow.until(id)), until)
        q = self.parameters
        total = 0
        for e in range(q.epoch_of(t["start"]) if first is None else first, q.epoch_of(stop - 1) + 1):
            mask = self.uptime.true_mask(e, node)
            for k in range(12):
                a, b = q.start(e) + k * q.slot, q.start(e) + (k + 1) * q.slot
                if not mask >> k & 1:
                    total += max(0, min(b, stop) - max(a, t["start"]))
        return total

    # ---- I1
    def check_ledger(self, keys: Sequence[int] = ()) -> None:
        """I1: backing of purses, leases and tallies is what the engine calls outstanding."""
        people = [RENTER, OTHER_RENTER, SETTLER, STRANGER]
        k = sum(self.purse(p)[1] for p in people) + sum(self.money(i)[1] for i in self.opened)
        tallies = [1, 2, *(number(p) for p in people), *keys]
        k += sum(self.tally(key, p)[1] for key in tallies for p in range(self.period + 2))
        assert k == self.engine.outstanding(self.escrow.address), "I1"

    # ---- messages
    @property
    def domain(self) -> Domain:
        return Domain(boa.env.evm.patch.chain_id, self.market.address)

    def ask(self, nodes: Sequence[int] = (0,), provider: int = 1, sheet: int = 0, **more: int) -> list[int]:
        fields = {
            "provider": provider,
            "nodes": pack(nodes),
            "class_id": 3,
            "rate": RATE,
            "min_duration": 3600,
            "max_duration": 30 * DAY,
            "sheet": sheet,
            "expiry": self.now + DAY,
            "generation": 1,
            "salt": 7,
        }
        assert more.keys() <= fields.keys(), more
        return list((fields | more).values())

    def take_of(self, ask: Sequence[int], nodes: Sequence[int] = (0,), **more: Any) -> list[Any]:
        fields: dict[str, Any] = {
            "renter": RENTER.address,
            "ask": self.domain.digest(ASK, *ask),
            "nodes": pack(nodes),
            "gpus": GPUS,
            "duration": 7 * DAY,
            "prepaid": 2 * DAY,
            "deadline": self.now + 3600,
            "salt": 9,
        }
        assert more.keys() <= fields.keys(), more
        return list((fields | more).values())

    def sign_ask(self, ask: Sequence[int], signer: Actor = OPERATOR) -> bytes:
        return signer.sign(self.domain.digest(ASK, *ask))

    def sign_take(self, take: Sequence[Any], signer: Actor = RENTER) -> bytes:
        return signer.sign(self.domain.digest(TAKE, *take))

    def id_of(self, take: Sequence[Any]) -> int:
        return int.from_bytes(self.domain.digest(TAKE, *take), "big")


def pack(nodes: Sequence[int]) -> int:
    return sum((n + 1) << 24 * i for i, n in enumerate(nodes))


def deploy(q: Parameters) -> World:
    """Everything, five nodes of 8 GPUs: four of provider 1 and the last of provider 2. Epochs
    1 to 9 reported, all up but for a few slots; the renter's purse holds the credits of 100,000 tokens."""
    boa.env.timestamp = q.genesis + 1
    d = DEPLOYER.address
    names = ["token", "hub", "registry", "pool", "escrow", "market", "engine"]
    at = {n: predicted(d, i) for i, n in enumerate(names)}
    calendar = (q.genesis, q.slot, q.epochs_per_period)
    token = compiled("incentives/ComputeToken.vy").deploy(at["engine"], d, q.supply, sender=d)
    hub = compiled("mocks/HubForEscrow.vy").deploy(sender=d)
    registry = compiled("mocks/RegistryForEscrow.vy").deploy(at["market"], at["escrow"], sender=d)
    pool = compiled("mocks/PoolForEscrow.vy").deploy(at["market"], at["escrow"], sender=d)
    escrow = compiled("market/LeaseEscrow.vy").deploy(
        at["hub"], at["registry"], at["pool"], at["market"], at["engine"], *calendar,
        q.escrow_bounty, q.claim, q.abandon,
        sender=d,
    )  # fmt: skip
    market = compiled("market/LeaseMarket.vy").deploy(
        at["hub"], at["registry"], at["pool"], at["escrow"], q.slot, q.max_age, sender=d
    )
    engine = compiled("incentives/BurnMintEngine.vy").deploy(
        at["token"], at["hub"], at["registry"], at["escrow"], *calendar, q.max_age, q.spread, q.peg, q.cap, q.fee,
        q.attesters_share, q.builders_share, BUILDERS.address, q.escrow_bounty, sender=d,
    )  # fmt: skip
    live = dict(zip(names, [token, hub, registry, pool, escrow, market, engine], strict=True))
    assert {n: str(c.address) for n, c in live.items()} == at
    w = World(q, **live)
    for p, owner in ((1, PROVIDER), (2, OTHER_PROVIDER)):
        registry.set_provider(p, owner.address, OPERATOR.address, PAYOUT.address)
    for i in range(NODES):
        registry.set_node(i, 1 if i < NODES - 1 else 2, 3, 8, ACTIVE)
    masks = {0: 0b101, 1: 0b1, 2: 0xFFF}
    for e in range(1, FIRST):
        w.report(masks if e % 3 == 0 else None)
    w.go(FIRST, OFFSET)
    w.price()
    w.buy(100_000 * WAD)
    w.sheet()
    return w


def fresh(deployed: World) -> Iterator[World]:
    """One test's world; the chain goes back after it, the time as well."""
    with boa.env.anchor():
        boa.env.timestamp = deployed.parameters.start(FIRST) + OFFSET
        yield replace(
            deployed, uptime=deepcopy(deployed.uptime), proofs=dict(deployed.proofs), opened=list(deployed.opened)
        )


__all__ = ["OWNER", "World", "balance", "deploy", "events", "fresh", "number", "pack"]

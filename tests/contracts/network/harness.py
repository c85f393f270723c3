"""Token, pool and registry deployed by themselves: every peer that calls them is an actor, so each caller's part can be
played. Provider ids count from 0."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import boa

from tests.support.actors import OPERATOR, OWNER, PAYOUT, PROVIDER, Actor, Domain, keccak, node_key, words
from tests.support.constants import GWEI, M32, M64, PRICE_ONE, Parameters
from tests.support.suite import REGISTER_NODE, ROTATE_KEY, compiled, predicted

MARKET = Actor("market peer")
ESCROW = Actor("escrow peer")
STANDING = Actor("standing peer")
HUB = Actor("hub peer")
MINTER = Actor("minter peer")
SLASHER = Actor("slasher")
FINDER = Actor("finder")

ZERO = "0x" + "00" * 20
M40 = 2**40 - 1
PENDING, ACTIVE, JAILED, FAULTED, RETIRED = 1, 2, 3, 4, 5
SLASH = FAULT = 1
MIN_STAKE = 100 * GWEI  # of a GPU of the class below: $100 in 1e-9 USD
LIVENESS = ("H100-SXM5-80GB", 0, 0, 80, 0, 1_000, MIN_STAKE, 0, 0, 0, False)
CHALLENGED = (*LIVENESS[:-4], 65_536, 512, 401, False)


def events(contract: Any, name: str) -> list[Any]:
    """Events of that name of the last call, its callees included."""
    return [log for log in contract.get_logs() if type(log).__name__ == name]


def only(contract: Any, name: str) -> Any:
    """The one event of that name of the last call."""
    found = events(contract, name)
    assert len(found) == 1, f"{len(found)} events {name}"
    return found[0]


def write(contract: Any, name: str, value: int, *keys: int) -> None:
    """Write a storage variable (of a map: the entry under `keys`): states that no call reaches, or not soon enough."""
    slot = int(contract.compiler_data.storage_layout["storage_layout"][name]["slot"])
    for k in keys:
        slot = int.from_bytes(keccak(words(slot, k)), "big")
    boa.env.set_storage(contract.address, slot, value)


@dataclass(frozen=True)
class Own:
    """own[p]: gwei, shares, shares, seconds."""

    assets: int
    shares: int
    locked: int
    last_below: int


@dataclass
class Trio:
    """The three contracts and the acts that most tests begin with."""

    parameters: Parameters
    token: Any
    pool: Any
    registry: Any
    nodes: int = 0
    prints: dict[int, list[bytes]] = field(default_factory=dict)

    def fresh(self) -> Trio:
        return Trio(self.parameters, self.token, self.pool, self.registry, self.nodes, dict(self.prints))

    # ---- time
    @property
    def now(self) -> int:
        return int(boa.env.timestamp)

    @property
    def epoch(self) -> int:
        return self.parameters.epoch_of(self.now)

    def wait(self, seconds: int) -> None:
        boa.env.timestamp = self.now + seconds
        boa.env.evm.patch.block_number += 1

    # ---- words
    def own(self, p: int) -> Own:
        w = int(self.pool.own(p))
        return Own(w >> 192, w >> 128 & M64, w >> 64 & M64, w >> 24 & M40)

    def tickets(self, p: int) -> tuple[int, int]:
        """(assets, shares) of the own half of unb[p]."""
        w = int(self.pool.unbonding(p))
        return w >> 192, w >> 128 & M64

    def ticket(self, p: int, who: Actor, i: int) -> tuple[int, int]:
        """(shares, release) of a ticket."""
        w = int(self.pool.ticket_of(p, who.address, i))
        assert w & 1 == 0, "a ticket of the delegated bucket"
        return w >> 41 & M64, w >> 1 & M40

    def status(self, node: int) -> tuple[int, int, int]:
        """(status, since, clean) of a node."""
        w = int(self.registry.node(node))
        return w >> 160 & 255, w >> 32 & M32, w >> 96 & M32

    def units(self, p: int) -> int:
        return int(self.pool.need(p)) & M64

    def held(self) -> int:
        """Wei of the token that the pool holds."""
        return int(self.token.balanceOf(self.pool.address))

    # ---- acts
    def fund(self, who: Actor, wei: int) -> None:
        self.token.transfer(who.address, wei, sender=OWNER.address)

    def add_class(self, row: Sequence[Any] = LIVENESS) -> int:
        return int(self.registry.add_class(tuple(row), sender=OWNER.address))

    def provider(self, owner: Actor = PROVIDER, operator: Actor = OPERATOR, payout: Actor = PAYOUT) -> int:
        return int(self.registry.register_provider(operator.address, payout.address, "", sender=owner.address))

    def stake(self, p: int, gwei: int, owner: Actor = PROVIDER) -> int:
        self.fund(owner, gwei * GWEI)
        self.token.approve(self.pool.address, gwei * GWEI, sender=owner.address)
        return int(self.pool.stake_own(p, gwei, sender=owner.address))

    def registration(
        self, p: int, class_id: int = 0, gpus: int = 1, region: int = 1, key: Actor | None = None
    ) -> tuple[Any, ...]:
        """Arguments of register_node for the next node, with GPUs and a key of its own."""
        key = key or node_key(self.nodes)
        prints = [keccak(b"gpu" + words(self.nodes, g)) for g in range(gpus)]
        return self.signed(p, class_id, region, prints, key)

    def signed(self, p: int, class_id: int, region: int, prints: list[bytes], key: Actor) -> tuple[Any, ...]:
        owner = self.registry.owner_of(p)
        digest = self.domain.digest(REGISTER_NODE, p, owner, class_id, region, keccak(b"".join(prints)), key.address)
        return p, class_id, region, prints, key.address, key.sign(digest)

    def allow_fee(self, owner: Actor = PROVIDER) -> None:
        self.fund(owner, self.parameters.fee_node)
        self.token.approve(self.registry.address, self.parameters.fee_node, sender=owner.address)

    def node(self, p: int, gpus: int = 1, owner: Actor = PROVIDER, active: bool = False, class_id: int = 0) -> int:
        arguments = self.registration(p, class_id, gpus)
        self.allow_fee(owner)
        i = int(self.registry.register_node(*arguments, sender=owner.address))
        self.nodes += 1
        self.prints[i] = arguments[3]
        if active:
            self.activate(i)
        return i

    def activate(self, i: int, e: int | None = None) -> None:
        e = self.epoch if e is None else e
        self.registry.set_status(i, ACTIVE, e, e, sender=STANDING.address)

    def rotation(self, i: int, key: Actor) -> tuple[int, str, bytes]:
        """Arguments of rotate_key."""
        return i, key.address, key.sign(self.domain.digest(ROTATE_KEY, i, key.address))

    @property
    def domain(self) -> Domain:
        return Domain(boa.env.evm.patch.chain_id, self.registry.address)

    def required(self, units: int) -> int:
        """ceil(units × S / 1e12) gwei."""
        return -(-units * int(self.pool.stake_price()) // PRICE_ONE)

    def grant_slash(self, to: Actor = SLASHER) -> None:
        self.pool.set_grant(to.address, SLASH, sender=OWNER.address)


def deploy(token: Any = None, parameters: Parameters | None = None, minter: str = MINTER.address) -> Trio:
    """At 100 s into epoch 0. `token`: another token contract in place of ours."""
    q = parameters or Parameters()
    boa.env.timestamp = q.genesis + 100
    owner = OWNER.address
    boa.env.set_balance(owner, 10**24)
    if token is None:
        token = compiled("incentives/ComputeToken.vy").deploy(minter, owner, q.supply, sender=owner)
    registry_at = predicted(owner, 1)
    pool = compiled("incentives/StakingPool.vy").deploy(
        token.address, registry_at, HUB.address, MARKET.address, ESCROW.address,
        q.stake_price, q.unbonding, q.period, sender=owner,
    )  # fmt: skip
    registry = compiled("network/NodeRegistry.vy").deploy(
        pool.address, token.address, MARKET.address, ESCROW.address, STANDING.address,
        q.genesis, q.slot, q.epochs_per_period, q.fee_node, q.answer_window, q.cooldown, sender=owner,
    )  # fmt: skip
    assert str(registry.address) == registry_at
    trio = Trio(q, token, pool, registry)
    trio.add_class()
    return trio


@cache
def deployed() -> Trio:
    """One deployment for the whole session; tests roll back to it."""
    return deploy()


def reserved(trio: Trio, i: int) -> int:
    """GPUs of node i that are reserved."""
    return int(trio.registry.node(i)) >> 168 & 65535


def challenged_node(trio: Trio, provider: int | None = None) -> int:
    """A Pending node of a challenged class, which is class 1, of a new provider unless one is given."""
    if int(trio.registry.class_count()) == 1:
        trio.add_class(CHALLENGED)
    return trio.node(trio.provider() if provider is None else provider, class_id=1)


def opted_in(trio: Trio, i: int) -> int:
    """Epoch since which node i is opted in; 0 = out."""
    return int(trio.registry.node(i)) >> 64 & M32

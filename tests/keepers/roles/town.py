"""A whole network in one process on virtual time: attesters, agents and a settler over the reference model."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from keepers.chain.deployment import Deployment
from keepers.chain.keys import LocalSigner
from keepers.gpu.fingerprint import fingerprint
from keepers.gpu.prover import Prover
from keepers.gpu.stand_in import StandIn
from keepers.protocol.hashing import keccak
from keepers.protocol.messages import Ask, RegisterNode, Take, fingerprints_hash, pack_nodes
from keepers.roles.agent.decide import CheckInPolicy
from keepers.roles.agent.role import Agent, NodeKey
from keepers.roles.attester.prices import Fixed, PriceSource
from keepers.roles.attester.role import Attester
from keepers.roles.settler.decide import Policy
from keepers.roles.settler.role import Settler
from keepers.runtime.app import App
from keepers.runtime.clock import VirtualClock
from keepers.runtime.role import Role
from keepers.runtime.settings import load
from keepers.runtime.ticker import VirtualTicker
from keepers.simulate.registry import HardwareClass
from keepers.simulate.world import Parameters
from keepers.store.engine import Store
from keepers.store.migrations import open_store
from keepers.wire.direct import DirectTransport
from keepers.wire.routing import Router
from tests.keepers.roles.world_chain import ADDRESSES, NAMES, WorldChain

GENESIS = 1_800_000_000
OWNER, RENTER = 0xA11CE, 0xB0B
PRICE = 5 * 10**11
SCALES = {"slot": 300, "epochs_per_period": 4, "dispute": 1, "grace": 4}


def key(name: str) -> LocalSigner:
    """A signer by name."""
    return LocalSigner(keccak(name.encode()))


def number(signer: LocalSigner) -> int:
    """Its account as a number."""
    return int(signer.address, 16)


def record(seats: Sequence[str], parameters: Parameters) -> Deployment:
    """A deployment record of the model's world."""
    contracts = {name: {"address": f"0x{ADDRESSES[short]:040x}"} for name, short in NAMES.items()}
    return Deployment.model_validate(
        {
            "schema": "hearth.deployment/1",
            "suite_version": "0.1.0",
            "network": "town",
            "chain_id": 31_337,
            "local": True,
            "genesis_block_hash": "0x" + "00" * 32,
            "first_block": 0,
            "finality": {"kind": "depth", "value": 0},
            "calendar": {
                "genesis": parameters.genesis,
                "slot": parameters.slot,
                "epochs_per_period": parameters.epochs_per_period,
            },
            "parameters": {
                "bounty_bps": parameters.bounty,
                "claim_s": parameters.claim,
                "abandon_s": parameters.escrow_abandon,
                "dispute_epochs": parameters.dispute,
                "grace_epochs": parameters.grace,
                "price_bound_bps": parameters.bound,
            },
            "contracts": contracts,
            "attesters": [{"seat": i, "address": seat, "url": f"http://seat-{i}"} for i, seat in enumerate(seats)],
        }
    )


@dataclass
class Town:
    """`nodes` nodes of one provider each with `gpus` GPUs; everything registered, staked and funded before genesis."""

    nodes: int = 3
    gpus: int = 2
    seats: int = 4
    dark_limit: int = 2**32 - 1
    policy: Policy = field(default_factory=Policy)
    prices: Sequence[PriceSource] = (Fixed(PRICE),)
    depth: int = 0
    store: Store | None = None
    check_in: CheckInPolicy | None = None
    challenge: tuple[int, int, int] = (0, 0, 0)  # n, rounds, deadline of the class
    prover: Prover | None = None
    canary_bps: int = 0
    begin: int = GENESIS + 1  # what the keepers' clock says when they start

    def __post_init__(self) -> None:
        self.parameters = Parameters(
            genesis=GENESIS, holder=OWNER, owner=OWNER, guardian=OWNER, builders=OWNER,
            claim=7_200, escrow_abandon=5 * 86_400, hub_abandon=5 * 86_400, **SCALES,
        )  # fmt: skip
        self.calendar = self.parameters.calendar
        self.chain = WorldChain(self.parameters, self.depth)
        self.world = self.chain.world
        self.seat_keys = [key(f"seat {i}") for i in range(self.seats)]
        self.node_keys = [key(f"node {i}") for i in range(self.nodes)]
        self.operators = [key(f"operator {i}") for i in range(self.nodes)]
        self.settler_key = key("settler")
        self._found()
        self.chain.mine(GENESIS + 1)
        self._start()

    def _found(self) -> None:
        w = self.world
        seats = [number(seat) for seat in self.seat_keys]
        w.call("hub", "set_committee", 1, seats, ["" for _ in seats], sender=OWNER)
        w.call(
            "registry",
            "add_class",
            HardwareClass("RTX-4090-24GB", 0, 0, 0, 0, 0, 300 * 10**9, *self.challenge),
            sender=OWNER,
        )
        w.call("escrow", "add_sheet", 3_600, 300, 86_400, self.dark_limit, 0, sender=OWNER)
        w.call("hub", "open_entries", sender=OWNER)
        for granting in ("registry", "pool"):
            w.call(granting, "set_grant", ADDRESSES["challenge"], 1, sender=OWNER)
        classes = list(w.registry.classes)
        for i in range(self.nodes):
            boss = number(self.operators[i])
            w.call("token", "transfer", boss, 10**24, sender=OWNER)
            p = w.call("registry", "register_provider", boss, boss, "", sender=boss)
            w.call("token", "approve", ADDRESSES["pool"], 2**255, sender=boss)
            w.call("token", "approve", ADDRESSES["registry"], 2**255, sender=boss)
            prints = [fingerprint(f"STAND-IN-node-{i}-{j}") for j in range(self.gpus)]
            owner, node = self.operators[i].address, self.node_keys[i].address
            message = RegisterNode(p, owner, classes[0], 0, fingerprints_hash(prints), node)
            signature = self.node_keys[i].sign_digest(message.digest(w.registry.domain))
            w.call(
                "registry", "register_node", p, classes[0], 0, prints, number(self.node_keys[i]), signature, sender=boss
            )
            w.call("pool", "stake_own", p, 10**14, sender=boss)
        w.call("token", "transfer", RENTER, 10**24, sender=OWNER)
        w.call("token", "approve", ADDRESSES["engine"], 2**255, sender=RENTER)

    def _start(self) -> None:
        self.ended = 0
        self._first: dict[int, Role[Any, Any]] = {}  # the object whose cycle the ticker calls
        self.clock = VirtualClock(self.begin)
        self.chain.now = self.clock.now  # type: ignore[method-assign]
        self.ticker = VirtualTicker(self.clock, self.calendar)
        self.transport = DirectTransport()
        self.attesters = [Attester(seat, self.prices) for seat in self.seat_keys]
        self.agent = Agent(
            [
                NodeKey(i, node, StandIn("RTX-4090-24GB", self.gpus, f"node-{i}"))
                for i, node in enumerate(self.node_keys)
            ],
            check_in=self.check_in,
            prover=self.prover,
            canary_bps=self.canary_bps,
        )
        self.settler = Settler(self.settler_key, self.policy)
        self.kept = self.store or open_store("sqlite://", threaded=False)
        self.app = App(
            load(env={}, files=[]).settings,
            record([seat.address for seat in self.seat_keys], self.parameters),
            [*self.attesters, self.agent, self.settler],
            ports=self.chain,
            store=self.kept,
            clock=self.clock,
            ticker=self.ticker,
            transport=self.transport,
            rng=random.Random(7),
        )
        self.app.start()
        for i, attester in enumerate(self.attesters):
            self.transport.mount(f"seat-{i}", Router(attester.routes()))

    # ---- driving

    def run(self, until: int) -> None:
        """Fire timers one moment after another; after each, let outboxes mine. A block at least once a slot."""
        while True:
            due = self.ticker.next()
            if due is None or due > until:
                break
            if due - self.chain.head().timestamp > self.calendar.slot:
                self.chain.mine(int(due))
                self.clock.move_to(max(self.clock.now(), int(due)))
                self.app.pulse()
            self.ticker.run_until(due)
            self.app.pulse()
        self.clock.move_to(max(until, self.clock.now()))

    def run_epochs(self, count: int) -> None:
        """Run to 200 s after the end of the epoch that is `count` epochs on: its report is then in."""
        self.ended += count
        self.run(self.calendar.end(self.ended) + 200)

    def kill(self, seat: int) -> None:
        """An attester that neither wakes nor answers."""
        self.attesters[seat].cycle = lambda trigger: "down"  # type: ignore[method-assign]
        self.transport.down.add(f"seat-{seat}")

    def restart(self, seat: int) -> None:
        """An attester's process is killed and started again on its database: a new object takes over."""
        old, new = self.attesters[seat], Attester(self.seat_keys[seat], self.prices)
        self._take_over(old, new)
        self.attesters[seat] = new
        self.transport.mount(f"seat-{seat}", Router(new.routes()))

    def restart_agent(self) -> None:
        """The same for the agent."""
        old = self.agent
        self.agent = Agent(old.nodes, check_in=self.check_in, prover=self.prover, canary_bps=self.canary_bps)
        self._take_over(old, self.agent)

    def restart_settler(self) -> None:
        """The same for the settler."""
        old, self.settler = self.settler, Settler(self.settler_key, self.policy)
        self._take_over(old, self.settler)

    def _take_over(self, old: Role[Any, Any], new: Role[Any, Any]) -> None:
        new.mount(self.app.context)
        new.start()
        first = self._first.get(id(old), old)
        self._first[id(new)] = first
        first.cycle = new.cycle  # type: ignore[method-assign]

    # ---- people

    def rent(self, node: int, seconds: int, gpus: int = 1, rate: int = 10**14) -> int:
        """The renter buys credits and takes a node for `seconds`, all prepaid; returns the lease's id."""
        w = self.world
        now = max(self.clock.now(), w.now)
        if now > w.now:
            w.warp(now)
        w.call("engine", "buy", 10**21, 0, sender=RENTER)
        provider = w.registry.nodes[node].provider
        operator = self.operators[node]
        ask = Ask(provider, pack_nodes([node]), 0, rate, 300, 10**7, 0, now + 10**6, 0, 1)
        digest = ask.digest(w.market.domain)
        take = Take(f"0x{RENTER:040x}", digest, pack_nodes([node]), gpus, seconds, min(seconds, 86_400), now + 600, now)
        lease = w.call("market", "take", ask, take, operator.sign_digest(digest), b"", [], sender=RENTER)
        self.chain.mine(now)
        self.app.pulse()
        assert isinstance(lease, int)
        return lease

    def stop(self, lease: int) -> None:
        """The renter stops a lease now."""
        now = max(self.clock.now(), self.world.now)
        if now > self.world.now:
            self.world.warp(now)
        self.world.call("escrow", "stop", lease, 0, sender=RENTER)
        self.chain.mine(now)
        self.app.pulse()

    def outcomes(self, function: str) -> list[str]:
        """What became of every transaction of a function."""
        return [outcome for _, name, outcome in self.chain.mined if name == function]

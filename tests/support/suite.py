"""All eleven contracts on titanoboa, at addresses predicted from the deployer's nonce, and the acts every test needs.

Compiled once: titanoboa keeps artifacts under build/ by the hash of a source and its imports.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import boa

from tests.support.actors import (
    BUILDERS,
    GUARDIAN,
    OPERATOR,
    OWNER,
    PAYOUT,
    PROVIDER,
    RELAYER,
    RENTER,
    Actor,
    Domain,
    checksum,
    keccak,
    node_key,
    seat,
    words,
)
from tests.support.constants import GWEI, WAD, Parameters
from tests.support.uptime import Uptime

ROOT = Path(__file__).resolve().parents[2]
CONTRACTS = ROOT / "contracts"
ZERO_ADDRESS = "0x" + "00" * 20

# name -> folder, in the order of deployment
ORDER = {
    "ComputeToken": "incentives",
    "StakingPool": "incentives",
    "NodeRegistry": "network",
    "AttestationHub": "consensus",
    "NodeStanding": "consensus",
    "LeaseEscrow": "market",
    "LeaseMarket": "market",
    "BurnMintEngine": "incentives",
    "ReportRefuter": "consensus",
    "AttesterCommittee": "consensus",
    "ComputeChallenge": "consensus",
}

REPORT = "Report(uint256 generation,uint256 epoch,bytes32 previous,bytes32 root,uint256 facts,bytes32 records)"
VOID_REPORT = "VoidReport(uint256 generation,uint256 first,uint256 last,bytes32 previous,uint256 view)"
REGISTER_NODE = (
    "RegisterNode(uint256 provider,address owner,uint256 class_id,uint256 region,bytes32 fingerprints,address key)"
)
ROTATE_KEY = "RotateKey(uint256 node,address key)"
ASK = (
    "Ask(uint256 provider,uint256 nodes,uint256 class_id,uint256 rate,uint256 min_duration,uint256 max_duration,"
    "uint256 sheet,uint256 expiry,uint256 generation,uint256 salt)"
)
TAKE = (
    "Take(address renter,bytes32 ask,uint256 nodes,uint256 gpus,uint256 duration,uint256 prepaid,uint256 deadline,"
    "uint256 salt)"
)


@cache
def compiled(path: str) -> Any:
    """Deployer of one contract, path relative to contracts/ ("consensus/AttestationHub.vy")."""
    boa.interpret.set_cache_dir(ROOT / "build" / "boa")
    return boa.load_partial(str(CONTRACTS / path))


def predicted(deployer: str, offset: int = 0) -> str:
    """Address of the deployer's contract `offset` deployments from now."""
    nonce = boa.env.evm.vm.state.get_nonce(bytes.fromhex(deployer[2:])) + offset
    return create_address(deployer, nonce)


def create_address(deployer: str, nonce: int) -> str:
    """keccak(rlp([deployer, nonce])), last 20 bytes."""
    tail = b"" if nonce == 0 else nonce.to_bytes((nonce.bit_length() + 7) // 8, "big")
    item = tail if nonce and nonce < 0x80 else bytes([0x80 + len(tail)]) + tail
    body = b"\x94" + bytes.fromhex(deployer[2:]) + item
    return checksum(keccak(bytes([0xC0 + len(body)]) + body)[12:])


def facts_word(count: int, price: int, indet: int = 0, view: int = 0) -> int:
    return count | indet << 24 | view << 40 | price << 64


def records_hash(parts: Sequence[bytes], data: bytes, root: bytes) -> bytes:
    """X: `parts` are h_1, R_1, h_2, R_2 … of the posted parts; `data` is the last part."""
    return keccak(b"".join(parts) + keccak(data) + root)


def quorum(n: int) -> int:
    return (n + (n - 1) // 3) // 2 + 1


@dataclass
class Suite:
    """The deployed contracts and the tests' own account of uptime. Every act leaves the chain's time where it stood,
    but `report`, `void`, `go` and `at`, which move it on."""

    parameters: Parameters
    token: Any
    pool: Any
    registry: Any
    hub: Any
    standing: Any
    escrow: Any
    market: Any
    engine: Any
    refuter: Any
    seats: Any
    challenge: Any = None
    committee: dict[int, list[Actor]] = field(default_factory=dict)  # generation -> seats
    uptime: Uptime = field(default_factory=Uptime)
    nodes: int = 0

    def fresh(self) -> Suite:
        """The same contracts with an account of its own, for a test that rolls back."""
        return replace(self, committee=dict(self.committee), uptime=deepcopy(self.uptime))

    # ---- time
    @property
    def now(self) -> int:
        return int(boa.env.timestamp)

    @property
    def epoch(self) -> int:
        return self.parameters.epoch_of(self.now)

    def at(self, t: int) -> None:
        """Move on to second t; never back."""
        assert t >= self.now, "time does not go back"
        boa.env.timestamp = t
        boa.env.evm.patch.block_number += 1

    def go(self, e: int, offset: int = 0) -> None:
        """Move on to `offset` seconds after the start of epoch e."""
        self.at(self.parameters.start(e) + offset)

    # ---- consensus
    @property
    def hub_domain(self) -> Domain:
        return Domain(boa.env.evm.patch.chain_id, self.hub.address)

    def set_committee(self, start: int = 1, n: int | None = None) -> list[Actor]:
        """The next generation of seats, named by (seat, generation)."""
        generation = len(self.committee) + 1
        seats = [seat(i, generation) for i in range(n or self.parameters.seats)]
        urls = [f"https://seat-{i}.example" for i in range(len(seats))]
        self.hub.set_committee(start, [s.address for s in seats], urls, sender=OWNER.address)
        self.committee[generation] = seats
        return seats

    def report_digest(self, generation: int, e: int, previous: bytes, root: bytes, facts: int, records: bytes) -> bytes:
        return self.hub_domain.digest(REPORT, generation, e, previous, root, facts, records)

    def void_digest(self, generation: int, first: int, last: int, previous: bytes, view: int) -> bytes:
        return self.hub_domain.digest(VOID_REPORT, generation, first, last, previous, view)

    def sign(
        self, digest: bytes, seats: Sequence[int] | None = None, generation: int | None = None
    ) -> tuple[int, bytes]:
        """`who` and the signatures of a quorum (or of the seats named) of the generation (the last)."""
        members = self.committee[generation or len(self.committee)]
        chosen = sorted(range(quorum(len(members))) if seats is None else seats)
        return sum(1 << i for i in chosen), b"".join(members[i].sign_seat(digest) for i in chosen)

    def challenged(self, e: int) -> bool:
        """Whether the hub will call e challenged: its seed came within the first third."""
        at = int(self.hub.seed(e)[1])
        return at != 0 and at <= self.parameters.start(e) + self.parameters.epoch // 3

    def report(
        self,
        down: Mapping[int, int] | None = None,
        *,
        price: int | None = None,
        count: int | None = None,
        indet: int = 0,
        view: int = 0,
        missed: Mapping[int, int] | None = None,
        seats: Sequence[int] | None = None,
        delay: int = 0,
        sender: Actor = RELAYER,
    ) -> int:
        """Report the next epoch (moving on to its end + delay if need be) and give its number. `down`: masks by node;
        the others were up. `count` defaults to the registry's."""
        e = int(self.hub.last_epoch()) + 1
        if self.now < self.parameters.end(e) + delay:
            self.at(self.parameters.end(e) + delay)
        previous = self.uptime.word
        count = int(self.registry.count()) if count is None else count
        data = self.uptime.report(down, count, indet, self.challenged(e), missed)
        root = self.uptime.root
        price = int(self.hub.price()) >> 192 if price is None else price
        facts = facts_word(count, price, indet, view)
        generation = int(self.hub.committee(e)[0])
        digest = self.report_digest(generation, e, previous, root, facts, records_hash([], data, root))
        who, sigs = self.sign(digest, seats, generation)
        self.hub.report(e, previous, root, facts, [], data, who, sigs, sender=sender.address)
        assert self.hub.ring_word(e) == self.uptime.word, "the hub's word is not the tests'"
        return e

    def report_until(self, e: int, down: Mapping[int, int] | None = None) -> None:
        """Report every epoch up to e alike."""
        while int(self.hub.last_epoch()) < e:
            self.report(down)

    def void(self, n: int = 1, view: int = 0) -> int:
        """Void the next n epochs."""
        first = int(self.hub.last_epoch()) + 1
        hi = first + n - 1
        if self.now < self.parameters.end(hi):
            self.at(self.parameters.end(hi))
        root, header, previous = self.uptime.root, self.uptime.header, self.uptime.word
        generation = int(self.hub.committee(first)[0])
        who, sigs = self.sign(self.void_digest(generation, first, hi, previous, view), None, generation)
        self.hub.report_void(hi, root, header, view, who, sigs, sender=RELAYER.address)
        self.uptime.void(n)
        return hi

    def make_usable(self) -> None:
        """Move on until the last reported epoch is usable."""
        self.at(max(self.now, int(self.hub.usable_at(self.hub.last_epoch()))))

    def proof(self, node: int) -> tuple[int, int, list[bytes]]:
        """(header, leaf, siblings) of a node at the last reported epoch."""
        return self.uptime.header, self.uptime.leaf(node), self.uptime.proof(node)

    # ---- network
    def add_class(
        self, min_stake: int = 100 * GWEI, name: str = "H100-SXM5-80GB", kind: int = 0, n: int = 0, rounds: int = 0
    ) -> int:
        """A class, liveness-only unless it has a size and rounds; min_stake in 1e-9 USD a GPU."""
        row = (name, kind, 0, 80, 0, 100, min_stake, n, rounds, 60 if rounds else 0, False)
        return int(self.registry.add_class(row, sender=OWNER.address))

    def register_provider(
        self, owner: Actor = PROVIDER, operator: Actor = OPERATOR, payout: Actor = PAYOUT, metadata: str = ""
    ) -> int:
        return int(self.registry.register_provider(operator.address, payout.address, metadata, sender=owner.address))

    def register_node(
        self, provider: int, class_id: int, gpus: int = 1, region: int = 1, owner: Actor = PROVIDER
    ) -> int:
        """One node with a key and GPUs of its own; the fee comes from the owner's tokens, topped up first."""
        key = node_key(self.nodes)
        prints = [keccak(b"gpu" + words(self.nodes, g)) for g in range(gpus)]
        domain = Domain(boa.env.evm.patch.chain_id, self.registry.address)
        fingerprints = keccak(b"".join(prints))
        digest = domain.digest(REGISTER_NODE, provider, owner.address, class_id, region, fingerprints, key.address)
        self.fund(owner, self.parameters.fee_node)
        self.token.approve(self.registry.address, self.parameters.fee_node, sender=owner.address)
        index = self.registry.register_node(
            provider, class_id, region, prints, key.address, key.sign(digest), sender=owner.address
        )
        self.nodes += 1
        return int(index)

    def stake(self, provider: int, gwei: int, owner: Actor = PROVIDER) -> int:
        """Stake from the owner's tokens, topped up first; shares."""
        self.fund(owner, gwei * GWEI)
        self.token.approve(self.pool.address, gwei * GWEI, sender=owner.address)
        return int(self.pool.stake_own(provider, gwei, sender=owner.address))

    # ---- money
    def fund(self, who: Actor, amount: int) -> None:
        """Tokens from the first holder."""
        self.token.transfer(who.address, amount, sender=OWNER.address)

    def buy(self, tokens: int, who: Actor = RENTER) -> int:
        """Burn tokens (wei) for credits into the purse; credits."""
        self.fund(who, tokens)
        self.token.approve(self.engine.address, tokens, sender=who.address)
        return int(self.engine.buy(tokens, 0, sender=who.address))

    @property
    def market_domain(self) -> Domain:
        return Domain(boa.env.evm.patch.chain_id, self.market.address)

    def sign_ask(self, ask: Sequence[int], signer: Actor = OPERATOR) -> tuple[bytes, bytes]:
        """(digest, signature) of the ten fields of an Ask."""
        digest = self.market_domain.digest(ASK, *ask)
        return digest, signer.sign(digest)

    def sign_take(self, take: Sequence[Any], signer: Actor = RENTER) -> tuple[bytes, bytes]:
        """(digest, signature) of the eight fields of a Take; a lease's id is int(digest) + i."""
        digest = self.market_domain.digest(TAKE, *take)
        return digest, signer.sign(digest)

    def ask_for(self, provider: int, nodes: Sequence[int], rate: int, sheet: int, **more: int) -> list[int]:
        """An Ask for the nodes named, valid for a day; `more` overrides fields by name."""
        fields = {
            "provider": provider,
            "nodes": sum((n + 1) << 24 * i for i, n in enumerate(nodes)),
            "class_id": 0,
            "rate": rate,
            "min_duration": 0,
            "max_duration": 30 * 86_400,
            "sheet": sheet,
            "expiry": self.now + 86_400,
            "generation": (int(self.registry.provider(provider)) >> 64) & 0xFFFFFFFF,
            "salt": 1,
        }
        return list((fields | more).values())

    def take(
        self,
        ask: Sequence[int],
        gpus: int,
        duration: int,
        prepaid: int,
        *,
        renter: Actor = RENTER,
        salt: int = 1,
        nodes: int | None = None,
        sender: Actor | None = None,
    ) -> int:
        """Open a lease of a signed ask; its id. A sender other than the renter carries the renter's signature."""
        ask_digest, ask_sig = self.sign_ask(ask)
        take = [renter.address, ask_digest, ask[1] if nodes is None else nodes, gpus, duration, prepaid,
                self.now + 3_600, salt]  # fmt: skip
        digest, take_sig = self.sign_take(take, renter)
        by = sender or renter
        sig = b"" if by is renter else take_sig
        self.market.take(tuple(ask), tuple(take), ask_sig, sig, [], sender=by.address)
        return int.from_bytes(digest, "big")


def deploy(parameters: Parameters | None = None, start: int | None = None) -> Suite:
    """The whole suite, time at `start` (an hour before epoch 1 unless given), committee of the first generation from
    epoch 1, entries open, ComputeChallenge granted. The owner deploys and holds the supply."""
    q = parameters or Parameters()
    boa.env.timestamp = q.start(1) - q.epoch if start is None else start
    owner = OWNER.address
    at = {name: predicted(owner, i) for i, name in enumerate(ORDER)}
    token, pool, registry = at["ComputeToken"], at["StakingPool"], at["NodeRegistry"]
    hub, standing, escrow = at["AttestationHub"], at["NodeStanding"], at["LeaseEscrow"]
    market, engine = at["LeaseMarket"], at["BurnMintEngine"]
    calendar = (q.genesis, q.slot, q.epochs_per_period)
    arguments: dict[str, tuple[Any, ...]] = {
        "ComputeToken": (engine, owner, q.supply),
        "StakingPool": (token, registry, hub, market, escrow, q.stake_price, q.unbonding, q.period),
        "NodeRegistry": (pool, token, market, escrow, standing, *calendar, q.fee_node, q.answer_window, q.cooldown),
        "AttestationHub": (
            registry, pool, *calendar, q.dispute, q.grace, q.abandon, q.price, q.bound, GUARDIAN.address,
            at["ReportRefuter"], at["AttesterCommittee"], ZERO_ADDRESS,
        ),
        "NodeStanding": (hub, registry, *calendar),
        "ReportRefuter": (hub, *calendar),
        "AttesterCommittee": (
            hub, at["ReportRefuter"], token, *calendar, q.dispute, q.seat_bond, q.notice, q.unbonding,
        ),
        "LeaseEscrow": (hub, registry, pool, market, engine, *calendar, q.escrow_bounty, q.claim, q.abandon),
        "LeaseMarket": (hub, registry, pool, escrow, q.slot, q.max_age),
        "BurnMintEngine": (
            token, hub, registry, escrow, *calendar, q.max_age, q.spread, q.peg, q.cap, q.fee,
            q.attesters_share, q.builders_share, BUILDERS.address, q.escrow_bounty,
        ),
        "ComputeChallenge": (hub, registry, pool, *calendar, q.answer_window, q.rate),
    }  # fmt: skip
    boa.env.set_balance(owner, 10**24)
    live = {}
    for name, folder in ORDER.items():
        live[name] = compiled(f"{folder}/{name}.vy").deploy(*arguments[name], sender=owner)
        assert str(live[name].address) == at[name], f"{name} is not where it was predicted"
    suite = Suite(q, *(live[name] for name in ORDER), uptime=Uptime(slot=q.slot))
    for contract in (suite.registry, suite.pool):
        contract.set_grant(suite.challenge.address, 1, sender=owner)
    suite.set_committee()
    suite.hub.open_entries(sender=owner)
    return suite


__all__ = ["ORDER", "WAD", "Suite", "compiled", "create_address", "deploy", "facts_word", "predicted", "quorum"]

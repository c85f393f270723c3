"""A deployed suite on anvil and the people in it: each acts by one transaction, reports are signed by local seats.

Time is the chain's: `warp` moves it, nothing sleeps. The uptime tree is the keepers' own, so every proof used here is
one that a settler would build from the logs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keepers.chain.codec import Codec
from keepers.chain.deployment import Deployment
from keepers.chain.keys import LocalSigner
from keepers.chain.ports import Call
from keepers.localnet.anvil import Anvil, RpcError
from keepers.protocol.hashing import keccak
from keepers.protocol.merge import Merged
from keepers.protocol.messages import Ask, Domain, RegisterNode, Take, fingerprints_hash, pack_nodes
from keepers.protocol.records import Record
from keepers.protocol.report import build, is_challenged, pack_signatures, view_number
from keepers.protocol.uptime_tree import UptimeTree
from keepers.wire.signatures import compact
from scripts._rehearsal import reason

PRICE = 500_000_000_000  # 0.5 USD a token, 12 decimals
WHOLE = 10**18
DARK = 0xFFF
GAS = 12_000_000
QUORUM = 3  # of four seats
NODE_KEYS = [LocalSigner(keccak(f"node {i}".encode())) for i in range(8)]


class Reverted(Exception):
    """A call that the chain refuses; its text is the contract's reason."""


@dataclass(frozen=True)
class Lease:
    """What a test needs to know of a lease it opened."""

    id: int
    node: int
    provider: int
    rate: int
    start: int


class Town:
    """Everything a test does on the chain. `seats` are the committee's keys, `people` addresses by name."""

    def __init__(
        self, chain: Anvil, record: Deployment, seats: Sequence[LocalSigner], people: Mapping[str, str]
    ) -> None:
        self.chain, self.record, self.seats, self.people = chain, record, seats, dict(people)
        self.codec: Codec = record.codec()
        self.calendar = record.clock()
        self.tree = UptimeTree()
        self._history = {0: self.tree.snapshot()}
        self._counts: dict[int, int] = {}
        self._salt = 0
        self.digests: dict[int, bytes] = {}  # epoch -> what the seats signed

    # ---- the chain

    def at(self, contract: str) -> str:
        return self.record.address(contract)

    def domain(self, contract: str) -> Domain:
        return Domain(self.record.chain_id, self.at(contract))

    def read(self, contract: str, function: str, *args: Any) -> Any:
        """A view now."""
        call = Call(contract, function, args)
        to, data = self.codec.encode(call)
        try:
            raw = self.chain.call("eth_call", {"to": to, "data": "0x" + data.hex()}, "latest")
        except RpcError as error:
            raise Reverted(reason(error)) from None
        return self.codec.decode(call, bytes.fromhex(raw[2:]))

    def send(self, who: str, contract: str, function: str, *args: Any) -> Mapping[str, Any]:
        """One transaction of `who` (a name or an address); its receipt. Raises Reverted with the reason."""
        to, data = self.codec.encode(Call(contract, function, args))
        sender = self.people.get(who, who)
        fields = {"from": sender, "to": to, "data": "0x" + data.hex(), "gas": hex(GAS)}
        try:
            # the next block's time, not the newest one's: what passes here passes there
            self.chain.call("eth_call", fields, "pending")
            sent = self.chain.call("eth_sendTransaction", fields)
        except RpcError as error:
            raise Reverted(reason(error)) from None
        receipt: Mapping[str, Any] | None = None
        while receipt is None:  # automine answers before the receipt is there
            receipt = self.chain.call("eth_getTransactionReceipt", sent)
        if int(receipt["status"], 16) != 1:
            raise Reverted(f"{contract}.{function} failed in its block")
        return receipt

    def events(self, receipt: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
        """Arguments of the receipt's events called `name`."""
        found = []
        for row in receipt["logs"]:
            event = self.codec.event(
                row["address"],
                [bytes.fromhex(t[2:]) for t in row["topics"]],
                bytes.fromhex(row["data"][2:]),
                block_number=0,
                block_hash=b"",
                index=0,
            )
            if event is not None and event.name == name:
                found.append(event.args)
        return found

    def now(self) -> int:
        """Time of the newest block, seconds."""
        return int(self.chain.call("eth_getBlockByNumber", "latest", False)["timestamp"], 16)

    def warp(self, to: int) -> None:
        """A block at `to`, unless that time has passed."""
        if to > self.now():
            self.chain.call("evm_setNextBlockTimestamp", to)
            self.chain.call("evm_mine")

    def epoch(self) -> int:
        return self.calendar.epoch(self.now())

    def tokens(self, who: str) -> int:
        """Wei of the token that `who` holds."""
        return int(self.read("ComputeToken", "balanceOf", self.people.get(who, who)))

    # ---- providers and nodes

    def provider(self, who: str, stake: int) -> int:
        """A provider of `who`, operator and payout itself, with `stake` whole tokens."""
        self.send(who, "ComputeToken", "approve", self.at("StakingPool"), 2**256 - 1)
        self.send(who, "ComputeToken", "approve", self.at("NodeRegistry"), 2**256 - 1)
        p = int(self.read("NodeRegistry", "provider_count"))
        self.send(who, "NodeRegistry", "register_provider", self.people[who], self.people[who], "")
        self.send(who, "StakingPool", "stake_own", p, stake * 10**9)
        return p

    def node(self, who: str, provider: int, class_id: int, gpus: int = 2) -> int:
        """A node of `who`, Pending; its key is NODE_KEYS[index]."""
        i = int(self.read("NodeRegistry", "count"))
        key = NODE_KEYS[i]
        prints = [keccak(f"gpu {i} {g}".encode()) for g in range(gpus)]
        message = RegisterNode(provider, self.people[who], class_id, 1, fingerprints_hash(prints), key.address)
        sig = key.sign_digest(message.digest(self.domain("NodeRegistry")))
        self.send(who, "NodeRegistry", "register_node", provider, class_id, 1, prints, key.address, sig)
        self._counts[self.epoch() + 1] = i + 1
        return i

    def status(self, node: int) -> int:
        return int(self.read("NodeRegistry", "node", node)) >> 160 & 255

    # ---- reports

    def report(self, masks: Mapping[int, int] | None = None, price: int = PRICE) -> int:
        """The next epoch's report, signed by a quorum: `masks` are the slots in which nodes were not seen."""
        e = self.tree.header.epoch + 1
        self.warp(self.calendar.end(e))
        count = max((n for first, n in self._counts.items() if first <= e), default=0)
        _, drawn = self.read("AttestationHub", "seed", e)
        challenged = bool(drawn) and is_challenged(drawn, self.calendar.start(e), self.calendar.epoch_seconds)
        generation, _, _ = self.read("AttestationHub", "committee", e)
        merged = self._merged(dict(masks or {}), count, price)
        view = view_number(int(self.read("AttestationHub", "cancels", e)), 0)
        built = build(self.tree, merged, count=count, view=view, challenged=challenged)
        digest = self.digests[e] = built.digest(generation, self.domain("AttestationHub"))
        who, sigs = pack_signatures({s: compact(self.seats[s].sign_digest(digest)) for s in range(QUORUM)})
        arguments = (built.previous, built.root, built.facts.pack(), built.part_words, built.data, who, sigs)
        self.send("seat", "AttestationHub", "report", e, *arguments)
        assert self.read("AttestationHub", "ring_word", e) == self.tree.ring_word
        self._history[e] = self.tree.snapshot()
        return e

    def _merged(self, masks: dict[int, int], count: int, price: int) -> Merged:
        records = []
        for i in range(count):
            leaf, mask = self.tree.leaf(i), masks.get(i, 0)
            was = leaf.prediction
            now = (mask, 1 if mask == DARK else was[1])
            if now != was:
                records.append(Record(i, 0, now[1], mask))
        return Merged(tuple(masks.get(i, 0) for i in range(count)), 0, price, tuple(records))

    def report_through(self, e: int, masks: Mapping[int, Mapping[int, int]] | None = None) -> None:
        """Reports of every epoch up to `e`; `masks` by epoch."""
        while self.tree.header.epoch < e:
            self.report((masks or {}).get(self.tree.header.epoch + 1))

    def usable(self, e: int) -> None:
        """Waits until epoch `e` is usable."""
        self.warp(int(self.read("AttestationHub", "usable_at", e)))

    def proof(self, node: int, e: int | None = None) -> tuple[int, int, list[bytes]]:
        """(header, leaf, siblings) of epoch `e`, or of the newest report."""
        tree = UptimeTree.at(self._history[self.tree.header.epoch if e is None else e])
        return tree.header.pack(), tree.leaf(node).pack(), tree.proof(node)

    # ---- market and money

    def active_node(self, who: str, provider: int, class_id: int, gpus: int = 2) -> int:
        """A node that has been up for its first epoch and was activated by a stranger."""
        node = self.node(who, provider, class_id, gpus)
        e = (int(self.read("NodeRegistry", "node", node)) >> 128) & (2**32 - 1)
        self.report_through(e)
        self.usable(e)
        self.send("stranger", "NodeStanding", "activate", node, *self.proof(node))
        return node

    def buy(self, who: str, whole: int) -> int:
        """Credits for `whole` tokens into the purse of `who`."""
        self.send(who, "ComputeToken", "approve", self.at("BurnMintEngine"), 2**256 - 1)
        receipt = self.send(who, "BurnMintEngine", "buy", whole * WHOLE, 0)
        return int(self.events(receipt, "Bought")[0]["credits"])

    def ask(self, provider: int, node: int, rate: int, sheet: int, duration: int) -> Ask:
        """A standing offer of one node."""
        self._salt += 1
        generation = int(self.read("NodeRegistry", "provider", provider)) >> 64 & (2**32 - 1)
        return Ask(
            provider, pack_nodes([node]), 0, rate, 1, duration, sheet, self.now() + 10**6, generation, self._salt
        )

    def rent(
        self,
        renter: str,
        operator: LocalSigner,
        provider: int,
        node: int,
        *,
        rate: int,
        duration: int,
        prepaid: int,
        sheet: int = 0,
        gpus: int = 1,
    ) -> Lease:
        """A lease, taken by the renter itself."""
        ask = self.ask(provider, node, rate, sheet, duration)
        market = self.domain("LeaseMarket")
        digest = ask.digest(market)
        deadline = self.now() + 10**6
        take = Take(self.people[renter], digest, pack_nodes([node]), gpus, duration, prepaid, deadline, self._salt)
        fields = [tuple(getattr(m, name) for name in _fields(m)) for m in (ask, take)]
        receipt = self.send(renter, "LeaseMarket", "take", *fields, operator.sign_digest(digest), b"", [])
        start = int(self.chain.call("eth_getBlockByHash", receipt["blockHash"], False)["timestamp"], 16)
        assert len(self.events(receipt, "Opened")) == 1
        return Lease(take.lease_id(market), node, provider, rate * gpus, start)

    def settle(self, lease: Lease, payee: int, who: str = "stranger") -> Mapping[str, Any]:
        """First settlement with its anchor, by the newest report; the Settled event."""
        anchor = self.proof(lease.node, self.calendar.epoch(lease.start))
        proof = self.proof(lease.node)
        receipt = self.send(who, "LeaseEscrow", "settle_first", lease.id, *proof, payee, *anchor)
        return self.events(receipt, "Settled")[0]

    def purse(self, who: str) -> tuple[int, int]:
        """(credits, backing)."""
        word = int(self.read("LeaseEscrow", "purse", self.people.get(who, who)))
        return word >> 128, word & (2**128 - 1)

    def tally(self, key: int, period: int) -> tuple[int, int]:
        """(credits, backing) owed to a provider or an address in a period."""
        word = int(self.read("LeaseEscrow", "tally", key, period))
        return word >> 128, word & (2**128 - 1)

    def money(self, lease: Lease) -> tuple[int, int]:
        """(credits, backing) in a lease."""
        word = int(self.read("LeaseEscrow", "money", lease.id))
        return word >> 160, word >> 64 & (2**96 - 1)


def _fields(message: Any) -> list[str]:
    return [name for name in message.__dataclass_fields__ if name != "TYPE"]

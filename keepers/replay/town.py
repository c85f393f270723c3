"""The people of a replay: seeded keys, a deployed suite, registered and staked nodes, signed asks.

Everything is drawn from one `random.Random`, so that the same seed makes the same addresses, signatures and gas.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from keepers.chain.codec import Codec
from keepers.chain.deployment import Deployment
from keepers.chain.keys import ORDER, LocalSigner, TxFields
from keepers.chain.ports import Call
from keepers.gpu.fingerprint import fingerprints
from keepers.gpu.stand_in import StandIn
from keepers.localnet.network import LocalNetwork
from keepers.protocol.errors import HearthError
from keepers.protocol.messages import Ask, Domain, RegisterNode, fingerprints_hash, pack_nodes
from keepers.protocol.units import WAD
from keepers.replay.rates import Rate
from keepers.replay.traces import NodeRow
from keepers.replay.wire import ChainTransport
from keepers.roles.agent.heartbeat import NodeKey

BASE = 1_700_002_800  # genesis: a whole hour, the same in every replay
GROUP = 5  # nodes of one provider: several, so that settlements of neighbours go together
MIN_STAKE_USD = 100  # of a GPU of each class
CHALLENGE = "256:1:60"  # n, rounds and deadline of every class: a CPU answers in milliseconds
STAKE_FACTOR = 4  # × the required stake: room for the bonds of all leases at once and for the price
PRICE_USD = "0.50"  # of a token, constant: the profile's first price
SHEET = 0  # of the replay profile: no downtime limit, no minimum time
FOREVER = 2**40 - 1
MAX_FEE = 10**11
TX_GAS = 2_000_000  # more than any call of a replay takes


@dataclass
class Account:
    """A key and the nonce of its next transaction."""

    signer: LocalSigner
    nonce: int = 0


@dataclass
class Town:
    """Who lives here. `owner_of[k]` is the provider of node k, `asks[k]` its signed ask."""

    record: Deployment
    seats: list[LocalSigner]
    settler: LocalSigner
    renter: Account
    node_keys: list[NodeKey]
    owner_of: list[int] = field(default_factory=list)
    asks: list[tuple[Ask, bytes]] = field(default_factory=list)

    @property
    def codec(self) -> Codec:
        """Encoder of calls at this deployment's addresses."""
        return self.record.codec()


def draw_key(rng: random.Random) -> LocalSigner:
    """A key drawn from the seed."""
    return LocalSigner(rng.randrange(1, ORDER).to_bytes(32, "big"))


class Post:
    """Sends the driver's own transactions and checks that they did what they should."""

    def __init__(self, chain: ChainTransport, record: Deployment) -> None:
        self.chain, self._record, self._codec = chain, record, record.codec()

    def raw(self, account: Account, call: Call, gas: int = TX_GAS) -> str:
        """A signed transaction with the account's next nonce, as hex."""
        to, data = self._codec.encode(call)
        fields = TxFields(self._record.chain_id, account.nonce, to, data, 0, gas, MAX_FEE, 1)
        account.nonce += 1
        return "0x" + account.signer.sign_transaction(fields).hex()

    def send(self, account: Account, calls: Sequence[Call]) -> list[tuple[str, Call]]:
        """Hand over calls of one account in order; (hash, call) of each."""
        hashes = self.chain.calls([("eth_sendRawTransaction", (self.raw(account, call),)) for call in calls])
        return list(zip(hashes, calls, strict=True))

    def check(self, sent: Sequence[tuple[str, Call]]) -> None:
        """Raises H9001 for the first that is not mined or reverted, with the chain's reason."""
        receipts = self.chain.calls([("eth_getTransactionReceipt", (tx,)) for tx, _ in sent]) if sent else []
        for (tx, call), receipt in zip(sent, receipts, strict=True):
            if receipt is None or receipt["status"] != "0x1":
                raise HearthError("H9001", f"{call} was not taken by the chain", why=(self._why(tx, receipt),), tx=tx)

    def _why(self, tx: str, receipt: Any) -> str:
        if receipt is None:
            return "it was not mined"
        row = self.chain.call("eth_getTransactionByHash", tx)
        before = hex(int(receipt["blockNumber"], 16) - 1)
        try:
            self.chain.call("eth_call", {"from": row["from"], "to": row["to"], "data": row["input"]}, before)
        except HearthError as error:
            return error.message
        return f"it reverted in block {int(receipt['blockNumber'], 16)}, and would not have in the one before"


def deploy(
    network: LocalNetwork, seats: Sequence[tuple[str, str]], tokens: Mapping[str, int], models: Sequence[str]
) -> None:
    """The suite of profile `replay` by the deploy script; committee, tokens and a class a model by the seed script."""
    network.script("deploy", "--profile", "replay", "--name", "replay")
    arguments: list[str] = []
    for address, url in seats:
        arguments += ["--attester", f"{address}={url}"]
    for address, amount in tokens.items():
        arguments += ["--tokens", f"{address}={amount}"]
    for model in models:
        arguments += ["--class", f"{model}={MIN_STAKE_USD}:{CHALLENGE}"]
    network.script("seed_local", *arguments)


def settle_down(
    wire: ChainTransport,
    network: LocalNetwork,
    nodes: Sequence[NodeRow],
    rates: Mapping[str, Rate],
    seats: int,
    renter_tokens: int,
    rng: random.Random,
) -> Town:
    """Deploy, fund, register and stake everybody. From here on blocks come only when they are asked for."""
    seat_keys = [draw_key(rng) for _ in range(seats)]
    settler, renter = draw_key(rng), Account(draw_key(rng))
    groups = [range(first, min(first + GROUP, len(nodes))) for first in range(0, len(nodes), GROUP)]
    owners = [Account(draw_key(rng)) for _ in groups]
    keys = [NodeKey(k, draw_key(rng), StandIn(node.model, node.gpus, f"replay-{k}")) for k, node in enumerate(nodes)]
    stakes = [sum(nodes[k].gpus for k in group) * MIN_STAKE_USD * 2 * STAKE_FACTOR for group in groups]
    for who in (*seat_keys, settler, renter.signer, *(owner.signer for owner in owners)):
        wire.call("anvil_setBalance", who.address, hex(10**6 * WAD))
    tokens = {
        owner.signer.address: stake + len(group) + 1 for owner, stake, group in zip(owners, stakes, groups, strict=True)
    }
    models = sorted({node.model for node in nodes})
    urls = [(key.address, f"http://attester-{i}") for i, key in enumerate(seat_keys)]
    deploy(network, urls, {**tokens, renter.signer.address: renter_tokens}, models)
    town = Town(network.record, seat_keys, settler, renter, keys)
    wire.call("evm_setAutomine", False)
    _register(Post(wire, town.record), town, wire, nodes, groups, owners, stakes)
    _sign_asks(town, nodes, rates, groups, owners, rng)
    return town


def _register(
    post: Post,
    town: Town,
    wire: ChainTransport,
    nodes: Sequence[NodeRow],
    groups: Sequence[range],
    owners: Sequence[Account],
    stakes: Sequence[int],
) -> None:
    record = town.record
    classes = _class_ids(wire, record)
    domain = Domain(record.chain_id, record.address("NodeRegistry"))
    for provider, (group, owner, stake) in enumerate(zip(groups, owners, stakes, strict=True)):
        me = owner.signer.address
        calls = [
            Call("NodeRegistry", "register_provider", (me, me, "")),
            Call("ComputeToken", "approve", (record.address("StakingPool"), stake * WAD)),
            Call("ComputeToken", "approve", (record.address("NodeRegistry"), len(group) * WAD)),
        ]
        for k in group:
            key, prints = town.node_keys[k], list(fingerprints(_uuids(town.node_keys[k])))
            class_id = classes[nodes[k].model]
            message = RegisterNode(provider, me, class_id, 0, fingerprints_hash(prints), key.signer.address)
            signature = key.signer.sign_digest(message.digest(domain))
            args = (provider, class_id, 0, prints, key.signer.address, signature)
            calls.append(Call("NodeRegistry", "register_node", args))
            town.owner_of.append(provider)
        calls.append(Call("StakingPool", "stake_own", (provider, stake * 10**9)))
        _done(post, wire, owner, calls)
    engine = record.address("BurnMintEngine")
    _done(post, wire, town.renter, [Call("ComputeToken", "approve", (engine, 2**255))])


def _done(post: Post, wire: ChainTransport, account: Account, calls: Sequence[Call]) -> None:
    sent = post.send(account, calls)
    wire.call("evm_mine")
    post.check(sent)


def _uuids(key: NodeKey) -> tuple[str, ...]:
    sampler = key.sampler
    if not isinstance(sampler, StandIn):
        raise TypeError("a replay's nodes are stand-ins")
    return sampler.uuids()


def _class_ids(wire: ChainTransport, record: Deployment) -> dict[str, int]:
    codec = record.codec()

    def view(call: Call) -> Any:
        to, data = codec.encode(call)
        raw = wire.call("eth_call", {"to": to, "data": "0x" + data.hex()}, "latest")
        return codec.decode(call, bytes.fromhex(raw[2:]))

    count = int(view(Call("NodeRegistry", "class_count")))
    return {str(view(Call("NodeRegistry", "class_of", (c,)))[0]): c for c in range(count)}


def _sign_asks(
    town: Town,
    nodes: Sequence[NodeRow],
    rates: Mapping[str, Rate],
    groups: Sequence[range],
    owners: Sequence[Account],
    rng: random.Random,
) -> None:
    domain = Domain(town.record.chain_id, town.record.address("LeaseMarket"))
    for provider, (group, owner) in enumerate(zip(groups, owners, strict=True)):
        for k in group:
            ask = Ask(
                provider=provider,
                nodes=pack_nodes([k]),
                class_id=0,
                rate=rates[nodes[k].model].wei,
                min_duration=0,
                max_duration=2**32 - 1,
                sheet=SHEET,
                expiry=FOREVER,
                generation=0,
                salt=rng.randrange(2**256),
            )
            town.asks.append((ask, owner.signer.sign_digest(ask.digest(domain))))

"""What the registry says about the agent's nodes, read at one block."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from keepers.chain.challenges import Challenges, Drawn, Size
from keepers.chain.fees import quote
from keepers.chain.ports import BlockRef, TxState
from keepers.gpu.sampler import Telemetry
from keepers.protocol.challenge import is_drawn
from keepers.protocol.counters import Leaf
from keepers.protocol.epochs import SLOTS
from keepers.protocol.errors import HearthError
from keepers.protocol.nodes import CHECK_IN_GAS, Node
from keepers.roles.agent.decide import UNKNOWN, CheckInPolicy, NodeFacts, OwedFacts, SlotFacts, owed
from keepers.roles.agent.heartbeat import NodeKey
from keepers.roles.agent.leaves import Asked
from keepers.runtime.role import Context

NO_PROVER = (
    'its class is challenged, and this agent answers nothing ([agent] prover = "off"): it is never activated and its'
    ' draws stay owed; set prover = "auto" and start again'
)


def observe_nodes(
    context: Context,
    nodes: Sequence[NodeKey],
    epoch: int,
    at: BlockRef,
    telemetry: Mapping[int, Telemetry],
    answers_challenges: bool = True,
) -> tuple[NodeFacts, ...]:
    """Facts of every node; `known` is False where the registry has no such index. An agent that answers no challenges
    is told of each node whose class has them."""
    registry = context.suite.registry
    count = registry.count(at=at)
    known = [key for key in nodes if key.node < count]
    calls = [registry.view("node", key.node) for key in known] + [
        registry.view("key_of", key.node, epoch) for key in known
    ]
    answers = context.reader.read_many(calls, at)
    words = dict(zip((key.node for key in known), answers, strict=False))
    keys = dict(zip((key.node for key in known), answers[len(known) :], strict=True))
    facts = []
    for key in nodes:
        node = Node.unpack(int(words.get(key.node, 0)))
        hardware = telemetry[key.node].state if key.node in telemetry else "unread"
        facts.append(
            NodeFacts(
                node=key.node,
                epoch=epoch,
                status=node.status,
                first=node.first,
                reserved=node.reserved,
                chain_key=str(keys.get(key.node, "")).lower(),
                own_key=key.signer.address,
                hardware=hardware,
                known=key.node in words,
            )
        )
    return tuple(facts) if answers_challenges else _unanswered(context, facts, words, at)


def _unanswered(
    context: Context, facts: Sequence[NodeFacts], words: Mapping[int, Any], at: BlockRef
) -> tuple[NodeFacts, ...]:
    classes = {index: Node.unpack(int(word)).class_id for index, word in words.items()}
    wanted = sorted(set(classes.values()))
    rows = context.reader.read_many([context.suite.registry.view("class_word", c) for c in wanted], at)
    challenged = {c for c, row in zip(wanted, rows, strict=True) if Size.unpack(int(row)).challenged}
    return tuple(
        replace(each, challenge=NO_PROVER) if classes.get(each.node) in challenged else each for each in facts
    )  # fmt: skip


DAY_S = 86_400


def observe_slot(
    context: Context,
    nodes: Sequence[NodeKey],
    epoch: int,
    slot: int,
    heard: Mapping[int, int],
    seats: int,
    policy: CheckInPolicy,
    at: BlockRef,
) -> tuple[SlotFacts, ...]:
    """Facts of the nodes that few attesters have heard in a slot; asks the chain about those only."""
    registry, hub = context.suite.registry, context.suite.hub
    calls = [
        call
        for key in nodes
        for call in (
            registry.view("node", key.node),
            registry.view("key_of", key.node, epoch),
            hub.view("check_ins", epoch, key.node),
        )
    ]
    answers = context.reader.read_many(calls, at)
    cost = CHECK_IN_GAS * quote(at.base_fee, policy.tip).max_fee
    before = (epoch, slot - 1) if slot else (epoch - 1, SLOTS - 1)
    facts = []
    for i, key in enumerate(nodes):
        word, chain_key, slots = answers[3 * i : 3 * i + 3]
        node, sender = Node.unpack(int(word)), context.senders[key.signer.address]
        last = sender.status(check_in_key(key.node, *before))
        facts.append(
            SlotFacts(
                node=key.node,
                epoch=epoch,
                slot=slot,
                heard=heard[key.node],
                seats=seats,
                own_key=key.signer.address,
                chain_key=str(chain_key).lower(),
                status=node.status,
                first=node.first,
                since=node.since,
                checked_in=bool(int(slots) >> slot & 1),
                under_way=last is not None and last.state is TxState.PENDING,
                balance=context.reader.balance(key.signer.address, at),
                cost=cost,
                spent=sender.spent(at.timestamp - DAY_S)[0],
            )
        )
    return tuple(facts)


def check_in_key(node: int, epoch: int, slot: int) -> str:
    """Key of the outbox row that checks a node in for a slot: at most one a slot, for ever."""
    return f"agent:{node}-{epoch}-{slot}:check-in"


def observe_owed(
    context: Context,
    nodes: Sequence[NodeKey],
    challenges: Challenges,
    drawn: Drawn,
    muted: Collection[int],
    at: BlockRef,
    ask: Asked,
) -> tuple[tuple[OwedFacts, ...], dict[int, tuple[int, Size]]]:
    """Facts of every node at the seed of an epoch; class and work of those whose class is challenged. `ask` is asked
    for u of the nodes for which nothing else decides and no report is followed here."""
    registry = context.suite.registry
    count = registry.count(at=at)
    known = [key for key in nodes if key.node < count]
    calls = [registry.view("node", key.node) for key in known]
    calls += [registry.view("key_of", key.node, drawn.epoch) for key in known]
    answers = context.reader.read_many(calls, at) if calls else []
    words = {key.node: Node.unpack(int(word)) for key, word in zip(known, answers, strict=False)}
    keys = {key.node: str(each).lower() for key, each in zip(known, answers[len(known) :], strict=True)}
    found = {index: (node.class_id, challenges.size(node.class_id, at)) for index, node in words.items()}
    sizes = {index: each for index, each in found.items() if each[1].challenged}
    # the escrow is read only where a class asks for anything
    free = challenges.free({index: words[index] for index in sizes}, drawn.seed_time, at) if sizes else {}
    rate = challenges.rate(at) if sizes else 0
    facts = []
    for key in nodes:
        node = words.get(key.node, Node())
        each = OwedFacts(
            node=key.node,
            epoch=drawn.epoch,
            known=key.node in words,
            status=node.status,
            first=node.first,
            since=node.since,
            own_key=keys.get(key.node) == key.signer.address,
            muted=key.node in muted,
            challenged=key.node in sizes,
            free=free.get(key.node, 0),
            drawn=is_drawn(drawn.seed, key.node, rate),
            unproven=_unproven(context, key.node, drawn.epoch),
            opt_in=bool(node.opt_in),
        )
        facts.append(replace(each, unproven=ask(key.node)) if owed(each).reason == UNKNOWN else each)
    return tuple(facts), sizes


def _unproven(context: Context, node: int, epoch: int) -> bool | None:
    """u of a node's leaf; None where this process does not follow the reports up to the epoch before."""
    follower = context.attestations
    if follower is None:
        return None
    with follower.lock:
        if follower.last < max(1, epoch - 1):
            return None
        try:
            leaf = Leaf.unpack(follower.leaf(node, epoch - 1))
        except HearthError:
            return None
    return bool(leaf.u or leaf.dark)

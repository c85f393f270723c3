"""What the registry says about the agent's nodes, read at one block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from keepers.chain.ports import BlockRef
from keepers.gpu.sampler import Telemetry
from keepers.protocol.nodes import Node
from keepers.roles.agent.decide import NodeFacts
from keepers.roles.agent.heartbeat import NodeKey
from keepers.runtime.role import Context


def observe_nodes(
    context: Context, nodes: Sequence[NodeKey], epoch: int, at: BlockRef, telemetry: Mapping[int, Telemetry]
) -> tuple[NodeFacts, ...]:
    """Facts of every node; `known` is False where the registry has no such index."""
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
    return tuple(facts)

"""Providers and their nodes."""

from __future__ import annotations

import random

from keepers.protocol.hashing import keccak, word
from keepers.protocol.messages import RegisterNode, RotateKey, address_text, fingerprints_hash
from tests.model.driver.base import Base
from tests.model.driver.calls import Call


class Network(Base):
    """Owners and operators of providers."""

    def do_provider(self, rng: random.Random) -> Call:
        """A provider's papers."""
        p = self.provider(rng)
        owner = self.someone(rng, self.world.registry.owners[p])
        other = rng.choice((*self.people, 0))
        pending = self.world.registry.pending[p]
        return rng.choice(
            [
                Call("registry", "register_provider", (rng.choice((*self.operators, 0)), other, "x"), self.owners[2]),
                Call("registry", "set_operator", (p, rng.choice((*self.operators, *self.operators, 0))), owner),
                Call("registry", "set_payout", (p, other), owner),
                Call("registry", "set_metadata", (p, "y"), owner),
                Call("registry", "transfer_provider", (p, rng.choice((*self.owners, 0))), owner),
                Call("registry", "accept_provider", (p,), self.someone(rng, pending or self.owners[0])),
                Call("market", "cancel_all", (p,), self.someone(rng, self.world.registry.providers[p].operator)),
            ]
        )

    def do_node(self, rng: random.Random) -> Call:
        """Registers, rotates or retires a node."""
        registry, m = self.world.registry, self.memory
        x = rng.random()
        if x < 0.6 or m.nodes == 0:
            p = self.provider(rng)
            m.keys += 1
            key = self.signer.new(m.keys)
            prints = [keccak(b"gpu" + word(m.keys * 16 + j)) for j in range(rng.choice((1, 2, 4, 8)))]
            if rng.random() < 0.1:
                prints = [keccak(b"gpu" + word(16_000 + rng.randrange(60)))]
            class_id = rng.choice((0, 0, 0, 1, 2))
            owner = registry.owners[p]
            message = RegisterNode(p, address_text(owner), class_id, 276, fingerprints_hash(prints), address_text(key))
            signer = key if rng.random() < 0.95 else self.finder
            sig = self.signer.sign(signer, message.digest(registry.domain))

            def then() -> None:
                m.nodes += 1

            arguments = (p, class_id, 276, prints, key, sig)
            return Call("registry", "register_node", arguments, self.someone(rng, owner), then)
        node = rng.randrange(m.nodes + 1)
        owner = self.someone(rng, registry.owners[registry.nodes[node].provider])
        if x < 0.75:
            m.keys += 1
            key = self.signer.new(m.keys if rng.random() < 0.9 else 1_001)
            sig = self.signer.sign(key, RotateKey(node, address_text(key)).digest(registry.domain))
            return Call("registry", "rotate_key", (node, key, sig), owner)
        return Call("registry", "retire_node", (node,), owner)

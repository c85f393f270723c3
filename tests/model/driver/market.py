"""Term sheets, asks taken, messages cancelled."""

from __future__ import annotations

import random

from keepers.protocol.leases import NO_LIMIT
from keepers.protocol.messages import Ask, Take, address_text, pack_nodes
from keepers.protocol.nodes import Status
from tests.model.driver.calls import Call
from tests.model.driver.consensus import Consensus


class Market(Consensus):
    """Providers that offer and renters that take."""

    def do_sheet(self, rng: random.Random) -> Call:
        """A term sheet."""
        epoch = self.calendar.epoch_seconds
        steps = 9_900 << 112 | 1_000 << 96 | 9_000 << 80 | 5_000 << 64
        notice, least = rng.choice((epoch, 2 * epoch)), rng.choice((0, 60, 240))
        prepay, limit, table = (
            rng.choice((600, 2_000, 2**32 - 1)),
            rng.choice((NO_LIMIT, 30, 0)),
            rng.choice((0, steps)),
        )
        match rng.randrange(9):
            case 0:
                notice = rng.choice((epoch - 1, 2**32))
            case 1:
                least, prepay = rng.choice(((10**6, 600), (0, 9), (0, 2**32)))
            case 2:
                limit = 2**32
            case 3:
                table = rng.choice((1 << 128, 5, steps | 9_500 << 48, steps ^ 9_000 << 80))
        return Call("escrow", "add_sheet", (notice, least, prepay, limit, table), rng.choice(self.people))

    def do_take(self, rng: random.Random) -> Call:
        """A renter takes an ask."""
        self.refresh(rng)
        m, market, keys = self.memory, self.world.market, self.signer._keys
        node, p, nodes, same = self._nodes(rng)
        gpus = rng.choice((1, 1, 2, 3))
        m.salt += 1
        ask = self._ask(rng, p, self.world.registry.nodes[node].class_id, nodes, same)
        digest = ask.digest(market.domain)
        operator = self.world.registry.providers[p].operator
        operator = operator if operator in keys and rng.random() < 0.97 else self.finder
        ask_sig = self.signer.sign(operator, digest)
        renter = rng.choice(self.renters)
        if rng.random() < 0.02:
            renter = rng.choice(list(self.chain.addresses.values()))
        if rng.random() < 0.02:
            gpus = rng.choice((0, 2**16, 5, 2**200))
        duration = rng.choice((60, 130, 300, 600, 1_200, 2_999, 9_000))
        prepaid = rng.choice((duration, min(duration, 600), max(60, duration // 2)))
        if rng.random() < 0.08:
            prepaid = rng.choice((0, 9, 10_000, 2**32))
        deadline = m.now + rng.choice((-1, 0, *[500] * 15))
        take = Take(address_text(renter), digest, pack_nodes(nodes), gpus, duration, prepaid, deadline, m.salt)
        if m.takes and rng.random() < 0.05:
            take = rng.choice(m.takes)
            renter = int(take.renter, 16)
        # no transaction comes from an address with code
        sender = rng.choice((renter, renter, self.finder)) if renter in keys else self.finder
        signer = renter if rng.random() < 0.97 and renter in keys else self.finder
        take_sig = self.signer.sign(signer, take.digest(market.domain)) if sender != renter else b""
        lapsed = [self.lease(rng)] if rng.random() < 0.1 else []

        def then() -> None:
            m.asks.append((ask, ask_sig))
            m.takes.append(take)

        return Call("market", "take", (ask, take, ask_sig, take_sig, lapsed), sender, then)

    def _nodes(self, rng: random.Random) -> tuple[int, int, list[int], list[int]]:
        """(node, provider, nodes to take, all that it could be): mostly Active ones with free GPUs."""
        m, registry = self.memory, self.world.registry
        active = [i for i in range(m.nodes) if registry.nodes[i].status == Status.ACTIVE]
        free = [i for i in active if registry.nodes[i].reserved < registry.nodes[i].gpus]
        pool = free if free and rng.random() < 0.92 else list(range(m.nodes)) or [0]
        node = rng.choice(pool)
        p = registry.nodes[node].provider if rng.random() < 0.97 else self.provider(rng)
        same = [i for i in pool if registry.nodes[i].provider == p]
        alone = rng.random() < 0.75 or len(same) < 2
        return node, p, [node] if alone else rng.sample(same, min(len(same), rng.randrange(2, 5))), same

    def _ask(self, rng: random.Random, p: int, class_id: int, nodes: list[int], same: list[int]) -> Ask:
        """What the operator offers: any node of the class, the nodes to take, or those and others; or an old ask."""
        m, word = self.memory, self.world.registry.providers[p]
        rate = rng.choice((10**14, 277_777_777_777, 1))
        if rng.random() < 0.1:
            rate = self.amount(rng, 10**15)
        low, high = rng.choice(((1, 10_000), (60, 3_000), (0, 2**256 - 1)))
        offered = rng.choice((0, pack_nodes(nodes), pack_nodes(sorted(set(nodes[:1] + same[:3]))[:8])))
        sheet = rng.randrange(self.world.escrow.sheet_count + (rng.random() < 0.03))
        expiry = m.now + rng.choice((0, *[1_000] * 15, -1))
        if m.asks and rng.random() < 0.1:
            return max((a for a, _ in m.asks[-5:]), key=lambda a: a.expiry)
        return Ask(p, offered, class_id, rate, low, high, sheet, expiry, word.generation, m.salt)

    def do_cancel(self, rng: random.Random) -> Call:
        """A renter cancels a message, taken or not."""
        renter = rng.choice(self.renters)
        self.memory.salt += 1
        nodes = pack_nodes(rng.sample(range(9), rng.randrange(0, 4)))
        take = Take(address_text(renter), bytes(32), nodes, 1, 60, 60, 0, self.memory.salt)
        if self.memory.takes and rng.random() < 0.3:
            take = rng.choice(self.memory.takes)
        renter = int(take.renter, 16)
        return Call(
            "market", "cancel", (take,), self.someone(rng, renter if renter in self.signer._keys else self.finder)
        )

"""Stake in and out, tickets, slashes."""

from __future__ import annotations

import random

from tests.model.driver.base import Base
from tests.model.driver.calls import Call


class Staking(Base):
    """Owners of pools, and a granted caller."""

    def do_stake(self, rng: random.Random) -> Call:
        """Stake in, out, tickets paid, pokes."""
        p, pool = self.provider(rng), self.world.pool
        owner = self.someone(rng, pool.need_owner[p] or self.finder)
        own = pool.bucket[p]
        x = rng.random()
        if x < 0.4:
            return Call("pool", "stake_own", (p, self.amount(rng, 10**13)), owner)
        if x < 0.65:
            usual = rng.choice((own.shares - own.locked, max(1, (own.shares - own.locked) // 50)))
            return Call("pool", "unstake_own", (p, self.amount(rng, usual)), owner)
        if x < 0.9:
            due = [k for k, ticket in pool.ticket.items() if ticket is not None]
            if due and rng.random() < 0.8:
                key = rng.choice(due)
                if rng.random() < 0.6:
                    found = pool.ticket[key]
                    assert found is not None
                    self.warp(max(self.memory.now, found.release - rng.choice((0, 0, 0, 1))))
                return Call("pool", "withdraw", key, rng.choice(self.people))
            who = rng.choice((owner, *self.renters))
            issued = pool.issued[p, who]
            number = rng.randrange(issued + 1) if rng.random() < 0.9 else rng.randrange(2**256)
            ticket = pool.ticket[p, who, number]
            if ticket is not None and rng.random() < 0.4:
                self.warp(max(self.memory.now, ticket.release + rng.choice((-1, 0))))
            return Call("pool", "withdraw", (p, who, number), rng.choice(self.people))
        return Call("pool", "poke", (p,), rng.choice(self.people))

    def do_punish(self, rng: random.Random) -> Call:
        """A granted caller slashes or faults."""
        sender = self.someone(rng, self.finder)
        if rng.random() < 0.6:
            units = rng.choice((0, 10**9, 10**10, 10**12, 2**64, 2**256 - 1))
            return Call("pool", "slash", (self.provider(rng), units, rng.choice((self.finder, 0))), sender)
        return Call("registry", "fault", (rng.randrange(self.memory.nodes + 1),), sender)

"""Settings, pauses and grants of the owner, and calls that belong to a contract of the suite alone."""

from __future__ import annotations

import random

from keepers.simulate.registry import HardwareClass
from tests.model.driver.base import Base
from tests.model.driver.calls import Call


class Governance(Base):
    """The owner, the guardian, and intruders."""

    def do_governance(self, rng: random.Random) -> Call:
        """Settings, pauses, openings, all by the one who may, or by somebody else."""
        w = self.world
        owner = self.someone(rng, self.owner)
        calls = [
            Call("hub", "set_price_bound", (rng.choice((0, 1, 500, 1_000, 5_000, 5_001)),), owner),
            *[Call("hub", "open_entries", (), owner)] * 3,
            Call("hub", "unpause", (), rng.choice(self.people)),
            Call("hub", "set_guardian", (rng.choice((self.guardian, self.guardian, 0)),), owner),
            Call("engine", "set_builders", (rng.choice((self.builders, 0)),), owner),
            Call("registry", "close_class", (rng.randrange(4),), owner),
            Call("pool", "set_grant", (rng.choice((self.finder, 0)), rng.randrange(3)), owner),
            Call("registry", "set_grant", (rng.choice((self.finder, 0)), rng.randrange(3)), owner),
        ]
        if w.hub.price_word.paused and rng.random() < 0.5:
            return Call("hub", "open_entries", (), owner)
        if rng.random() < 0.4:
            return self._promise(rng, owner)
        if rng.random() < 0.1:
            return Call("hub", "pause_entries", (), self.someone(rng, self.guardian))
        if rng.random() < 0.15:
            n = rng.choice((1, 4, 5, 7))
            seats = rng.sample(self.seats, n)
            start = self.calendar.epoch(self.memory.now) + rng.choice((0, 1, 2, 5))
            return Call("hub", "set_committee", (start, seats, ["https://a"] * n), owner)
        if rng.random() < 0.1:
            row = HardwareClass("X", min_stake=rng.choice((0, 10**9, 2**60, 2**60 + 1)), kind=rng.randrange(6))
            return Call("registry", "add_class", (row,), owner)
        if rng.random() < 0.15:
            last = max(0, self.calendar.period(w.now) - rng.randrange(5))
            return Call("hub", "close_period", (last,), rng.choice(self.people))
        return rng.choice(calls)

    def _promise(self, rng: random.Random, owner: int) -> Call:
        """What the tallies of the periods to come pay and get."""
        if rng.random() < 0.3:
            return Call("engine", "set_peg", (rng.choice((0, 9_500, 9_900, 9_901)),), owner)
        shares = rng.choice(((3_000, 2_000), (3_000, 2_000), (0, 0), (3_001, 0), (0, 2_001)))
        return Call("engine", "set_fee", (rng.choice((0, 1, 400, 899, 900, 901)), *shares), owner)

    def do_intrude(self, rng: random.Random) -> Call:
        """A call that only another contract of the suite may make."""
        x, p, stranger = self.amount(rng, 10**9), self.provider(rng), rng.choice(self.people)
        return rng.choice(
            [
                Call("pool", "open_pool", (9, stranger), stranger),
                Call("pool", "set_owner", (p, stranger), stranger),
                Call("pool", "set_units", (p, 0), stranger),
                Call("pool", "set_stake_price", (x,), stranger),
                Call("pool", "lock", (p, x, x), stranger),
                Call("pool", "end_bond", (p, 0, 0, stranger, x), stranger),
                Call("registry", "reserve", (0, 1), stranger),
                Call("registry", "release", (0, 1), stranger),
                Call("registry", "bump_generation", (p, stranger), stranger),
                Call("registry", "set_status", (0, 2, 1, 1), stranger),
                Call("escrow", "open", (x, 1 << 192, stranger, 0, x, x, bytes(32)), stranger),
                Call("escrow", "bar", (x,), stranger),
                Call("escrow", "credit", (stranger, x, x), stranger),
                Call("escrow", "debit", (self.renters[0], 1), stranger),
                Call("escrow", "pay_in", (self.lease(rng), 1, 1, stranger), stranger),
                Call("escrow", "take", (p, 0), stranger),
            ]
        )

"""Steps of the driver about bonded seats: bonds, tables with notice, leaving, faults punished, equivocations proven."""

from __future__ import annotations

import random
from typing import Any

from keepers.protocol.hashing import keccak, word
from keepers.protocol.messages import Report, SignedObservation, VoidReport
from keepers.protocol.statements import OBSERVATION, REPORT, VOID, Statement
from tests.model.driver import Call
from tests.model.refutations import WEIGHTS as USUAL
from tests.model.refutations import RefutingDriver

WEIGHTS = {**USUAL, "bond": 6, "table": 6, "exit": 4, "punish_seats": 5, "twice": 4, "seat_state": 2}


class SeatDriver(RefutingDriver):
    """The people of `RefutingDriver`, with seats that have something to lose."""

    def __init__(self) -> None:
        super().__init__()
        c = self.world.committee
        for who in self.seats[:6]:
            self._fund(who)
            self.must("committee", "join", c.bond, "https://a", sender=who)
        self.must("committee", "propose", self.seats[:5], sender=self.owner)
        self.warp(c.times["next"])
        self.must("committee", "apply", sender=self.finder)
        self.keep()

    def _fund(self, who: int) -> None:
        c = self.world.committee
        self.must("token", "transfer", who, 100 * c.bond, sender=self.holder)
        self.must("token", "approve", c.address, 2**256 - 1, sender=who)

    def do_bond(self, rng: random.Random) -> Call | None:
        """An account bonds tokens, a part of what a seat needs or all of it."""
        who, c = rng.choice(self.seats), self.world.committee
        if self.world.token.balance[who] < 10 * c.bond:
            self._fund(who)
        amount = rng.choice((c.bond, c.bond, c.bond // 2, 1, 0, 2**120, 2**200))
        return Call("committee", "join", (amount, rng.choice(("https://a", ""))), who)

    def do_table(self, rng: random.Random) -> Call:
        """The owner proposes, anyone applies."""
        c = self.world.committee
        seated = list(c.seats())
        able = [w for w in self.seats if c.accounts[w].bond >= c.bond and not c.accounts[w].leaving]
        if c.times["next"] and rng.random() < 0.6:
            if rng.random() < 0.7:
                self.warp(max(self.memory.now, c.times["next"]))
            return Call("committee", "apply", (), rng.choice(self.people))
        if rng.random() < 0.2:
            return Call("committee", "apply", (), rng.choice(self.people))
        if seated and rng.random() < 0.7:
            wanted = [w for w in seated if w in able]
            rng.shuffle(wanted)
            spare = [w for w in able if w not in seated]
            wanted = wanted[: len(wanted) - rng.randrange(2)] + spare[: rng.randrange(2)]
        else:
            wanted = rng.sample(able, min(len(able), rng.choice((4, 4, 5, 6, 1))))
        if rng.random() < 0.05:
            wanted = [*wanted, rng.choice([*self.seats, self.finder])]
        return Call("committee", "propose", (wanted,), self.someone(rng, self.owner))

    def do_exit(self, rng: random.Random) -> Call:
        """A seat leaves, names another address, or takes its bond home."""
        who, c = rng.choice(self.seats), self.world.committee
        x = rng.random()
        if x < 0.35:
            return Call("committee", "leave", (), who)
        if x < 0.5:
            return Call("committee", "set_endpoint", ("https://b",), who)
        if c.accounts[who].free and rng.random() < 0.7:
            self.warp(max(self.memory.now, c.accounts[who].free - rng.choice((0, 0, 1))))
        return Call("committee", "withdraw", (), who)

    def do_punish_seats(self, rng: random.Random) -> Call | None:
        """Signers of a report that fell."""
        faults = list(self.world.refuter.faults)
        if not faults:
            return self.do_false(rng)
        place = rng.choice(faults) if rng.random() < 0.95 else (1, 99)
        return Call("committee", "punish", place, rng.choice(self.people))

    def do_twice(self, rng: random.Random) -> Call | None:
        """Two statements of a seat; mostly of one place, sometimes of two, or of somebody else."""
        hub = self.world.hub
        generation = rng.randrange(1, hub.generation + 1)
        found = hub.committees[generation]
        assert found is not None
        index = rng.randrange(len(found.seats))
        who = found.seats[index] if rng.random() < 0.9 else rng.choice(self.seats)
        epoch, view = rng.randrange(1, 9), rng.choice((0, 1, 1 << 16))
        kinds = rng.choice(((OBSERVATION, OBSERVATION), (REPORT, REPORT), (REPORT, VOID), (VOID, VOID)))
        made = [self.statement(rng, kind, generation, epoch, view, index, who) for kind in kinds]
        digests = [s.digest(self.world.hub.domain) for s in made]
        finder = rng.choice(self.people)
        if rng.random() < 0.5:
            claim = keccak(word(finder) + b"".join(digests))
            self.make(Call("committee", "commit", (claim,), finder), "commit")
            self.warp(self.memory.now + rng.choice((0, 1)))
        index = index if rng.random() < 0.95 else rng.choice((30, 31, 2**200))
        return Call("committee", "prove_equivocation", (index, *made), finder)

    def statement(
        self, rng: random.Random, kind: int, generation: int, epoch: int, view: int, index: int, who: int
    ) -> Statement:
        """One signed thing."""
        salt, view = keccak(bytes([rng.randrange(3)])), view if rng.random() < 0.95 else view + 1
        message: Any
        if kind == OBSERVATION:
            message = SignedObservation(generation, epoch, index, salt, 5)
        elif kind == REPORT:
            message = Report(generation, epoch, bytes(32), salt, view << 40, bytes(32))
        else:
            message = VoidReport(generation, epoch, epoch + rng.randrange(3), bytes(32), view)
        sig = self.signer.sign(who, message.digest(self.world.hub.domain), v27=True)
        members = [v if isinstance(v, bytes) else word(v) for v in vars(message).values()]
        if rng.random() < 0.03:
            members = members[1:]
        return Statement(kind, members, sig if kind == OBSERVATION else sig[:64])

    def do_seat_state(self, rng: random.Random) -> None:
        """How an account stands, in words."""
        who = rng.choice([*self.seats, self.finder])
        told = self.chain.view("committee", "state", who)
        assert told == self.world.committee.state(who), (who, told)

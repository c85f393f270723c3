"""Those who answer without the work, and an attester that judges them with the code of production.

Each leaves work out in its own way; `share` is the part of the rows that is right all the same. A *clever* one opens
no row that it knows to be wrong, a *reckless* one opens whatever it is asked for.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from fractions import Fraction

import numpy as np

from keepers.protocol import challenge, freivalds
from keepers.protocol.challenge import Opening, Place, Work
from keepers.protocol.entries import rows_a
from keepers.protocol.merge import faults
from tests.support.products import Answered, Matrix

Opener = Callable[[Place], Opening | None]


class Said(Enum):
    """What an attester concludes."""

    PASSED = "passed"
    UNOPENED = "a row was not opened"
    WRONG = "a wrong row was opened"


@dataclass(frozen=True)
class Judge:
    """One attester: its secret for questions, its vector r with u = B·r."""

    secret: bytes
    r: freivalds.Vector
    u: freivalds.Vector

    @classmethod
    def of(cls, work: Work, secret: bytes) -> Judge:
        r = freivalds.draw(secret, work.n)
        return cls(secret, r, freivalds.product(challenge.key_b(work.seed_b, work.class_id), work.n, r))

    def judge(self, work: Work, root: bytes, digest: bytes, opener: Opener) -> Said:
        """Asks its rows of an answer and checks what it is shown."""
        said = Said.PASSED
        for place in challenge.places(self.secret, digest, work):
            opening = opener(place)
            if opening is None:
                said = Said.UNOPENED if said is Said.PASSED else said
            elif opening.place != place or not self.holds(work, root, opening):
                said = Said.WRONG
        return said

    def holds(self, work: Work, root: bytes, opening: Opening) -> bool:
        """Whether an opening belongs to the root and its row is right."""
        try:
            if challenge.opened_root(opening, work) != root:
                return False
        except ValueError:
            return False
        place = opening.place
        ka = challenge.key_a(work.seed, work.node, place.gpu, place.round, opening.previous)
        return freivalds.row_holds(opening.row, rows_a(ka, [place.row], work.n)[0], self.r, self.u)


@dataclass(frozen=True)
class Answer:
    """What an adversary signs and how it opens."""

    root: bytes
    opener: Opener


Make = Callable[[Work, random.Random], Answer]


@dataclass(frozen=True)
class Adversary:
    """A way to leave work out. `liars`: attesters that say passed whatever they see."""

    name: str
    share: Fraction
    make: Make
    clever: bool = False
    liars: int = 0


def _whole(answered: Answered) -> Answer:
    return Answer(answered.root, lambda p: answered.opening(p.gpu, p.round, p.row))


def _everywhere(work: Work, change: Callable[[Matrix], None]) -> Answered:
    return Answered(work, {(g, r): change for g in range(work.gpus) for r in range(work.rounds)})


def _clear(c: Matrix) -> None:
    c[:] = 0


def zeros(work: Work, rng: random.Random) -> Answer:
    """Nothing is computed."""
    return _whole(_everywhere(work, _clear))


def stale(work: Work, rng: random.Random) -> Answer:
    """The products of the epoch before, hashed anew."""
    old = Answered(replace(work, epoch=work.epoch - 1, seed=work.seed ^ 1)).chains

    def put(gpu: int, round_: int) -> Callable[[Matrix], None]:
        return lambda c: c.__setitem__(slice(None), old[gpu][round_].entries)

    return _whole(Answered(work, {(g, r): put(g, r) for g in range(work.gpus) for r in range(work.rounds)}))


def other_seed(work: Work, rng: random.Random) -> Answer:
    """A whole honest answer to another seed, signed for this one."""
    return _whole(Answered(replace(work, seed=rng.getrandbits(56))))


def copied(work: Work, rng: random.Random) -> Answer:
    """Another node's whole answer, signed with the own key."""
    return _whole(Answered(replace(work, node=work.node + 1)))


def low_rank(work: Work, rng: random.Random) -> Answer:
    """Every product by its nearest matrix of rank n / 8, rounded."""

    def reduce(c: Matrix) -> None:
        u, s, v = np.linalg.svd(c.astype(np.float64), full_matrices=False)
        k = work.n // 8
        c[:] = np.clip(np.rint((u[:, :k] * s[:k]) @ v[:k]), 0, 2**24 - 1).astype(np.int64)

    return _whole(_everywhere(work, reduce))


def _hiding(answered: Answered, right: Callable[[Place], bool], clever: bool) -> Answer:
    return Answer(answered.root, lambda p: None if clever and not right(p) else answered.opening(p.gpu, p.round, p.row))


def some_rows(share: Fraction, clever: bool) -> Make:
    """A share of the rows of each product."""

    def make(work: Work, rng: random.Random) -> Answer:
        kept = int(share * work.n)

        def cut(c: Matrix) -> None:
            c[kept:] = 0

        return _hiding(_everywhere(work, cut), lambda p: p.row < kept, clever)

    return make


def some_rounds(clever: bool) -> Make:
    """Every second round."""

    def make(work: Work, rng: random.Random) -> Answer:
        odd = {(g, r): _clear for g in range(work.gpus) for r in range(1, work.rounds, 2)}
        return _hiding(Answered(work, odd), lambda p: p.round % 2 == 0, clever)

    return make


def one_card_short(clever: bool) -> Make:
    """One card behind two: the chains of the second half are not computed."""

    def make(work: Work, rng: random.Random) -> Answer:
        there = work.gpus // 2
        gone = {(g, r): _clear for g in range(there, work.gpus) for r in range(work.rounds)}
        return _hiding(Answered(work, gone), lambda p: p.gpu < there, clever)

    return make


HALF = Fraction(1, 2)
KIT: Sequence[Adversary] = (
    Adversary("zeros", Fraction(0), zeros),
    Adversary("stale products", Fraction(0), stale),
    Adversary("answer to another seed", Fraction(0), other_seed),
    Adversary("another node's answer", Fraction(0), copied),
    Adversary("rank n / 8", Fraction(0), low_rank),
    Adversary("half of the rows, opens all", HALF, some_rows(HALF, False)),
    Adversary("half of the rows, opens its own", HALF, some_rows(HALF, True), clever=True),
    Adversary("every second round", HALF, some_rounds(True), clever=True),
    Adversary("one card behind two", HALF, one_card_short(True), clever=True),
    Adversary("half of the rows, f attesters lie", HALF, some_rows(HALF, True), clever=True, liars=1),
    Adversary("3/4 of the rows", Fraction(3, 4), some_rows(Fraction(3, 4), True), clever=True),
    Adversary("9/10 of the rows", Fraction(9, 10), some_rows(Fraction(9, 10), True), clever=True),
)


@dataclass
class Tally:
    """Of some challenges: passed with f + 1 attesters, and with a wrong row shown to an honest one."""

    trials: int = 0
    passed: int = 0
    caught: int = 0

    def add(self, seats: int, liars: int, said: Sequence[Said]) -> None:
        """One challenge: what the honest attesters concluded."""
        self.trials += 1
        self.passed += liars + sum(s is Said.PASSED for s in said) >= faults(seats) + 1
        self.caught += any(s is Said.WRONG for s in said)


def measure(adversary: Adversary, trials: int, rng: random.Random, seats: int = 4, n: int = 256) -> Tally:
    """Challenges of one adversary before a committee. A new answer every 100 challenges; in between another digest
    draws other rows of the same one."""
    tally = Tally()
    for first in range(0, trials, 100):
        work = Work(rng.randrange(1 << 24), 9, rng.getrandbits(56), rng.getrandbits(56), 3, n, 2, 2)
        judges = [Judge.of(work, rng.randbytes(32)) for _ in range(seats - adversary.liars)]
        answer = adversary.make(work, rng)
        for _ in range(min(100, trials - first)):
            digest = rng.randbytes(32)
            said = [judge.judge(work, answer.root, digest, answer.opener) for judge in judges]
            tally.add(seats, adversary.liars, said)
    return tally

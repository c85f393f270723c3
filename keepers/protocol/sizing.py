"""How large a class's challenge is: rounds, deadline and what they show. Source: docs/protocol.md §8, "Sizing rule".

T is the honest time of a chain in seconds, L the allowance for the network. T >= 20·L, so that L hides no work;
deadline = 1.2·T + L; G GPUs then serve at most ⌊G·deadline / T⌋ registrations, 1.25 a GPU: two need two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from keepers.protocol.challenge import MAX_ROUNDS, check_size

ALLOWANCE_S = 10  # L: a signature, a request to each seat, a clock that is L / 2 off
HEADROOM = Fraction(12, 10)  # a warm card, a driver's pause
LEAST = 20  # T in allowances
OPENINGS_S = 60  # that an attester gives for the opened rows
EPOCH_SHARE = Fraction(2, 3)  # of an epoch, within which the challenge is over
#: (GiB from which, n): B takes n² bytes (half of that at 65,536), and a block of C as much again
SIZES = ((40, 65_536), (12, 32_768), (8, 16_384), (0, 4_096))
CPU_N = 1_024  # of a class without a card


def n_for(vram_gib: int) -> int:
    """n of a card by its memory."""
    return next(n for least, n in SIZES if vram_gib >= least)


def rounds_for(round_s: float, allowance_s: float = ALLOWANCE_S) -> int:
    """The least power of two of rounds with T >= 20·L. Raises ValueError for a round that takes no time."""
    if round_s <= 0:
        raise ValueError("a round takes time")
    rounds = 1
    while rounds * round_s < LEAST * allowance_s and rounds < MAX_ROUNDS // 2:
        rounds *= 2
    return rounds


def deadline_of(honest_s: float, allowance_s: float = ALLOWANCE_S) -> int:
    """Whole seconds after T_seed, rounded up, so that an honest node is never short of what the rule gives."""
    exact = Fraction(honest_s) * HEADROOM + Fraction(allowance_s)
    return max(1, -(-exact.numerator // exact.denominator))


def registrations_served(gpus: int, deadline_s: float, honest_s: float) -> int:
    """How many registrations of one GPU each so many GPUs can answer for: ⌊G·deadline / T⌋."""
    exact = gpus * Fraction(deadline_s) / Fraction(honest_s)
    return exact.numerator // exact.denominator


def compute_units(n: int, rounds: int, deadline_s: int) -> int:
    """Multiplications that a GPU of the class shows to be able to, 10**12 a second, at least 1: n³·R / deadline."""
    return max(1, n**3 * rounds // deadline_s // 10**12)


def fits(deadline_s: int, epoch_s: int, openings_s: float = OPENINGS_S) -> bool:
    """Whether deadline and openings are over by two thirds of an epoch."""
    return deadline_s + openings_s <= EPOCH_SHARE * epoch_s


@dataclass(frozen=True)
class Sized:
    """A class as the rule gives it, from the time of one round."""

    n: int
    rounds: int
    honest_s: float
    deadline_s: int
    allowance_s: float

    @classmethod
    def of(cls, n: int, round_s: float, allowance_s: float = ALLOWANCE_S) -> Sized:
        """Raises ValueError for an n that the contracts do not take."""
        rounds = rounds_for(round_s, allowance_s)
        check_size(n, rounds)
        honest_s = rounds * round_s
        return cls(n, rounds, honest_s, deadline_of(honest_s, allowance_s), allowance_s)

    @property
    def units(self) -> int:
        """Compute units."""
        return compute_units(self.n, self.rounds, self.deadline_s)

    @property
    def seen_share(self) -> float:
        """The part of the card that may be elsewhere and go unseen: 1 - T / deadline, with L counted for the cheat."""
        return 1 - self.honest_s / self.deadline_s


@dataclass(frozen=True)
class Cheat:
    """What somebody has in place of a whole card of his own: seconds until its answer, and by how much it is late (less
    than 0: in time)."""

    name: str
    seconds: float
    late_s: float


def cheats(sized: Sized, share: float, cpu_round_s: float | None = None) -> Sequence[Cheat]:
    """What would be late: half a card, a card of which a job takes `share` (0 … 1), one behind two registrations, and a
    CPU whose round takes so long. None of them has to wait for the network."""
    times = [
        ("half a card", 2 * sized.honest_s),
        (f"a card shared with a job ({share:.0%} of it)", sized.honest_s / (1 - share)),
        ("one card behind two registrations", 2 * sized.honest_s),
    ]
    if cpu_round_s is not None:
        times.append(("a CPU like this one", sized.rounds * cpu_round_s))
    return [Cheat(name, seconds, seconds - sized.deadline_s) for name, seconds in times]

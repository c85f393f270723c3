"""What a round takes on a backend, step by step: for `hearth calibrate` and `make gpu`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Protocol

from keepers.gpu.backends import Backend
from keepers.protocol.hashing import keccak

STEPS = ("generation", "product", "check", "hash")


class Timed(Backend, Protocol):
    """A backend that says what it spent: seconds by step, with the card waited for where `timed` is set."""

    timed: bool
    spent: dict[str, float]


@dataclass(frozen=True)
class Spent:
    """Seconds of one round at n, and of B once a period."""

    n: int
    prepare_s: float
    generation_s: float
    product_s: float
    check_s: float
    hash_s: float

    @property
    def round_s(self) -> float:
        """All steps of a round."""
        return self.generation_s + self.product_s + self.check_s + self.hash_s

    @property
    def keccak_per_s(self) -> float:
        """keccak-f a second while C is hashed: 3 for each chunk, 1 for each node of the tree."""
        return 4 * self.n**2 / 128 / self.hash_s

    @property
    def product_tops(self) -> float:
        """10**12 multiplications and additions a second while A·B is computed."""
        return 2 * self.n**3 / self.product_s / 1e12

    def at(self, n: int) -> float:
        """Seconds of a round at another n, as its steps grow: the product with n³, the rest with n²."""
        square = self.generation_s + self.check_s + self.hash_s
        return square * (n / self.n) ** 2 + self.product_s * (n / self.n) ** 3

    def as_dict(self) -> dict[str, float]:
        """For JSON."""
        rates = {"keccak_per_s": self.keccak_per_s, "product_tops": self.product_tops}
        return asdict(self) | {"round_s": self.round_s} | rates


def measure(backend: Timed, n: int, rounds: int = 3) -> Spent:
    """The mean of some rounds; the first, in which kernels are compiled and caches filled, is not counted. Raises
    HearthError H3124 where n does not fit."""
    before, backend.timed = backend.timed, True
    try:
        backend.spent.clear()
        backend.prepare(n, keccak(b"B" + n.to_bytes(4, "big")))
        prepared = backend.spent.get("prepare", 0.0)  # none where B is held already
        backend.round(keccak(b"warm"))
        backend.spent.clear()
        for i in range(rounds):
            backend.round(keccak(i.to_bytes(4, "big")))
    finally:
        backend.timed = before
    return Spent(n, prepared, *(backend.spent[step] / rounds for step in STEPS))

"""What a round takes: the steps of a backend, their rates, and how they grow with n."""

from __future__ import annotations

import pytest

from keepers.gpu.backends.cpu import CpuBackend
from keepers.gpu.measure import STEPS, Spent, measure


class Clocked(CpuBackend):
    """A backend whose rounds take 4 s: 1 s a step."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def round(self, ka: bytes):  # type: ignore[no-untyped-def]
        self.calls += 1
        for step in STEPS:
            self.spent[step] = self.spent.get(step, 0.0) + (1.0 if self.calls > 1 else 50.0)


def test_measure__rounds__are_the_mean_without_the_first() -> None:
    backend = Clocked()
    spent = measure(backend, 256, rounds=4)
    assert backend.calls == 5
    assert [spent.generation_s, spent.product_s, spent.check_s, spent.hash_s, spent.round_s] == [1, 1, 1, 1, 4]


def test_measure__of_the_cpu__is_above_zero_in_every_step() -> None:
    spent = measure(CpuBackend(), 256, rounds=2)
    assert spent.n == 256 and all(value > 0 for value in spent.as_dict().values())


def test_spent__at_another_n__grows_with_its_square_and_the_product_with_its_cube() -> None:
    spent = Spent(1_024, 9.0, 1.0, 2.0, 3.0, 4.0)
    assert spent.at(1_024) == spent.round_s == 10
    assert spent.at(2_048) == (1 + 3 + 4) * 4 + 2 * 8
    assert spent.keccak_per_s == 4 * 1_024**2 / 128 / 4
    assert spent.product_tops == pytest.approx(2 * 1_024**3 / 2 / 1e12)

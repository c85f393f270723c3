"""The NumPy backend: the specification's roots and rows, faults found before they are hashed, memory refused."""

from __future__ import annotations

import numpy as np
import pytest

from keepers.gpu import known_answer
from keepers.gpu.backends import cpu
from keepers.gpu.backends.cpu import CpuBackend
from keepers.protocol import challenge
from keepers.protocol.challenge import key_a, key_b, line_key, row_bytes
from keepers.protocol.errors import HearthError
from keepers.protocol.hashing import ZERO32, keccak
from tests.support import honest

KA, KB = keccak(b"A"), keccak(b"B")


class Flaky:
    """A product of which the calls in `wrong` (from 0) have one entry off by one."""

    def __init__(self, *wrong: int) -> None:
        self.wrong, self.calls = wrong, 0

    def __call__(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        c = a @ b
        if self.calls in self.wrong:
            c[-1, 17] += 1
        self.calls += 1
        return c


@pytest.mark.parametrize(("n", "rows"), [(256, 512), (512, 512), (1_024, 64)])
def test_round__at_a_size__is_the_root_and_rows_of_the_specification(
    n: int, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cpu, "ROWS", rows)
    backend = CpuBackend()
    backend.prepare(n, KB)
    made = backend.round(KA)
    assert made.root == honest.root_of(KA, KB, n) and made.repeats == 0
    assert len(made.row_roots) == 32 * n
    expected = honest.rows_of(KA, KB, n)
    for row in (0, 1, n // 2, n - 1):
        assert backend.row(KA, row) == expected[row]
        assert made.row_roots[32 * row : 32 * row + 32] == challenge.row_levels(expected[row])[-1][0]


def test_row__by_the_specification_alone__is_the_same() -> None:
    backend = CpuBackend()
    backend.prepare(256, KB)
    a = line_key(KA, 200)
    exact = [challenge.dot(a, line_key(KB, col), 256) for col in range(256)]
    assert backend.row(KA, 200) == row_bytes(exact)


def test_row__sums_at_their_largest__are_exact_in_float32() -> None:
    # 65,536 products of 15 · 15, as sgemm adds them: 225 · 2**16 and one less
    a = np.full((1, 65_536), 15, np.float32)
    b = np.full((65_536, 4), 15, np.float32)
    b[7, 1], b[9, 2] = 14, 0
    assert (a @ b).astype(np.uint32).tolist() == [[14_745_600, 14_745_585, 14_745_375, 14_745_600]]


def test_prepare__another_key__makes_another_b() -> None:
    backend = CpuBackend()
    for kb in (KB, KA, KB):
        backend.prepare(256, kb)
        assert backend.round(KA).root == honest.root_of(KA, kb, 256)


def test_prepare__b_at_hand__is_not_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = CpuBackend()
    backend.prepare(256, KB)
    monkeypatch.setattr(cpu, "columns_b", None)
    backend.prepare(256, KB)
    assert backend.round(KA).root == honest.root_of(KA, KB, 256)


def test_round__one_wrong_entry__is_computed_again_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu, "ROWS", 64)
    backend = CpuBackend(matmul=Flaky(0, 3))  # the first block, and (its repeat is call 1) the third
    backend.prepare(256, KB)
    made = backend.round(KA)
    assert made.root == honest.root_of(KA, KB, 256) and made.repeats == 2


def test_round__wrong_twice__stops_with_h3123() -> None:
    backend = CpuBackend(matmul=Flaky(0, 1))
    backend.prepare(256, KB)
    with pytest.raises(HearthError, match="wrong twice") as stop:
        backend.round(KA)
    assert stop.value.code == "H3123"


def test_round__no_number_in_the_product__is_found() -> None:
    def broken(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        c = a @ b
        c[3, 3] = np.nan
        return c

    backend = CpuBackend(matmul=broken)
    backend.prepare(256, KB)
    with pytest.raises(HearthError, match="H3123"):
        backend.round(KA)


def test_row__wrong_once__is_computed_again() -> None:
    backend = CpuBackend(matmul=Flaky(0))
    backend.prepare(256, KB)
    assert backend.row(KA, 9) == honest.rows_of(KA, KB, 256)[9]


def test_prepare__more_than_the_memory__is_refused_with_h3124() -> None:
    backend = CpuBackend(memory=1 << 30)
    with pytest.raises(HearthError, match="H3124"):
        backend.prepare(65_536, KB)
    backend.prepare(256, KB)


def test_known_answer__by_the_specification_alone__is_the_one_in_the_source() -> None:
    work = known_answer.WORK
    columns = [challenge.column_of_b(line_key(key_b(work.seed_b, work.class_id), c), 256) for c in range(256)]
    previous = ZERO32
    for round_, expected in enumerate(known_answer.ROOTS):
        ka = key_a(work.seed, work.node, 0, round_, previous)
        hashes = []
        for row in range(256):
            a = challenge.row_of_a(line_key(ka, row), 256)
            exact = [sum(x * y for x, y in zip(a, b, strict=True)) for b in columns]
            hashes.append(challenge.row_levels(row_bytes(exact))[-1][0])
        previous = challenge.tree_levels(hashes)[-1][0]
        assert previous == expected


def test_known_answer__of_a_backend_that_errs_alike_in_all__is_refused() -> None:
    class Wrong(CpuBackend):
        def round(self, ka: bytes):  # type: ignore[no-untyped-def]
            return super().round(keccak(ka))

    with pytest.raises(HearthError, match="known answer") as stop:
        known_answer.check(Wrong())
    assert stop.value.code == "H3123"
    known_answer.check(CpuBackend())

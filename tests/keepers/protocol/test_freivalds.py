"""The check with a secret vector: no honest row fails, no wrong entry passes, the sums are exact at their largest."""

from __future__ import annotations

import numpy as np
import pytest

from keepers.protocol import challenge, freivalds
from keepers.protocol.entries import columns_b, rows_a
from keepers.protocol.freivalds import P
from keepers.protocol.hashing import keccak

KA, KB = keccak(b"a"), keccak(b"b")
LARGEST = 65_536


def square(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(A, B transposed, C) of a size, C in int64."""
    a, b = rows_a(KA, range(n), n), columns_b(KB, range(n), n)
    return a, b, a.astype(np.int64) @ b.T.astype(np.int64)


def packed(entries: np.ndarray) -> bytes:
    return challenge.row_bytes(entries.tolist())


def test_draw__of_a_secret__is_below_p_repeats_and_differs_by_secret() -> None:
    r = freivalds.draw(b"secret", 1_022)
    assert r.dtype == np.uint64 and r.shape == (1_022,) and int(r.max()) < P
    assert (r == freivalds.draw(b"secret", 1_022)).all()
    assert (r != freivalds.draw(b"another", 1_022)).all()
    assert len(set(r.tolist())) == len(r)


def test_draw__the_lane_that_is_p__reads_as_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def __init__(self, _: bytes) -> None: ...

        def digest(self) -> bytes:
            return b"\xff" * 32

    monkeypatch.setattr(freivalds, "keccak_256", Full)
    assert freivalds.draw(b"", 4).tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("block", [1 << 22, 256 * 7])
def test_product__in_blocks__is_b_times_r(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(freivalds, "BLOCK", block)  # 7 columns at a time: the last block is shorter
    n = 256
    r, b = freivalds.draw(b"s", n), columns_b(KB, range(n), n)
    exact = [sum(int(b[j, i]) * int(r[j]) for j in range(n)) % P for i in range(n)]
    assert freivalds.product(KB, n, r).tolist() == exact


def test_product__all_15_and_r_at_its_largest__is_exact() -> None:
    n = 1_024
    r = np.full(n, P - 1, np.uint64)
    u = freivalds.product(KB, n, r, lambda _, cols, n: np.full((len(cols), n), 15, np.uint8))
    assert set(u.tolist()) == {15 * n * (P - 1) % P}


@pytest.mark.parametrize("n", [256, 512])
def test_row_holds__honest_rows__never_fail(n: int) -> None:
    a, _, c = square(n)
    for secret in (b"1", b"2", b"3"):
        r = freivalds.draw(secret, n)
        u = freivalds.product(KB, n, r)
        assert all(freivalds.row_holds(packed(c[i]), a[i], r, u) for i in range(n))


def test_row_holds__one_entry_off_by_one__fails_in_every_column() -> None:
    n = 256
    a, _, c = square(n)
    r = freivalds.draw(b"s", n)
    u = freivalds.product(KB, n, r)
    for col in range(n):
        wrong = c[col].copy()
        wrong[col] += 1 if col % 2 else -1
        assert not freivalds.row_holds(packed(wrong), a[col], r, u), col


def test_row_holds__two_entries_that_cancel_in_a_sum__fail() -> None:
    a, _, c = square(256)
    r = freivalds.draw(b"s", 256)
    wrong = c[3].copy()
    wrong[[5, 6]] += [1, -1]
    assert not freivalds.row_holds(packed(wrong), a[3], r, freivalds.product(KB, 256, r))


@pytest.mark.parametrize("bytes_", [0, 3 * 255, 3 * 256 + 1, 3 * 257])
def test_row_holds__bytes_of_no_row__fail(bytes_: int) -> None:
    zero = np.zeros(256, np.uint64)
    assert not freivalds.row_holds(bytes(bytes_), np.zeros(256, np.uint8), zero, zero)


def test_dot__largest_entries_and_vectors_at_65536__is_exact() -> None:
    n = LARGEST
    a = np.full(n, 15, np.uint8)
    r, u = np.full(n, P - 1, np.uint64), np.full(n, P - 2, np.uint64)
    assert freivalds._dot(np.full(n, 2**24 - 1, np.int64), r) == (2**24 - 1) * n * (P - 1) % P
    assert freivalds._dot(a.astype(np.int64), u) == 15 * n * (P - 2) % P


def test_row_holds__all_15_at_65536__holds_and_one_less_does_not() -> None:
    n = LARGEST
    a, r = np.full(n, 15, np.uint8), freivalds.draw(b"s", n)
    u = np.full(n, 15 * sum(r.tolist()) % P, np.uint64)  # a B of nothing but 15
    full = np.full(n, 225 * n)
    assert freivalds.row_holds(packed(full), a, r, u)
    full[n - 1] -= 1
    assert not freivalds.row_holds(packed(full), a, r, u)


def test_block_holds__honest__holds_and_with_any_wrong_row_does_not() -> None:
    n = 256
    a, _, c = square(n)
    r = freivalds.draw(b"s", n)
    u = freivalds.product(KB, n, r)
    block = c.astype(np.uint32)
    assert freivalds.block_holds(block, a, r, u)
    for row in (0, 100, 255):
        wrong = block.copy()
        wrong[row, 255 - row] ^= 1
        assert not freivalds.block_holds(wrong, a, r, u)


def test_block_holds__largest_sums__are_exact() -> None:
    n = LARGEST
    a, r = np.full((2, n), 15, np.uint8), np.full(n, P - 1, np.uint64)
    u = np.full(n, 15 * n * (P - 1) % P, np.uint64)
    c = np.full((2, n), 225 * n, np.uint32)
    assert freivalds.block_holds(c, a, r, u)
    c[1, 0] -= 1
    assert not freivalds.block_holds(c, a, r, u)


def test_block_holds__an_entry_of_four_bytes__does_not() -> None:
    zero = np.zeros(256, np.uint64)
    c = np.zeros((1, 256), np.uint32)
    assert freivalds.block_holds(c, np.zeros((1, 256), np.uint8), zero, zero)
    c[0, 7] = 2**24
    assert not freivalds.block_holds(c, np.zeros((1, 256), np.uint8), zero, zero)


@pytest.mark.parametrize("block", [1 << 22, 256 * 7])
def test_wrong_columns__of_some_wrong_entries__are_the_first_of_them(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(freivalds, "BLOCK", block)
    n = 256
    a, _, c = square(n)
    assert freivalds.wrong_columns(packed(c[9]), a[9], KB, n) == []
    wrong = c[9].copy()
    wrong[[0, 127, 128, 255]] += 1
    row = packed(wrong)
    assert freivalds.wrong_columns(row, a[9], KB, n) == [0]
    assert freivalds.wrong_columns(row, a[9], KB, n, limit=3) == [0, 127, 128]
    assert freivalds.wrong_columns(row, a[9], KB, n, limit=9) == [0, 127, 128, 255]


def test_wrong_columns__limit_reached__generates_no_more_of_b(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    def watched(kb: bytes, cols: range, n: int) -> np.ndarray:
        made.append(len(cols))
        return columns_b(kb, cols, n)

    monkeypatch.setattr(freivalds, "BLOCK", 256 * 64)
    monkeypatch.setattr(freivalds, "columns_b", watched)
    a, _, c = square(256)
    wrong = c[9].copy()
    wrong[[70, 71]] += 1
    assert freivalds.wrong_columns(packed(wrong), a[9], KB, 256, limit=2) == [70, 71]
    assert made == [64, 64]


def test_wrong_columns__bytes_of_no_row__raise() -> None:
    with pytest.raises(ValueError, match="768 bytes"):
        freivalds.wrong_columns(bytes(767), np.zeros(256, np.uint8), KB, 256)

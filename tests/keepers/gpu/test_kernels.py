"""The kernels' own source on the simulator of Triton, against the specification."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from keepers.protocol import challenge, freivalds
from keepers.protocol.challenge import CHUNK, line_key, row_bytes
from keepers.protocol.entries import columns_b, rows_a
from keepers.protocol.hashing import keccak, word
from tests.support import honest, triton_sim

N = 256
KA, KB = keccak(b"A"), keccak(b"B")


@pytest.fixture(scope="module")
def k() -> Iterator[Any]:
    with triton_sim.kernels() as module:
        yield module


@pytest.fixture
def constants(k: Any) -> np.ndarray:
    return np.array(k.CONSTANTS, np.uint64).view(np.int64)


def lanes(data: bytes) -> np.ndarray:
    return np.frombuffer(data, np.int64).copy()


def lines(k: Any, constants: np.ndarray, key: bytes, first: int, count: int, n: int, high: bool, packed: bool = False):  # type: ignore[no-untyped-def]
    """(entries or packed words, line keys)."""
    keys = np.zeros((count, 4), np.int64)
    out = np.zeros((count, n // (16 if packed else 8)), np.int64)
    k.put_lines(constants, lanes(key), keys, out, first, count, n, high, packed)
    return out, keys


def levels(k: Any, constants: np.ndarray, hashes: np.ndarray, up: int) -> np.ndarray:
    for _ in range(up):
        above = np.zeros((len(hashes) // 2, 4), np.int64)
        k.put_level(constants, hashes, above, len(above))
        hashes = above
    return hashes


def test_constants__of_the_rounds__are_those_of_the_shift_register() -> None:
    # FIPS 202, 3.2.5: bit 2**j - 1 of round i is the output of the register after 7·i + j steps
    def bit(t: int) -> int:
        register = 1
        for _ in range(t % 255):
            register <<= 1
            if register & 0x100:
                register ^= 0x171
        return register & 1

    with triton_sim.kernels() as module:
        expected = [sum(bit(7 * i + j) << 2**j - 1 for j in range(7)) for i in range(24)]
        assert list(module.CONSTANTS) == expected


@pytest.mark.parametrize("first", [0, 100, 65_400])
def test_line_keys__from_a_line_on__are_those_of_the_specification(k: Any, constants: np.ndarray, first: int) -> None:
    keys = lines(k, constants, KA, first, 130, N, high=False)[1]
    expected = b"".join(line_key(KA, line) for line in range(first, first + 130))
    assert keys.tobytes() == expected


@pytest.mark.parametrize(("first", "count", "n"), [(0, 3, 256), (253, 3, 256), (1_000, 2, 1_024)])
def test_lines__of_a_and_b__are_those_of_the_specification(
    k: Any, constants: np.ndarray, first: int, count: int, n: int
) -> None:
    a = lines(k, constants, KA, first, count, n, high=False)[0].view(np.uint8)
    assert (a == rows_a(KA, range(first, first + count), n)).all()
    b = lines(k, constants, KB, first, count, n, high=True)[0].view(np.uint8)
    assert (b == columns_b(KB, range(first, first + count), n)).all()


@pytest.mark.parametrize("high", [False, True])
def test_lines__packed_and_unpacked_again__are_the_same(k: Any, constants: np.ndarray, high: bool) -> None:
    packed = lines(k, constants, KB, 5, 3, N, high, packed=True)[0]
    assert packed.nbytes == 3 * N // 2
    out = np.zeros((3, N), np.int8)
    k.put_unpacked(packed, out.view(np.int64), packed.size)
    assert (out.view(np.int64) == lines(k, constants, KB, 5, 3, N, high)[0]).all()


@pytest.mark.parametrize("back", [1, 2**64 + 1, 2**128 + 2, 2**192 + 3, 2**256 - 2**64 + 1])
def test_words__of_keys_whose_sum_carries__are_those_of_the_specification(
    k: Any, constants: np.ndarray, back: int
) -> None:
    key = word(2**256 - back)
    out = np.zeros((1, N // 8), np.int64)
    k.line_entries[(1,)](constants, lanes(key), out, 4, 4, HIGH=False, PACKED=False, BLOCK=k.BLOCK)
    assert out.view(np.uint8).reshape(-1).tolist() == challenge.row_of_a(key, N)


def test_chunk_hashes__of_entries_up_to_2_to_the_24__are_those_of_their_bytes(k: Any, constants: np.ndarray) -> None:
    entries = np.random.default_rng(1).integers(0, 2**24, (131, CHUNK), dtype=np.int32)
    entries[0], entries[130] = 2**24 - 1, 0
    out = np.zeros((131, 4), np.int64)
    k.put_chunks(constants, entries, out, 131)
    assert out.tobytes() == b"".join(keccak(row_bytes(row)) for row in entries.tolist())


def test_level_up__of_hashes__is_the_keccak_of_each_pair(k: Any, constants: np.ndarray) -> None:
    below = np.frombuffer(np.random.default_rng(2).bytes(64 * 130), np.int64).reshape(260, 4).copy()
    data = below.tobytes()
    expected = b"".join(keccak(data[i : i + 64]) for i in range(0, len(data), 64))
    assert levels(k, constants, below, 1).tobytes() == expected


def test_kernels__a_whole_round__is_the_root_of_the_specification(k: Any, constants: np.ndarray) -> None:
    a = lines(k, constants, KA, 0, N, N, high=False)[0].view(np.int8)
    b = lines(k, constants, KB, 0, N, N, high=True)[0].view(np.int8)
    c = a.astype(np.int32) @ b.T.astype(np.int32)
    hashes = np.zeros((N * N // CHUNK, 4), np.int64)
    k.put_chunks(constants, c, hashes, len(hashes))
    rows = levels(k, constants, hashes, challenge.row_depth(N))
    expected = honest.rows_of(KA, KB, N)
    assert rows[7].tobytes() == challenge.row_levels(expected[7])[-1][0]
    assert levels(k, constants, rows, 8).tobytes() == honest.root_of(KA, KB, N)


@pytest.mark.parametrize("dtype", [np.int8, np.int32])
def test_weigh_rows__largest_and_random_sums__are_exact(k: Any, dtype: type) -> None:
    n = 4_096
    rng = np.random.default_rng(3)
    top = 15 if dtype is np.int8 else 2**24 - 1
    x = rng.integers(0, top + 1, (3, n)).astype(dtype)
    x[1] = top
    limbs = rng.integers(0, 2**21, (3, n))
    limbs[2] = 2**21 - 1
    out = np.zeros((3, 3), np.int64)
    k.put_sums(x, limbs, out, 3, n)
    exact = [[sum(int(e) * int(v) for e, v in zip(row, limb, strict=True)) for limb in limbs] for row in x]
    assert out.tolist() == exact


def test_weigh_columns__in_two_parts__is_the_product_with_r(k: Any) -> None:
    r = freivalds.draw(b"s", N)
    limbs = np.stack([r >> np.uint64(s) & np.uint64(2**21 - 1) for s in (0, 21, 42)]).astype(np.int64)
    b = columns_b(KB, range(N), N).view(np.int8)
    sums = np.zeros((3, N), np.int64)
    for first, count in ((0, 100), (100, 156)):
        k.add_columns(b[first : first + count], limbs, sums, first, count, N)
    u = [sum(int(s) << shift for s, shift in zip(column, (0, 21, 42), strict=True)) % freivalds.P for column in sums.T]
    assert u == freivalds.product(KB, N, r).tolist()


def test_simulator__a_kernel_that_leaves_its_array__raises(k: Any, constants: np.ndarray) -> None:
    with pytest.raises(IndexError, match="outside its array"):
        k.put_level(constants, np.zeros((4, 4), np.int64), np.zeros((1, 4), np.int64), 2)


def test_simulator__afterwards__leaves_no_triton_behind(k: Any) -> None:
    before = sys.modules["triton"]
    with triton_sim.kernels():
        assert sys.modules["triton"] is not before
    assert sys.modules["triton"] is before

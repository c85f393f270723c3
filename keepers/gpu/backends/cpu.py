"""NumPy on the host's processor: sgemm, always there, and the measure of every other backend.

float32 is exact here: entries are whole numbers up to 15, so every partial sum of n <= 65,536 products is a whole
number up to 225 · 65,536 < 2**24, and float32 holds all of those. C is made, checked, packed and hashed a block of
rows at a time; only B stands in memory, 4 · n² bytes.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from sha3 import keccak_256

from keepers.gpu.backends import Round
from keepers.protocol.challenge import CHUNK_BYTES, row_depth
from keepers.protocol.entries import Entries, columns_b, rows_a
from keepers.protocol.errors import HearthError
from keepers.protocol.freivalds import BLOCK, Vector, block_holds, draw, product

ROWS = 512  # of C at once, fewer at a large n: 64 MiB in all its forms
Matmul = Callable[[NDArray[np.float32], NDArray[np.float32]], NDArray[np.float32]]


class CpuBackend:
    """`memory`: bytes that it may hold, half of the machine's where it is 0. `matmul` is another for tests only."""

    name = "numpy"

    def __init__(self, memory: int = 0, matmul: Matmul = np.matmul) -> None:
        self._memory = memory or _half()
        self._matmul = matmul
        self._held: tuple[int, bytes] | None = None
        self._b: NDArray[np.float32] = np.empty((0, 0), np.float32)  # transposed: a row is a column of B
        self._r: Vector = np.empty(0, np.uint64)
        self._u: Vector = np.empty(0, np.uint64)
        self.timed = True  # laps cost nothing here
        self.spent: dict[str, float] = {}  # seconds by step

    def describe(self) -> str:
        return f"NumPy {np.__version__}, float32 products on {os.cpu_count()} CPUs"

    def prepare(self, n: int, kb: bytes) -> None:
        if self._held == (n, kb):
            return
        if memory_of(n) > self._memory:
            raise HearthError(
                "H3124",
                f"B of n = {n:,} takes {memory_of(n) >> 20:,} MiB on the CPU",
                why=(f"the prover may hold {self._memory >> 20:,} MiB",),
            )
        began = time.perf_counter()
        self._held = None
        self._b = np.empty((n, n), np.float32)

        def kept(key: bytes, cols: Sequence[int], size: int) -> Entries:
            made = columns_b(key, cols, size)
            self._b[cols[0] : cols[0] + len(cols)] = made
            return made

        # A vector of its own for each B, which nobody else knows: a fault cannot know it either.
        self._r = draw(os.urandom(32), n)
        self._u = product(kb, n, self._r, kept)
        self._held = n, kb
        self._lap("prepare", began)

    def round(self, ka: bytes) -> Round:
        n = len(self._b)
        roots, repeats = bytearray(), 0
        step = max(1, min(n, ROWS, BLOCK // n))
        for first in range(0, n, step):
            c, again = self._block(ka, range(first, first + step))
            repeats += again
            began = time.perf_counter()
            roots += fold(chunk_hashes(packed(c)), row_depth(n))
            self._lap("hash", began)
        began = time.perf_counter()
        root = fold(bytes(roots), n.bit_length() - 1)
        self._lap("hash", began)
        return Round(root, bytes(roots), repeats)

    def row(self, ka: bytes, row: int) -> bytes:
        return packed(self._block(ka, range(row, row + 1))[0])

    def _block(self, ka: bytes, rows: range) -> tuple[NDArray[np.uint32], int]:
        """(rows of C, 1 where they were computed twice). Checked before anything is made of them."""
        n = len(self._b)
        for again in (0, 1):
            began = time.perf_counter()
            a = rows_a(ka, rows, n)
            began = self._lap("generation", began)
            with np.errstate(invalid="ignore"):  # what a fault leaves need be no number; the check then refuses it
                c = self._matmul(a.astype(np.float32), self._b.T).astype(np.uint32)
            began = self._lap("product", began)
            right = block_holds(c, a, self._r, self._u)
            self._lap("check", began)
            if right:
                return c, again
        raise HearthError(
            "H3123",
            f"rows {rows.start} to {rows.stop - 1} of a product were wrong twice",
            why=("Freivalds' check with a secret vector",),
        )

    def _lap(self, step: str, began: float) -> float:
        now = time.perf_counter()
        self.spent[step] = self.spent.get(step, 0.0) + now - began
        return now


def memory_of(n: int) -> int:
    """Bytes that the CPU backend holds at a size: B in float32 and the blocks."""
    return 4 * n * n + (256 << 20)


def _half() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    except (ValueError, OSError, AttributeError):
        return 4 << 30


def packed(c: NDArray[np.uint32]) -> bytes:
    """Entries of C below 2**24, 3 bytes each, big-endian."""
    out = np.empty((c.size, 3), np.uint8)
    parts = c.astype("<u4", copy=False).reshape(-1).view(np.uint8).reshape(-1, 4)
    for k in range(3):
        out[:, k] = parts[:, 2 - k]
    return out.tobytes()


def chunk_hashes(data: bytes) -> bytes:
    """keccak of each chunk: 32 bytes each."""
    return b"".join([keccak_256(data[i : i + CHUNK_BYTES]).digest() for i in range(0, len(data), CHUNK_BYTES)])


def fold(hashes: bytes, levels: int) -> bytes:
    """So many levels of a tree above hashes of 32 bytes each."""
    for _ in range(levels):
        hashes = b"".join([keccak_256(hashes[i : i + 64]).digest() for i in range(0, len(hashes), 64)])
    return hashes

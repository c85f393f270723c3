"""Checking C = A·B with a secret vector r: C·r == A·(B·r) mod 2**61 - 1, in NumPy. An opened row costs two products of
length n instead of n of them; u = B·r is computed once for a period and class.

A wrong row passes with a probability of at most 2**-60 over r, for whoever does not know r: of an r_j at which it is
wrong one value in 2**61 lets it pass, and no value is drawn oftener than twice in 2**61 (0, for which P stands too).

All sums are exact, in whatever order a machine adds: the numbers below are split into limbs so that no partial sum of
n <= 2**16 terms reaches 2**63 (int64) or 2**53 (float64). Source: docs/protocol.md §8, "Check".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from sha3 import keccak_256

from keepers.protocol.challenge import ENTRY_BYTES
from keepers.protocol.entries import Entries, columns_b
from keepers.protocol.hashing import word

P = 2**61 - 1  # prime, and 2**61 == 1 mod P makes the folding cheap
BLOCK = 1 << 22  # entries of B that are held at once: 32 MiB as float64

Vector = NDArray[np.uint64]
Columns = Callable[[bytes, Sequence[int], int], Entries]


def draw(secret: bytes, n: int) -> Vector:
    """A vector of n numbers below P: 61 bits each of keccak(secret ‖ i), four to a hash; P itself reads as 0."""
    hashes = b"".join([keccak_256(secret + word(i)).digest() for i in range((n + 3) // 4)])
    lanes: Vector = np.frombuffer(hashes, ">u8")[:n].astype(np.uint64) & np.uint64(P)
    lanes[lanes == P] = 0
    return lanes


def product(kb: bytes, n: int, r: Vector, columns: Columns = columns_b) -> Vector:
    """u = B·r mod P. Holds BLOCK entries of B at once, whatever n is; `columns` makes them, as `columns_b` does."""
    # 15 · 2**31 · 2**16 < 2**51
    limbs = np.stack([r & np.uint64(2**31 - 1), r >> np.uint64(31)]).astype(np.float64)
    sums = np.zeros((2, n), np.float64)
    step = max(1, BLOCK // n)
    for first in range(0, n, step):
        cols = range(first, min(n, first + step))
        sums += limbs[:, cols.start : cols.stop] @ columns(kb, cols, n).astype(np.float64)
    low, high = sums.astype(np.uint64)
    # high < 2**50 stands for high · 2**31: its bits from 30 on are worth 2**61, that is 1
    folded: Vector = low + (high >> np.uint64(30)) + ((high & np.uint64(2**30 - 1)) << np.uint64(31))  # < 2**62
    folded %= np.uint64(P)
    return folded


def entries_of(row: bytes) -> NDArray[np.int64]:
    """The entries of a row's (or chunk's) bytes: int64, below 2**24."""
    parts = np.frombuffer(row, np.uint8).reshape(-1, ENTRY_BYTES).astype(np.int64)
    return parts[:, 0] << 16 | parts[:, 1] << 8 | parts[:, 2]


def row_holds(row: bytes, a: Entries, r: Vector, u: Vector) -> bool:
    """Whether an opened row of C is A_row·B as far as `r` tells. `a`: its row of A (n,); u = `product` of r. False for
    a row of another length."""
    if len(row) != len(a) * ENTRY_BYTES:
        return False
    return _dot(entries_of(row), r) == _dot(a.astype(np.int64), u)


def _dot(x: NDArray[np.int64], y: Vector) -> int:
    """x·y mod P, entries of x below 2**24, of y below 2**61."""
    # 2**24 · 2**21 · 2**16 = 2**61 < 2**63
    total = 0
    for shift in (0, 21, 42):
        limb = (y >> np.uint64(shift) & np.uint64(2**21 - 1)).astype(np.int64)
        total += int(x @ limb) << shift
    return total % P


def block_holds(c: NDArray[np.uint32], a: Entries, r: Vector, u: Vector) -> bool:
    """The same for many rows at once: c uint32 (rows, n), a uint8 (rows, n). False where an entry has no 3 bytes."""
    if int(c.max()) >= 2**24:
        return False
    # n · (2**24 - 1) · (2**13 - 1) < 2**53
    left, right = (x.astype(np.float64) @ _limbs(y) for x, y in ((c, r), (a, u)))
    return all(_folded(x) == _folded(y) for x, y in zip(left.tolist(), right.tolist(), strict=True))


def _limbs(y: Vector) -> NDArray[np.float64]:
    """(n, 5): 13 bits each."""
    out = np.empty((len(y), 5), np.float64)
    for k in range(5):
        out[:, k] = y >> np.uint64(13 * k) & np.uint64(2**13 - 1)
    return out


def _folded(sums: Sequence[float]) -> int:
    return sum(int(s) << 13 * k for k, s in enumerate(sums)) % P


def wrong_columns(row: bytes, a: Entries, kb: bytes, n: int, limit: int = 1) -> list[int]:
    """The first columns, at most `limit`, whose committed entry is not that of A_row·B; none for an honest row. The
    whole of B is generated where the row is honest: n² / 64 keccaks. Raises ValueError for a row of another length."""
    if len(row) != n * ENTRY_BYTES:
        raise ValueError(f"a row has {n * ENTRY_BYTES} bytes, not {len(row)}")
    committed, exact = entries_of(row), a.astype(np.int64)
    out: list[int] = []
    step = max(1, BLOCK // n)
    for first in range(0, n, step):
        cols = range(first, min(n, first + step))
        right = columns_b(kb, cols, n).astype(np.int64) @ exact  # at most 225 · 2**16 < 2**24
        out += (first + np.flatnonzero(right != committed[cols.start : cols.stop])).tolist()
        if len(out) >= limit:
            return out[:limit]
    return out

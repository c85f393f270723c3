"""Rows of A and columns of B by the thousand, in NumPy: the fast form of `challenge.row_of_a` and `column_of_b`.

A line (a row of A, a column of B) of n entries costs n / 64 + 1 keccaks, about a microsecond each on one core.
Source: docs/protocol.md §8, "Work".
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sha3 import keccak_256

from keepers.protocol.challenge import ENTRIES_A_WORD, line_key
from keepers.protocol.hashing import to_int

Entries = NDArray[np.uint8]
_TOP = 2**256
_LOW, _HALF = np.uint8(15), np.uint8(4)


def rows_a(ka: bytes, rows: Sequence[int], n: int) -> Entries:
    """Rows of A of the round key `ka`: uint8 (len(rows), n), entries 0 … 15."""
    # from the low end of the word: its last byte first, of a byte the low half first
    words = _words(ka, rows, n)[:, :, ::-1]
    return _halves(words & _LOW, words >> _HALF, n)


def columns_b(kb: bytes, cols: Sequence[int], n: int) -> Entries:
    """Columns of B of the key `kb`: uint8 (len(cols), n), one row of the result a column of B."""
    words = _words(kb, cols, n)
    return _halves(words >> _HALF, words & _LOW, n)


def _halves(first: Entries, second: Entries, n: int) -> Entries:
    out = np.empty((len(first), n), np.uint8)
    out[:, 0::2] = first.reshape(len(first), n // 2)
    out[:, 1::2] = second.reshape(len(first), n // 2)
    return out


def _words(key: bytes, lines: Sequence[int], n: int) -> Entries:
    """The words of lines as bytes: (lines, n / 64, 32)."""
    count = n // ENTRIES_A_WORD
    digests = bytearray()
    for line in lines:
        first = to_int(line_key(key, line))
        # a key that is within `count` of 2**256 goes round; all others are spared the division
        numbers = range(first, first + count) if first + count <= _TOP else [(first + c) % _TOP for c in range(count)]
        digests += b"".join([keccak_256(x.to_bytes(32, "big")).digest() for x in numbers])
    return np.frombuffer(bytes(digests), np.uint8).reshape(len(lines), count, 32)

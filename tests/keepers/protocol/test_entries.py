"""Rows of A and columns of B in NumPy against the specification, one entry at a time."""

from __future__ import annotations

import numpy as np
import pytest

from keepers.protocol import challenge
from keepers.protocol.entries import _words, columns_b, rows_a
from keepers.protocol.hashing import keccak, word

KEY = keccak(b"key")
SIZES = (256, 1_024, 65_536)


@pytest.mark.parametrize("n", SIZES)
def test_rows_a__first_inner_and_last__are_those_of_the_specification(n: int) -> None:
    rows = [0, 1, n // 2 - 1, n - 1]
    made = rows_a(KEY, rows, n)
    assert made.dtype == np.uint8 and made.shape == (4, n)
    for line, row in zip(made.tolist(), rows, strict=True):
        assert line == challenge.row_of_a(challenge.line_key(KEY, row), n)


@pytest.mark.parametrize("n", SIZES)
def test_columns_b__first_inner_and_last__are_those_of_the_specification(n: int) -> None:
    cols = [n - 1, 0, n // 2]
    made = columns_b(KEY, cols, n)
    assert made.shape == (3, n)
    for line, col in zip(made.tolist(), cols, strict=True):
        assert line == challenge.column_of_b(challenge.line_key(KEY, col), n)


def test_entries__of_many_rows__lie_between_0_and_15_and_use_all() -> None:
    assert np.unique(rows_a(KEY, range(64), 256)).tolist() == list(range(16))


def test_lines__none__give_an_empty_block() -> None:
    assert rows_a(KEY, [], 256).shape == (0, 256)


def test_words__of_a_line_key_at_the_top__go_round(monkeypatch: pytest.MonkeyPatch) -> None:
    key = word(2**256 - 2)
    monkeypatch.setattr("keepers.protocol.entries.line_key", lambda *_: key)
    got = _words(KEY, [0], 256)[0]
    assert [int.from_bytes(w.tobytes(), "big") for w in got] == challenge.words_of(key, 256)

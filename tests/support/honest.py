"""Honest answers of the specification's own products: what every fast form is compared with."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from keepers.protocol import challenge
from keepers.protocol.challenge import Work, key_a, key_b, row_bytes, row_levels, tree_levels
from keepers.protocol.entries import columns_b, rows_a
from keepers.protocol.hashing import ZERO32


@lru_cache(maxsize=64)
def rows_of(ka: bytes, kb: bytes, n: int) -> tuple[bytes, ...]:
    """The rows of C, exact in int64."""
    c = rows_a(ka, range(n), n).astype(np.int64) @ columns_b(kb, range(n), n).T.astype(np.int64)
    return tuple(row_bytes(row) for row in c.tolist())


@lru_cache(maxsize=64)
def root_of(ka: bytes, kb: bytes, n: int) -> bytes:
    """root(C)."""
    return tree_levels([row_levels(row)[-1][0] for row in rows_of(ka, kb, n)])[-1][0]


def roots_of(work: Work) -> tuple[bytes, ...]:
    """All roots of a work, GPU by GPU, round by round."""
    out: list[bytes] = []
    for gpu in range(work.gpus):
        previous = ZERO32
        for round_ in range(work.rounds):
            ka = key_a(work.seed, work.node, gpu, round_, previous)
            previous = root_of(ka, key_b(work.seed_b, work.class_id), work.n)
            out.append(previous)
    return tuple(out)


def work(node: int = 5, n: int = 256, rounds: int = 2, gpus: int = 1, epoch: int = 9) -> Work:
    """A work with seeds of its own."""
    return challenge.Work(node, epoch, 0xABC0 + epoch, 0x1234, 2, n, rounds, gpus)

"""The secret vectors by which answers are checked: r and u = B·r, one pair for each period and class.

u takes seconds to minutes (n² / 64 keccaks), so it is computed on a thread of its own as soon as the period's seed is
known. r comes from the seat's secret: a restart finds the same. Source: protocol.md §8, "Check".
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from keepers.protocol import freivalds
from keepers.protocol.challenge import Opening, Work, key_a, key_b
from keepers.protocol.entries import rows_a
from keepers.protocol.freivalds import Vector
from keepers.protocol.hashing import keccak

KEEP = 64  # pairs: 2 · 512 kB each at the largest n
_log = logging.getLogger("hearth.attester")


class Checker:
    """`ready(key)` is called once u of a key is at hand; `inline` computes in the caller's thread."""

    def __init__(self, ready: Callable[[bytes], None], inline: bool) -> None:
        self._ready = ready
        self._pool = None if inline else ThreadPoolExecutor(1, thread_name_prefix="attester-vectors")
        self._lock = threading.Lock()
        self._vectors: dict[bytes, tuple[Vector, Vector]] = {}
        self._begun: set[bytes] = set()

    def prepare(self, secret: bytes, seed_b: int, class_id: int, n: int) -> None:
        """Compute u of a period and class, if nobody does yet."""
        key = key_b(seed_b, class_id)
        with self._lock:
            if key in self._begun:
                return
            self._begun.add(key)
        if self._pool is None:
            self._compute(secret, key, n)
        else:
            self._pool.submit(self._compute, secret, key, n)

    def has(self, work: Work) -> bool:
        """Whether rows of a work can be judged already."""
        return key_b(work.seed_b, work.class_id) in self._vectors

    def holds(self, work: Work, opening: Opening) -> bool:
        """Whether an opened row, which leads to the signed root, is A_row·B. Raises KeyError before u is at hand."""
        r, u = self._vectors[key_b(work.seed_b, work.class_id)]
        place = opening.place
        ka = key_a(work.seed, work.node, place.gpu, place.round, opening.previous)
        return freivalds.row_holds(opening.row, rows_a(ka, [place.row], work.n)[0], r, u)

    def close(self) -> None:
        """Begin no more."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def _compute(self, secret: bytes, key: bytes, n: int) -> None:
        try:
            r = freivalds.draw(keccak(secret + key), n)
            u = freivalds.product(key, n, r)
            with self._lock:
                self._vectors[key] = r, u
                for old in list(self._vectors)[:-KEEP]:
                    del self._vectors[old]
                    self._begun.discard(old)
            self._ready(key)
        except Exception:
            with self._lock:
                self._begun.discard(key)
            _log.exception("the vector of a class could not be computed; it is tried again")

"""Answers to the compute challenge, made with NumPy: whole products, or one true chunk among hashes of nothing.

Entries lie in float32 for the product (sums stay below 2**24, so every value is exact) and in int64 for a single one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from keepers.protocol import challenge
from keepers.protocol.challenge import Opening, Place, Refutation, Work
from keepers.protocol.messages import Answer
from tests.support.actors import SETTLER, Actor, Domain, keccak

Matrix = npt.NDArray[np.int64]
Change = Callable[[Matrix], None]  # of a C in place, before it is hashed


def raw_words(keys: Iterable[bytes], n: int) -> bytes:
    """The words of each key, one after another."""
    out = []
    for key in keys:
        first = int.from_bytes(key, "big")
        out += [keccak(((first + c) % 2**256).to_bytes(32, "big")) for c in range(n // 64)]
    return b"".join(out)


def rows_of_a(keys: Sequence[bytes], n: int) -> npt.NDArray[np.uint8]:
    """(keys, n) entries of A: of each word from its low end."""
    low_first = np.frombuffer(raw_words(keys, n), np.uint8).reshape(len(keys), n // 64, 32)[:, :, ::-1]
    return np.stack((low_first & 15, low_first >> 4), axis=-1).reshape(len(keys), n)


def columns_of_b(keys: Sequence[bytes], n: int) -> npt.NDArray[np.uint8]:
    """(keys, n) entries of B, a column a row: of each word from its high end."""
    high_first = np.frombuffer(raw_words(keys, n), np.uint8).reshape(len(keys), n // 64, 32)
    return np.stack((high_first >> 4, high_first & 15), axis=-1).reshape(len(keys), n)


def element(a: bytes, b: bytes, n: int) -> int:
    """The entry at a row key and a column key, in int64."""
    return int(rows_of_a([a], n)[0].astype(np.int64) @ columns_of_b([b], n)[0].astype(np.int64))


def row_bytes(row: Matrix) -> bytes:
    """3 bytes an entry, big-endian."""
    return row.astype(">u4").view(np.uint8).reshape(-1, 4)[:, 1:].tobytes()


@dataclass
class Product:
    """One C with its tree."""

    entries: Matrix

    @cached_property
    def rows(self) -> list[bytes]:
        return [row_bytes(row) for row in self.entries]

    @cached_property
    def row_roots(self) -> list[bytes]:
        return [challenge.row_levels(row)[-1][0] for row in self.rows]

    @cached_property
    def levels(self) -> list[list[bytes]]:
        """From the rows' subtrees up."""
        return challenge.tree_levels(self.row_roots)

    @property
    def root(self) -> bytes:
        return self.levels[-1][0]


@dataclass
class Answered:
    """A node's whole answer. `changes` spoil the C of (GPU, round) before it is hashed; later rounds build on it."""

    work: Work
    changes: Mapping[tuple[int, int], Change] = field(default_factory=dict)

    @cached_property
    def chains(self) -> list[list[Product]]:
        work, n = self.work, self.work.n
        key_b = challenge.key_b(work.seed_b, work.class_id)
        b = columns_of_b([challenge.line_key(key_b, j) for j in range(n)], n).astype(np.float32).T
        out = []
        for gpu in range(work.gpus):
            chain: list[Product] = []
            for round_ in range(work.rounds):
                previous = chain[-1].root if chain else bytes(32)
                key_a = challenge.key_a(work.seed, work.node, gpu, round_, previous)
                a = rows_of_a([challenge.line_key(key_a, i) for i in range(n)], n).astype(np.float32)
                c = (a @ b).astype(np.int64)
                self.changes.get((gpu, round_), lambda c: None)(c)
                chain.append(Product(c))
            out.append(chain)
        return out

    @cached_property
    def list_levels(self) -> list[list[bytes]]:
        return challenge.list_levels([product.root for chain in self.chains for product in chain])

    @property
    def root(self) -> bytes:
        return self.list_levels[-1][0]

    def opening(self, gpu: int, round_: int, row: int) -> Opening:
        product, index = self.chains[gpu][round_], gpu * self.work.rounds + round_
        path = challenge.path_of(product.levels, row)
        pair = challenge.path_of if round_ == 0 else challenge.pair_path
        previous = self.chains[gpu][round_ - 1].root if round_ else bytes(32)
        return Opening(
            Place(gpu, round_, row), product.rows[row], tuple(path), previous, tuple(pair(self.list_levels, index))
        )

    def shown(self, gpu: int, round_: int, row: int, col: int) -> Refutation:
        """What a finder shows of one entry."""
        return challenge.refutation(self.opening(gpu, round_, row), col)


def pretended(work: Work, gpu: int, round_: int, row: int, col: int, chunk: bytes) -> tuple[bytes, Refutation]:
    """(list root, refutation) of an answer of which only one chunk exists: every sibling is a hash of nothing."""
    path = [keccak(b"sibling" + bytes([i])) for i in range(challenge.chunk_depth(work.n))]
    index = gpu * work.rounds + round_
    depth = challenge.list_depth(work.gpus, work.rounds)
    length = depth if round_ == 0 else depth - 1 + (index & -index).bit_length() - 1
    list_path = [keccak(b"other" + bytes([i])) for i in range(length)]
    previous = keccak(b"previous") if round_ else bytes(32)
    root = challenge.climb(keccak(chunk), (row * work.n + col) // challenge.CHUNK, path)
    place = Place(gpu, round_, row)
    shown = Refutation(place, col, chunk, tuple(path), previous, tuple(list_path))
    return challenge.list_root_of(root, place, work.rounds, previous, list_path), shown


@dataclass
class Claim:
    """The calldata of `refute`, each argument by name; `but` changes some."""

    arguments: dict[str, Any]
    digest: bytes

    @classmethod
    def of(cls, work: Work, root: bytes, shown: Refutation, key: Actor, domain: Domain) -> Claim:
        digest = domain.digest(Answer.TYPE, work.node, work.epoch, work.seed, work.seed_b, root)
        place = shown.place
        return cls(
            {
                "node": work.node, "epoch": work.epoch, "root": root, "sig": key.sign(digest), "gpu": place.gpu,
                "round": place.round, "row": place.row, "col": shown.col, "chunk": shown.chunk,
                "path": list(shown.path), "previous": shown.previous, "list_path": list(shown.list_path),
            },
            digest,
        )  # fmt: skip

    def but(self, **changes: Any) -> Claim:
        return Claim(self.arguments | changes, self.digest)

    def commitment(self, finder: Actor = SETTLER) -> bytes:
        a = self.arguments
        place = Place(a["gpu"], a["round"], a["row"])
        return challenge.commitment(int(finder.address, 16), self.digest, place, a["col"])

    @property
    def calldata(self) -> list[Any]:
        return list(self.arguments.values())

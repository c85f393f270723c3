"""The chains of one answer: R rounds for each GPU, each keyed by the root before it, and the rows opened of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property

from keepers.gpu.backends import Backend, Round
from keepers.protocol.challenge import (
    Opening,
    Place,
    Work,
    key_a,
    key_b,
    list_levels,
    pair_path,
    path_of,
    row_levels,
    tree_levels,
)
from keepers.protocol.errors import HearthError
from keepers.protocol.hashing import ZERO32

KEPT = 256 << 20  # bytes of row hashes that an answer keeps; of a larger one a round is computed again to open a row


class Stopped(Exception):
    """The work was replaced while it ran."""


class Device:
    """A backend that works and openings use in turn. An opening goes before the next round: it has a minute, and a
    round at a time is all that it waits."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self._turns = threading.Condition()
        self._busy = False
        self._openings = 0

    def round(self, work: Work, ka: bytes, opening: bool = False) -> Round:
        """One C."""
        with self._turn(opening):
            self.backend.prepare(work.n, key_b(work.seed_b, work.class_id))
            return self.backend.round(ka)

    def row(self, work: Work, ka: bytes, row: int) -> bytes:
        """One row of a C."""
        with self._turn(opening=True):
            self.backend.prepare(work.n, key_b(work.seed_b, work.class_id))
            return self.backend.row(ka, row)

    @contextmanager
    def _turn(self, opening: bool) -> Iterator[None]:
        with self._turns:
            self._openings += opening
            self._turns.wait_for(lambda: not self._busy and (opening or not self._openings))
            self._openings -= opening
            self._busy = True
        try:
            yield
        finally:
            with self._turns:
                self._busy = False
                self._turns.notify_all()


@dataclass(frozen=True)
class Answer:
    """A finished work: the rounds of each chain and the seconds. A round holds its n row hashes, 32 bytes each, unless
    all of them together take more than KEPT."""

    work: Work
    chains: tuple[tuple[Round, ...], ...]
    devices: tuple[int, ...]
    seconds: float

    @property
    def roots(self) -> tuple[bytes, ...]:
        """Roots GPU by GPU, round by round."""
        return tuple(round_.root for chain in self.chains for round_ in chain)

    @property
    def repeats(self) -> int:
        """Parts that were computed twice."""
        return sum(round_.repeats for chain in self.chains for round_ in chain)

    @cached_property
    def levels(self) -> list[list[bytes]]:
        """The list tree."""
        return list_levels(self.roots)

    def open(self, place: Place, pool: Sequence[Device]) -> Opening:
        """The opening of a row, which is computed anew, its round too where its hashes are not kept. Raises ValueError
        for a place outside the work, HearthError H3123 where the row is not the one that was committed."""
        work = self.work
        if not (0 <= place.gpu < work.gpus and 0 <= place.round < work.rounds and 0 <= place.row < work.n):
            raise ValueError(f"GPU {place.gpu}, round {place.round}, row {place.row}: no such place in this work")
        chain, index = self.chains[place.gpu], place.gpu * work.rounds + place.round
        previous = chain[place.round - 1].root if place.round else ZERO32
        ka = key_a(work.seed, work.node, place.gpu, place.round, previous)
        device = pool[self.devices[place.gpu] % len(pool)]
        row = device.row(work, ka, place.row)
        kept = chain[place.round].row_roots or device.round(work, ka, opening=True).row_roots
        hashes = [kept[i : i + 32] for i in range(0, len(kept), 32)]
        if row_levels(row)[-1][0] != hashes[place.row]:
            raise HearthError("H3123", f"row {place.row} of round {place.round} is not the one that was hashed")
        levels = tree_levels(hashes)
        if levels[-1][0] != chain[place.round].root:
            raise HearthError("H3123", f"round {place.round} of GPU {place.gpu} has another root the second time")
        path = tuple(path_of(levels, place.row))
        list_path = pair_path(self.levels, index) if place.round else path_of(self.levels, index)
        return Opening(place, row, path, previous, tuple(list_path))


def compute(
    work: Work,
    pool: Sequence[Device],
    devices: Sequence[int] = (),
    stopped: Callable[[], bool] = lambda: False,
) -> Answer:
    """All chains of a work. Chain j runs on device `devices[j]` of the pool, on device j where none are named, modulo
    the pool: a pool of one computes them one after the other.

    Raises Stopped between two rounds once `stopped` says so, ValueError where another number of devices is named than
    the work has GPUs, HearthError from the backend.
    """
    places = tuple(devices) or tuple(range(work.gpus))
    if len(places) != work.gpus:
        raise ValueError(f"{len(places)} devices for the chains of {work.gpus} GPUs")
    began = time.monotonic()
    failed = threading.Event()
    keeps = 32 * work.n * work.rounds * work.gpus <= KEPT

    def chain(gpu: int) -> tuple[Round, ...]:
        device, previous = pool[places[gpu] % len(pool)], ZERO32
        rounds: list[Round] = []
        for round_ in range(work.rounds):
            if failed.is_set() or stopped():
                raise Stopped
            made = device.round(work, key_a(work.seed, work.node, gpu, round_, previous))
            rounds.append(made if keeps else replace(made, row_roots=b""))
            previous = made.root
        return tuple(rounds)

    def of_device(mine: Sequence[int]) -> dict[int, tuple[Round, ...]]:
        try:
            return {gpu: chain(gpu) for gpu in mine}
        except BaseException:
            failed.set()  # the others need not go on
            raise

    groups: dict[int, list[int]] = {}
    for gpu, place in enumerate(places):
        groups.setdefault(place % len(pool), []).append(gpu)
    if len(groups) == 1:
        done = of_device(range(work.gpus))
    else:
        done = _together(of_device, list(groups.values()))
    return Answer(work, tuple(done[gpu] for gpu in range(work.gpus)), places, time.monotonic() - began)


def _together(
    of_device: Callable[[Sequence[int]], dict[int, tuple[Round, ...]]], groups: Sequence[Sequence[int]]
) -> dict[int, tuple[Round, ...]]:
    """One thread a device. What went wrong is raised, not the Stopped of those that were called off for it."""
    done: dict[int, tuple[Round, ...]] = {}
    with ThreadPoolExecutor(len(groups)) as threads:
        futures = [threads.submit(of_device, group) for group in groups]
    errors = [error for future in futures if (error := future.exception()) is not None]
    for error in sorted(errors, key=lambda e: isinstance(e, Stopped)):
        raise error
    for future in futures:
        done |= future.result()
    return done

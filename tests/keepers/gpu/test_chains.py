"""The chains of a work: roots, list, openings of every place, several devices, and being called off."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from keepers.gpu import chains
from keepers.gpu.backends import Round
from keepers.gpu.backends.cpu import CpuBackend
from keepers.protocol.challenge import OPENINGS, Place, list_levels, opened_root, places
from keepers.protocol.errors import HearthError
from tests.support import honest


class Watched(CpuBackend):
    """Says when a round begins, and in which thread."""

    def __init__(self, told: Callable[[], None] = lambda: None) -> None:
        super().__init__()
        self.rounds = 0
        self._told = told

    def round(self, ka: bytes) -> Round:
        self.rounds += 1
        self._told()
        return super().round(ka)


@pytest.mark.parametrize(("rounds", "gpus"), [(1, 1), (4, 1), (2, 3)])
def test_compute__chains_of_a_work__are_those_of_the_specification(rounds: int, gpus: int) -> None:
    work = honest.work(rounds=rounds, gpus=gpus)
    answer = chains.compute(work, [chains.Device(CpuBackend())])
    assert answer.roots == honest.roots_of(work)
    assert answer.levels == list_levels(answer.roots) and answer.repeats == 0 and answer.seconds > 0


def test_open__every_round_and_what_an_attester_draws__leads_to_the_list_root() -> None:
    work = honest.work(rounds=4, gpus=3)
    pool = [chains.Device(CpuBackend())]
    answer = chains.compute(work, pool)
    asked = [Place(gpu, round_, 77) for gpu in range(3) for round_ in range(4)]
    asked += [*places(b"secret", b"digest", work), Place(2, 3, 255), Place(0, 0, 0)]
    assert len(asked) == 14 + OPENINGS
    for place in asked:
        opening = answer.open(place, pool)
        assert opening.place == place and opened_root(opening, work) == answer.levels[-1][0]


@pytest.mark.parametrize("place", [Place(1, 0, 0), Place(0, 2, 0), Place(0, 0, 256), Place(0, -1, 0)])
def test_open__a_place_outside_the_work__raises(place: Place) -> None:
    pool = [chains.Device(CpuBackend())]
    answer = chains.compute(honest.work(), pool)
    with pytest.raises(ValueError, match="no such place"):
        answer.open(place, pool)


def test_open__of_an_answer_too_large_to_keep__computes_its_round_again(monkeypatch: pytest.MonkeyPatch) -> None:
    work = honest.work(rounds=2)
    monkeypatch.setattr(chains, "KEPT", 32 * 256 * 2 - 1)
    backend = Watched()
    pool = [chains.Device(backend)]
    answer = chains.compute(work, pool)
    assert all(round_.row_roots == b"" for round_ in answer.chains[0])
    assert opened_root(answer.open(Place(0, 1, 9), pool), work) == answer.levels[-1][0]
    assert backend.rounds == 3
    monkeypatch.setattr(chains, "KEPT", 32 * 256 * 2)
    assert all(len(round_.row_roots) == 32 * 256 for round_ in chains.compute(work, pool).chains[0])


def test_open__of_a_round_that_is_another_the_second_time__is_no_opening(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chains, "KEPT", 0)
    answer = chains.compute(honest.work(), [chains.Device(CpuBackend())])

    class Another(CpuBackend):
        def round(self, ka: bytes) -> Round:
            made = super().round(ka)
            return Round(made.root, made.row_roots[:-32] + bytes(32))

    with pytest.raises(HearthError, match="another root the second time"):
        answer.open(Place(0, 1, 4), [chains.Device(Another())])


def test_open__a_row_that_is_not_the_hashed_one__is_no_opening() -> None:
    pool = [chains.Device(CpuBackend())]
    answer = chains.compute(honest.work(), pool)

    class Another(CpuBackend):
        def row(self, ka: bytes, row: int) -> bytes:
            return super().row(ka, row ^ 1)

    with pytest.raises(HearthError, match="H3123"):
        answer.open(Place(0, 1, 4), [chains.Device(Another())])


def test_compute__two_devices__work_at_the_same_time_and_give_the_same_roots() -> None:
    both = threading.Barrier(2, timeout=20)  # breaks unless two rounds run at once
    backends = [Watched(both.wait), Watched(both.wait)]
    work = honest.work(rounds=2, gpus=2)
    answer = chains.compute(work, [chains.Device(b) for b in backends])
    assert answer.roots == honest.roots_of(work)
    assert [b.rounds for b in backends] == [2, 2]


def test_compute__named_devices__are_those_that_compute() -> None:
    backends = [Watched(), Watched(), Watched()]
    work = honest.work(rounds=1, gpus=2)
    pool = [chains.Device(b) for b in backends]
    answer = chains.compute(work, pool, devices=(2, 1))
    assert [b.rounds for b in backends] == [0, 1, 1]
    assert opened_root(answer.open(Place(0, 0, 3), pool), work) == answer.levels[-1][0]


def test_compute__another_number_of_devices_than_gpus__raises() -> None:
    with pytest.raises(ValueError, match="1 devices for the chains of 2 GPUs"):
        chains.compute(honest.work(gpus=2), [chains.Device(CpuBackend())], devices=(0,))


def test_compute__called_off_between_rounds__stops() -> None:
    backend = Watched()
    with pytest.raises(chains.Stopped):
        chains.compute(honest.work(rounds=8), [chains.Device(backend)], stopped=lambda: backend.rounds == 3)
    assert backend.rounds == 3


def test_compute__one_of_two_devices_fails__raises_its_error_and_stops_the_other() -> None:
    begun = threading.Event()

    def broken() -> None:
        begun.set()
        raise HearthError("H3123", "broken")

    well = Watched(lambda: begun.wait(20) and None)
    pool = [chains.Device(well), chains.Device(Watched(broken))]
    with pytest.raises(HearthError, match="broken"):
        chains.compute(honest.work(rounds=128, gpus=2), pool)
    assert well.rounds < 128  # nobody wants the rest of an answer that cannot be


def test_device__an_opening_among_rounds__waits_for_one_round_only() -> None:
    begun, go = threading.Event(), threading.Event()
    order: list[str] = []

    def told() -> None:
        order.append("round")
        begun.set()
        assert go.wait(20)

    device = chains.Device(Watched(told))
    work = honest.work(rounds=2)

    def opens() -> None:
        device.row(work, bytes(32), 0)
        order.append("row")

    computing = threading.Thread(target=chains.compute, args=(work, [device]))
    computing.start()
    assert begun.wait(20)
    opening = threading.Thread(target=opens)
    opening.start()
    while not device._openings:  # it waits in the queue before the round may end
        threading.Event().wait(0.001)
    go.set()
    opening.join(20)
    computing.join(20)
    assert order == ["round", "row", "round"]

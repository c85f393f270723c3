"""The sizing rule of a class: rounds, deadline, registrations served, units, and who is late."""

from __future__ import annotations

import math

import pytest

from keepers.protocol import sizing
from keepers.protocol.sizing import Sized


@pytest.mark.parametrize(
    ("round_s", "allowance", "rounds"),
    [(0.5, 10, 512), (200, 10, 1), (199, 10, 2), (100, 10, 2), (0.01, 0, 1), (3.125, 10, 64), (3.124, 10, 128)],
)
def test_rounds_for__a_round__is_the_least_power_of_two_of_20_allowances(
    round_s: float, allowance: float, rounds: int
) -> None:
    assert sizing.rounds_for(round_s, allowance) == rounds
    assert rounds * round_s >= 20 * allowance and (rounds == 1 or rounds / 2 * round_s < 20 * allowance)


def test_rounds_for__a_round_of_no_time__raises() -> None:
    with pytest.raises(ValueError, match="takes time"):
        sizing.rounds_for(0.0)


@pytest.mark.parametrize(
    ("honest", "allowance", "deadline"), [(200, 10, 250), (200.1, 10, 251), (0.02, 0, 1), (5, 0, 6)]
)
def test_deadline_of__honest_time__is_1_2_of_it_and_the_allowance_rounded_up(
    honest: float, allowance: float, deadline: int
) -> None:
    assert sizing.deadline_of(honest, allowance) == deadline


@pytest.mark.parametrize(("gpus", "served"), [(1, 1), (2, 2), (3, 3), (4, 5), (8, 10)])
def test_registrations_served__at_the_least_t__is_a_quarter_more_than_the_gpus(gpus: int, served: int) -> None:
    assert sizing.registrations_served(gpus, 250, 200) == served


def test_registrations_served__at_the_very_deadline__counts_it() -> None:
    assert sizing.registrations_served(1, 400, 200) == 2
    assert sizing.registrations_served(1, 399, 200) == 1


@pytest.mark.attack("A28")
@pytest.mark.parametrize("round_s", [0.011, 0.07, 0.4, 1.7, 30.0])
def test_sized__of_any_round__lets_one_gpu_serve_one_registration_and_fits_an_hour(round_s: float) -> None:
    sized = Sized.of(32_768, round_s)
    assert 200 <= sized.honest_s < 400
    assert sizing.registrations_served(1, sized.deadline_s, sized.honest_s) == 1
    assert sizing.fits(sized.deadline_s, 3_600)
    assert 0.16 < sized.seen_share <= 0.21
    late = {cheat.name: cheat.late_s for cheat in sizing.cheats(sized, 0.5)}
    assert all(seconds >= 0.745 * sized.honest_s for seconds in late.values())


def test_sized__of_a_size_that_contracts_do_not_take__raises() -> None:
    with pytest.raises(ValueError, match="no power of two"):
        Sized.of(1_000, 1.0)


def test_cheats__a_small_share_and_a_cpu__are_as_late_as_they_are() -> None:
    sized = Sized.of(16_384, 0.5)  # R = 512, T = 256, deadline 318
    found = {cheat.name: (cheat.seconds, cheat.late_s) for cheat in sizing.cheats(sized, 0.1, cpu_round_s=90.0)}
    assert found["half a card"] == (512, 194)
    assert found["one card behind two registrations"] == (512, 194)
    assert found["a card shared with a job (10% of it)"] == pytest.approx((256 / 0.9, 256 / 0.9 - 318))
    assert found["a CPU like this one"] == (90 * 512, 90 * 512 - 318)


def test_compute_units__of_sizes__are_multiplications_a_second() -> None:
    assert sizing.compute_units(65_536, 512, 401) == 65_536**3 * 512 // 401 // 10**12 == 359
    assert sizing.compute_units(256, 1, 1) == 1


@pytest.mark.parametrize(("deadline", "fits"), [(2_340, True), (2_341, False)])
def test_fits__deadline_and_openings__are_over_by_two_thirds(deadline: int, fits: bool) -> None:
    assert sizing.fits(deadline, 3_600) is fits


@pytest.mark.parametrize(("openings", "fits"), [(2, True), (2.5, False)])
def test_fits__openings_of_a_network__count_in_place_of_the_minute(openings: float, fits: bool) -> None:
    assert sizing.fits(6, 12, openings) is fits


@pytest.mark.parametrize(
    ("gib", "n"), [(141, 65_536), (40, 65_536), (39, 32_768), (12, 32_768), (11, 16_384), (8, 16_384), (6, 4_096)]
)
def test_n_for__memory__is_that_of_the_table(gib: int, n: int) -> None:
    assert sizing.n_for(gib) == n
    assert n * n <= max(gib, 1) * 2**30 / 4 or math.log2(n) <= 12  # B is a quarter of the card at most

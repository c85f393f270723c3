"""`hearth calibrate`: what a round of the challenge takes on this machine, and the class that follows from it.

The rule is `keepers.protocol.sizing`; what is printed as measured was measured here, the rest says that it is not.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

import rich_click as click

from keepers.cli.options import Options, command
from keepers.protocol import sizing
from keepers.protocol.challenge import check_size
from keepers.protocol.errors import HearthError

if TYPE_CHECKING:
    from keepers.gpu.measure import Spent, Timed
    from keepers.protocol.sizing import Cheat, Sized

EPOCH_S = 3_600  # of a network that is not named
SHORT_S = 5  # of T: a deadline is in whole seconds
TRIES = 3  # of a round trip: the least is the network's, the rest is load


@command()
@click.option(
    "--n", type=int, help="Size of the matrices, a power of two of 256 to 65,536; by the memory if not given."
)
@click.option("--backend", type=click.Choice(("auto", "numpy", "torch")), default="auto", help="What computes.")
@click.option("--device", type=int, default=0, help="Which of several cards.")
@click.option("--rounds", type=click.IntRange(1, 100), default=3, help="Rounds that are measured.")
@click.option("--share", type=click.IntRange(1, 99), default=50, help="Percent of the card that a job would take.")
@click.option("--name", default="", help="Name of the class in the printed row.")
@click.option("--local", is_flag=True, help="A network on one machine: no allowance for the network, L = 0.")
def calibrate(
    options: Options, n: int | None, backend: str, device: int, rounds: int, share: int, name: str, local: bool
) -> None:
    """Measure this machine, and print n, R and deadline of a class that fits it.

    T is the honest time of a chain, L = 10 s for the network (0 with --local): R is the least power of two with
    T ≥ 20·L, deadline = 1.2·T + L. Then by how much half a card, one that a job shares, one behind two registrations
    and this machine's CPU would miss the deadline.

    With --network (or one that is configured) the attesters of its record are asked for their round trip.
    """
    from keepers.gpu.backends import load
    from keepers.gpu.measure import measure

    if n is not None:
        try:
            check_size(n, 1)
        except ValueError as error:
            raise HearthError("H1005", str(error)) from error
    backends: Any = load(backend)
    if not 0 <= device < len(backends):
        raise HearthError("H1005", f"there is no device {device}: {len(backends)} compute here")
    chosen: Timed = backends[device]
    options.note(f"  {chosen.describe()}")
    on_cpu = chosen.name == "numpy"
    size = n or (sizing.CPU_N if on_cpu else sizing.n_for(_memory_gib(device)))
    spent = measure(chosen, size, rounds)
    cpu = None if on_cpu else _on_cpu()
    sized = sizing.Sized.of(size, spent.round_s, 0 if local else sizing.ALLOWANCE_S)
    late = sizing.cheats(sized, share / 100, cpu.at(size) if cpu else None)
    trips = _round_trips(options)
    row = class_row(name or _class_name(on_cpu, device), sized)
    data = {
        "backend": chosen.describe(),
        "measured": spent.as_dict(),
        "n": sized.n,
        "rounds": sized.rounds,
        "honest_s": sized.honest_s,
        "deadline_s": sized.deadline_s,
        "allowance_s": sized.allowance_s,
        "compute_units": sized.units,
        "fits_epoch": sizing.fits(sized.deadline_s, EPOCH_S),
        "registrations_of_one_gpu": sizing.registrations_served(1, sized.deadline_s, sized.honest_s),
        "seen_share": sized.seen_share,
        "cheats": [{"what": cheat.name, "seconds": cheat.seconds, "late_s": cheat.late_s} for cheat in late],
        "cpu": cpu.as_dict() if cpu else None,
        "round_trips_ms": trips,
        "row": row,
    }
    options.emit("calibrate", data, lambda: _text(spent, sized, late, cpu, trips, row))


def class_row(name: str, sized: Sized) -> str:
    """What a profile's [[classes]] takes of it, in TOML."""
    return "\n".join(
        (
            "[[classes]]",
            f'name = "{name}"',
            f"n = {sized.n:_}",
            f"rounds = {sized.rounds:_}",
            f"deadline_s = {sized.deadline_s:_}",
            # never above what was measured, so that the deadline is never short of the rule
            f"honest_s = {math.floor(sized.honest_s * 1e6) / 1e6:.6f}",
            f"compute_units = {sized.units:_}",
        )
    )


def _text(
    spent: Spent, sized: Sized, late: Any, cpu: Spent | None, trips: dict[str, float | None] | None, row: str
) -> str:
    steps = " · ".join(f"{step} {seconds * 1e3:,.1f} ms" for step, seconds in _steps(spent))
    lines = [
        f"a round    {spent.round_s * 1e3:,.1f} ms at n = {spent.n:,}: {steps}",
        f"rates      {spent.product_tops:,.2f} TOPS · {spent.keccak_per_s / 1e6:,.2f} M keccak-f/s · B in "
        f"{spent.prepare_s:,.2f} s, once a period",
        f"class      n = {sized.n:,}, R = {sized.rounds:,}: T = {sized.honest_s:,.1f} s, L = {sized.allowance_s:g} s, "
        f"deadline {sized.deadline_s:,} s, {sized.units:,} compute units",
        f"           registrations that one GPU can answer for: "
        f"{sizing.registrations_served(1, sized.deadline_s, sized.honest_s)}; a job that takes more than "
        f"{sized.seen_share:.0%} of it is seen",
    ]
    if sized.honest_s < SHORT_S:
        lines.append(
            "           T is so short that the whole seconds of a deadline hide it: such a class proves nothing"
        )
    if not sizing.fits(sized.deadline_s, EPOCH_S):
        lines.append(f"           too long: deadline and openings go beyond two thirds of {EPOCH_S:,} s; lower n")
    lines += [f"{'would miss' if cheat.late_s > 0 else 'WOULD PASS':<10} {_said(cheat)}" for cheat in late]
    if cpu is not None:
        lines.append(f"           the CPU's time is that of n = {cpu.n:,}, measured here, grown with n² and n³")
    for url, trip in (trips or {}).items():
        lines.append(f"network    {url}: {'no answer' if trip is None else f'{trip:,.0f} ms there and back'}")
    if trips is None:
        lines.append("network    not measured: no network is named")
    return "\n".join([*lines, "", row])


def _said(cheat: Cheat) -> str:
    if cheat.late_s <= 0:
        return f"{cheat.name}: {cheat.seconds:,.1f} s, {-cheat.late_s:,.1f} s within the deadline"
    return f"{cheat.name}: {cheat.seconds:,.1f} s, late by {cheat.late_s:,.1f} s"


def _steps(spent: Spent) -> list[tuple[str, float]]:
    from keepers.gpu.measure import STEPS

    return [(step, getattr(spent, f"{step}_s")) for step in STEPS]


def _on_cpu() -> Spent:
    """What this machine's CPU takes, at the size of a CPU class: at a card's size it would be minutes a round."""
    from keepers.gpu.backends.cpu import CpuBackend
    from keepers.gpu.measure import measure

    return measure(CpuBackend(), sizing.CPU_N)


def _memory_gib(device: int) -> int:
    import importlib

    cuda: Any = importlib.import_module("torch").cuda
    return round(int(cuda.get_device_properties(device).total_memory) / 2**30)


def _class_name(on_cpu: bool, device: int) -> str:
    """The class of the card as NVML names it; a word to replace where it cannot."""
    if on_cpu:
        return "CPU"
    from keepers.cli.gpus import cards_here

    try:
        cards = cards_here()
    except HearthError:
        return "NAME"
    return (cards[device].class_name if device < len(cards) else "") or "NAME"


def _round_trips(options: Options) -> dict[str, float | None] | None:
    """URL -> milliseconds, None for no answer, of the record's attesters; None where no network is chosen."""
    from keepers.chain.deployment import load_record
    from keepers.sdk.connect import chosen_record

    try:
        record = load_record(chosen_record(options.flags()))
    except HearthError as error:
        if error.code == "H1003":
            return None
        raise
    return {seat.url: _round_trip(seat.url) for seat in record.attesters}


def _round_trip(url: str) -> float | None:
    import httpx

    from keepers.wire.attester_client import make_http

    least: float | None = None
    try:
        with make_http() as client:
            for _ in range(TRIES):  # over one connection: the first of them sets it up
                began = time.monotonic()
                client.get(f"{url.rstrip('/')}/v1/nodes/0")
                took = (time.monotonic() - began) * 1e3
                least = took if least is None else min(least, took)
    except (httpx.HTTPError, httpx.InvalidURL):
        return least
    return least

"""What each lease must be paid, from the trace and the parameters alone.

This file imports nothing of the rest: no chain, no model, no keeper, not even the readers of the traces. It is the
second opinion on every wei. A second is paid iff it lies in the lease and in a slot in which the node was up.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from fractions import Fraction
from pathlib import Path
from statistics import median


@dataclass(frozen=True)
class Line:
    """A lease as it should have been; times in the trace's clock, `expected_wei` the provider's gross pay."""

    job_id: str
    node: int
    node_id: str
    gpus: int
    rate_wei: int
    start_s: int
    stop_s: int
    down_seconds: int
    expected_wei: int


@dataclass(frozen=True)
class Bill:
    """All leases in the order in which they were taken, and the ids of the orders that nobody took."""

    lines: tuple[Line, ...]
    unmatched: tuple[str, ...]

    @property
    def expected_wei(self) -> int:
        """Sum of all lines."""
        return sum(line.expected_wei for line in self.lines)


def pay(start: int, stop: int, dark_slots: set[int], slot: int, rate: int, gpus: int) -> tuple[int, int]:
    """(seconds not attested, wei) of a lease over [start, stop), where slot n is [n·slot, (n+1)·slot)."""
    down = sum(
        min(stop, (n + 1) * slot) - max(start, n * slot)
        for n in range(start // slot, (stop + slot - 1) // slot)
        if n in dark_slots
    )
    return down, rate * gpus * (stop - start - down)


def expected(
    nodes: Path,
    jobs: Path,
    *,
    fixed_usd: Mapping[str, str],
    slot: int,
    node_limit: int | None = None,
    from_day: int = 0,
    days: int = 1,
    outages: Path | None = None,
    prices: Path | None = None,
) -> Bill:
    """The bill of a replay. `fixed_usd`: USD per GPU-hour of models without a price; `slot`: seconds of a slot."""
    machines = [row for row in _rows(nodes) if int(Decimal(row["gpu_count"] or 0)) > 0][:node_limit]
    rates = _rates({row["gpu_model"].strip() for row in machines}, fixed_usd, prices)
    units = _units(outages) if outages else []
    day_start = from_day * 86_400
    day_end = day_start + days * 86_400
    size = [int(Decimal(row["gpu_count"])) for row in machines]
    model = [row["gpu_model"].strip() for row in machines]
    rate = [rates[name] for name in model]
    held: list[list[tuple[int, int]]] = [[] for _ in machines]  # of each node: (stop, GPUs) of what it runs

    def dark(k: int, slot_number: int) -> bool:
        if not units:
            return False
        intervals = units[k % len(units)]
        where = (3_600 * k + slot_number * slot) % intervals[-1][1]
        return next(up == 0 for start, end, up in intervals if start <= where < end)

    lines: list[Line] = []
    unmatched: list[str] = []
    for row in _rows(jobs):
        start = int(Decimal(row["submit_s"]))
        gpus = int(Decimal(row["gpu_count"] or 0).to_integral_value(ROUND_CEILING))
        duration = int(Decimal(row["duration_s"] or 0))
        if not (day_start <= start < day_end and gpus > 0 and duration > 0):
            continue
        wanted = {name.strip() for name in row["gpu_model"].split("|")}
        best: int | None = None
        for k in range(len(machines)):
            if "any" not in wanted and model[k] not in wanted:
                continue
            # A lease that stops at this very second has left already: stops come before takes.
            if size[k] - sum(n for stop, n in held[k] if stop > start) < gpus:
                continue
            if dark(k, (start - day_start) // slot):
                continue
            if best is None or rate[k] < rate[best]:
                best = k
        if best is None:
            unmatched.append(row["job_id"].strip())
            continue
        stop = start + duration
        held[best] = [(s, n) for s, n in held[best] if s > start] + [(stop, gpus)]
        first, last = start - day_start, stop - day_start
        dark_slots = {n for n in range(first // slot, (last + slot - 1) // slot) if dark(best, n)}
        down, wei = pay(first, last, dark_slots, slot, rate[best], gpus)
        job, node = row["job_id"].strip(), machines[best]["node_id"].strip()
        lines.append(Line(job, best, node, gpus, rate[best], start, stop, down, wei))
    return Bill(tuple(lines), tuple(unmatched))


def _rates(models: set[str], fixed_usd: Mapping[str, str], prices: Path | None) -> dict[str, int]:
    found: dict[str, list[Fraction]] = {}
    for row in _rows(prices) if prices else []:
        price = Fraction(row["usd_per_gpu_hour"].strip() or 0)
        if price:
            found.setdefault(row["gpu_model"].strip(), []).append(price)
    usd = {name: median(found[name]) if name in found else Fraction(fixed_usd[name]) for name in models}
    return {name: int(value * 10**18 / 3_600) for name, value in usd.items()}


def _units(path: Path) -> list[list[tuple[int, int, int]]]:
    units: dict[str, list[tuple[int, int, int]]] = {}
    for row in _rows(path):
        interval = (int(Decimal(row["start_s"])), int(Decimal(row["end_s"])), int(Decimal(row["available"])))
        units.setdefault(row["unit_id"].strip(), []).append(interval)
    return list(units.values())


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open("rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
    opener = gzip.open if zipped else open
    with opener(path, "rt", encoding="utf-8-sig", newline="") as text:
        reader = csv.DictReader(text)
        reader.fieldnames = [name.strip() for name in reader.fieldnames or ()]
        return list(reader)

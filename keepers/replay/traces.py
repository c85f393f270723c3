"""Readers of the trace files: nodes, jobs, outages, prices.

Every refusal names the file, the line and what to do. What is left out on purpose is counted and listed as a
`Skipped`; nothing is dropped in silence. Times are whole seconds of the trace's own clock.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from keepers.protocol.nodes import MAX_GPUS
from keepers.replay.table import Row, read_rows, trace_error

DAY = 86_400
#: A lease's duration has 28 bits on the chain (protocol.md §6), and the term is the job and one slot.
MAX_SECONDS = 2**28 - 1 - 300
#: Node k starts 3,600·k seconds into its unit's life, so that nodes of one unit do not fall together.
NODE_SHIFT = 3_600

NODE_COLUMNS = ("node_id", "gpu_model", "gpu_count")
JOB_COLUMNS = ("job_id", "submit_s", "duration_s", "gpu_count", "gpu_model")
OUTAGE_COLUMNS = ("unit_id", "start_s", "end_s", "available")
PRICE_COLUMNS = ("gpu_model", "usd_per_gpu_hour")


@dataclass(frozen=True)
class Skipped:
    """A row that takes no part, and why."""

    file: str
    row: int
    id: str
    reason: str


@dataclass(frozen=True)
class NodeRow:
    """Node k of a replay is the k-th of `Nodes.nodes`."""

    row: int
    node_id: str
    model: str
    gpus: int


@dataclass(frozen=True)
class Nodes:
    """The first N nodes of a file that have a GPU."""

    nodes: tuple[NodeRow, ...]
    skipped: tuple[Skipped, ...]


@dataclass(frozen=True)
class Order:
    """One row of jobs: `gpus` GPUs of one of `models` (empty = any) from `submit_s` for `duration_s` seconds."""

    row: int
    job_id: str
    submit_s: int
    duration_s: int
    gpus: int
    models: frozenset[str]

    @property
    def stop_s(self) -> int:
        """When the renter stops, in the trace's clock."""
        return self.submit_s + self.duration_s


@dataclass(frozen=True)
class Jobs:
    """Rows submitted in [first_s, end_s): the orders, and the skipped; `outside` rows lie on other days."""

    first_s: int
    end_s: int
    orders: tuple[Order, ...]
    skipped: tuple[Skipped, ...]
    outside: int

    @property
    def count(self) -> int:
        """Rows of the days asked for, skipped ones included."""
        return len(self.orders) + len(self.skipped)


@dataclass(frozen=True)
class Unit:
    """An instance that came and went: from starts[i] on `available[i]` of it were up; periodic with `length`."""

    unit_id: str
    starts: tuple[int, ...]
    available: tuple[int, ...]
    length: int

    def dark_at(self, second: int) -> bool:
        """Whether nothing of it was up at `second` (any integer ≥ 0; taken modulo the length)."""
        return self.available[bisect_right(self.starts, second % self.length) - 1] == 0


@dataclass(frozen=True)
class Outages:
    """Units in order of first appearance; node k follows unit k mod U."""

    units: tuple[Unit, ...]

    def dark(self, node: int, slot_start: int) -> bool:
        """Whether node k is dark in the slot that starts `slot_start` seconds after the first day's start."""
        return self.units[node % len(self.units)].dark_at(NODE_SHIFT * node + slot_start)


def read_nodes(path: Path, limit: int | None = None) -> Nodes:
    """The first `limit` nodes of the file (all of them without a limit). Rows with no GPU are skipped.

    Raises `HearthError` H1006: `read_rows`' reasons; a node id twice or empty; no model; more GPUs than a node may
    have; fewer nodes than the limit asks for.
    """
    if limit is not None and limit < 1:
        raise trace_error(path, None, f"a limit of {limit} nodes leaves nobody", "ask for at least 1 node")
    nodes: list[NodeRow] = []
    skipped: list[Skipped] = []
    seen: dict[str, int] = {}
    for row in read_rows(path, NODE_COLUMNS):
        if limit is not None and len(nodes) == limit:
            break
        node_id = row.named("node_id")
        if node_id in seen:
            raise row.error(f"node {node_id} stands in row {seen[node_id]} already")
        seen[node_id] = row.line
        gpus = row.whole("gpu_count") if row.text("gpu_count") else 0
        if gpus == 0:
            skipped.append(Skipped(path.name, row.line, node_id, "no GPU"))
            continue
        if gpus > MAX_GPUS:
            raise row.error(f"{gpus} GPUs, a node has at most {MAX_GPUS}", "register such a machine as several nodes")
        nodes.append(NodeRow(row.line, node_id, row.named("gpu_model"), gpus))
    if not nodes:
        raise trace_error(path, None, "no node has a GPU")
    if limit is not None and len(nodes) < limit:
        raise trace_error(path, None, f"{len(nodes)} nodes with a GPU, {limit} asked for", f"--node-limit {len(nodes)}")
    return Nodes(tuple(nodes), tuple(skipped))


def read_jobs(path: Path, from_day: int = 0, days: int = 1) -> Jobs:
    """The orders submitted on `days` days from `from_day` on, in file order.

    A row of these days with no GPU or no duration is skipped. Raises `HearthError` H1006: `read_rows`' reasons; a
    job id twice; rows that go back in time; a duration beyond the chain's 28 bits; no row on the days asked for.
    """
    if from_day < 0 or days < 1:
        fix = "--from-day 0 or later, --days 1 or more"
        raise trace_error(path, None, f"{days} days from day {from_day} are no days", fix)
    first, end = from_day * DAY, (from_day + days) * DAY
    orders: list[Order] = []
    skipped: list[Skipped] = []
    seen: dict[str, int] = {}
    outside = 0
    before: Row | None = None
    last = 0
    for row in read_rows(path, JOB_COLUMNS):
        submit = row.whole("submit_s")
        if before is not None and submit < last:
            raise row.error(f"submit_s {submit} is before row {before.line}'s {last}", "sort the file by submit_s")
        before, last = row, submit
        if not first <= submit < end:
            outside += 1
            continue
        job_id = row.named("job_id")
        if job_id in seen:
            raise row.error(f"job {job_id} stands in row {seen[job_id]} already")
        seen[job_id] = row.line
        order = _order(row, job_id, submit)
        if isinstance(order, Skipped):
            skipped.append(order)
        else:
            orders.append(order)
    if not orders and not skipped:
        raise trace_error(
            path,
            None,
            f"no row lies on day {from_day}" + (f" to {from_day + days - 1}" if days > 1 else ""),
            f"the trace ends on day {last // DAY}: choose --from-day up to {last // DAY}",
        )
    return Jobs(first, end, tuple(orders), tuple(skipped), outside)


def _order(row: Row, job_id: str, submit: int) -> Order | Skipped:
    def skip(reason: str) -> Skipped:
        return Skipped(row.path.name, row.line, job_id, reason)

    # A share of a GPU takes the whole of it: only whole GPUs are leased.
    gpus = math.ceil(row.number("gpu_count")) if row.text("gpu_count") else 0
    if gpus == 0:
        return skip("no GPU")
    duration = row.whole("duration_s") if row.text("duration_s") else 0
    if duration == 0:
        return skip("no duration")
    if duration > MAX_SECONDS:
        raise row.error(f"duration_s {duration} is beyond what a lease can last ({MAX_SECONDS} s)")
    names = [name.strip() for name in row.named("gpu_model").split("|")]
    if not all(names):
        raise row.error(f"gpu_model {row.text('gpu_model')!r} names an empty model", "write `any`, a model, or a|b")
    return Order(row.line, job_id, submit, duration, gpus, frozenset() if "any" in names else frozenset(names))


def read_outages(path: Path) -> Outages:
    """Units with their intervals. Each unit begins at 0, its intervals follow each other without gap or overlap.

    Raises `HearthError` H1006: `read_rows`' reasons; an interval that ends before it starts, that does not begin
    where the one before ended, or a unit that begins after 0 (then nobody knows how it stood).
    """
    starts: dict[str, list[int]] = {}
    available: dict[str, list[int]] = {}
    ends: dict[str, int] = {}
    for row in read_rows(path, OUTAGE_COLUMNS):
        unit = row.named("unit_id")
        start, end = row.whole("start_s"), row.whole("end_s")
        expected = ends.get(unit, 0)
        if start < expected:
            message = f"unit {unit}: start_s {start} is before {expected}, where its last interval ended"
            raise row.error(message, "sort the rows of each unit by start_s")
        if start > expected:
            message = f"unit {unit}: nothing is known from {expected} to {start} s"
            raise row.error(message, "intervals of a unit must follow each other from 0 on")
        if end <= start:
            raise row.error(f"unit {unit}: end_s {end} is not after start_s {start}")
        starts.setdefault(unit, []).append(start)
        available.setdefault(unit, []).append(row.whole("available"))
        ends[unit] = end
    return Outages(tuple(Unit(u, tuple(starts[u]), tuple(available[u]), ends[u]) for u in starts))


def read_prices(path: Path) -> tuple[dict[str, Fraction], tuple[Skipped, ...]]:
    """Median USD per GPU-hour of each model's rows (mean of the middle two of an even number), exactly.

    Rows without a price, or with a price of 0, are skipped.
    """
    values: dict[str, list[Fraction]] = {}
    skipped: list[Skipped] = []
    for row in read_rows(path, PRICE_COLUMNS):
        model = row.named("gpu_model")
        price = row.number("usd_per_gpu_hour") if row.text("usd_per_gpu_hour") else Fraction(0)
        if price == 0:
            skipped.append(Skipped(path.name, row.line, model, "no price"))
            continue
        values.setdefault(model, []).append(price)
    return {model: _median(found) for model, found in values.items()}, tuple(skipped)


def _median(values: list[Fraction]) -> Fraction:
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2

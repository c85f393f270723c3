"""What a replay is asked to do, and what its files say: nodes, orders, rates, and who takes what."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from keepers.protocol.epochs import SLOTS
from keepers.protocol.errors import HearthError
from keepers.replay.orders import Book, Second, Take, Unmatched, timeline
from keepers.replay.rates import FIXED_USD_PER_HOUR, Rate, rates_for
from keepers.replay.table import trace_error
from keepers.replay.traces import Jobs, Nodes, Outages, Skipped, read_jobs, read_nodes, read_outages, read_prices

SLOT = 300  # seconds: the default profile's
EPOCH = SLOT * SLOTS


@dataclass(frozen=True)
class Inputs:
    """The command's arguments."""

    nodes: Path
    jobs: Path
    outages: Path | None = None
    prices: Path | None = None
    node_limit: int | None = None
    from_day: int = 0
    days: int = 1
    attesters: int = 4
    seed: int = 1


@dataclass(frozen=True)
class Traces:
    """What the files say, and what follows from it."""

    nodes: Nodes
    jobs: Jobs
    outages: Outages | None
    rates: dict[str, Rate]
    skipped: tuple[Skipped, ...]
    seconds: tuple[Second, ...]
    unmatched: tuple[Unmatched, ...]

    @property
    def takes(self) -> list[Take]:
        """All takes in their order."""
        return [take for second in self.seconds for take in second.takes]

    def dark(self, node: int, after: int) -> bool:
        """Whether a node is dark in the slot that begins `after` seconds after the first day's start."""
        return self.outages is not None and self.outages.dark(node, after)


def read_traces(inputs: Inputs) -> Traces:
    """All files, the rates, and who takes what. Raises H1006 that names the file and the row."""
    nodes = read_nodes(inputs.nodes, inputs.node_limit)
    jobs = read_jobs(inputs.jobs, inputs.from_day, inputs.days)
    outages = read_outages(inputs.outages) if inputs.outages else None
    prices, unpriced = read_prices(inputs.prices) if inputs.prices else ({}, ())
    try:
        rates = rates_for((node.model for node in nodes.nodes), prices)
    except ValueError as error:
        raise trace_error(inputs.prices or inputs.nodes, None, str(error), "correct the model's prices") from None
    for node in nodes.nodes:
        if node.model not in rates:
            raise HearthError(
                "H1006",
                f"{inputs.nodes.name}, row {node.row}: no rate is known for the model {node.model!r}",
                why=(f"the fixed table has {', '.join(FIXED_USD_PER_HOUR)}",),
                next=("give a price file: --prices FILE",),
            )
        if len(node.model.encode()) > 32 or "=" in node.model:
            raise HearthError(
                "H1006",
                f"{inputs.nodes.name}, row {node.row}: the model {node.model[:40]!r} cannot name a class",
                why=("a class name has at most 32 bytes, and no = sign",),
            )

    def dark(node: int, second: int) -> bool:
        return outages is not None and outages.dark(node, (second - jobs.first_s) // SLOT * SLOT)

    seconds, unmatched = timeline(jobs.orders, Book(nodes.nodes, rates, dark))
    skipped = (*nodes.skipped, *jobs.skipped, *unpriced)
    return Traces(nodes, jobs, outages, rates, skipped, tuple(seconds), tuple(unmatched))

"""Who takes which order: the replay's matching rule, and the order of events within a second.

An order is taken at its second by the cheapest node that has the model, the room, and is not dark in that slot; ties
go to the lower node. Stops of a second come before its takes, takes in file order.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from keepers.replay.rates import Rate
from keepers.replay.traces import NodeRow, Order


@dataclass(frozen=True)
class Take:
    """Order `order` goes to node `node` (index) at `at` seconds of the trace's clock."""

    at: int
    order: Order
    node: int
    rate_wei: int


@dataclass(frozen=True)
class Unmatched:
    """No node took it; `why` counts the nodes by what ruled each of them out."""

    order: Order
    why: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Second:
    """What happens at one second: first the stops, in the order of their takes, then the takes in file order."""

    at: int
    stops: tuple[Take, ...]
    takes: tuple[Take, ...]


class Book:
    """Free GPUs of each node, and the rule. `dark(node, second of the trace's clock)` says who cannot be seen."""

    def __init__(self, nodes: Sequence[NodeRow], rates: Mapping[str, Rate], dark: Callable[[int, int], bool]) -> None:
        self._nodes = nodes
        self._rates = [rates[node.model].wei for node in nodes]
        self._by_price = sorted(range(len(nodes)), key=lambda k: (self._rates[k], k))
        self._free = [node.gpus for node in nodes]
        self._dark = dark

    def free(self, node: int) -> int:
        """GPUs of the node that no lease holds."""
        return self._free[node]

    def give(self, order: Order) -> Take | Unmatched:
        """Place the order at its second, or say what ruled each node out."""
        why: Counter[str] = Counter()
        for k in self._by_price:
            node = self._nodes[k]
            if order.models and node.model not in order.models:
                why["other hardware"] += 1
            elif node.gpus < order.gpus:
                why["too small"] += 1
            elif self._free[k] < order.gpus:
                why["full"] += 1
            elif self._dark(k, order.submit_s):
                why["dark"] += 1
            else:
                self._free[k] -= order.gpus
                return Take(order.submit_s, order, k, self._rates[k])
        return Unmatched(order, tuple(sorted(why.items())))

    def back(self, take: Take) -> None:
        """The lease of this take has stopped."""
        self._free[take.node] += take.order.gpus


def timeline(orders: Sequence[Order], book: Book) -> tuple[list[Second], list[Unmatched]]:
    """Everything that renters do, second by second in ascending order, and the orders that nobody took."""
    takes: dict[int, list[Take]] = {}
    stops: dict[int, list[Take]] = {}
    unmatched: list[Unmatched] = []
    running: list[tuple[int, int, Take]] = []

    def stop_until(second: int) -> None:
        while running and running[0][0] <= second:
            at, _, take = heapq.heappop(running)
            book.back(take)
            stops.setdefault(at, []).append(take)

    for number, order in enumerate(orders):
        stop_until(order.submit_s)
        outcome = book.give(order)
        if isinstance(outcome, Unmatched):
            unmatched.append(outcome)
            continue
        takes.setdefault(order.submit_s, []).append(outcome)
        heapq.heappush(running, (order.stop_s, number, outcome))
    if running:
        stop_until(max(at for at, _, _ in running))
    seconds = [Second(at, tuple(stops.get(at, ())), tuple(takes.get(at, ()))) for at in sorted({*takes, *stops})]
    return seconds, unmatched

"""How fast nodes of a class answer, over the last period, for people to look at. Nothing is decided by it."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

MAX_SHOWN = 256  # nodes of a class, the oddest first
LEAST = 3  # answers of others from which on a node is compared with them


def quantile(ordered: Sequence[float], share: float) -> float:
    """The value below which `share` of them lie (nearest rank)."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


class AnswerTimes:
    """Seconds from the seed to the answer by class. Thread-safe. `told(class_id, seconds)` feeds the metric."""

    def __init__(self, told: Callable[[int, float], None]) -> None:
        self._told = told
        self._lock = threading.Lock()
        self._times: dict[int, deque[tuple[int, int, float]]] = {}  # class -> (epoch, node, seconds)

    def add(self, class_id: int, epoch: int, node: int, seconds: float, fresh: bool = True) -> None:
        """An answer came. `fresh` False: it was counted before a restart."""
        with self._lock:
            self._times.setdefault(class_id, deque()).append((epoch, node, seconds))
        if fresh:
            self._told(class_id, seconds)

    def forget(self, before: int) -> None:
        """Drop epochs before one."""
        with self._lock:
            for class_id, times in self._times.items():
                self._times[class_id] = deque(entry for entry in times if entry[0] >= before)

    def show(self, class_id: int) -> dict[str, Any]:
        """The class's distribution, and each node's distance from the others."""
        with self._lock:
            times = list(self._times.get(class_id, ()))
        ordered = sorted(seconds for _, _, seconds in times)
        by_node: dict[int, list[float]] = {}
        for _, node, seconds in times:
            by_node.setdefault(node, []).append(seconds)
        scores: dict[int, float] = {}
        count, total = len(ordered), math.fsum(ordered)
        squares = math.fsum(x * x for x in ordered)
        for node, own in by_node.items():
            score = _against(own, count, total, squares)
            if score is not None:
                scores[node] = score
        odd = sorted(scores, key=lambda node: (-abs(scores[node]), node))[:MAX_SHOWN]
        return {
            "class": class_id,
            "answers": count,
            "nodes": len(by_node),
            "seconds": {name: round(quantile(ordered, share), 3) for name, share in _SHARES} if ordered else {},
            "z": {str(node): round(scores[node], 2) for node in odd},
            "advisory": True,
        }


_SHARES = (("least", 0.0), ("p10", 0.1), ("median", 0.5), ("p90", 0.9), ("most", 1.0))


def _against(own: Sequence[float], count: int, total: float, squares: float) -> float | None:
    """Deviations of the mean of `own` seconds from the mean of all others, in standard deviations of the latter, from
    the sums of all: one pass for a class of any size. None where too few answered or all in the same time."""
    others = count - len(own)
    if others < LEAST:
        return None
    mean = (total - math.fsum(own)) / others
    variance = (squares - math.fsum(x * x for x in own)) / others - mean * mean
    return None if variance <= 1e-9 else (math.fsum(own) / len(own) - mean) / math.sqrt(variance)

"""Which calls a sequence is made of, and the shortest part of one that still fails."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import TYPE_CHECKING

from tests.model.driver.calls import Mismatch, Step

if TYPE_CHECKING:
    from tests.model.driver.base import Base

WEIGHTS = {
    "warp": 8, "report": 14, "void": 1, "usable": 6, "governance": 4, "provider": 2, "node": 4, "stake": 6,
    "punish": 1, "standing": 7, "token": 2, "buy": 3, "pay": 4, "refund": 2, "redeem": 5, "sheet": 1, "take": 12,
    "cancel": 1, "top_up": 4, "anchor": 3, "settle": 9, "settle_many": 5, "stop": 6, "give_notice": 2, "stop_dark": 4,
    "finish": 8, "intrude": 1, "flash": 1, "free_bond": 2,
}  # fmt: skip


RUNNING_KINDS = frozenset({"pay", "top_up", "stop", "give_notice"})
LEASE_KINDS = frozenset(
    {"pay", "top_up", "anchor", "settle", "settle_many", "stop", "give_notice", "stop_dark", "finish", "free_bond"}
)


def sequence(seed: int, length: int, weights: Mapping[str, int] = WEIGHTS) -> list[Step]:
    """A random sequence of steps, of kinds as frequent as their weights."""
    rng = random.Random(seed)
    kinds = rng.choices(list(weights), list(weights.values()), k=length)
    return [(kind, rng.getrandbits(48)) for kind in kinds]


def failing(driver: Base, steps: list[Step]) -> str | None:
    """What is wrong in a sequence, after shrinking; None if nothing is."""
    try:
        driver.run(steps)
    except Mismatch as error:
        found = error
    else:
        return None
    small = shrink(driver, steps)
    try:
        driver.run(small)
    except Mismatch as error:
        found = error
    return f"{found}\nsteps that show it: {small}"


def shrink(driver: Base, steps: list[Step], budget: int = 400) -> list[Step]:
    """ddmin: the shortest part of a failing sequence that still fails, within a budget of runs."""

    def fails(part: list[Step]) -> bool:
        try:
            driver.run(part)
        except Mismatch:
            return True
        return False

    parts = 2
    while len(steps) > 1 and budget > 0:
        size = max(1, len(steps) // parts)
        for at in range(0, len(steps), size):
            rest = steps[:at] + steps[at + size :]
            budget -= 1
            if rest and fails(rest):
                steps, parts = rest, max(parts - 1, 2)
                break
            if budget <= 0:
                break
        else:
            if size == 1:
                break
            parts = min(len(steps), parts * 2)
    return steps

"""What a step makes and what is remembered between steps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from keepers.protocol.messages import Ask, Take, address_text
from keepers.protocol.uptime_tree import UptimeTree

Step = tuple[str, int]


class Mismatch(AssertionError):
    """Model and bytecode disagree, or an invariant is broken; says which step and how."""


@dataclass
class Call:
    """A call about to be made, and what to note when it succeeds."""

    contract: str
    function: str
    arguments: tuple[Any, ...]
    sender: int
    then: Callable[[], None] | None = None

    def __str__(self) -> str:
        shown = [f"0x{a.hex()[:16]}…" if isinstance(a, bytes) else a for a in self.arguments]
        return f"{self.contract}.{self.function}({', '.join(map(str, shown))}) by {address_text(self.sender)}"


@dataclass
class Book:
    """What happened so far, told by events alone: totals that the invariants compare with the state."""

    bought: int = 0
    taken: int = 0
    burned: int = 0
    minted: int = 0
    deposited: Counter[int] = field(default_factory=Counter)
    paid: Counter[int] = field(default_factory=Counter)
    returned: Counter[int] = field(default_factory=Counter)
    proven: dict[int, int] = field(default_factory=dict)  # lease -> epoch of its finish with a proof


@dataclass
class Memory:
    """What the people and keepers of a sequence remember; copied at its start."""

    now: int
    tree: UptimeTree
    trees: dict[int, UptimeTree]
    masks: dict[int, list[int]]
    book: Book
    leases: list[int]
    asks: list[tuple[Ask, bytes]]
    takes: list[Take]
    nodes: int = 0
    keys: int = 1_000
    salt: int = 0
    posted: int = 0

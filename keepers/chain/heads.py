"""Which block a decision may rest on.

The deployment record names one policy: a `tag` ("finalized", "safe") where the chain offers it, or a `depth` in
blocks on local networks (anvil's "finalized" is merely the newest block less 64).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from keepers.chain.ports import BlockRef
from keepers.protocol.errors import HearthError

__all__ = ["BlockRef", "BlockSource", "Finality", "Heads", "last_before"]


@dataclass(frozen=True, slots=True)
class Finality:
    """`kind` "depth" with a number of blocks ≥ 0, or "tag" with a block tag."""

    kind: Literal["depth", "tag"]
    value: int | str

    def __post_init__(self) -> None:
        if self.kind == "depth" and not (isinstance(self.value, int) and self.value >= 0):
            raise HearthError("H1004", f"finality depth must be a number of blocks, not {self.value!r}")
        if self.kind == "tag" and self.value not in ("finalized", "safe", "latest"):
            raise HearthError("H1004", f"finality tag must be finalized, safe or latest, not {self.value!r}")


class BlockSource(Protocol):
    """What heads are read from."""

    def block_by(self, which: int | str) -> BlockRef | None:
        """A block by number or tag; None if there is none."""
        ...


class Heads:
    """Newest and final block. Never goes back to a lower head of the same chain without being told by a hash.

    A load-balanced endpoint may answer from a node that lags; a head below the one seen is ignored unless the
    block of that number differs from the one we remember (a reorg), which the log follower deals with.
    """

    def __init__(self, source: BlockSource, finality: Finality) -> None:
        self._source = source
        self._finality = finality
        self._head: BlockRef | None = None
        self._final: BlockRef | None = None

    def poll(self) -> BlockRef:
        """Ask for the newest block and remember it. Raises H2001 where no endpoint has one."""
        new = self._source.block_by("latest")
        if new is None:
            raise HearthError("H2001", "no endpoint has a newest block", next=("check the chain behind --rpc",))
        old = self._head
        if old is not None and new.number < old.number:
            again = self._source.block_by(old.number)
            if again is None or again.hash == old.hash:
                return old  # a lagging node answered
        self._head = new
        self._final = None
        return new

    def head(self) -> BlockRef:
        """The newest block seen by `poll`."""
        return self._head if self._head is not None else self.poll()

    def final(self) -> BlockRef:
        """The newest block that is final at the present head."""
        known = self._final  # read once: `poll` may forget it on another thread at any time
        if known is None:
            known = self._final = self._find_final(self.head())
        return known

    def _find_final(self, head: BlockRef) -> BlockRef:
        if self._finality.kind == "depth":
            depth = int(self._finality.value)
            found = head if depth == 0 else self._source.block_by(max(0, head.number - depth))
        else:
            found = self._source.block_by(str(self._finality.value))
        if found is None:  # a young chain has no finalized block yet: then only genesis is
            found = self._source.block_by(0)
        if found is None:
            raise HearthError("H2001", "no endpoint has a final block")
        return found


def last_before(block: Callable[[int], BlockRef | None], moment: int, at: BlockRef) -> BlockRef:
    """The last block up to `at` with timestamp < moment (seconds); the first block where there is none.

    `block(number)` reads one, None where an endpoint has none. Steps back from `at` double until a block is early
    enough, then the gap is halved: 2·log2(d) reads for a block d before `at`. Raises H2001 without a first block.
    """
    if at.timestamp < moment:
        return at
    high, step = at.number, 1
    low, best = 0, None
    while high - step > 0:
        found = block(high - step)
        if found is not None and found.timestamp < moment:
            low, best = found.number, found
            break
        high, step = high - step, step * 2
    while high - low > 1:
        middle = (low + high) // 2
        found = block(middle)
        if found is not None and found.timestamp < moment:
            low, best = middle, found
        else:
            high = middle
    best = best or block(0)
    if best is None:
        raise HearthError("H2001", "no endpoint has the first block", next=("check the chain behind --rpc",))
    return best

"""State that rolls back: journaled maps, reverts, logged events, the clock and caller of a call."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

_MISSING = object()


class Revert(Exception):
    """A call that the contracts refuse, with their words; an empty reason stands for an arithmetic or bounds check."""

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Event:
    """A logged event: contract, event name, values in the order of the interface."""

    contract: str
    name: str
    values: tuple[Any, ...]


class Journal:
    """Undo log of all maps and of the events of one world."""

    def __init__(self) -> None:
        self._undo: list[tuple[dict[Any, Any], Any, Any]] = []
        self.events: list[Event] = []

    def note(self, target: dict[Any, Any], key: Any) -> None:
        """Remembers what `target[key]` was."""
        self._undo.append((target, key, target.get(key, _MISSING)))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing: whatever leaves the block by an exception is undone, events included."""
        mark, logged = len(self._undo), len(self.events)
        try:
            yield
        except BaseException:
            self.rewind(mark, logged)
            raise

    def mark(self) -> tuple[int, int]:
        """A point to rewind to."""
        return len(self._undo), len(self.events)

    def rewind(self, mark: int, logged: int) -> None:
        """Undoes everything after a point."""
        while len(self._undo) > mark:
            target, key, old = self._undo.pop()
            if old is _MISSING:
                dict.pop(target, key, None)
            else:
                dict.__setitem__(target, key, old)
        del self.events[logged:]


class Store(dict[K, V], Generic[K, V]):
    """A map with a default for what was never written, like storage; every write can be undone."""

    def __init__(self, journal: Journal, default: V) -> None:
        super().__init__()
        self._journal = journal
        self._default = default

    def __missing__(self, key: K) -> V:
        return self._default

    def __setitem__(self, key: K, value: V) -> None:
        self._journal.note(self, key)
        super().__setitem__(key, value)


@dataclass
class Context:
    """What a call sees of its block: time (unix seconds), randomness (256 bits), chain id, signature recovery.

    `recover(digest, signature)` gives the signer's address as a number, 0 for a bad signature; `wallets` are contracts
    that answer for themselves (EIP-1271).
    """

    now: int
    prevrandao: int
    chain_id: int
    recover: Callable[[bytes, bytes], int]
    wallets: dict[int, Callable[[bytes, bytes], bool]]


def require(condition: bool, reason: str = "") -> None:
    """Refuses with `reason` unless the condition holds."""
    if not condition:
        raise Revert(reason)


def checked(value: int) -> int:
    """A checked 256-bit result: refuses (without words) outside 0 … 2**256 - 1."""
    require(0 <= value < 2**256)
    return value

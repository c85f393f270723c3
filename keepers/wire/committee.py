"""Who observes an epoch and where they listen: committee tables read from the hub's `CommitteeSet` events.

The deployment record's endpoints only fill what the chain leaves empty (a local network, a seat without a URL).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from keepers.chain.ports import BlockRef, Event, Reader
from keepers.wire.attester_client import Endpoint


@dataclass(frozen=True)
class Committee:
    """Seats of one generation in order; `start` is the first epoch of which it signs."""

    generation: int
    start: int
    endpoints: tuple[Endpoint, ...]

    @property
    def n(self) -> int:
        """Number of seats."""
        return len(self.endpoints)

    def seat_of(self, address: str) -> int | None:
        """Seat of an account, None if it has none."""
        return next((e.seat for e in self.endpoints if e.address == address), None)


class Committees:
    """Follows `CommitteeSet`. Final events are kept; those above finality are read anew: a reorg undoes them."""

    def __init__(self, reader: Reader, first_block: int, bootstrap: Mapping[str, str] | None = None) -> None:
        self._reader = reader
        self._next = first_block
        self._kept: dict[int, Committee] = {}
        self._known: dict[int, Committee] = {}
        self._bootstrap = {address.lower(): url for address, url in (bootstrap or {}).items()}
        self._at: bytes = b""

    def refresh(self, at: BlockRef) -> None:
        """Read events through block `at`. Cheap when nothing is new."""
        if at.hash == self._at:
            return
        final = self._reader.final().number
        events = self._events(self._next, at.number)
        for event in events:
            if event.block_number <= final:
                self._kept[event["generation"]] = self._committee(event)
        self._next = max(self._next, min(final, at.number) + 1)
        self._known = {**self._kept, **{event["generation"]: self._committee(event) for event in events}}
        self._at = at.hash

    def of_epoch(self, epoch: int) -> Committee | None:
        """The committee in force for an epoch: the newest generation that starts at or before it."""
        fitting = [c for c in self._known.values() if c.start <= epoch]
        return max(fitting, key=lambda c: c.generation, default=None)

    def of_generation(self, generation: int) -> Committee | None:
        """The committee of that number, in force or not; None where none was set."""
        return self._known.get(generation)

    def all(self) -> tuple[Committee, ...]:
        """Every generation that was ever set."""
        return tuple(self._known.values())

    def _events(self, first: int, last: int) -> list[Event]:
        return [] if first > last else self._reader.events(first, last, "AttestationHub", ("CommitteeSet",))

    def _committee(self, event: Event) -> Committee:
        endpoints = []
        for seat, (address, url) in enumerate(zip(event["seats"], event["endpoints"], strict=True)):
            account = str(address).lower()
            endpoints.append(Endpoint(seat, account, str(url) or self._bootstrap.get(account, "")))
        return Committee(event["generation"], event["start"], tuple(endpoints))

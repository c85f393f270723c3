"""Reports taken apart: every argument of `report` can be changed before or after it is signed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tests.support.actors import RELAYER, Actor
from tests.support.suite import Suite, facts_word, records_hash


@dataclass(frozen=True)
class Draft:
    """One report of a quiet epoch; `signed` turns it into calldata."""

    e: int
    previous: bytes
    root: bytes
    facts: int
    generation: int = 1
    parts: list[bytes] = field(default_factory=list)
    data: bytes = b""

    def but(self, **changes: Any) -> Draft:
        return replace(self, **changes)

    def digest(self, net: Suite) -> bytes:
        x = records_hash(self.parts, self.data, self.root)
        return net.report_digest(self.generation, self.e, self.previous, self.root, self.facts, x)

    def signed(self, net: Suite, seats: Sequence[int] | None = None) -> list[Any]:
        who, sigs = net.sign(self.digest(net), seats, self.generation)
        return [self.e, self.previous, self.root, self.facts, self.parts, self.data, who, sigs]

    def send(self, net: Suite, seats: Sequence[int] | None = None, sender: Actor = RELAYER) -> None:
        net.hub.report(*self.signed(net, seats), sender=sender.address)


def draft(net: Suite, price: int | None = None, count: int | None = None, indet: int = 0, view: int = 0) -> Draft:
    """The next epoch, everybody as before; moves on to its end."""
    e = int(net.hub.last_epoch()) + 1
    if net.now < net.parameters.end(e):
        net.at(net.parameters.end(e))
    count = net.uptime.count if count is None else count
    facts = facts_word(count, net.parameters.price if price is None else price, indet, view)
    return Draft(e, net.uptime.word, net.uptime.root, facts, int(net.hub.committee(e)[0]) or 1)


def events(contract: Any, name: str) -> list[Any]:
    """Events of that name in the contract's last call."""
    return [event for event in contract.get_logs(strict=False) if type(event).__name__ == name]


def paused(net: Suite) -> bool:
    """Whether the price word says that entries are closed."""
    return bool(net.hub.price() & 1)

"""A network on virtual time: messages that are lost, late, or cut off by a partition, and answers that are lost.

A send that fails raises Unreachable, as over HTTP, and is repeated by whoever sent it; one whose answer alone is lost
is delivered all the same.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import httpx

from keepers.wire.attester_client import AttesterClient, Declined, Endpoint, Unreachable
from keepers.wire.codec import ObsBody, Proposal, SeatSignature
from keepers.wire.routing import Refused


class Timeline:
    """Virtual seconds and what is due."""

    def __init__(self, start: float) -> None:
        self.now = start
        self._due: list[tuple[float, int, Callable[[], object]]] = []
        self._count = 0

    def at(self, moment: float, do: Callable[[], object]) -> None:
        """Do something at a moment, not before now."""
        self._count += 1
        heapq.heappush(self._due, (max(moment, self.now), self._count, do))

    def run_until(self, moment: float) -> None:
        """Everything that is due through `moment`."""
        while self._due and self._due[0][0] <= moment:
            self.now, _, do = heapq.heappop(self._due)
            do()
        self.now = max(self.now, moment)


@dataclass(frozen=True)
class Weather:
    """Chances of one message: to be lost; to arrive while its answer is lost; to arrive only after the sender has given
    up waiting, by up to `delay` seconds."""

    loss: float = 0.05
    lost_answer: float = 0.02
    slow: float = 0.05
    delay: float = 15.0


class Peer(Protocol):
    """What a message reaches."""

    number: int

    @property
    def up(self) -> bool: ...

    def take(self, message: object) -> None: ...

    def show(self, path: str) -> bytes: ...


@dataclass
class Net:
    """All links. `groups[seat]` differ while a partition lasts."""

    timeline: Timeline
    rng: random.Random
    weather: Weather
    peers: dict[int, Peer] = field(default_factory=dict)
    groups: dict[int, int] = field(default_factory=dict)
    sent: int = 0
    refused: Counter[str] = field(default_factory=Counter)  # honest messages that an honest seat refused, by code

    def connected(self, source: int, target: int) -> bool:
        """Whether a partition lets them talk, and the target is up."""
        return self.groups.get(source, 0) == self.groups.get(target, 0) and self.peers[target].up

    def send(self, source: int, target: int, message: object, honest: bool) -> None:
        """Deliver it. Raises Unreachable where the sender gets no answer, Declined where the answer is a refusal."""
        self.sent += 1
        weather = self.weather
        if not self.connected(source, target) or self.rng.random() < weather.loss:
            raise _unreachable(target)
        if self.rng.random() < weather.slow:
            later = self.timeline.now + self.rng.random() * weather.delay
            self.timeline.at(later, lambda: self.deliver(target, message, honest))
            raise _unreachable(target)
        code = self.deliver(target, message, honest)
        if self.rng.random() < weather.lost_answer:
            raise _unreachable(target)
        if code:
            raise Declined("H2007", f"attester {target} declined: {code}")

    def ask(self, source: int, target: int, path: str) -> bytes:
        """A read, answered at once or not at all."""
        if not self.connected(source, target) or self.rng.random() < self.weather.loss:
            raise _unreachable(target)
        return self.peers[target].show(path)

    def deliver(self, target: int, message: object, honest: bool) -> str:
        """Hand it over; the code of a refusal, or nothing."""
        peer = self.peers[target]
        if not peer.up:
            return ""
        try:
            peer.take(message)
        except Refused as error:
            if honest:
                self.refused[error.code] += 1
            return error.code
        return ""


def _unreachable(target: int) -> Unreachable:
    return Unreachable("H2007", f"attester {target} gave no acknowledgement")


class SimClient(AttesterClient):
    """The client of one seat for another, over the net. `watch(message)` sees what an honest seat sends."""

    def __init__(
        self, net: Net, source: int, endpoint: Endpoint, http: httpx.Client, watch: Callable[[object], None]
    ) -> None:
        super().__init__(endpoint, http)
        self._net, self._source, self._watch = net, source, watch

    def _post(self, message: object) -> None:
        self._watch(message)
        self._net.send(self._source, self.endpoint.seat, message, honest=True)

    def send_observation(self, observation: ObsBody) -> None:
        self._post(observation)

    def send_proposal(self, proposal: Proposal) -> None:
        self._post(proposal)

    def send_signature(self, signature: SeatSignature) -> None:
        self._post(signature)

    def get(self, path: str) -> bytes:
        return self._net.ask(self._source, self.endpoint.seat, path)


__all__ = ["Net", "Peer", "SimClient", "Timeline", "Weather"]

"""A declared stand-in device, for machines without a GPU: local networks, demonstrations, tests.

It hides nothing: the first line of the agent says it, each telemetry has source "stand-in", and its UUIDs begin with
STAND-IN, so that its fingerprints collide with no real card.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from keepers.gpu.nvml import Reading
from keepers.gpu.sampler import OK, DeviceSample, Telemetry


@dataclass(frozen=True)
class StandIn:
    """`count` invented devices of class `model`; `label` makes the UUIDs of this node its own."""

    model: str
    count: int
    label: str
    _cache: list[Telemetry] = field(default_factory=list, compare=False, repr=False)

    def __post_init__(self) -> None:
        if not 1 <= self.count <= 16:
            raise ValueError(f"a node has 1 to 16 GPUs, not {self.count}")

    def uuids(self) -> tuple[str, ...]:
        """UUIDs of the invented devices."""
        return tuple(f"STAND-IN-{self.label}-{index}" for index in range(self.count))

    def first_line(self) -> str:
        """What the agent says at its start."""
        return f"gpu: STAND-IN, no real GPU is read: {self.count} x {self.model}, declared in every telemetry"

    def sample(self) -> Telemetry:
        """The same idle telemetry each time."""
        if not self._cache:
            idle = Reading(0, 0, 30, 0, 0, False)
            devices = tuple(DeviceSample(uuid, f"STAND-IN {self.model}", idle) for uuid in self.uuids())
            self._cache.append(Telemetry("stand-in", OK, devices, cause="declared stand-in device"))
        return self._cache[0]

"""A node and its provider as the registry keeps them, and when a node's status may change by proofs.

node      provider 24 @232 | class 16 @216 | region 16 @200 | gpus 16 @184 | reserved 16 @168 | status 8 @160
          | first 32 @128 | clean 32 @96 | opt-in 32 @64 | since 32 @32 | fault 32 @0
provider  operator 160 @96 | bid generation 32 @64 | stake units 64 @0
Source: docs/protocol.md §4; contracts/interfaces/INodeRegistry.vyi.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from keepers.protocol.units import M16, M32, M64, field, fits

MAX_GPUS = 16  # of a node
MAX_NODES = 2**24 - 1
MAX_PROVIDERS = 2**24
MAX_MIN_STAKE = 2**60  # of a class, 1e-9 USD a GPU
CHECK_IN_GAS = 120_000  # that an outbox allows for a check-in: the most it takes, and the margin of an estimate
JAIL_SPAN = 24  # epochs that a jailing may look at, and epochs in jail
JAIL_STALE = 72  # epochs after which a usable report jails nobody any more
JAIL_FAULT_SLOTS = 144  # slots of fault within the span that are still borne
JAIL_MISSED = 3  # missed challenges within the span that are not


class Status(IntEnum):
    """Status of a node in the registry."""

    NONE = 0
    PENDING = 1
    ACTIVE = 2
    JAILED = 3
    FAULTED = 4
    RETIRED = 5


@dataclass(frozen=True)
class Node:
    """A node: `first`, `clean`, `since` and `opt_in` are epochs (its first, the earliest that counts, that of its
    status, the first for which it is opted in; 0 = it is out), and so
    is `fault`: in which its last fault was recorded, 0 = none."""

    provider: int = 0
    class_id: int = 0
    region: int = 0
    gpus: int = 0
    reserved: int = 0
    status: Status = Status.NONE
    first: int = 0
    clean: int = 0
    since: int = 0
    opt_in: int = 0
    fault: int = 0

    def pack(self) -> int:
        """The node word. Raises ValueError where a field does not fit."""
        return (
            fits("provider", self.provider, 24) << 232
            | fits("class", self.class_id, 16) << 216
            | fits("region", self.region, 16) << 200
            | fits("gpus", self.gpus, 16) << 184
            | fits("reserved", self.reserved, 16) << 168
            | int(self.status) << 160
            | fits("first", self.first, 32) << 128
            | fits("clean", self.clean, 32) << 96
            | fits("opt-in", self.opt_in, 32) << 64
            | fits("since", self.since, 32) << 32
            | fits("fault", self.fault, 32)
        )

    @classmethod
    def unpack(cls, value: int) -> Node:
        """Reads a node word. Raises ValueError for a status that does not exist."""
        return cls(
            provider=value >> 232,
            class_id=value >> 216 & M16,
            region=value >> 200 & M16,
            gpus=value >> 184 & M16,
            reserved=value >> 168 & M16,
            status=Status(field(value, 160, 8)),
            first=value >> 128 & M32,
            clean=value >> 96 & M32,
            since=value >> 32 & M32,
            opt_in=value >> 64 & M32,
            fault=value & M32,
        )

    @property
    def free(self) -> int:
        """GPUs that no lease holds."""
        return self.gpus - self.reserved


@dataclass(frozen=True)
class Provider:
    """A provider: who signs its asks (address as a number), its bid generation, its stake units (1e-9 USD)."""

    operator: int = 0
    generation: int = 0
    units: int = 0

    def pack(self) -> int:
        """The provider word. Raises ValueError where a field does not fit."""
        return (
            fits("operator", self.operator, 160) << 96
            | fits("generation", self.generation, 32) << 64
            | fits("units", self.units, 64)
        )

    @classmethod
    def unpack(cls, value: int) -> Provider:
        """Reads a provider word."""
        return cls(value >> 96, value >> 64 & M32, value & M64)


def deserves_jail(fault: int, missed: int, slot: int) -> bool:
    """Whether `fault` seconds or `missed` challenges of the epochs (a, b], b ≤ a + JAIL_SPAN, jail an Active node."""
    return fault > JAIL_FAULT_SLOTS * slot or missed >= JAIL_MISSED

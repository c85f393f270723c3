"""The GPUs of this machine, for commands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from keepers.protocol.errors import HearthError

if TYPE_CHECKING:
    from keepers.gpu.nvml import Identity


def identities_here(gpus: Sequence[int] | None = None) -> tuple[Identity, ...]:
    """The GPUs that answer, of those indexes (all by default). Raises H3101 to H3108 with what is missing."""
    from keepers.gpu.sampler import UNKNOWN, Sampler

    sampler = Sampler(gpus=gpus)
    telemetry = sampler.sample()
    if telemetry.state == UNKNOWN:
        code, _, text = telemetry.cause.partition(" ")
        raise HearthError(
            code if code.startswith("H3") else "H3101", text or telemetry.cause, next=("hearth check agent",)
        )
    return sampler.identities()


def uuids_here(count: int | None = None) -> tuple[str, ...]:
    """UUIDs of the first `count` GPUs (all by default). Raises H3101 to H3108 with what is missing."""
    found = [identity.uuid for identity in identities_here()]
    if count is not None and count > len(found):
        raise HearthError("H3101", f"{len(found)} GPUs answer, not {count}", next=("hearth check agent",))
    return tuple(found[: count or len(found)])


def class_here() -> str:
    """Name of the one hardware class of this machine's GPUs. Raises H3101 … H3108, or H1005 where they differ."""
    from keepers.gpu.classes import classify

    names = set()
    for identity in identities_here():
        known = classify(identity.name, identity.pci_device, identity.memory_mib, identity.pci_vendor)
        names.add(known.name if known else "")
    if len(names) == 1 and "" not in names:
        return names.pop()
    said = ", ".join(sorted(name or "none of ours" for name in names))
    raise HearthError(
        "H1005",
        "the class is not clear from the GPUs here",
        why=(f"classes found: {said}",),
        next=("--class NAME", "one node a class: --gpus"),
    )

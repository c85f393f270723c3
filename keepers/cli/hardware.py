"""The GPUs of this machine, for commands."""

from __future__ import annotations

from keepers.protocol.errors import HearthError


def uuids_here(count: int | None = None) -> tuple[str, ...]:
    """UUIDs of the first `count` GPUs (all by default). Raises H3101 to H3107 with what is missing."""
    from keepers.gpu.sampler import UNKNOWN, Sampler

    sampler = Sampler()
    telemetry = sampler.sample()
    if telemetry.state == UNKNOWN:
        code, _, text = telemetry.cause.partition(" ")
        raise HearthError(
            code if code.startswith("H3") else "H3101", text or telemetry.cause, next=("hearth check agent",)
        )
    found = [identity.uuid for identity in sampler.identities()]
    if count is not None and count > len(found):
        raise HearthError("H3101", f"{len(found)} GPUs answer, not {count}", next=("hearth check agent",))
    return tuple(found[: count or len(found)])

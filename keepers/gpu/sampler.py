"""`Sampler.sample()` gives one Telemetry and never hangs: each device is read by a thread of its own, with a limit.

Three states: `ok`, `degraded` (a device lost, silent, throttled or with uncorrected errors) and `unknown` (no device
could be read at all, or NVML lists none: at boot that means "not yet", never "zero"). An agent beats unless unknown.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from keepers.gpu.nvml import DeviceLost, Identity, Nvml, NvmlUnavailable, Reading
from keepers.protocol.hashing import keccak

OK, DEGRADED, UNKNOWN = "ok", "degraded", "unknown"


@dataclass(frozen=True)
class DeviceSample:
    """One device of a telemetry; `fault` says what is wrong with it, "" if nothing."""

    uuid: str
    name: str
    reading: Reading | None
    fault: str = ""


@dataclass(frozen=True)
class Telemetry:
    """What a node says of its hardware in one slot. `source` is "nvml" or "stand-in"; `canary` the commitment of one
    (`protocol.canary`), 0x…, or ""."""

    source: str
    state: str
    devices: tuple[DeviceSample, ...] = ()
    cause: str = ""
    canary: str = ""
    _cache: list[bytes] = field(default_factory=list, compare=False, repr=False)

    def encode(self) -> bytes:
        """Canonical JSON: sorted keys, no spaces, integers only. The same telemetry gives the same bytes."""
        devices = [
            {
                "fault": device.fault,
                "name": device.name,
                "uuid": device.uuid,
                **({} if device.reading is None else vars(device.reading)),
            }
            for device in self.devices
        ]
        body = {"cause": self.cause, "devices": devices, "source": self.source, "state": self.state, "version": 1}
        if self.canary:
            body["canary"] = self.canary
        return json.dumps(body, sort_keys=True, separators=(",", ":")).encode()

    def announcing(self, commitment: bytes) -> Telemetry:
        """The same with the commitment of a canary."""
        return Telemetry(self.source, self.state, self.devices, self.cause, "0x" + commitment.hex())

    def digest(self) -> bytes:
        """keccak256 of `encode()`: the telemetry hash of a heartbeat."""
        if not self._cache:
            self._cache.append(keccak(self.encode()))
        return self._cache[0]


class Samples(Protocol):
    """Whatever gives the telemetry of one node: `Sampler` on real hardware, `stand_in.StandIn` where there is none."""

    def sample(self) -> Telemetry: ...


class _Worker:
    """A daemon thread that runs one call at a time for one device; a call that hangs blocks nobody else."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._busy: threading.Thread | None = None

    def run(self, call: Callable[[], object], timeout_s: float) -> object:
        """The call's result; TimeoutError if it takes longer, or if an earlier one still has not come back."""
        if self._busy is not None and self._busy.is_alive():
            raise TimeoutError("an earlier reading still hangs in the driver")
        box: list[object] = []

        def work() -> None:
            try:
                box.append(call())
            except Exception as error:
                box.append(error)

        self._busy = threading.Thread(target=work, name=self._name, daemon=True)
        self._busy.start()
        self._busy.join(timeout_s)
        if not box:
            raise TimeoutError(f"no answer within {timeout_s:g} s")
        if isinstance(box[0], Exception):
            raise box[0]
        return box[0]


class Sampler:
    """Samples the GPUs of one node through NVML.

    `open_nvml`: makes the binding (Nvml.open); called again after a failure, so that a driver that comes up later is
    found. `gpus`: indexes to use, None = all. `timeout_s`: limit for each device.
    """

    def __init__(
        self, open_nvml: Callable[[], Nvml] = Nvml.open, gpus: Sequence[int] | None = None, timeout_s: float = 2.0
    ) -> None:
        self._open = open_nvml
        self._gpus = None if gpus is None else tuple(gpus)
        self._timeout_s = timeout_s
        self._nvml: Nvml | None = None
        self._known: dict[int, Identity] = {}
        self._workers: dict[int, _Worker] = {}

    def first_line(self) -> str:
        """What the agent says at its start."""
        telemetry = self.sample()
        if telemetry.state == UNKNOWN:
            return f"gpu: unknown ({telemetry.cause})"
        return "gpu: " + ", ".join(device.name for device in telemetry.devices)

    def identities(self) -> tuple[Identity, ...]:
        """The devices that have answered so far, by index."""
        return tuple(self._known[index] for index in sorted(self._known))

    def sample(self) -> Telemetry:
        """One telemetry of all devices; takes at most (devices + 1) times the limit. Never raises."""
        try:
            indexes = self._indexes()
        except NvmlUnavailable as error:
            return Telemetry("nvml", UNKNOWN, cause=f"{error.code} {error.message}")
        except (DeviceLost, TimeoutError) as error:
            self._forget()
            return Telemetry("nvml", UNKNOWN, cause=f"H3108 {error}")
        if not indexes:
            self._forget()
            return Telemetry("nvml", UNKNOWN, cause="H3101 NVML lists no GPU (unknown, not zero)")
        devices = tuple(self._device(index) for index in indexes)
        if all(device.reading is None for device in devices):
            return Telemetry("nvml", UNKNOWN, devices, cause=f"H3108 {devices[0].fault}")
        return Telemetry("nvml", DEGRADED if any(device.fault for device in devices) else OK, devices)

    def _indexes(self) -> tuple[int, ...]:
        def count() -> int:
            if self._nvml is None:
                self._nvml = self._open()
            return self._nvml.count()

        number = self._worker(-1).run(count, self._timeout_s)
        assert isinstance(number, int)
        if number == 0:
            return ()
        # a device that stood there before and is not listed now has fallen off the bus: it is read, and reported lost
        every = sorted(set(range(number)) | set(self._known))
        return tuple(every) if self._gpus is None else self._gpus

    def _device(self, index: int) -> DeviceSample:
        nvml = self._nvml
        assert nvml is not None

        def read() -> tuple[Identity, Reading]:
            identity = nvml.identity(index)
            return identity, nvml.reading(index)

        known = self._known.get(index)
        uuid, name = (known.uuid, known.name) if known else ("", f"gpu {index}")
        try:
            answer = self._worker(index).run(read, self._timeout_s)
        except (DeviceLost, TimeoutError) as error:
            return DeviceSample(uuid, name, None, f"lost: {error}")
        assert isinstance(answer, tuple)
        identity, reading = answer
        if known is not None and known.uuid != identity.uuid:
            return DeviceSample(identity.uuid, identity.name, reading, "another GPU stands at this index than before")
        self._known[index] = identity
        return DeviceSample(identity.uuid, identity.name, reading, _fault(identity, reading))

    def _worker(self, index: int) -> _Worker:
        return self._workers.setdefault(index, _Worker(f"nvml-{index}"))

    def _forget(self) -> None:
        nvml, self._nvml = self._nvml, None
        if nvml is not None:
            nvml.close()


def _fault(identity: Identity, reading: Reading) -> str:
    if identity.mig:
        return "H3106 MIG is on: whole GPUs are leased (nvidia-smi -i INDEX -mig 0 turns it off)"
    if reading.ecc_uncorrected:
        return f"{reading.ecc_uncorrected} uncorrected memory errors since boot"
    if reading.throttled:
        return "slowed down by the hardware (heat or power)"
    return ""

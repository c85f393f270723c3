"""The NVML binding: `Nvml.open()` loads the driver's library and says in one of five codes why it cannot.

H3101 no GPU listed · H3102 no usable driver · H3103 driver and library of different versions · H3104 a container or
account without the devices · H3105 GPUs of a maker that has no sampler yet. The cause comes from NVML's own code,
the PCI bus and `/proc/driver/nvidia/version`, all below `root` so that tests can plant them.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keepers.protocol.errors import HearthError

NVIDIA, AMD, INTEL = 0x10DE, 0x1002, 0x8086
_DISPLAY_CLASSES = (0x0300, 0x0302, 0x0380)  # VGA, 3D and other display controllers of the PCI class table
_MAKERS = {NVIDIA: "NVIDIA", AMD: "AMD", INTEL: "Intel"}
_HW_SLOWDOWN = 0x8 | 0x40 | 0x80  # hardware slowdown, hardware thermal, power brake (NVML clocks-event reasons)


class NvmlUnavailable(HearthError):
    """NVML cannot be used; `code` is one of H3101..H3105 and `why` names the layer at fault."""


class DeviceLost(Exception):
    """One device does not answer any more (off the bus, reset required); the others may be well."""


@dataclass(frozen=True)
class PciDisplay:
    """A display controller on the PCI bus, as the kernel lists it."""

    vendor: int
    device: int
    driver: str  # kernel module bound to it, "" if none


@dataclass(frozen=True)
class Identity:
    """What does not change while a device is in service. Memory in MiB."""

    index: int
    name: str
    uuid: str
    pci_vendor: int
    pci_device: int
    memory_mib: int
    mig: bool
    display: bool


@dataclass(frozen=True)
class Reading:
    """One reading. Memory in MiB, utilisation in percent, °C, milliwatts; None where the device does not tell."""

    memory_used_mib: int
    utilisation: int | None
    temperature: int | None
    power_mw: int | None
    ecc_uncorrected: int | None
    throttled: bool


def pci_displays(root: Path = Path("/")) -> list[PciDisplay]:
    """Display controllers under `root`/sys/bus/pci/devices; an empty list where there is no such tree."""
    found = []
    for place in sorted((root / "sys/bus/pci/devices").glob("*")):
        try:
            words = [int((place / part).read_text().strip(), 16) for part in ("class", "vendor", "device")]
        except (OSError, ValueError):
            continue
        if words[0] >> 8 in _DISPLAY_CLASSES:
            driver = place / "driver"
            found.append(PciDisplay(words[1], words[2], driver.resolve().name if driver.exists() else ""))
    return found


def kernel_driver(root: Path = Path("/")) -> str:
    """Version of the loaded NVIDIA kernel module, "" if none is loaded."""
    try:
        words = (root / "proc/driver/nvidia/version").read_text().split()
    except OSError:
        return ""
    return next((word for word in words if word[:1].isdigit() and "." in word), "unreadable")


def _binding() -> Any:
    try:
        return importlib.import_module("pynvml")
    except ImportError as error:
        raise NvmlUnavailable(
            "H3102",
            "the NVML binding is not installed",
            why=[str(error)],
            next=["pip install 'hearth-compute[provider]'"],
        ) from error


class Nvml:
    """An initialised NVML. Make one by `open`; `close` when done.

    Every method may block for as long as the driver does: call them through `gpu.sampler`, which bounds them.
    """

    def __init__(self, library: Any) -> None:
        self._lib = library

    @classmethod
    def open(cls, library: Any | None = None, root: Path = Path("/")) -> Nvml:
        """Initialise NVML, or raise NvmlUnavailable with the cause.

        `library`: a module with the functions of pynvml; pynvml itself if None.
        """
        lib = library if library is not None else _binding()
        try:
            lib.nvmlInit()
        except lib.NVMLError as error:
            raise _cause(lib, error, root) from error
        return cls(lib)

    def close(self) -> None:
        """Give the library back; an error while doing so is of no interest to anybody."""
        try:
            self._lib.nvmlShutdown()
        except self._lib.NVMLError:
            return

    def driver(self) -> str:
        """Version of the driver, "" if NVML does not tell."""
        return str(self._maybe(self._lib.nvmlSystemGetDriverVersion) or "")

    def count(self) -> int:
        """Number of devices; DeviceLost if NVML cannot tell."""
        try:
            return int(self._lib.nvmlDeviceGetCount())
        except self._lib.NVMLError as error:
            raise DeviceLost(str(error)) from error

    def identity(self, index: int) -> Identity:
        """Identity of device `index`, or DeviceLost."""
        lib = self._lib
        try:
            handle = lib.nvmlDeviceGetHandleByIndex(index)
            pci = int(lib.nvmlDeviceGetPciInfo(handle).pciDeviceId)
            mig = self._maybe(lib.nvmlDeviceGetMigMode, handle)
            return Identity(
                index=index,
                name=_text(lib.nvmlDeviceGetName(handle)),
                uuid=_text(lib.nvmlDeviceGetUUID(handle)),
                pci_vendor=pci & 0xFFFF,
                pci_device=pci >> 16,
                memory_mib=int(lib.nvmlDeviceGetMemoryInfo(handle).total) >> 20,
                mig=bool(mig and mig[0]),
                display=bool(self._maybe(lib.nvmlDeviceGetDisplayActive, handle)),
            )
        except lib.NVMLError as error:
            raise DeviceLost(str(error)) from error

    def reading(self, index: int) -> Reading:
        """Reading of device `index`, or DeviceLost. What the device does not support reads None."""
        lib = self._lib
        try:
            handle = lib.nvmlDeviceGetHandleByIndex(index)
            used = int(lib.nvmlDeviceGetMemoryInfo(handle).used) >> 20
        except lib.NVMLError as error:
            raise DeviceLost(str(error)) from error
        rates = self._maybe(lib.nvmlDeviceGetUtilizationRates, handle)
        reasons = self._maybe(lib.nvmlDeviceGetCurrentClocksEventReasons, handle)
        return Reading(
            memory_used_mib=used,
            utilisation=None if rates is None else int(rates.gpu),
            temperature=self._maybe(lib.nvmlDeviceGetTemperature, handle, lib.NVML_TEMPERATURE_GPU),
            power_mw=self._maybe(lib.nvmlDeviceGetPowerUsage, handle),
            ecc_uncorrected=self._maybe(
                lib.nvmlDeviceGetTotalEccErrors, handle, lib.NVML_MEMORY_ERROR_TYPE_UNCORRECTED, lib.NVML_VOLATILE_ECC
            ),
            throttled=bool((reasons or 0) & _HW_SLOWDOWN),
        )

    def _maybe(self, call: Callable[..., Any], *args: Any) -> Any:
        """The answer, None where the device does not know the question, DeviceLost where it is gone."""
        lib = self._lib
        try:
            return call(*args)
        except lib.NVMLError as error:
            if error.value in (lib.NVML_ERROR_GPU_IS_LOST, lib.NVML_ERROR_RESET_REQUIRED):
                raise DeviceLost(str(error)) from error
            return None


def _text(value: str | bytes) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _cause(lib: Any, error: Any, root: Path) -> NvmlUnavailable:
    """Name the layer that is at fault: NVML's code first, then the PCI bus and the kernel."""
    kernel, displays = kernel_driver(root), pci_displays(root)
    nvidia = [d for d in displays if d.vendor == NVIDIA]
    seen = [f"PCI display devices: {_list(displays)}", f"kernel driver: {kernel or 'none'}", f"NVML says: {error}"]
    value = getattr(error, "value", None)
    if value == lib.NVML_ERROR_LIB_RM_VERSION_MISMATCH:
        return NvmlUnavailable(
            "H3103",
            f"the driver's library and its kernel module differ (kernel module {kernel or 'unknown'})",
            why=seen,
            next=["reboot, so that the kernel loads the module that belongs to the library"],
        )
    if not nvidia:
        others = sorted({_MAKERS[d.vendor] for d in displays if d.vendor in (AMD, INTEL)})
        if others:
            return NvmlUnavailable(
                "H3105",
                f"{' and '.join(others)} graphics seen, and there is no sampler for them yet",
                why=seen,
                next=["offer this machine as a CPU class, if the network has one"],
            )
        return NvmlUnavailable(
            "H3101",
            "no NVIDIA GPU on the PCI bus",
            why=seen,
            next=["check the card and its power", "on a local network: run the agent with the stand-in device"],
        )
    if any(d.driver == "nouveau" for d in nvidia):
        return NvmlUnavailable(
            "H3102",
            "the nouveau driver holds the GPU",
            why=seen,
            next=["install NVIDIA's driver, which blacklists nouveau, and reboot"],
        )
    if value == lib.NVML_ERROR_NO_PERMISSION or (kernel and value != lib.NVML_ERROR_DRIVER_NOT_LOADED):
        return NvmlUnavailable(
            "H3104",
            f"the host has {len(nvidia)} GPU(s) with driver {kernel or 'unknown'}, this process reaches none",
            why=seen,
            next=["in a container: start it with the GPU devices (CDI)", "else: check the rights on /dev/nvidia*"],
        )
    return NvmlUnavailable(
        "H3102",
        "no NVIDIA driver is loaded",
        why=seen,
        next=["install NVIDIA's driver and reboot", "then: hearth check provider"],
    )


def _list(displays: list[PciDisplay]) -> str:
    names = (f"{d.vendor:04x}:{d.device:04x}{' (' + d.driver + ')' if d.driver else ''}" for d in displays)
    return ", ".join(names) or "none"

"""The binding and the sampler over a stub NVML library: the real pynvml, in a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
COMPILER = shutil.which("gcc") or shutil.which("cc")
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="no C compiler to build the stub NVML library")

H100 = "NVIDIA H100 80GB HBM3|GPU-aaaaaaaa-0000-1111-2222-333333333333|0x233010de|81559|1024|37|41|68570|0|0|0"
RTX = "NVIDIA GeForce RTX 4090|GPU-bbbbbbbb-0000-1111-2222-333333333333|0x268410de|24564|1|0|37|27230|-|-|0"

PROBE = """
import json, sys, time
from pathlib import Path
from keepers.gpu.nvml import Nvml
from keepers.gpu.sampler import Sampler
root = Path(sys.argv[1])
sampler = Sampler(lambda: Nvml.open(root=root), timeout_s=float(sys.argv[2]))
started = time.monotonic()
found = [json.loads(sampler.sample().encode())]
if len(sys.argv) > 3:
    Path(sys.argv[4]).write_text(Path(sys.argv[3]).read_text())
    found.append(json.loads(sampler.sample().encode()))
print(json.dumps({"seconds": time.monotonic() - started, "samples": found, "line": sampler.first_line()}))
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("nvml")
    assert COMPILER is not None
    source = str(HERE / "nvml_stub.c")
    command = [COMPILER, "-shared", "-fPIC", "-O1", "-o", str(folder / "libnvidia-ml.so.1"), source]
    subprocess.run(command, check=True)
    return folder


def probe(library: Path, tmp_path: Path, first: str, then: str | None = None, timeout_s: float = 5.0) -> dict:
    script, later = tmp_path / "stub", tmp_path / "later"
    script.write_text(first)
    arguments = [str(tmp_path), str(timeout_s)]
    if then is not None:
        later.write_text(then)
        arguments += [str(later), str(script)]
    env = {
        **os.environ,
        "LD_LIBRARY_PATH": str(library),
        "NVML_STUB": str(script),
        "PYTHONPATH": str(HERE.parents[2]),
    }
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *arguments], env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    answer: dict = json.loads(done.stdout)
    return answer


def plant(root: Path, *devices: tuple[str, str], kernel: str = "", driver: str = "") -> None:
    for number, (vendor, device) in enumerate(devices):
        place = root / f"sys/bus/pci/devices/0000:{number:02x}:00.0"
        place.mkdir(parents=True)
        (place / "class").write_text("0x030000\n")
        (place / "vendor").write_text(vendor + "\n")
        (place / "device").write_text(device + "\n")
        if driver:
            (root / "drivers" / driver).mkdir(parents=True, exist_ok=True)
            (place / "driver").symlink_to(root / "drivers" / driver)
    if kernel:
        (root / "proc/driver/nvidia").mkdir(parents=True)
        (root / "proc/driver/nvidia/version").write_text(f"NVRM version: NVIDIA UNIX x86_64 Kernel Module  {kernel}  x")


@needs_compiler
def test_reads_two_devices(library: Path, tmp_path: Path) -> None:
    (sample,) = probe(library, tmp_path, f"device {H100}\ndevice {RTX}\n")["samples"]
    assert sample["state"] == "ok" and sample["source"] == "nvml"
    one, two = sample["devices"]
    assert (one["name"], one["memory_used_mib"], one["utilisation"]) == ("NVIDIA H100 80GB HBM3", 1024, 37)
    assert (one["temperature"], one["power_mw"], one["ecc_uncorrected"]) == (41, 68570, 0)
    assert two["ecc_uncorrected"] is None, "a consumer card has no ECC counter"


@needs_compiler
def test_zero_devices_is_unknown(library: Path, tmp_path: Path) -> None:
    (sample,) = probe(library, tmp_path, "")["samples"]
    assert sample["state"] == "unknown" and "not zero" in sample["cause"]


@needs_compiler
def test_devices_that_come_up_later_are_found(library: Path, tmp_path: Path) -> None:
    first, second = probe(library, tmp_path, "", f"device {H100}\n")["samples"]
    assert (first["state"], second["state"]) == ("unknown", "ok")


@needs_compiler
def test_lost_device_degrades(library: Path, tmp_path: Path) -> None:
    both = f"device {H100}\ndevice {RTX}\n"
    first, second = probe(library, tmp_path, both, both + "fail 1 15\n")["samples"]
    assert (first["state"], second["state"]) == ("ok", "degraded")
    assert second["devices"][1]["fault"].startswith("lost"), "a device off the bus stays in the list"
    assert second["devices"][1]["uuid"].startswith("GPU-bbbb"), "and keeps its name"


@needs_compiler
def test_device_that_is_no_longer_listed_is_lost(library: Path, tmp_path: Path) -> None:
    both = f"device {H100}\ndevice {RTX}\n"
    _, second = probe(library, tmp_path, both, f"device {H100}\n")["samples"]
    assert second["state"] == "degraded" and len(second["devices"]) == 2


@needs_compiler
def test_hanging_device_costs_its_limit_only(library: Path, tmp_path: Path) -> None:
    answer = probe(library, tmp_path, f"device {H100}\ndevice {RTX}\nhang 1\n", timeout_s=0.5)
    (sample,) = answer["samples"]
    assert sample["state"] == "degraded" and sample["devices"][0]["fault"] == ""
    assert "no answer" in sample["devices"][1]["fault"] and answer["seconds"] < 5


@needs_compiler
def test_all_devices_lost_is_unknown(library: Path, tmp_path: Path) -> None:
    (sample,) = probe(library, tmp_path, f"device {H100}\nfail 0 15\n")["samples"]
    assert sample["state"] == "unknown" and sample["cause"].startswith("H3108")


@needs_compiler
@pytest.mark.parametrize(
    ("field", "value", "word"), [(9, "3", "uncorrected"), (10, "0x8", "slowed"), (8, "1", "H3106")]
)
def test_fault_is_named(library: Path, tmp_path: Path, field: int, value: str, word: str) -> None:
    fields = H100.split("|")
    fields[field] = value
    (sample,) = probe(library, tmp_path, "device " + "|".join(fields) + "\n")["samples"]
    assert sample["state"] == "degraded" and word in sample["devices"][0]["fault"]


@needs_compiler
@pytest.mark.parametrize(
    ("code", "devices", "kernel", "driver", "expected"),
    [
        (9, [], "", "", "H3101"),
        (9, [("0x10de", "0x2684")], "", "", "H3102"),
        (9, [("0x10de", "0x2684")], "", "nouveau", "H3102"),
        (18, [("0x10de", "0x2684")], "550.54.15", "nvidia", "H3103"),
        (4, [("0x10de", "0x2684")], "550.54.15", "nvidia", "H3104"),
        (999, [("0x10de", "0x2684")], "550.54.15", "nvidia", "H3104"),
        (9, [("0x1002", "0x744c")], "", "amdgpu", "H3105"),
    ],
)
def test_cause_of_a_failed_start(
    library: Path, tmp_path: Path, code: int, devices: list[tuple[str, str]], kernel: str, driver: str, expected: str
) -> None:
    plant(tmp_path, *devices, kernel=kernel, driver=driver)
    (sample,) = probe(library, tmp_path, f"init {code}\n")["samples"]
    assert sample["state"] == "unknown" and sample["cause"].startswith(expected)


def test_no_library_at_all(tmp_path: Path) -> None:
    (sample,) = probe(tmp_path, tmp_path, "")["samples"]
    assert sample["state"] == "unknown" and sample["cause"][:5] in ("H3101", "H3102", "H3104", "H3105")

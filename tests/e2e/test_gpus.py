"""`hearth check agent` with the driver's library in hand: the GPUs that NVML shows beside those on the chain.

The real binding over the stub library of tests/keepers/gpu, the real command in a process of its own, a real chain.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from keepers.localnet.anvil import ROOT
from keepers.localnet.network import LocalNetwork
from tests.e2e.town import Town

COMPILER = shutil.which("gcc") or shutil.which("cc")
pytestmark = pytest.mark.skipif(COMPILER is None, reason="no C compiler to build the stub NVML library")
STUB = ROOT / "tests/keepers/gpu/nvml_stub.c"
MAIN = "from keepers.cli.main import main; main()"
RTX = "device NVIDIA GeForce RTX 4090|GPU-{0:08x}-0000-1111-2222-333333333333|0x268410de|{1}|1|0|37|27230|-|-|0\n"
OLD = "device NVIDIA GeForce RTX 3090|GPU-{0:08x}-0000-1111-2222-333333333333|0x220410de|{1}|1|0|37|27230|-|-|0\n"
MIB = 24_564

Machine = Callable[..., tuple[int, Any]]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("nvml")
    assert COMPILER is not None
    subprocess.run(
        [COMPILER, "-shared", "-fPIC", "-O1", "-o", str(folder / "libnvidia-ml.so.1"), str(STUB)], check=True
    )
    return folder


@pytest.fixture
def machine(library: Path, network: LocalNetwork, town: Town, tmp_path: Path) -> Machine:
    """machine(devices, "check", "agent"): (exit code, data) of a command on a machine with those devices."""
    section = {"renter": network.key("provider").section()}
    config = network.settings(f"gpus-{tmp_path.name}", section, home=str(tmp_path / "home"))
    kept = tmp_path / "provider.toml"
    kept.write_text(config.read_text())
    script = tmp_path / "devices"
    environment = {**os.environ, "LD_LIBRARY_PATH": str(library), "NVML_STUB": str(script), "HOME": str(tmp_path)}

    def call(devices: str, *arguments: str) -> tuple[int, Any]:
        script.write_text(devices)
        command = [sys.executable, "-c", MAIN, "-c", str(kept), "--json", "--yes", *arguments]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
        return done.returncode, json.loads(done.stdout)["data"] if done.stdout else done.stderr

    return call


def hardware(machine: Machine, devices: str) -> tuple[str, str, str | None]:
    """(outcome, detail, code) of the one finding."""
    code, data = machine(devices, "check", "agent")
    assert code == 9  # the seats of this network run no process
    row = next(row for row in data["findings"] if row["check"] == "hardware")
    return row["outcome"], row["detail"], row["code"]


def test_check__hardware__before_and_after_the_node_is_registered(machine: Machine, town: Town) -> None:
    two = RTX.format(1, MIB) + RTX.format(2, MIB)
    assert hardware(machine, two) == ("ok", "fingerprints of 2 GPUs registered by nobody", None)
    assert machine(two, "key", "new", "node-0")[0] == 0
    code, node = machine(two, "node", "register")
    assert (code, node["gpus"]) == (0, 2), node
    i = node["node"]
    said = f"node {i}: 2 x RTX-4090-24GB, fingerprints and VRAM as registered"
    # a third card that nobody registered stands beside them
    assert hardware(machine, two + OLD.format(9, MIB)) == ("ok", said, None)
    # one was exchanged for another of its class: the chain does not know it, class and memory agree
    outcome, detail, _ = hardware(machine, RTX.format(1, MIB) + RTX.format(3, MIB))
    assert (outcome, "1 of their fingerprints" in detail) == ("warn", True)
    # … for one of another class, or it shows less memory than its class has
    for devices, words in (
        (RTX.format(1, MIB) + OLD.format(3, 24_576), "is RTX-3090-24GB"),
        (RTX.format(1, MIB) + RTX.format(2, 12_282), "has 24 GiB of VRAM"),
    ):
        outcome, detail, code = hardware(machine, devices)
        assert (outcome, code) == ("fail", "H3109")
        assert words in detail

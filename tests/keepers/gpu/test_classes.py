"""Names of hardware classes, from names, PCI ids and memory."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import pytest

from keepers.gpu.classes import _TABLE, classify

DATA = Path(os.environ.get("HEARTH_DATA", Path(__file__).parents[3].parent / "shared/data"))
needs_data = pytest.mark.skipif(not (DATA / "gpu_pci_ids.csv").exists(), reason="the public data set is not here")


@pytest.mark.parametrize(
    ("name", "pci", "memory", "expected"),
    [
        ("NVIDIA H100 80GB HBM3", 0x2330, 81559, "H100-SXM5-80GB"),
        ("NVIDIA H100 PCIe", 0x2331, 81559, "H100-PCIE-80GB"),
        ("NVIDIA A100-SXM4-80GB", 0, 81920, "A100-SXM4-80GB"),
        ("NVIDIA A100-PCIE-40GB", 0, 40960, "A100-PCIE-40GB"),
        ("NVIDIA A100 80GB PCIe", 0, 81920, "A100-PCIE-80GB"),
        ("Tesla V100-SXM2-16GB", 0, 16160, "V100-SXM2-16GB"),
        ("Tesla T4", 0x1EB8, 15360, "T4-16GB"),
        ("NVIDIA L40S", 0x26B9, 46068, "L40S-48GB"),
        ("NVIDIA GeForce RTX 4090", 0, 24564, "RTX-4090-24GB"),
        ("NVIDIA GeForce RTX 3090 Ti", 0, 24576, "RTX-3090-TI-24GB"),
        ("Graphics Device", 0x2684, 24564, "RTX-4090-24GB"),
    ],
)
def test_class(name: str, pci: int, memory: int, expected: str) -> None:
    found = classify(name, pci, memory)
    assert found is not None and found.name == expected


@pytest.mark.parametrize(
    ("name", "pci", "memory", "vendor", "why"),
    [
        ("NVIDIA GeForce RTX 4090 Laptop GPU", 0x2717, 16376, 0x10DE, "a laptop part is not its desktop namesake"),
        ("NVIDIA H100 80GB HBM3", 0x2330, 40000, 0x10DE, "half the memory: a slice, not the whole GPU"),
        ("NVIDIA GeForce RTX 4090 D", 0, 24564, 0x10DE, "an unknown word makes it another product"),
        ("NVIDIA H100", 0, 81559, 0x10DE, "two forms fit"),
        ("Graphics Device", 0, 24564, 0x10DE, "no name, no id"),
        ("AMD Radeon RX 7900", 0x744C, 24564, 0x1002, "another maker"),
        ("Fake RTX 9999", 0, 24564, 0x10DE, "no such card"),
    ],
)
def test_no_class(name: str, pci: int, memory: int, vendor: int, why: str) -> None:
    assert classify(name, pci, memory, vendor) is None, why


def test_ids_are_unique() -> None:
    ids = [pci for rows in _TABLE.values() for row in rows for pci in row[2]]
    assert len(ids) == len(set(ids)) > 50


@needs_data
def test_table_against_the_public_id_list() -> None:
    with (DATA / "gpu_pci_ids.csv").open() as file:
        public = {int(row["device_id"], 16): row for row in csv.DictReader(file) if row["vendor_id"] == "10de"}
    checked = 0
    for model, rows in _TABLE.items():
        for form, _, ids in rows:
            for pci in ids:
                row = public.get(pci)
                if row is None or not row["gpu_model"]:
                    continue
                name = row["marketing_name"].upper().replace("-", " ").replace("GENERATION", "")
                words = [
                    word for word in model.replace("-", " ").split() if word not in ("RTX", "QUADRO", "GTX", "ADA")
                ]
                assert all(word in name for word in words), f"{pci:04x} {row['marketing_name']} is no {model}"
                if row["form"] and form:
                    assert form.lower().startswith(row["form"]), f"{pci:04x} is {row['form']}, not {form}"
                checked += 1
    assert checked > 40


@needs_data
def test_captures_of_real_machines() -> None:
    with (DATA / "nvml_samples/index.csv").open() as file:
        rows = list(csv.DictReader(file))
    checked = 0
    for row in rows:
        if row["file"] == "xml/gtx-1070-ti.xml":
            assert classify(row["product_name"], 0, int(row["mem_total_mib"])) is None, "trimmed file: 4 GiB of 8"
            continue
        found = classify(row["product_name"], int(row["pci_device_id"] or "0", 16), int(row["mem_total_mib"]))
        if row["gpu_model"] == "graphics-device":
            assert found is None, "an engineering sample without a name"
            continue
        assert found is not None, row
        assert found.name.lower().startswith(row["gpu_model"]) or row["gpu_model"] in found.name.lower()
        assert abs(found.memory_gib * 1024 - int(row["mem_total_mib"])) < found.memory_gib * 130
        checked += 1
    assert checked >= 10

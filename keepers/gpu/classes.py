"""From what NVML tells (name, PCI id, memory) to the name of a hardware class, such as `H100-SXM5-80GB`.

A class name is MODEL[-FORM]-MEMORYGB. The PCI id decides where the name is ambiguous ("NVIDIA H100 80GB HBM3") or
says nothing ("Graphics Device"); where the id is unknown the name is read. A laptop part is never its desktop namesake.
Whether a network has the class is a question for its registry, not for this table.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# model -> ((class suffix, nominal GiB, PCI device ids), …); ids are NVIDIA's, vendor 10de
_TABLE: dict[str, tuple[tuple[str, int, tuple[int, ...]], ...]] = {
    "B200": (("SXM6", 180, (0x2901,)),),
    "GB200": (("", 192, (0x2941,)),),
    "H200": (("SXM5", 141, (0x2335,)), ("NVL", 141, (0x233B,))),
    "H100": (("SXM5", 80, (0x2330,)), ("PCIE", 80, (0x2331,)), ("NVL", 94, (0x2321,))),
    "H20": (("SXM5", 96, (0x2329,)),),
    "GH200": (("", 96, (0x2342,)),),
    "A100": (
        ("SXM4", 40, (0x20B0,)),
        ("SXM4", 80, (0x20B2,)),
        ("PCIE", 40, (0x20B1, 0x20F1)),
        ("PCIE", 80, (0x20B5,)),
    ),
    "A800": (("SXM4", 80, (0x20F3,)), ("PCIE", 80, (0x20F5,))),
    "L40S": (("", 48, (0x26B9,)),),
    "L40": (("", 48, (0x26B5,)),),
    "L4": (("", 24, (0x27B8,)),),
    "A40": (("", 48, (0x2235,)),),
    "A30": (("", 24, (0x20B7,)),),
    "A10": (("", 24, (0x2236,)),),
    "A10G": (("", 24, (0x2237,)),),
    "T4": (("", 16, (0x1EB8,)),),
    "V100": (
        ("SXM2", 16, (0x1DB1,)),
        ("SXM2", 32, (0x1DB5,)),
        ("SXM3", 32, (0x1DB8,)),
        ("PCIE", 16, (0x1DB4,)),
        ("PCIE", 32, (0x1DB6,)),
    ),
    "P100": (("SXM2", 16, (0x15F9,)), ("PCIE", 12, (0x15F7,)), ("PCIE", 16, (0x15F8,))),
    "P40": (("", 24, (0x1B38,)),),
    "RTX-6000-ADA": (("", 48, (0x26B1,)),),
    "RTX-A6000": (("", 48, (0x2230,)),),
    "RTX-A5000": (("", 24, (0x2231,)),),
    "RTX-A4000": (("", 16, (0x24B0,)),),
    "RTX-5090": (("", 32, (0x2B85,)),),
    "RTX-5080": (("", 16, (0x2C02,)),),
    "RTX-4090": (("", 24, (0x2684,)),),
    "RTX-4080-SUPER": (("", 16, (0x2702,)),),
    "RTX-4080": (("", 16, (0x2704,)),),
    "RTX-4070-TI": (("", 12, (0x2782,)),),
    "RTX-3090-TI": (("", 24, (0x2203,)),),
    "RTX-3090": (("", 24, (0x2204,)),),
    "RTX-3080-TI": (("", 12, (0x2208,)),),
    "RTX-3080": (("", 10, (0x2206, 0x2216)), ("", 12, (0x220A,))),
    "RTX-3070": (("", 8, (0x2484, 0x2488)),),
    "RTX-3060": (("", 12, (0x2503, 0x2504)),),
    "RTX-2080-TI": (("", 11, (0x1E04, 0x1E07)),),
    "RTX-2080-SUPER": (("", 8, (0x1E81,)),),
    "GTX-1660-TI": (("", 6, (0x2182,)),),
    "GTX-1080-TI": (("", 11, (0x1B06,)),),
    "GTX-1070-TI": (("", 8, (0x1B82,)),),
    "QUADRO-P2000": (("", 5, (0x1C30,)),),
}
_FORMS = {"SXM": "SXM", "PCIE": "PCIE", "NVL": "NVL"}
_NOISE = re.compile(r"\b(NVIDIA|GEFORCE|TESLA|GENERATION|HBM[0-9]E?)\b")
_LAPTOP = re.compile(r"\b(LAPTOP|MOBILE|MAX-Q|NOTEBOOK)\b")


@dataclass(frozen=True)
class GpuClass:
    """A named class and its nominal memory in GiB."""

    name: str
    memory_gib: int


def classify(name: str, pci_device: int, memory_mib: int, pci_vendor: int = 0x10DE) -> GpuClass | None:
    """The class of a GPU, or None where this table does not know it.

    `name` as NVML gives it, `pci_device` 16 bits (0 = unknown), `memory_mib` the total that NVML reports. A known
    PCI id whose memory does not fit its class is None too: a wrong id or a slice of a GPU must not pass for a whole.
    """
    if pci_vendor != 0x10DE:
        return None
    for model, rows in _TABLE.items():
        for form, gib, ids in rows:
            if pci_device in ids:
                return _class(model, form, gib) if memory_fits(memory_mib, gib) else None
    return _by_name(name, memory_mib)


def _by_name(name: str, memory_mib: int) -> GpuClass | None:
    text = name.upper()
    if _LAPTOP.search(text):
        return None
    words = re.split(r"[\s_-]+", _NOISE.sub(" ", text).strip())
    joined = "-".join(word for word in words if word)
    # the longest model name first, so that a Ti or a SUPER is not read as the plain card
    for model in sorted(_TABLE, key=len, reverse=True):
        if joined != model and not joined.startswith(model + "-"):
            continue
        rest = joined[len(model) + 1 :]
        wanted = next((form for word, form in _FORMS.items() if word in rest), "")
        if re.sub(r"\b(SXM[0-9]?|PCIE|NVL|[0-9]+GB)\b", "", rest).strip("-"):
            continue  # words that we do not know make it another product
        fits = [row for row in _TABLE[model] if row[0].startswith(wanted) and memory_fits(memory_mib, row[1])]
        if len(fits) == 1:
            return _class(model, fits[0][0], fits[0][1])
        return None
    return None


def memory_fits(memory_mib: int, gib: int) -> bool:
    """Whether what NVML reports as total is a card's nominal memory."""
    # NVML reports what is left after ECC and firmware took their part: 46,068 MiB of an L40S with 48 GiB
    return gib * 1024 * 88 <= memory_mib * 100 <= gib * 1024 * 104


def _class(model: str, form: str, gib: int) -> GpuClass:
    return GpuClass("-".join(part for part in (model, form, f"{gib}GB") if part), gib)

"""Writes scripts/profiles/classes.toml: n, R and deadline of GPU models, derived from published figures by a rule.

    python tools/derive_classes.py FILE.csv [--check]

FILE: a table of GPUs with the columns gpu_model, form, vram_gib, architecture, fp32_tflops and tensor_cores.
Every row is an estimate and says so (`derived = true`); `hearth calibrate` on the card gives the one to put in its
place. docs/classes.md explains the rule. `--check` writes nothing and exits 1 where the file differs.
"""

from __future__ import annotations

import argparse
import csv
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from keepers.protocol.sizing import Sized, n_for
from tools.export_abi import run

FILE = Path("scripts") / "profiles" / "classes.toml"

#: architecture -> (fp32 units of an SM, multiply-adds of int8 that its tensor units do in a clock)
UNITS = {
    "Turing": (64, 1_024),
    "Ampere": (128, 1_024),
    "Ampere, GA100": (64, 2_048),
    "Ada Lovelace": (128, 1_024),
    "Hopper": (128, 4_096),
    "Blackwell 2.0": (128, 1_024),
}
GA100 = ("a100", "a800", "a30")  # the Ampere chips that are built otherwise
INTEGER_LANES = 64  # 32-bit integer units of an SM, in all of them
KECCAK_OPS = 4_560  # 32-bit instructions of a keccak-f[1600]: 24 rounds of 190
EFFICIENCY = 0.5  # of either peak, until somebody has measured

#: class name -> (gpu_model, form, vram_gib) in the table
MODELS = {
    "H200-SXM5-141GB": ("h200", "sxm", "141"),
    "H100-SXM5-80GB": ("h100", "sxm", "80"),
    "H100-PCIE-80GB": ("h100", "pcie", "80"),
    "A100-SXM4-80GB": ("a100", "sxm", "80"),
    "A100-SXM4-40GB": ("a100", "sxm", "40"),
    "L40S-48GB": ("l40s", "", "48"),
    "RTX-6000-ADA-48GB": ("rtx-6000-ada", "", "48"),
    "A40-48GB": ("a40", "pcie", "48"),
    "RTX-A6000-48GB": ("rtx-a6000", "", "48"),
    "RTX-5090-32GB": ("rtx-5090", "", "32"),
    "RTX-4090-24GB": ("rtx-4090", "", "24"),
    "RTX-3090-24GB": ("rtx-3090", "", "24"),
    "A10-24GB": ("a10", "pcie", "24"),
    "L4-24GB": ("l4", "", "24"),
    "RTX-4080-16GB": ("rtx-4080", "", "16"),
    "T4-16GB": ("t4", "", "16"),
    "RTX-3060-12GB": ("rtx-3060", "", "12"),
    "RTX-2080-TI-11GB": ("rtx-2080-ti", "", "11"),
    "RTX-3080-10GB": ("rtx-3080", "", "10"),
}


@dataclass(frozen=True)
class Facts:
    """What is published of a card."""

    vram_gib: int
    architecture: str
    fp32_tflops: float

    @property
    def clock_sm(self) -> float:
        """10**12 SM clocks a second, all SMs together: fp32 TFLOPS count a multiply-add of each unit as two."""
        return self.fp32_tflops / 2 / UNITS[self.architecture][0]

    @property
    def int8_tops(self) -> float:
        """Peak of dense int8, multiplications and additions."""
        return 2 * self.clock_sm * UNITS[self.architecture][1]

    @property
    def keccak_per_s(self) -> float:
        """keccak-f a second at EFFICIENCY."""
        return EFFICIENCY * self.clock_sm * 1e12 * INTEGER_LANES / KECCAK_OPS

    def round_s(self, n: int) -> float:
        """Estimated seconds of a round: 3·n²/64 keccak-f for A and the hashes of C, 2·n³ operations of the product."""
        return 3 * n * n / 64 / self.keccak_per_s + 2 * n**3 / (EFFICIENCY * self.int8_tops * 1e12)


def facts_of(table: Path) -> dict[str, Facts]:
    """Class name -> facts. Raises KeyError for a model that the table does not have."""
    found: dict[tuple[str, str, str], Facts] = {}
    with table.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            key = row["gpu_model"], row["form"], row["vram_gib"]
            if key in found or not row["tensor_cores"]:
                continue  # the first of a name is the plain card
            architecture = "Ampere, GA100" if row["gpu_model"] in GA100 else row["architecture"]
            if architecture in UNITS:
                found[key] = Facts(int(row["vram_gib"]), architecture, float(row["fp32_tflops"]))
    return {name: found[key] for name, key in MODELS.items()}


def render(facts: dict[str, Facts]) -> str:
    """The file."""
    lines = [
        "# n, R and deadline of the challenge by GPU model, derived from published figures by tools/derive_classes.py.",
        "# Every T here is an estimate, none was measured. `hearth calibrate` on the card prints the row to put in its",
        "# place; docs/classes.md has the rule. A network takes the rows it wants into the [[classes]] of its profile.",
    ]
    for name, card in facts.items():
        n = n_for(card.vram_gib)
        sized = Sized.of(n, card.round_s(n))
        lines += [
            "",
            "[[classes]]",
            f'name = "{name}"',
            "derived = true",
            f"vram_gib = {card.vram_gib}",
            f'architecture = "{card.architecture}"',
            f"fp32_tflops = {card.fp32_tflops}",
            f"n = {sized.n:_}",
            f"rounds = {sized.rounds}",
            f"estimated_s = {sized.honest_s:.1f}",
            f"deadline_s = {sized.deadline_s}",
            f"compute_units = {sized.units}",
        ]
    return "\n".join(lines) + "\n"


def main(argv: list[str] | None = None) -> int:
    """Exits 1 with --check where the file differs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("table", type=Path)
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    args = parser.parse_args(argv)
    return run({FILE: render(facts_of(args.table))}, args.check, "classes")


if __name__ == "__main__":
    sys.exit(main())

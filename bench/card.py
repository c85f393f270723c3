"""`make gpu`: the card's tests, then what it takes for a round at each size; prints a table and writes build/gpu.json.

    python -m bench.card [--has-card]

Where there is no card nothing is measured, and the file says so; if PyTorch is in build/gpu all the same, the parts run
on Triton's interpreter and the kernels go through its compiler. `card` is null then: nothing is claimed.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from keepers.gpu.measure import STEPS
from keepers.gpu.nvml import AMD, NVIDIA, pci_displays

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "build" / "gpu.json"
TESTS = ("tests/keepers/gpu/test_card.py", "tests/keepers/gpu/test_kernels_compile.py")
NOTHING = "no GPU on this machine: nothing measured"
SIZES = (256, 1_024, 4_096, 8_192, 16_384, 32_768, 65_536)


def has_card() -> bool:
    """Whether the machine shows a card that PyTorch might use; needs no PyTorch."""
    if any(Path(place).exists() for place in ("/dev/nvidia0", "/dev/kfd")):
        return True
    return any(display.vendor in (NVIDIA, AMD) and display.driver for display in pci_displays())


def tests(interpreted: bool) -> dict[str, bool]:
    """File -> whether it passed."""
    passed = {}
    for file in TESTS:
        env = os.environ | ({"TRITON_INTERPRET": "1"} if interpreted and file == TESTS[0] else {})
        command = [sys.executable, "-m", "pytest", "-p", "no:ape_test", "-p", "no:xdist", file]
        passed[file] = subprocess.run(command, cwd=ROOT, env=env, check=False).returncode == 0
    return passed


def sizes_of(device: str, sizes: tuple[int, ...] = SIZES, rounds: int = 3) -> list[dict[str, Any]]:
    """Seconds of a round by step at each size that fits."""
    from keepers.gpu.backends.torch_backend import TorchBackend
    from keepers.gpu.measure import measure
    from keepers.protocol.errors import HearthError

    backend = TorchBackend(device)
    out: list[dict[str, Any]] = []
    for n in sizes:
        try:
            out.append(measure(backend, n, rounds).as_dict())
        except HearthError as error:
            out.append({"n": n, "refused": str(error)})
    return out


def report() -> dict[str, Any]:
    """All of it."""
    if importlib.util.find_spec("torch") is None:
        return {"card": None, "note": f"{NOTHING}; PyTorch is not installed either (make gpu INTERPRET=1)"}
    import torch

    found = {"torch": torch.__version__, "hip": torch.version.hip, "cuda": torch.version.cuda}
    if not torch.cuda.is_available():
        return {"card": None, "note": NOTHING, **found, "tests": tests(interpreted=True)}
    cards = []
    passed = tests(interpreted=False)
    from keepers.gpu.backends.torch_backend import TorchBackend

    for i in range(torch.cuda.device_count()):
        device = f"cuda:{i}"
        about = {"name": torch.cuda.get_device_name(i), "memory": torch.cuda.get_device_properties(i).total_memory}
        cards.append(about | {"backend": TorchBackend(device).describe(), "sizes": sizes_of(device)})
    return {"card": cards[0]["name"], "note": "measured here", **found, "tests": passed, "cards": cards}


def table(found: dict[str, Any]) -> str:
    """What a person reads."""
    lines = [f"card       {found['card'] or 'none'}: {found['note']}"]
    lines += [f"tests      {file}: {'passed' if ok else 'FAILED'}" for file, ok in found.get("tests", {}).items()]
    for card in found.get("cards", ()):
        lines.append(f"backend    {card['backend']}")
        lines.append(f"{'n':>8} {'generation':>11} {'product':>11} {'check':>11} {'hash':>11} {'a round':>11}  TOPS")
        for size in card["sizes"]:
            if "refused" in size:
                lines.append(f"{size['n']:>8} {size['refused']}")
                continue
            parts = " ".join(f"{size[f'{step}_s'] * 1e3:>8,.2f} ms" for step in (*STEPS, "round"))
            lines.append(f"{size['n']:>8} {parts}  {size['product_tops']:,.1f}")
    return "\n".join(lines)


def main() -> int:
    """Exits 1 where a test failed; 0 where there was no card to fail."""
    parser = argparse.ArgumentParser(prog="python -m bench.card", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--has-card", action="store_true", help="exit 0 where the machine shows a card, 1 where none")
    if parser.parse_args().has_card:
        return 0 if has_card() else 1
    found = report()
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(found, indent=1) + "\n")
    print(table(found))
    print(f"wrote {OUT.relative_to(ROOT)}")
    return 0 if all(found.get("tests", {}).values()) else 1


if __name__ == "__main__":
    sys.exit(main())

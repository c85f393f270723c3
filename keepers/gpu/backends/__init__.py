"""What computes the rounds of a challenge: one small interface, a file a device. `cpu` (NumPy) is always there;
`torch_backend` needs PyTorch and a card. Nothing here imports either before `load` is asked for it.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from keepers.protocol.errors import HearthError

NAMES = ("auto", "numpy", "torch")


@dataclass(frozen=True)
class Round:
    """What is kept of a C: its root, the n roots of its rows' subtrees (32 bytes each, 2 MiB at n = 65,536), and how
    often a part of it was computed again because it failed its check."""

    root: bytes
    row_roots: bytes
    repeats: int = 0


class Backend(Protocol):
    """One device. `prepare` comes first and makes B; a B that it holds already costs nothing. Not for two threads at
    once: `chains.Device` takes turns."""

    name: str

    def describe(self) -> str:
        """What computes, and how, in a line for people."""

    def prepare(self, n: int, kb: bytes) -> None:
        """Hold B of the key. Raises HearthError H3124 where it does not fit."""

    def round(self, ka: bytes) -> Round:
        """C = A·B of the key `ka`, checked and hashed. Raises HearthError H3123 for a part that was wrong twice."""

    def row(self, ka: bytes, row: int) -> bytes:
        """One row of that C: 3 bytes an entry."""


def load(name: str, memory: int = 0) -> list[Backend]:
    """The backends of a name, one a device, each with its known answer right. `auto`: torch where it finds a card, else
    NumPy. `memory`: bytes that a backend on the host may hold, half of the machine's where it is 0.

    Raises HearthError H3125 where it is not there, H3123 where a device computes wrongly.
    """
    from keepers.gpu import known_answer

    if name not in NAMES:
        raise HearthError("H3125", f"there is no backend {name!r}", next=(f"one of {', '.join(NAMES)}",))
    found: Sequence[Backend] = ()
    if name != "numpy":
        found = _torch(name == "torch")
    if not found:
        found = [importlib.import_module("keepers.gpu.backends.cpu").CpuBackend(memory)]
    for backend in found:
        known_answer.check(backend)
    return list(found)


def _torch(needed: bool) -> Sequence[Backend]:
    try:
        module = importlib.import_module("keepers.gpu.backends.torch_backend")
        return list(module.devices())
    except (ImportError, HearthError) as error:
        if not needed:
            return ()
        if isinstance(error, HearthError):
            raise
        raise HearthError(
            "H3125",
            "the torch backend needs PyTorch and Triton",
            why=(str(error),),
            next=("pip install -r requirements/gpu.txt",),
        ) from error

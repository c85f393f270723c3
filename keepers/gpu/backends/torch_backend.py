"""PyTorch on a card, CUDA or ROCm ("cuda" names both): entries made, products checked and C hashed on the card, so that
the card is timed and not its host. Only 32 bytes a row come back.

The product is the first of these that is there and exact (`exact`): int8 with int32 accumulation; fp16, bf16 or fp32
with fp32 accumulation, which holds every whole number up to 2**24, above all sums there are. What adds up in fewer bits
fails that test, and with it the device is refused. C is made in blocks of rows; at n = 65,536 B is kept in 4 bits.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from keepers.gpu.backends import Round, cpu, kernels
from keepers.protocol import freivalds
from keepers.protocol.challenge import CHUNK, MAX_N, row_depth
from keepers.protocol.errors import HearthError

PACKED_FROM = MAX_N  # at this n B takes 2 GiB in 4 bits and 4 GiB in bytes
LEAST_ROWS = 32  # of a product: int8 matrix units want more than 16
MOST = 1 << 30  # entries of a block of C: 4 GiB, and places in it fit 31 bits
SHARE = 8  # of the card's free memory: a block of C takes at most that part
Product = Callable[[Any, Any], Any]


def devices() -> Sequence[TorchBackend]:
    """A backend for each card. Raises HearthError H3125 where PyTorch finds none."""
    if not torch.cuda.is_available():
        raise HearthError("H3125", f"PyTorch {torch.__version__} finds no GPU here")
    return [TorchBackend(f"cuda:{index}") for index in range(torch.cuda.device_count())]


def products() -> dict[str, Product]:
    """Products (rows, k) × (cols, k), both int8, to int32 (rows, cols), the fastest first."""
    # One addition in fewer bits, and a sum above 2**11 (2**8 of bf16) is lost: none of these may be on.
    matmul = torch.backends.cuda.matmul
    matmul.allow_fp16_reduced_precision_reduction = False
    matmul.allow_bf16_reduced_precision_reduction = False
    matmul.allow_tf32 = False
    if hasattr(matmul, "allow_fp16_accumulation"):
        matmul.allow_fp16_accumulation = False

    def half(dtype: Any) -> Product:
        return lambda a, b: torch.mm(a.to(dtype), b.to(dtype).t(), out_dtype=torch.float32).to(torch.int32)

    return {
        "int8": lambda a, b: torch._int_mm(a, b.t()),
        "fp16": half(torch.float16),
        "bf16": half(torch.bfloat16),
        "fp32": lambda a, b: (a.to(torch.float32) @ b.to(torch.float32).t()).to(torch.int32),
    }


def exact(product: Product, device: str, depth: int = MAX_N) -> bool:
    """Whether a product of the largest depth is right to the last unit: sums of 15 · 15 up to 225 · 2**16, odd ones and
    random ones beside them. False too where the device has no such product."""
    rng = np.random.default_rng(0)
    a = rng.integers(0, 16, (LEAST_ROWS, depth), dtype=np.int8)
    b = rng.integers(0, 16, (64, depth), dtype=np.int8)
    a[:8], b[:8] = 15, 15
    a[np.arange(8), np.arange(8) * 97 % depth] = 14  # sums that differ by 15 from the largest, in each another place
    b[np.arange(8), np.arange(8) * 89 % depth] = 14
    right = a.astype(np.float64) @ b.T.astype(np.float64)  # below 2**53: exact
    try:
        got = product(torch.from_numpy(a).to(device), torch.from_numpy(b).to(device))
        return bool((got.cpu().numpy() == right).all())
    except (RuntimeError, TypeError, NotImplementedError):
        return False


class TorchBackend:
    """One card. `device` "cpu" is for Triton's interpreter alone, which shows that the parts fit."""

    name = "torch"

    def __init__(self, device: str, rows: int = 0) -> None:
        self.device = device
        self.timed = False  # whether `spent` waits for the card after each step: slower, and then true
        self.spent: dict[str, float] = {}
        self._rows = rows
        self._constants = torch.from_numpy(np.array(kernels.CONSTANTS, np.uint64).view(np.int64)).to(device)
        self._n = 0
        self._kb = b""
        self._b: Any = None  # a row is a column of B: int8 (n, n), or int64 (n, n / 16) of 4 bits
        self._r: Any = None  # limbs of the secret vector, and of B·r: (3, n) of 21 bits
        self._u: Any = None
        found = [(name, product) for name, product in products().items() if exact(product, device)]
        if not found:
            raise HearthError("H3123", f"{device} has no exact product of small integers", why=(self._card(),))
        self.kind, self._product = found[0]

    def describe(self) -> str:
        return f"PyTorch {torch.__version__}, {self.kind} products on {self.device} ({self._card()})"

    def _card(self) -> str:
        return torch.cuda.get_device_name(self.device) if self.device.startswith("cuda") else "Triton's interpreter"

    def _free(self) -> int:
        if not self.device.startswith("cuda"):
            return 1 << 30
        # what PyTorch holds and does not use is ours too
        cached = torch.cuda.memory_reserved(self.device) - torch.cuda.memory_allocated(self.device)
        return int(torch.cuda.mem_get_info(self.device)[0] + cached)

    def prepare(self, n: int, kb: bytes) -> None:
        if (n, kb) == (self._n, self._kb):
            return
        self._n, self._b = 0, None
        packed = n >= PACKED_FROM
        took, free = n * n // 2 if packed else n * n, self._free()
        if took > free // 2:
            raise HearthError(
                "H3124", f"B of n = {n:,} takes {took >> 20:,} MiB of {free >> 20:,} MiB on {self.device}"
            )
        with self._on_card(), self._lap("prepare"):
            r = freivalds.draw(os.urandom(32), n)
            self._r = self._limbs(r)
            self._b = torch.empty((n, n // 16 if packed else n // 8), dtype=torch.int64, device=self.device)
            sums = torch.zeros((3, n), dtype=torch.int64, device=self.device)
            step = min(n, 4_096)
            for first in range(0, n, step):
                self._lines(kb, self._b[first : first + step], first, n, high=True, packed=packed)
                kernels.add_columns(self._bytes(first, step, n), self._r, sums, first, step, n)
            u = [0] * n
            for k, part in enumerate(sums.cpu().tolist()):
                u = [x + (s << 21 * k) for x, s in zip(u, part, strict=True)]
            self._u = self._limbs(np.array([x % freivalds.P for x in u], np.uint64))
        self._n, self._kb = n, kb

    def round(self, ka: bytes) -> Round:
        n = self._n
        with self._on_card():
            step, repeats = self._block_rows(), 0
            roots = torch.empty((n, 4), dtype=torch.int64, device=self.device)
            for first in range(0, n, step):
                c, again = self._block(ka, first, step)
                repeats += again
                with self._lap("hash"):
                    hashes = torch.empty((step * n // CHUNK, 4), dtype=torch.int64, device=self.device)
                    kernels.put_chunks(self._constants, c, hashes, len(hashes))
                    roots[first : first + step] = self._up(hashes, row_depth(n))
            with self._lap("hash"):
                root = self._up(roots, n.bit_length() - 1)
            return Round(_host(root), _host(roots), repeats)

    def row(self, ka: bytes, row: int) -> bytes:
        with self._on_card():
            first = row // LEAST_ROWS * LEAST_ROWS
            c, _ = self._block(ka, first, LEAST_ROWS)
            return cpu.packed(c[row - first].cpu().numpy().astype(np.uint32))

    # ---- the steps

    def _block(self, ka: bytes, first: int, count: int) -> tuple[Any, int]:
        """(rows of C in int32, 1 where they were computed twice). Checked before anything is made of them."""
        n = self._n
        for again in (0, 1):
            with self._lap("generation"):
                a = torch.empty((count, n // 8), dtype=torch.int64, device=self.device)
                self._lines(ka, a, first, n, high=False)
                a = a.view(torch.int8)
            with self._lap("product"):
                c = self._multiply(a)
            with self._lap("check"):
                right = torch.equal(self._weighed(c, self._r), self._weighed(a, self._u))
            if right:
                return c, again
        raise HearthError(
            "H3123",
            f"rows {first} to {first + count - 1} of a product were wrong twice on {self.device}",
            why=("Freivalds' check with a secret vector",),
        )

    def _multiply(self, a: Any) -> Any:
        if self._b.shape[1] == self._n // 8 and self.kind == "int8":
            return self._product(a, self._b.view(torch.int8))
        # B in 4 bits, or one that is to be converted: some columns at a time
        c = torch.empty((len(a), self._n), dtype=torch.int32, device=self.device)
        step = min(self._n, 8_192)
        for first in range(0, self._n, step):
            c[:, first : first + step] = self._product(a, self._bytes(first, step, self._n))
        return c

    def _bytes(self, first: int, count: int, n: int) -> Any:
        """Columns of B as int8 (count, n)."""
        part = self._b[first : first + count]
        if part.shape[1] == n // 16:
            out = torch.empty((count, n // 8), dtype=torch.int64, device=self.device)
            kernels.put_unpacked(part, out, count * n // 16)
            part = out
        return part.view(torch.int8)

    def _lines(self, key: bytes, out: Any, first: int, n: int, high: bool, packed: bool = False) -> None:
        keys = torch.empty((len(out), 4), dtype=torch.int64, device=self.device)
        given = torch.from_numpy(np.frombuffer(key, np.int64).copy()).to(self.device)
        kernels.put_lines(self._constants, given, keys, out, first, len(out), n, high, packed)

    def _up(self, hashes: Any, levels: int) -> Any:
        for _ in range(levels):
            above = torch.empty((len(hashes) // 2, 4), dtype=torch.int64, device=self.device)
            kernels.put_level(self._constants, hashes, above, len(above))
            hashes = above
        return hashes

    def _weighed(self, x: Any, limbs: Any) -> Any:
        """x·limbs mod P, a number a row. Sums are below 2**61: two words make each number of 61 bits."""
        sums = torch.empty((len(x), 3), dtype=torch.int64, device=self.device)
        kernels.put_sums(x, limbs, sums, len(x), self._n)
        total = sums[:, 0] + _turned(sums[:, 1], 21) + _turned(sums[:, 2], 42)  # below 3 · 2**61
        return total % freivalds.P

    def _limbs(self, y: freivalds.Vector) -> Any:
        parts = [(y >> np.uint64(shift) & np.uint64(2**21 - 1)).astype(np.int64) for shift in (0, 21, 42)]
        return torch.from_numpy(np.stack(parts)).to(self.device)

    def _block_rows(self) -> int:
        """Rows of C at once: a power of two, by what is free."""
        if self._rows:
            return min(self._n, self._rows)
        most = max(LEAST_ROWS, min(self._n, MOST // self._n, self._free() // SHARE // (4 * self._n)))
        return 1 << most.bit_length() - 1

    def _on_card(self) -> Any:
        return torch.cuda.device(self.device) if self.device.startswith("cuda") else torch.no_grad()

    def _lap(self, name: str) -> _Lap:
        return _Lap(self, name)


class _Lap:
    """Adds the seconds of a step to `spent` where the backend is timed."""

    def __init__(self, backend: TorchBackend, name: str) -> None:
        self._backend, self._name = backend, name

    def __enter__(self) -> None:
        self._began = self._now()

    def __exit__(self, *_: object) -> None:
        if self._backend.timed:
            spent = self._backend.spent
            spent[self._name] = spent.get(self._name, 0.0) + self._now() - self._began

    def _now(self) -> float:
        if self._backend.timed and self._backend.device.startswith("cuda"):
            torch.cuda.synchronize(self._backend.device)
        return time.perf_counter()


def _turned(x: Any, by: int) -> Any:
    """x · 2**by mod P of numbers below 2**61: 2**61 is 1, so the bits go round."""
    return (x & (1 << 61 - by) - 1) << by | x >> 61 - by


def _host(hashes: Any) -> bytes:
    return bytes(hashes.cpu().numpy().tobytes())

"""The part of Triton that keepers/gpu/backends/kernels.py uses, on NumPy: the very source of the kernels runs in
`make test`, without a card and without Triton. Programs run one after the other; a pointer outside its array raises.
"""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

MODULE = "keepers.gpu.backends.kernels"


class Block(np.ndarray):
    """A tensor of a program; scalars are blocks of one."""

    def to(self, dtype: Any) -> Block:
        return self.astype(dtype)

    def __iadd__(self, other: Any) -> Block:  # values, not places: another name of the block keeps what it had
        return self + other  # type: ignore[no-any-return]


def block(values: Any) -> Block:
    return np.atleast_1d(np.asarray(values)).view(Block)


class Pointer:
    """An array and where in it: what a tensor becomes in a kernel."""

    def __init__(self, array: np.ndarray, at: Any = 0) -> None:
        self.array, self.at = array, at

    def __add__(self, offset: Any) -> Pointer:
        return Pointer(self.array, self.at + np.asarray(offset, np.int64))

    def places(self, mask: Any) -> tuple[np.ndarray, np.ndarray]:
        """(places, which of them count). Raises IndexError for one outside that counts."""
        at = np.atleast_1d(np.asarray(self.at))
        counts = np.broadcast_to(True if mask is None else np.asarray(mask), at.shape)
        if ((at < 0) | (at >= self.array.size))[counts].any():
            raise IndexError("a kernel reads or writes outside its array")
        return at, counts


class Kernel:
    """A function under `triton.jit`: called by other kernels, launched over a grid by the host."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def __call__(self, *args: Any, **options: Any) -> Any:
        return self.function(*args, **options)

    def __getitem__(self, grid: tuple[int]) -> Callable[..., None]:
        def launch(*args: Any, **options: Any) -> None:
            given = [Pointer(a.reshape(-1)) if isinstance(a, np.ndarray) else a for a in args]
            for array, pointer in zip(args, given, strict=True):
                if isinstance(array, np.ndarray):
                    assert np.shares_memory(array, pointer.array), "a kernel writes into a copy"
            for program in range(grid[0]):
                Language.program = program
                self.function(*given, **options)

        return launch


class Language(types.ModuleType):
    """`triton.language`."""

    program = 0
    int8, int32, int64, uint64, constexpr = np.int8, np.int32, np.int64, np.uint64, int

    @staticmethod
    def program_id(axis: int) -> Block:
        return block(np.int32(Language.program))

    @staticmethod
    def arange(first: int, end: int) -> Block:
        return block(np.arange(first, end, dtype=np.int32))

    @staticmethod
    def zeros(shape: tuple[int, ...], dtype: Any) -> Block:
        return block(np.zeros(shape, dtype))

    @staticmethod
    def load(pointer: Pointer, mask: Any = None, other: Any = None) -> Block:
        at, counts = pointer.places(mask)
        return block(np.where(counts, pointer.array[np.where(counts, at, 0)], 0 if other is None else other)).to(
            pointer.array.dtype
        )

    @staticmethod
    def store(pointer: Pointer, value: Any, mask: Any = None) -> None:
        at, counts = pointer.places(mask)
        pointer.array[at[counts]] = np.broadcast_to(value, at.shape)[counts]

    @staticmethod
    def sum(value: Block, axis: int) -> Block:
        return block(np.asarray(value).sum(axis))


def jit(function: Callable[..., Any] | None = None, **options: Any) -> Any:
    return Kernel if function is None else Kernel(function)


@contextmanager
def kernels() -> Iterator[Any]:
    """The module of the kernels, imported on the simulator; what stood in its place stands there again afterwards."""
    triton = types.ModuleType("triton")
    triton.jit = jit  # type: ignore[attr-defined]
    triton.language = Language("triton.language")  # type: ignore[attr-defined]
    names = {"triton": triton, "triton.language": triton.language}  # type: ignore[attr-defined]
    before = {name: sys.modules.pop(name, None) for name in (*names, MODULE)}
    sys.modules |= names
    try:
        with np.errstate(over="ignore"):
            yield importlib.import_module(MODULE)
    finally:
        for name, module in before.items():
            sys.modules.pop(name, None)
            if module is not None:
                sys.modules[name] = module

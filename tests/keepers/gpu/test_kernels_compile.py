"""The kernels through Triton's own compiler, for architectures that need not be here. Left out where Triton is not
installed (`make gpu` installs it). That they compile says nothing of how fast they are."""

from __future__ import annotations

import os
from typing import Any

import pytest

triton = pytest.importorskip("triton", reason="Triton is not installed: `make gpu`")
if os.environ.get("TRITON_INTERPRET") == "1":
    pytest.skip("the interpreter compiles nothing", allow_module_level=True)

from triton.backends.compiler import GPUTarget  # noqa: E402
from triton.compiler import ASTSource  # noqa: E402

from keepers.gpu.backends import kernels  # noqa: E402

CUDA, HIP = ((75, 32), (80, 32), (86, 32), (89, 32), (90, 32), (120, 32)), (("gfx90a", 64), ("gfx942", 64))
TARGETS = [*(("cuda", *place) for place in CUDA), *(("hip", *place) for place in HIP)]
I64, I32 = "i64", "i32"
KERNELS: dict[str, tuple[dict[str, str], dict[str, Any]]] = {
    "line_keys": ({"constants": "*i64", "key": "*i64", "out": "*i64", "first": I64, "count": I32}, {}),
    "line_entries": (
        {"constants": "*i64", "keys": "*i64", "out": "*i64", "words": I32, "count": I32},
        {"HIGH": True, "PACKED": True},
    ),
    "unpacked": ({"packed": "*i64", "out": "*i64", "count": I32}, {}),
    "chunk_hashes": ({"constants": "*i64", "c": "*i32", "out": "*i64", "count": I32}, {}),
    "level_up": ({"constants": "*i64", "below": "*i64", "out": "*i64", "count": I32}, {}),
    "weigh_rows": ({"x": "*i32", "limbs": "*i64", "out": "*i64", "n": I32}, {}),
    "weigh_columns": (
        {"b": "*i8", "limbs": "*i64", "sums": "*i64", "first": I32, "count": I32, "n": I32},
        {},
    ),
}


@pytest.mark.parametrize("target", TARGETS, ids=lambda t: str(t[1]))
def test_kernels__for_an_architecture__compile(target: tuple[str, Any, int]) -> None:
    for name, (signature, constants) in KERNELS.items():
        fixed = constants | {"BLOCK": kernels.BLOCK}
        source = ASTSource(
            fn=getattr(kernels, name), signature=signature | dict.fromkeys(fixed, "constexpr"), constexprs=fixed
        )
        compiled = triton.compile(source, target=GPUTarget(*target))
        assert compiled.asm["cubin" if target[0] == "cuda" else "hsaco"], name

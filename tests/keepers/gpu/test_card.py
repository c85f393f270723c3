"""The torch backend on a card: exact at every size, faults found, the prover's answers. `make gpu` installs PyTorch and
runs this; elsewhere it is left out. Under TRITON_INTERPRET=1 the parts run at n = 256 on Triton's interpreter, which
shows that they fit and measures nothing.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: `make gpu`")
pytest.importorskip("triton", reason="Triton is not installed: `make gpu`")

from keepers.gpu import known_answer  # noqa: E402
from keepers.gpu.backends import cpu  # noqa: E402
from keepers.gpu.prover import InlineProver  # noqa: E402
from keepers.protocol import freivalds  # noqa: E402
from keepers.protocol.challenge import Place, opened_root, row_levels  # noqa: E402
from keepers.protocol.entries import rows_a  # noqa: E402
from keepers.protocol.errors import HearthError  # noqa: E402
from keepers.protocol.hashing import keccak  # noqa: E402
from tests.support import honest  # noqa: E402

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
if not torch.cuda.is_available() and not INTERPRETED:
    pytest.skip("no GPU on this machine", allow_module_level=True)

from keepers.gpu.backends import kernels, torch_backend  # noqa: E402
from keepers.gpu.backends.torch_backend import TorchBackend, exact, products  # noqa: E402

DEVICES = [f"cuda:{i}" for i in range(torch.cuda.device_count())] if torch.cuda.is_available() else ["cpu"]
SIZES = [256] if INTERPRETED else [256, 512, 1_024, 2_048, 4_096, 8_192, 16_384]
KA, KB = keccak(b"A"), keccak(b"B")


@pytest.fixture(scope="module", params=DEVICES)
def backend(request: pytest.FixtureRequest) -> Iterator[TorchBackend]:
    with pytest.MonkeyPatch.context() as patch:
        if INTERPRETED:
            patch.setattr(kernels, "BLOCK", 1_024)  # fewer programs: each is slow
        yield TorchBackend(request.param)


def test_known_answer__of_the_card__is_right(backend: TorchBackend) -> None:
    known_answer.check(backend)


def test_product__that_was_chosen__is_exact_at_the_largest_depth(backend: TorchBackend) -> None:
    assert exact(products()[backend.kind], backend.device)


def test_exact__of_a_product_in_fewer_bits__says_no(backend: TorchBackend) -> None:
    def short(a: Any, b: Any) -> Any:
        return (a.to(torch.float32) @ b.to(torch.float32).t()).to(torch.float16).to(torch.int32)

    assert not exact(short, backend.device)


@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("n", SIZES)
def test_round__at_a_size__is_the_one_of_the_cpu(backend: TorchBackend, n: int) -> None:
    backend.prepare(n, KB)
    made = backend.round(KA)
    assert made.repeats == 0 and cpu.fold(made.row_roots, n.bit_length() - 1) == made.root
    if n <= 4_096:
        other = cpu.CpuBackend()
        other.prepare(n, KB)
        assert other.round(KA) == made
    draw = random.Random(n)
    for row in {0, n - 1, *(draw.randrange(n) for _ in range(3))}:
        shown = backend.row(KA, row)
        assert row_levels(shown)[-1][0] == made.row_roots[32 * row : 32 * row + 32]
        assert freivalds.wrong_columns(shown, rows_a(KA, [row], n)[0], KB, n) == []


@pytest.mark.parametrize("rows", [32, 64])
def test_round__in_blocks_and_with_b_in_4_bits__is_the_same(
    backend: TorchBackend, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch_backend, "PACKED_FROM", 256)
    monkeypatch.setattr(backend, "_rows", rows)
    backend.prepare(256, keccak(KB))
    assert backend.round(KA).root == honest.root_of(KA, keccak(KB), 256)
    monkeypatch.undo()
    backend.prepare(256, KB)


def test_round__one_wrong_entry__is_computed_again_and_twice_stops(
    backend: TorchBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend.prepare(256, KB)
    right, calls = backend._multiply, [0]

    def flaky(a: Any) -> Any:
        c = right(a)
        if calls[0] < limit:
            c[-1, 17] += 1
        calls[0] += 1
        return c

    monkeypatch.setattr(backend, "_multiply", flaky)
    limit = 1
    made = backend.round(KA)
    assert made.repeats == 1 and made.root == honest.root_of(KA, KB, 256)
    calls[0], limit = 0, 2
    with pytest.raises(HearthError, match="wrong twice"):
        backend.round(KA)


def test_prover__on_the_card__answers_and_opens() -> None:
    work = honest.work(rounds=2, gpus=1 if INTERPRETED else 2)
    prover = InlineProver([TorchBackend(device) for device in DEVICES])
    prover.start(work)
    result = prover.result(work)
    assert result is not None and result.roots == honest.roots_of(work)
    opening = prover.open(work, Place(work.gpus - 1, 1, 200))
    assert opened_root(opening, work) == result.list_root

"""The known answer: two chained rounds at n = 256, computed once with `keepers.protocol.challenge` alone. A backend
that gives another one computes wrongly, whatever else it may do well, and is refused.
"""

from __future__ import annotations

from keepers.gpu.backends import Backend
from keepers.protocol.challenge import Work, key_a, key_b
from keepers.protocol.errors import HearthError
from keepers.protocol.hashing import ZERO32

WORK = Work(node=7, epoch=42, seed=0x0123456789ABCD, seed_b=0xFEDCBA98765432, class_id=3, n=256, rounds=2, gpus=1)
ROOTS = (
    bytes.fromhex("7905e02c824d432ea79e04b72bb3e283cd1b79d044145963b64eac2e1b931712"),
    bytes.fromhex("c2392a60d53f213c4a40cdcb6f90da53bf180e25916e00bcbfa4ea6c88a90c7d"),
)


def check(backend: Backend) -> None:
    """Raises HearthError H3123 where the backend does not give the known answer."""
    backend.prepare(WORK.n, key_b(WORK.seed_b, WORK.class_id))
    previous = ZERO32
    for round_, expected in enumerate(ROOTS):
        previous = backend.round(key_a(WORK.seed, WORK.node, 0, round_, previous)).root
        if previous != expected:
            raise HearthError(
                "H3123",
                f"{backend.name} does not give the known answer",
                why=(f"round {round_} at n = {WORK.n}: 0x{previous.hex()}, not 0x{expected.hex()}", backend.describe()),
            )

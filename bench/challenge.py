"""What the compute challenge costs whoever checks it and whoever answers it on a CPU: one core each.

    python -m bench.challenge [--n 4096]

verify.answer_ms: 8 opened rows of one node, from bytes to the verdict: place, hashes, both paths, rows of A, Freivalds,
with u at hand. verify.u_s: the secret vector and u = B·r, with the generation of B. prove.4k_ratio: the NumPy backend's
whole answer of one round (B, A, product, check, hashes) over the bare sgemm of that size and the generation of both
matrices. All in a child with OPENBLAS_NUM_THREADS=1, which NumPy reads only when it is imported.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from bench.row import Row, line, row

N = 4_096
ANSWER_MS, U_S, RATIO = 10.0, 2.0, 2.0
COMMAND = "python -m bench.challenge"
ONE_CORE = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


def best(call: Callable[[], Any], times: int) -> float:
    """Processor seconds of the fastest of some calls: what else the machine does only ever adds."""
    seconds = []
    for _ in range(times):
        began = time.process_time()
        call()
        seconds.append(time.process_time() - began)
    return min(seconds)


def measure(n: int) -> dict[str, float]:
    """The figures, on one core. Raises SystemExit where an opening does not hold."""
    import numpy as np

    from keepers.gpu.backends.cpu import CpuBackend
    from keepers.gpu.chains import Device, compute
    from keepers.protocol import challenge, freivalds
    from keepers.protocol.entries import columns_b, rows_a

    work = challenge.Work(node=7, epoch=42, seed=1, seed_b=2, class_id=3, n=n, rounds=2, gpus=1)
    kb = challenge.key_b(work.seed_b, work.class_id)
    ka = challenge.key_a(work.seed, work.node, 0, 0, bytes(32))

    a32 = rows_a(ka, range(n), n).astype(np.float32)
    b32 = columns_b(kb, range(n), n).astype(np.float32)
    bare = best(lambda: a32 @ b32.T, 3)
    generation = best(lambda: (rows_a(ka, range(n), n), columns_b(kb, range(n), n)), 3)

    def answer() -> None:
        backend = CpuBackend(memory=8 << 30)
        backend.prepare(n, kb)
        backend.round(ka)

    whole = best(answer, 3)

    pool = [Device(CpuBackend(memory=8 << 30))]
    done = compute(work, pool)
    places = challenge.places(b"secret", b"digest", work)
    openings = [done.open(place, pool) for place in places]
    root = done.levels[-1][0]
    r = freivalds.draw(b"vector", n)
    u = freivalds.product(kb, n, r)

    def verify() -> None:
        for opening in openings:
            place = opening.place
            if challenge.opened_root(opening, work) != root:
                raise SystemExit("bench: an honest opening leads to another root")
            key = challenge.key_a(work.seed, work.node, place.gpu, place.round, opening.previous)
            a = rows_a(key, [place.row], n)[0]
            if not freivalds.row_holds(opening.row, a, r, u):
                raise SystemExit("bench: an honest row fails")

    return {
        "bare_s": bare,
        "generation_s": generation,
        "whole_s": whole,
        "answer_ms": best(verify, 50) * 1e3,
        "u_s": best(lambda: freivalds.product(kb, n, freivalds.draw(b"vector", n)), 3),
    }


def rows(n: int = N) -> list[Row]:
    """Rows of bench.json."""
    command = [sys.executable, "-m", "bench.challenge", "--child", f"--n={n}"]
    done = subprocess.run(command, env=os.environ | ONE_CORE, check=True, capture_output=True, text=True)
    found = json.loads(done.stdout)
    bare, generation = found["bare_s"], found["generation_s"]
    ratio = found["whole_s"] / (bare + generation)
    parts = f"{found['whole_s']:.2f} s over {bare:.2f} s of sgemm and {generation:.2f} s for both matrices"
    eight = f"8 opened rows at n = {n:,}, u at hand"
    return [
        row("verify.answer_ms", round(found["answer_ms"], 2), "ms", ANSWER_MS, note=eight, command=COMMAND),
        row("verify.u_s", round(found["u_s"], 2), "s", U_S, note=f"n = {n:,}, with B", command=COMMAND),
        row("prove.4k_ratio", round(ratio, 2), "", RATIO, note=parts, command=COMMAND),
    ]


def main() -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.challenge", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--n", type=int, default=N, help="size, a power of two")
    parser.add_argument("--child", action="store_true", help="measure in this process, print JSON")
    given = parser.parse_args()
    if given.child:
        print(json.dumps(measure(given.n)))
        return 0
    for made in rows(given.n):
        print(line(made))
    return 0


if __name__ == "__main__":
    sys.exit(main())

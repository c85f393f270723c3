"""The referee's product is NumPy's, element by element, at mixed sizes.

    python -m tests.fuzz.elements --elements 100000 --seed 0

Keys are random; sizes are powers of two of 256 to 65,536, the small ones oftener, so that each gets about the same
number of entries. The bytecode is that of contracts/modules/matrix.vy in a contract that takes many pairs a call.
"""

from __future__ import annotations

import argparse
import random
import sys
import time

import numpy as np

from tests.support.products import columns_of_b, rows_of_a
from tests.support.suite import compiled

SIZES = tuple(1 << k for k in range(8, 17))
BATCH = 64  # pairs a call


class Differs(AssertionError):
    """An element that is not NumPy's; the text says which."""


def batches(elements: int, seed: int) -> int:
    """Compares so many elements; their number. Raises Differs."""
    rng = random.Random(seed)
    mock = compiled("mocks/matrix_mock.vy").deploy()
    done = 0
    while done < elements:
        n = rng.choices(SIZES, [1 / n for n in SIZES])[0]
        many = min(BATCH, elements - done)
        a, b = ([rng.randbytes(32) for _ in range(many)] for _ in range(2))
        found = mock.dots([int.from_bytes(k, "big") for k in a], [int.from_bytes(k, "big") for k in b], n)
        wanted = np.einsum("ij,ij->i", rows_of_a(a, n).astype(np.int64), columns_of_b(b, n).astype(np.int64))
        for i in range(many):
            if found[i] != wanted[i]:
                raise Differs(f"n = {n}, keys {a[i].hex()} and {b[i].hex()}: {found[i]}, not {wanted[i]}")
        done += many
    return done


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.elements", description=__doc__.splitlines()[0])
    parser.add_argument("--elements", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    began = time.monotonic()
    done = batches(options.elements, options.seed)
    print(f"elements   {done:,} agree, {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())

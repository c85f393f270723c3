"""Wrong entries at every size and border fall to the bytecode, and the same entries mended do not.

    python -m tests.fuzz.refutations --answers 900 --seed 0

For each size of 256 to 65,536 a node with several GPUs and rounds stands in a deployed suite. Of each answer one chunk
of noise exists, among hashes of nothing: its entry is refuted by `ComputeChallenge.refute`, with the slash, and taken
back; then the entry is mended, and the refutation of it must fail by name. Entries lie at borders of row, column and
chunk as often as anywhere else.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter

import boa

from keepers.protocol import challenge
from keepers.protocol.challenge import CHUNK
from tests.contracts.consensus.compute_challenge.conftest import Court
from tests.support.actors import node_key
from tests.support.products import Claim, pretended
from tests.support.suite import deploy

SIZES = tuple(1 << k for k in range(8, 17))
GPUS, ROUNDS = (1, 3, 16), (1, 8, 512)
FAULTED = 4
RIGHT = "challenge: element is right"


class Stands(AssertionError):
    """A wrong entry that stands, or a right one that falls; the text says which."""


def claims(court: Court, rng: random.Random) -> tuple[Claim, Claim]:
    """A claim against an entry of noise, and one against the same entry mended."""
    work, n = court.work(), court.n
    row = rng.choice((0, n - 1, rng.randrange(n)))
    col = rng.choice((0, CHUNK - 1, CHUNK, n - CHUNK, n - 1, rng.randrange(n)))
    gpu, round_ = rng.randrange(work.gpus), rng.choice((0, work.rounds - 1, rng.randrange(work.rounds)))
    noise = rng.randbytes(challenge.CHUNK_BYTES)
    said, correct = challenge.verdict(work, *pretended(work, gpu, round_, row, col, noise))
    at = col % CHUNK * 3
    flipped = (correct ^ 1 << rng.randrange(24)) if said == correct or rng.random() < 0.5 else said
    chunks = (noise[:at] + entry.to_bytes(3, "big") + noise[at + 3 :] for entry in (flipped, correct))
    wrong, right = (
        Claim.of(work, *pretended(work, gpu, round_, row, col, chunk), node_key(court.node), court.domain)
        for chunk in chunks
    )
    return wrong, right


def judged(court: Court, rng: random.Random) -> None:
    """Both claims of one answer, each on the state before it. Raises Stands."""
    wrong, right = claims(court, rng)
    place = ", ".join(f"{k} {wrong.arguments[k]}" for k in ("gpu", "round", "row", "col"))
    with boa.env.anchor():
        before = court.own
        try:
            court.fell(wrong)
        except boa.BoaError as error:
            raise Stands(f"n = {court.n}, {place}: a wrong entry stands: {error}") from None
        if court.status != FAULTED or court.own >= before:
            raise Stands(f"n = {court.n}, {place}: refuted, but the node is {court.status} with {court.own} gwei")
    with boa.env.anchor():
        try:
            court.refused(right, RIGHT)
        except (boa.BoaError, ValueError, AssertionError) as error:
            raise Stands(f"n = {court.n}, {place}: a right entry: {error}") from None


def run(answers: int, seed: int) -> Counter[int]:
    """So many answers, as many of each size; how many of each. Raises Stands."""
    done, suite = Counter[int](), deploy()
    for number, n in enumerate(SIZES):
        rng = random.Random(f"{seed}:{n}")
        with boa.env.anchor():
            court = Court.of(suite.fresh(), n=n, rounds=ROUNDS[number % 3], gpus=GPUS[number // 3])
            for _ in range(answers // len(SIZES) + (number < answers % len(SIZES))):
                judged(court, rng)
                done[n] += 1
    return done


def main() -> int:
    """Exit code 1 at the first that is judged wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.refutations", description=__doc__.splitlines()[0])
    parser.add_argument("--answers", type=int, default=900)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    began = time.monotonic()
    try:
        done = run(options.answers, options.seed)
    except Stands as error:
        print(f"WRONG {error}", file=sys.stderr)
        return 1
    sizes = ", ".join(f"{n}: {k:,}" for n, k in sorted(done.items()))
    took = time.monotonic() - began
    print(f"bytecode   {options.answers:,} wrong entries fall, mended they stand ({sizes}), {took:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""No random honest answer can be refuted, and every wrong entry can.

    python -m tests.fuzz.answers --answers 10000 --seed 0
    python -m tests.fuzz.answers --wrong --answers 1000 --seed 0

Honest answers come from the prover. `--wrong`: whole products with one entry changed where n is small, and one chunk
among hashes of nothing above. Answer k of a seed follows from both numbers.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter

from keepers.gpu.backends.cpu import CpuBackend
from keepers.gpu.prover import InlineProver
from keepers.protocol import challenge, freivalds
from keepers.protocol.challenge import CHUNK, Place, Work
from keepers.protocol.entries import rows_a
from tests.support.products import Answered, pretended

SMALL, WEIGHTS = (256, 512, 1_024), (16, 4, 1)
SIZES = tuple(1 << k for k in range(8, 17))


class Wrong(AssertionError):
    """An honest answer that fails, or a wrong one that stands; the text says which."""


def work_of(rng: random.Random, n: int, rounds: int, gpus: int) -> Work:
    return Work(
        rng.randrange(2**24), rng.randrange(2, 2**32), rng.getrandbits(56), rng.getrandbits(56), rng.randrange(2**16),
        n, rounds, gpus,
    )  # fmt: skip


def key_of(work: Work, place: Place, previous: bytes) -> bytes:
    return challenge.key_a(work.seed, work.node, place.gpu, place.round, previous)


def honest(answers: int, seed: int) -> Counter[int]:
    """So many honest answers; how many of each size. Raises Wrong."""
    prover, done = InlineProver(CpuBackend()), Counter[int]()
    for number in range(answers):
        rng = random.Random(f"{seed}:{number}")
        work = work_of(rng, rng.choices(SMALL, WEIGHTS)[0], rng.choice((1, 2, 4)), rng.randrange(1, 4))
        prover.start(work)
        result = prover.result(work)
        if result is None:
            raise Wrong(f"{work}: no result")
        kb, r = challenge.key_b(work.seed_b, work.class_id), freivalds.draw(rng.randbytes(32), work.n)
        u = freivalds.product(kb, work.n, r)
        for place in challenge.places(rng.randbytes(32), result.list_root, work):
            opening = prover.open(work, place)
            a = rows_a(key_of(work, place, opening.previous), [place.row], work.n)[0]
            if challenge.opened_root(opening, work) != result.list_root or not freivalds.row_holds(
                opening.row, a, r, u
            ):
                raise Wrong(f"{work}, {place}: an honest row fails; again: seed {seed}, answer {number}")
            col = rng.randrange(work.n)
            said, correct = challenge.verdict(work, result.list_root, challenge.refutation(opening, col))
            if said != correct:
                raise Wrong(f"{work}, {place}, column {col}: an honest entry falls; seed {seed}, answer {number}")
        prover.forget(work.epoch)
        done[work.n] += 1
    return done


def spoilt(rng: random.Random, n: int) -> None:
    """A whole product with one wrong entry: the check sees it, the search finds it, the verdict fells it."""
    work = work_of(rng, n, rng.choice((1, 2)), rng.randrange(1, 3))
    place = Place(rng.randrange(work.gpus), rng.randrange(work.rounds), rng.randrange(n))
    col, flip = rng.randrange(n), 1 << rng.randrange(24)

    def change(c: object) -> None:
        c[place.row, col] ^= flip  # type: ignore[index]

    answer = Answered(work, {(place.gpu, place.round): change})
    opening = answer.opening(place.gpu, place.round, place.row)
    kb, r = challenge.key_b(work.seed_b, work.class_id), freivalds.draw(rng.randbytes(32), n)
    a = rows_a(key_of(work, place, opening.previous), [place.row], n)[0]
    if freivalds.row_holds(opening.row, a, r, freivalds.product(kb, n, r)):
        raise Wrong(f"{work}, {place}: a wrong row passes")
    if freivalds.wrong_columns(opening.row, a, kb, n, 2) != [col]:
        raise Wrong(f"{work}, {place}, column {col}: not found, or not alone")
    said, correct = challenge.verdict(work, answer.root, challenge.refutation(opening, col))
    if said ^ correct != flip:
        raise Wrong(f"{work}, {place}, column {col}: a wrong entry stands")


def lone(rng: random.Random, n: int) -> None:
    """One chunk of noise: its entry at a border or anywhere falls, and no honest entry does."""
    work = work_of(rng, n, 1 << rng.randrange(12), rng.randrange(1, 17))
    row, col = (rng.choice((0, n - 1, rng.randrange(n))) for _ in range(2))
    col = rng.choice((col, CHUNK - 1, CHUNK, n - CHUNK))
    gpu, round_ = rng.randrange(work.gpus), rng.choice((0, work.rounds - 1, rng.randrange(work.rounds)))
    noise = rng.randbytes(challenge.CHUNK_BYTES)
    root, shown = pretended(work, gpu, round_, row, col, noise)
    said, correct = challenge.verdict(work, root, shown)
    at = col % CHUNK * 3
    mended = noise[:at] + correct.to_bytes(3, "big") + noise[at + 3 :]
    for chunk, falls in ((noise, said != correct), (mended, False)):
        root, shown = pretended(work, gpu, round_, row, col, chunk)
        told = challenge.verdict(work, root, shown)
        if (told[0] != told[1]) != falls or told[1] != correct:
            raise Wrong(f"{work}, {shown.place}, column {col}: judged {told}")


def wrong(answers: int, seed: int) -> Counter[int]:
    """So many answers with one wrong entry; how many of each size. Raises Wrong."""
    done = Counter[int]()
    for number in range(answers):
        rng, n = random.Random(f"{seed}:{number}"), SIZES[number % len(SIZES)]
        if n in SMALL and number // len(SIZES) % 8 == 0:
            spoilt(rng, n)
        else:
            lone(rng, n)
        done[n] += 1
    return done


def main() -> int:
    """Exit code 1 at the first honest answer that fails, or the first wrong one that stands."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.answers", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--answers", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--wrong", action="store_true", help="answers with one wrong entry; each must be found")
    options = parser.parse_args()
    began = time.monotonic()
    try:
        done = (wrong if options.wrong else honest)(options.answers, options.seed)
    except Wrong as error:
        print(f"WRONG {error}", file=sys.stderr)
        return 1
    took = time.monotonic() - began
    sizes = ", ".join(f"{n}: {k:,}" for n, k in sorted(done.items()))
    told = "wrong, each falls" if options.wrong else "honest, none falls"
    print(f"answers    {options.answers:,} {told} ({sizes}), {took:.0f} s, {options.answers / took:.1f} a second")
    return 0


if __name__ == "__main__":
    sys.exit(main())

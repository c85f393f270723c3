"""modules/quorum.vy: exactly a quorum of distinct seats."""

from __future__ import annotations

import random
from typing import Any

import boa
import pytest

from tests.support.actors import Actor, keccak, seat, words
from tests.support.suite import compiled
from tests.support.suite import quorum as size

DIGEST = keccak(b"what was signed")


@pytest.fixture(scope="module")
def quorum() -> Any:
    return compiled("mocks/quorum_mock.vy").deploy()


def table(n: int) -> tuple[str, list[Actor]]:
    seats = [seat(i, 40) for i in range(n)]
    address = boa.env.generate_address()
    boa.env.set_code(address, b"\0" + words(*(s.address for s in seats)) + bytes(32 * (31 - n)))
    return address, seats


def pack(seats: list[Actor], chosen: list[int], digest: bytes = DIGEST) -> tuple[int, bytes]:
    return sum(1 << i for i in chosen), b"".join(seats[i].sign_seat(digest) for i in chosen)


@pytest.mark.parametrize("n", range(1, 32))
def test_size(quorum: Any, n: int) -> None:
    assert quorum.size(n) == size(n)


def test_known_sizes(quorum: Any) -> None:
    assert [quorum.size(n) for n in (1, 2, 3, 4, 5, 6, 7, 10, 13, 31)] == [1, 2, 2, 3, 4, 4, 5, 7, 9, 21]


@pytest.mark.parametrize("n", [1, 2, 4, 7, 13, 31])
def test_any_quorum_passes_and_no_other_number(quorum: Any, n: int) -> None:
    address, seats = table(n)
    q, rng = size(n), random.Random(n)
    for _ in range(3):
        chosen = sorted(rng.sample(range(n), q))
        quorum.check(DIGEST, address, n, *pack(seats, chosen))
        assert len(chosen) == q
    for number in {q - 1, q + 1} - {n + 1}:
        with boa.reverts("quorum: signatures"):
            quorum.check(DIGEST, address, n, *pack(seats, list(range(number))))


def test_each_wrong_signature_is_found(quorum: Any) -> None:
    address, seats = table(7)
    who, sigs = pack(seats, [0, 2, 3, 5, 6])
    _, other = pack(seats, [0, 2, 3, 5, 6], keccak(b"something else"))
    for k in range(5):
        forged = sigs[: 64 * k] + other[64 * k : 64 * k + 64] + sigs[64 * k + 64 :]
        with boa.reverts("quorum: not the seat"):
            quorum.check(DIGEST, address, 7, who, forged)


def test_a_zero_signer_fills_no_empty_entry(quorum: Any) -> None:
    address, seats = table(4)
    _, sigs = pack(seats, [0, 1])
    for junk in (bytes(64), b"\xff" * 64):
        with boa.reverts("quorum: bad signature"):
            quorum.check(DIGEST, address, 4, 0b10011, sigs + junk)


@pytest.mark.parametrize("who", [0, 0b11, 0b111 | 1 << 31, 0b111 | 1 << 255])
def test_bits_that_do_not_match_the_signatures(quorum: Any, who: int) -> None:
    address, seats = table(4)
    _, sigs = pack(seats, [0, 1, 2])
    with boa.reverts("quorum: seats"):
        quorum.check(DIGEST, address, 4, who, sigs)


def test_a_bit_without_a_signature(quorum: Any) -> None:
    address, seats = table(4)
    _, sigs = pack(seats, [0, 1, 2])
    with boa.reverts():
        quorum.check(DIGEST, address, 4, 0b1111, sigs)
    assert len(sigs) == 192


def test_signatures_of_odd_length(quorum: Any) -> None:
    address, seats = table(4)
    who, sigs = pack(seats, [0, 1, 2])
    for wrong in (sigs[:-1], sigs + b"\0", b""):
        with boa.reverts("quorum: signatures"):
            quorum.check(DIGEST, address, 4, who, wrong)


def test_a_table_that_is_no_table(quorum: Any) -> None:
    _, seats = table(1)
    with boa.reverts():
        quorum.check(DIGEST, boa.env.generate_address(), 1, *pack(seats, [0]))
    assert quorum.size(1) == 1

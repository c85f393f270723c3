"""Short seeded runs of the parsers' fuzz: no exception but the named one. A million inputs each: `make fuzz`."""

from __future__ import annotations

import random

import pytest

from tests.fuzz.parsers import Broken, Lane, fuzz, headers, lanes


@pytest.mark.parametrize("lane", lanes(), ids=lambda lane: lane.name)
def test_no_exception_but_the_named_one(lane: Lane) -> None:
    accepted, refused = fuzz(lane, 4_000, seed=11)
    assert refused > 2_000 and accepted + refused == 4_000


def test_any_word_is_a_header() -> None:
    assert headers(random.Random(1), 2_000) == 2_000


def test_another_exception_is_told_with_its_input() -> None:
    def call(data: bytes) -> None:
        if len(data) != 4:
            raise KeyError("boom")

    with pytest.raises(Broken, match=r"KeyError.*from 0x"):
        fuzz(Lane("bad", [b"1234"], call, (ValueError,)), 50, 1)

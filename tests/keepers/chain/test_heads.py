"""The last block before a moment: as a walk over all blocks gives it, in few reads."""

from __future__ import annotations

import random

import pytest

from keepers.chain.heads import last_before
from keepers.chain.ports import BlockRef
from keepers.protocol.errors import HearthError


class Blocks:
    """Blocks with the timestamps given (seconds), and how many were read. `gone`: those that the endpoint lacks."""

    def __init__(self, times: list[int], gone: frozenset[int] = frozenset()) -> None:
        self.all = [BlockRef(number, number.to_bytes(32, "big"), t) for number, t in enumerate(times)]
        self.gone, self.reads = gone, 0

    def block(self, number: int) -> BlockRef | None:
        self.reads += 1
        return self.all[number] if 0 <= number < len(self.all) and number not in self.gone else None


def test_last_before__is_that_of_a_walk() -> None:
    rng = random.Random(1)
    for _ in range(300):
        times = [100]
        for _ in range(rng.randrange(40)):
            times.append(times[-1] + rng.choice([0, 1, 1, 12]))
        blocks = Blocks(times)
        at = blocks.all[rng.randrange(len(times))]
        moment = rng.randrange(98, times[-1] + 3)
        early = [block for block in blocks.all[: at.number + 1] if block.timestamp < moment]
        assert last_before(blocks.block, moment, at) == (early[-1] if early else blocks.all[0])


@pytest.mark.parametrize("back", [1, 5, 300, 50_000])
def test_last_before__reads_no_more_than_twice_the_logarithm(back: int) -> None:
    blocks = Blocks(list(range(100_000)))
    at = blocks.all[-1]
    assert last_before(blocks.block, at.timestamp - back, at).number == at.number - back - 1
    assert blocks.reads <= 2 * (back + 1).bit_length() + 2


def test_last_before__the_block_itself_where_it_is_early_enough() -> None:
    blocks = Blocks([1, 2, 3])
    assert last_before(blocks.block, 9, blocks.all[2]).number == 2 and blocks.reads == 0


def test_last_before__no_first_block__says_so() -> None:
    blocks = Blocks([5, 6, 7], gone=frozenset({0}))
    with pytest.raises(HearthError, match="H2001"):
        last_before(blocks.block, 5, blocks.all[2])

"""modules/uptime_leaf.vy beside a count slot by slot, over void, unchallenged and indeterminate epochs."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import Any

import pytest

from tests.support.suite import compiled
from tests.support.uptime import ALL, DARK, U_BIT, Uptime, header_word
from tests.support.vectors import rows

SLOT = 300


@pytest.fixture(scope="module")
def uptime_leaf() -> Any:
    return compiled("mocks/uptime_leaf_mock.vy").deploy()


def test_pop_of_every_mask(uptime_leaf: Any) -> None:
    for x in [*range(256), *range(256, 4096, 15), ALL]:
        assert uptime_leaf.pop(x) == x.bit_count()


def history(seed: int, epochs: int, nodes: int) -> tuple[Uptime, list[tuple[int, dict[int, int]]]]:
    """A random past; (header, leaves) after each epoch."""
    rng = random.Random(seed)
    up, after = Uptime(slot=SLOT), []
    dark = [False] * nodes
    for _ in range(epochs):
        if rng.random() < 0.15:
            up.void()
        else:
            masks = {}
            for i in range(nodes):
                roll = rng.random()
                stay = ALL if dark[i] else 0
                masks[i] = stay if roll < 0.5 else ALL if roll < 0.65 else 0 if roll < 0.8 else rng.getrandbits(12)
                dark[i] = bool(masks[i] & DARK)
            indet = rng.getrandbits(12) & rng.getrandbits(12) & rng.getrandbits(12)
            failed = {i: 1 for i in range(nodes) if rng.random() < 0.2} | {
                i: 0 for i in range(nodes) if rng.random() < 0.3 and masks[i] != ALL
            }
            challenged = rng.random() < 0.8
            up.report(masks, nodes, indet, challenged, failed=failed if challenged else {})
        after.append((up.header, dict(up.leaves)))
    return up, after


@pytest.mark.parametrize("seed", range(6))
def test_every_reading_equals_the_slots(uptime_leaf: Any, seed: int) -> None:
    nodes = 4
    up, after = history(seed, 40, nodes)
    rng = random.Random(1_000 + seed)
    for e, (header, leaves) in enumerate(after, 1):
        for i in range(nodes):
            leaf = leaves.get(i, 0)
            offset = rng.choice([0, 1, SLOT, 12 * SLOT - 1, 12 * SLOT, rng.randrange(12 * SLOT)])
            assert uptime_leaf.mask(header, leaf) == up.true_mask(e, i)
            assert uptime_leaf.down(header, leaf, offset, SLOT) == up.true_down(e, i, offset)
            assert uptime_leaf.fault(header, leaf, offset, SLOT) == up.true_fault(e, i, offset)
            assert uptime_leaf.unproven(header, leaf) == up.true_unproven(e, i)


def test_neighbouring_leaves_agree_at_the_border(uptime_leaf: Any) -> None:
    _, after = history(9, 60, 3)
    for (h0, l0), (h1, l1) in pairwise(after):
        for i in range(3):
            for read in (uptime_leaf.down, uptime_leaf.fault):
                assert read(h0, l0.get(i, 0), 12 * SLOT, SLOT) == read(h1, l1.get(i, 0), 0, SLOT)


@pytest.mark.attack("T36")
def test_counters_never_fall_nor_outrun_time(uptime_leaf: Any) -> None:
    """I6."""
    _, after = history(11, 60, 3)
    for i in range(3):
        before = (0, 0, 0)
        for header, leaves in after:
            leaf = leaves.get(i, 0)
            now = (
                uptime_leaf.down(header, leaf, 12 * SLOT, SLOT),
                uptime_leaf.fault(header, leaf, 12 * SLOT, SLOT),
                uptime_leaf.unproven(header, leaf),
            )
            assert all(a <= b for a, b in zip(before, now, strict=True))
            assert now[0] - before[0] <= 12 * SLOT
            assert now[1] - before[1] <= now[0] - before[0]
            assert now[2] - before[2] <= 1
            before = now


def test_the_empty_leaf_is_live_and_proven(uptime_leaf: Any) -> None:
    header = header_word(90, 0, 80, 7, 8, indet=0b11, challenged=True)
    for offset in (0, 3_600):
        assert uptime_leaf.down(header, 0, offset, SLOT) == uptime_leaf.fault(header, 0, offset, SLOT) == 0
    assert uptime_leaf.unproven(header, 0) == uptime_leaf.mask(header, 0) == 0


def test_vectors(uptime_leaf: Any) -> None:
    for row in rows("uptime_leaf", "reads"):
        header, leaf, offset, slot = row["header"], row["leaf"], row["offset"], row["slot"]
        assert uptime_leaf.mask(header, leaf) == row["mask"]
        assert uptime_leaf.down(header, leaf, offset, slot) == row["down"]
        assert uptime_leaf.fault(header, leaf, offset, slot) == row["fault"]
        assert uptime_leaf.unproven(header, leaf) == row["unproven"]


def test_slots_of_one_second(uptime_leaf: Any) -> None:
    header = header_word(1, 0, 0, 0, 8)
    leaf = 0b101 | 1 << 32 | 2 << 64 | 2 << 96
    assert [uptime_leaf.down(header, leaf, k, 1) for k in range(13)] == [0, 1, 1, *[2] * 10]


def test_largest_counters_do_not_overflow(uptime_leaf: Any) -> None:
    m = 2**32 - 1
    header = header_word(m, 0, m, 0, 8)
    leaf = DARK | U_BIT | 0 << 32 | m << 64 | m << 96 | m << 128
    assert uptime_leaf.down(header, leaf, 12 * 3_600, 3_600) == (m + 12 * m) * 3_600
    assert uptime_leaf.unproven(header, leaf) == 2 * m

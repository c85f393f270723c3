"""A report that does not hold is refused at its first false place; an honest one never is."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from keepers.protocol.counters import Header
from keepers.protocol.merge import Merged
from keepers.protocol.rebuild import EpochLog, Fault, advance
from keepers.protocol.records import Record, split_parts
from keepers.protocol.report import build
from keepers.protocol.uptime_tree import UptimeTree

SIZES = (0, 1, 63, 64, 65, 130, 1_600)
COUNT = 4_000


def log_of(tree: UptimeTree, records: list[Record], count: int = COUNT) -> EpochLog:
    """The honest log of the next epoch; the tree goes on."""
    built = build(tree, Merged((), 0b101, 5, tuple(records)), count=count, view=0, challenged=True)
    return EpochLog(built.header.pack(), built.root, tuple((p.data, p.root) for p in built.parts))


def drawn(rng: random.Random, size: int) -> list[Record]:
    return [Record(i, 0, rng.getrandbits(1), rng.getrandbits(12)) for i in sorted(rng.sample(range(COUNT), size))]


@pytest.mark.parametrize("size", SIZES)
def test_honest_reports_hold(size: int) -> None:
    rng = random.Random(size)
    maker, reader = UptimeTree(), UptimeTree()
    for _ in range(3):
        assert advance(reader, log_of(maker, drawn(rng, size))) is None
        assert (reader.root, reader.header) == (maker.root, maker.header)
    maker.void(5)
    for epoch in (4, 5):
        header = reader.header.voided()
        assert header.epoch == epoch
        assert advance(reader, EpochLog(header.pack(), reader.root)) is None
    assert advance(reader, log_of(maker, drawn(rng, size))) is None
    assert reader.root == maker.root


def flip(data: bytes, at: int, bit: int = 0) -> bytes:
    return data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]


@pytest.mark.parametrize("size", [s for s in SIZES if s])
def test_one_bit_anywhere_is_found_and_changes_nothing(size: int) -> None:
    rng = random.Random(size)
    maker, reader = UptimeTree(), UptimeTree()
    assert advance(reader, log_of(maker, drawn(rng, 200))) is None
    log = log_of(maker, drawn(rng, size))
    was = (reader.root, reader.header, list(reader.words))
    for _ in range(60):
        part = rng.randrange(len(log.parts))
        data, root = log.parts[part]
        at = rng.randrange(len(data))
        parts = list(log.parts)
        parts[part] = (flip(data, at, rng.randrange(8)), root)
        fault = advance(reader, replace(log, parts=tuple(parts)))
        assert fault is not None and fault.epoch == 2 and fault.part in (part, part + 1)
        before = sum(len(d) // 352 * 64 + len(d) % 352 // 5 for d, _ in log.parts[:part])
        inside = at // 352 * 64 + min(at % 352 // 5, 63)
        if "already has a record" not in fault.why:  # a flipped index may be that of a later record, which is doubled
            assert fault.first <= before + inside + int("stands after" in fault.why)
        assert (reader.root, reader.header, list(reader.words)) == was
    assert advance(reader, log) is None


def test_wrong_roots_lengths_and_headers_are_named() -> None:
    rng = random.Random(1)
    maker, reader = UptimeTree(), UptimeTree()
    log = log_of(maker, drawn(rng, 130))
    ((data, root),) = log.parts
    header = Header.unpack(log.header)

    def fault(**changes: object) -> Fault:
        found = advance(reader, replace(log, **changes))
        assert found is not None and reader.header.epoch == 0
        return found

    garbage = b"\x66" * 32
    assert fault(root=garbage).why.startswith("its records give the root")
    wrong = fault(parts=((data, garbage),))
    assert (wrong.group, wrong.first, wrong.last) == (2, 128, 129) and "after records 128 to 129" in wrong.why
    middle = fault(parts=((data[: 352 + 330] + bytes(1) + data[352 + 331 :], root),))
    assert (middle.group, middle.first, middle.last) == (1, 64, 127)
    for length in (1, 4, 321, 352, 354):
        assert "not 352·a + 5·b" in fault(parts=((data[:length], root),)).why
    assert "after a part without records" in fault(parts=((b"", root),)).why
    assert "does not follow" in fault(header=log.header ^ 1 << 32).why
    assert "does not follow" in fault(header=replace(header, epoch=2).pack()).why
    spare = fault(parts=((flip(data, 3, 6), root),))
    assert "spare bits" in spare.why and (spare.first, spare.group) == (0, 0)
    assert advance(reader, log) is None
    later = replace(header, epoch=2, count=1)
    assert "count falls" in (advance(reader, EpochLog(later.pack(), log.root)) or Fault(0, "")).why
    void = reader.header.voided()
    assert "keeps the root" in (advance(reader, EpochLog(void.pack(), garbage)) or Fault(0, "")).why
    assert "void header" in (advance(reader, EpochLog(replace(void, epoch=3).pack(), log.root)) or Fault(0, "")).why


def test_skipped_doubled_and_invented_records() -> None:
    """Each with roots made to fit the tampered records, so that only the rules can tell."""
    rng = random.Random(4)
    maker, reader = UptimeTree(), UptimeTree()
    assert advance(reader, log_of(maker, drawn(rng, 500))) is None
    records = drawn(rng, 100)
    honest = UptimeTree.at(maker.snapshot())
    log = log_of(honest, records)
    skipped = UptimeTree.at(maker.snapshot())
    fewer = log_of(skipped, records[:40] + records[41:])
    # the signed root is that of all records, one was left out of the published ones
    found = advance(reader, replace(fewer, root=log.root, parts=((fewer.parts[0][0], log.root),)))
    assert found is not None and found.group == 1
    running = [log.parts[0][0][320:352], log.root]
    doubled = [*records[:70], records[3], *records[70:]]
    found = advance(reader, replace(log, parts=split(doubled, running)))
    assert found is not None and (found.first, found.node, found.group) == (70, records[3].index, 1)
    invented = [*records, Record(COUNT, 0, 0, 7)]
    found = advance(reader, replace(log, parts=split(invented, running)))
    assert found is not None and (found.first, found.node) == (100, COUNT) and "counts 4000 nodes" in found.why
    # a wrong root before them comes first
    for both in (doubled, invented):
        found = advance(reader, replace(log, parts=split(both, [log.root, log.root])))
        assert found is not None and (found.group, found.first, found.last, found.node) == (0, 0, 63, -1)
    assert reader.root == maker.root


def test_records_ascend_in_their_group() -> None:
    rng = random.Random(6)
    maker, reader = UptimeTree(), UptimeTree()
    records = drawn(rng, 70)
    records[5], records[6] = records[6], records[5]
    found = advance(reader, log_of(maker, records))
    assert found is not None and (found.first, found.group) == (6, 0) and "stands after that of node" in found.why


def split(records: list[Record], roots: list[bytes]) -> tuple[tuple[bytes, bytes], ...]:
    """Parts of the records; a root for each group of them."""
    return tuple((p.data, p.root) for p in split_parts(records, roots))


def test_parts_may_be_cut_anywhere() -> None:
    """Another cut than ours is signed over other bytes, but its records hold all the same."""
    rng = random.Random(9)
    maker, reader = UptimeTree(), UptimeTree()
    records = drawn(rng, 90)
    header = maker.header.reported(count=COUNT)
    first, second, third = (
        [r.index << 16 | r.u << 12 | r.mask for r in part] for part in (records[:10], records[10:74], records[74:])
    )
    applied = maker.apply_groups(header, [first, second, third])
    encoded = [b"".join(r.encode() for r in part) for part in (records[:10], records[10:74], records[74:])]
    parts = (
        (encoded[0], applied.running[0]),
        (encoded[1] + applied.running[1] + encoded[2], applied.running[2]),
        (b"", applied.root),
    )
    assert advance(reader, EpochLog(header.pack(), applied.root, parts)) is None
    assert reader.root == maker.root

"""Records and parts: encoding, the canonical cut, running roots."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepers.protocol.hashing import keccak, word
from keepers.protocol.records import (
    GROUP,
    MAX_POSTED_BYTES,
    Record,
    groups_of,
    parse_part,
    record_count,
    split_parts,
)

records = st.builds(Record, st.integers(0, 2**24 - 1), st.integers(0, 1), st.integers(0, 1), st.integers(0, 0xFFF))


@given(records)
def test_a_record_survives_its_five_bytes(record: Record) -> None:
    assert Record.decode(record.encode()) == record and len(record.encode()) == 5


def test_layout_of_a_record() -> None:
    assert Record(0x010203, 1, 0, 0xABC).encode().hex() == "0102032abc"
    assert Record(1, 0, 1, 0).encode().hex() == "0000011000"


@pytest.mark.parametrize(
    "record", [Record(2**24, 0, 0, 0), Record(0, 2, 0, 0), Record(0, 0, 2, 0), Record(0, 0, 0, 4096)]
)
def test_what_does_not_fit_is_refused(record: Record) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        record.encode()


@pytest.mark.parametrize("data", ["0000004000", "0000008000"])
def test_spare_bits_are_refused(data: str) -> None:
    with pytest.raises(ValueError, match="spare"):
        Record.decode(bytes.fromhex(data))


@pytest.mark.parametrize("n", [0, 1, 63, 64, 65, 128, 129, 1_472, 1_473, 11_520, 12_992, 12_993, 24_000])
def test_parts_hold_every_record_and_every_running_root(n: int) -> None:
    some = [Record(i, i & 1, i >> 1 & 1, i % 4096) for i in range(n)]
    roots = [keccak(word(g)) for g in range(len(groups_of(some)))]
    parts = split_parts(some, roots, keccak(b"kept"))
    assert [len(p.data) <= MAX_POSTED_BYTES for p in parts[:-1]] == [True] * (len(parts) - 1)
    assert len(parts[-1].data) <= 8_192  # IAttestationHub.report
    assert sum(record_count(len(p.data)) for p in parts) == n
    assert parts[-1].root == (roots[-1] if n else keccak(b"kept"))
    seen: list[Record] = []
    running: list[bytes] = []
    for part in parts:
        assert part.hash == keccak(part.data)
        groups, inner = parse_part(part.data)
        running += inner
        if groups:
            assert len(inner) == len(groups) - 1
            running.append(part.root)
        for g, group in enumerate(groups):
            assert len(group) == GROUP or (part is parts[-1] and g == len(groups) - 1)
            seen += group
    assert seen == some and running == roots


def test_a_posted_part_fills_the_limit_exactly() -> None:
    some = [Record(i, 0, 0, 1) for i in range(180 * 64 + 23 * 64)]
    parts = split_parts(some, [keccak(word(g)) for g in range(203)])
    assert [len(p.data) for p in parts] == [63_328, 8_064]


def test_counts_must_match() -> None:
    with pytest.raises(ValueError, match="as many roots"):
        split_parts([Record(0, 0, 0, 1)], [])
    with pytest.raises(ValueError, match="root that it keeps"):
        split_parts([], [])


@pytest.mark.parametrize("length", [1, 4, 321, 352, 325, 353, 356, 704])
def test_lengths_that_no_part_has_are_refused(length: int) -> None:
    with pytest.raises(ValueError, match=r"part of|5 bytes"):
        parse_part(bytes(length))


def test_lengths_that_parts_have_are_read() -> None:
    rng = random.Random(1)
    for a in range(4):
        for b in (1, 2, 63, 64):
            data = bytearray()
            for _ in range(a):
                data += bytes(320) + rng.randbytes(32)
            data += bytes(5 * b)
            groups, roots = parse_part(bytes(data))
            assert (len(groups), len(roots), len(groups[-1])) == (a + 1, a, b)

"""A report built from merged slots: header, root, parts, digest."""

import random

import pytest

from keepers.protocol import report
from keepers.protocol.hashing import keccak
from keepers.protocol.merge import Merged
from keepers.protocol.merkle import ZERO
from keepers.protocol.messages import Domain
from keepers.protocol.records import Record, parse_part
from keepers.protocol.report import Facts
from keepers.protocol.uptime_tree import UptimeTree

DOMAIN = Domain(1, "0x" + "ab" * 20)


def merged(records: list[Record], indet: int = 0, price: int = 7) -> Merged:
    return Merged((), indet, price, tuple(records))


def test_facts_survive_packing() -> None:
    facts = Facts(2**24 - 1, 0xFFF, 2**24 - 1, 2**64 - 1)
    assert Facts.unpack(facts.pack()) == facts
    assert Facts(1, 2, 3, 4).pack() == 4 << 64 | 3 << 40 | 2 << 24 | 1
    with pytest.raises(ValueError, match="price"):
        Facts(0, 0, 0, 2**64).pack()


@pytest.mark.parametrize("changes", [0, 1, 64, 65, 200, 1_600])
def test_everyone_who_reads_the_parts_rebuilds_the_root(changes: int) -> None:
    rng = random.Random(changes)
    tree, reader = UptimeTree(), UptimeTree()
    for epoch in range(1, 4):
        count = 2_000 + epoch * 100
        records = [Record(i, 0, 1, rng.getrandbits(12)) for i in sorted(rng.sample(range(count), changes))]
        built = report.build(tree, merged(records), count=count, view=2, challenged=epoch == 2)
        assert built.previous == reader.ring_word
        heard = [r for p in built.parts for group in parse_part(p.data)[0] for r in group]
        assert heard == records
        reader.apply_report(built.header, heard)
        assert (reader.root, reader.header, reader.ring_word) == (built.root, tree.header, tree.ring_word)
        assert built.parts[-1].root == built.root
        assert built.header.challenged_epochs == int(epoch >= 2)
        assert built.part_words == [w for p in built.parts[:-1] for w in (p.hash, p.root)]


def test_a_report_without_records_keeps_the_root_at_the_new_depth() -> None:
    tree = UptimeTree()
    built = report.build(tree, merged([]), count=5, view=0, challenged=False)
    assert built.root == ZERO[3] and built.data == b"" and built.posted == ()
    assert built.records == keccak(keccak(b"") + ZERO[3])


def test_the_digest_depends_on_every_input() -> None:
    digests = set()
    for view, price, indet, records, generation in [
        (0, 7, 0, [], 1),
        (1, 7, 0, [], 1),
        (0, 8, 0, [], 1),
        (0, 7, 1, [], 1),
        (0, 7, 0, [Record(0, 0, 0, 1)], 1),
        (0, 7, 0, [], 2),
    ]:
        built = report.build(UptimeTree(), merged(records, indet, price), count=1, view=view, challenged=False)
        digests.add(built.digest(generation, DOMAIN))
    assert len(digests) == 6


def test_the_first_ring_word_is_that_of_the_contract() -> None:
    assert UptimeTree().ring_word == keccak(keccak(bytes(64)) + bytes(32))


def test_void_reports_cover_at_most_24_epochs() -> None:
    tree = UptimeTree()
    message = report.void_report(tree, 24, 0, 1)
    assert (message.first, message.last, message.previous) == (1, 24, tree.ring_word)
    for hi in (0, 25):
        with pytest.raises(ValueError, match="from 1 through at most 24"):
            report.void_report(tree, hi, 0, 1)


def test_a_seed_counts_in_the_first_third_only() -> None:
    assert report.is_challenged(1_000 + 1_200, 1_000, 3_600)
    assert not report.is_challenged(1_000 + 1_201, 1_000, 3_600)
    assert not report.is_challenged(0, 1_000, 3_600)


def test_views_and_signatures() -> None:
    assert report.view_number(2, 3) == 2 << 16 | 3
    who, sigs = report.pack_signatures({5: b"b" * 64, 0: b"a" * 64})
    assert who == 0b100001 and sigs == b"a" * 64 + b"b" * 64
    with pytest.raises(ValueError, match="not 64"):
        report.pack_signatures({0: b"a" * 65})

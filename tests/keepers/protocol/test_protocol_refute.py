"""Refutations: found for whatever is wrong with a report's records, never for an honest one.

The reference model's refuter judges them here; the contract judges such proofs in tests/contracts and tests/model.
"""

from __future__ import annotations

import os
import random
from dataclasses import replace

import pytest

from keepers.protocol.counters import Header
from keepers.protocol.merge import Merged
from keepers.protocol.messages import Domain
from keepers.protocol.rebuild import EpochLog
from keepers.protocol.records import FULL_MASK, GROUP_BYTES, Record
from keepers.protocol.refute import Refutation, find, refutation
from keepers.protocol.report import build
from keepers.protocol.uptime_tree import UptimeTree
from keepers.simulate.refuter import SignedReport, _last_group, _well_formed, judge
from keepers.simulate.state import Revert

DOMAIN = Domain(31_337, "0x" + "42" * 20)
GARBAGE = b"\x66" * 32
# A campaign of a night: HEARTH_REFUTE_RECORDS=20000 and HEARTH_REFUTE_ATTEMPTS=100000.
RECORDS = int(os.environ.get("HEARTH_REFUTE_RECORDS", "200"))
ATTEMPTS = int(os.environ.get("HEARTH_REFUTE_ATTEMPTS", "300"))


def network(count: int, seed: int = 1) -> UptimeTree:
    """A tree of so many nodes after three epochs, some of them down or dark."""
    rng, tree = random.Random(seed), UptimeTree()
    for epoch in range(1, 4):
        down = sorted(rng.sample(range(count), count // 5))
        records = tuple(Record(i, 0, 1, FULL_MASK) for i in down if tree.leaf(i).prediction != (FULL_MASK, 1))
        build(tree, Merged((), 0, 1, records), count=count, view=0, challenged=epoch > 1)
    return tree


def signed(tree: UptimeTree, n: int, seed: int = 2) -> tuple[EpochLog, int]:
    """The true report of n records on top of the tree, which stays: (log, facts)."""
    rng = random.Random(seed)
    chosen = sorted(rng.sample(range(tree.header.count), n))
    records = tuple(Record(i, rng.getrandbits(1), 0, rng.getrandbits(11)) for i in chosen)
    built = build(
        UptimeTree.at(tree.snapshot()), Merged((), 0b101, 1, records), count=tree.header.count, view=0, challenged=True
    )
    return EpochLog(built.header.pack(), built.root, tuple((p.data, p.root) for p in built.parts)), built.facts.pack()


def falls(found: Refutation) -> bool:
    """What the refuter says of the proof."""
    struct, part, group, data, leaves, siblings = found.args
    if not _well_formed(len(data)):
        return True
    return group <= _last_group(len(data)) and judge(SignedReport(*struct), part, group, data, leaves, siblings)


def changed(log: EpochLog, part: int, data: bytes, root: bytes | None = None) -> EpochLog:
    parts = list(log.parts)
    parts[part] = (data, parts[part][1] if root is None else root)
    return replace(log, parts=tuple(parts), root=parts[-1][1])


def positions(n: int) -> list[int]:
    return list(range(n)) if n <= 65 else sorted(random.Random(n).sample(range(n), 25))


def place_of(log: EpochLog, record: int) -> tuple[int, int]:
    """(part, offset) of a record of the report."""
    for part, (data, _) in enumerate(log.parts):
        full = _last_group(len(data))
        held = full * 64 + (len(data) - full * GROUP_BYTES) // 5
        if record < held:
            return part, record // 64 * GROUP_BYTES + record % 64 * 5
        record -= held
    raise AssertionError("no such record")


@pytest.mark.parametrize("n", [1, 64, 65, RECORDS])
@pytest.mark.parametrize("kind", ["wrong", "skipped", "doubled", "invented", "spare", "index"])
def test_whatever_is_wrong_at_any_place_is_refuted(n: int, kind: str) -> None:
    tree = network(max(100, 2 * n))
    log, facts = signed(tree, n)
    assert find(tree, log, facts, 1) is None
    for record in positions(n):
        part, at = place_of(log, record)
        data = log.parts[part][0]
        one = data[at : at + 5]
        value = int.from_bytes(one, "big")
        other = {
            "wrong": data[:at] + (value ^ 1 << 3).to_bytes(5, "big") + data[at + 5 :],
            "skipped": data[:at] + data[at + 5 :],
            "doubled": data[:at] + one + data[at:],
            "invented": data[:at] + ((value >> 16) ^ 1).to_bytes(3, "big") + b"\x00\x07" + data[at + 5 :],
            "spare": data[:at] + (value | 1 << 14).to_bytes(5, "big") + data[at + 5 :],
            "index": data[:at] + (value | 1 << 39).to_bytes(5, "big") + data[at + 5 :],
        }[kind]
        false = changed(log, part, other)
        found = find(tree, false, facts, 1)
        assert found is not None and falls(found), (kind, record)


@pytest.mark.parametrize("n", [0, 1, 64, 65, RECORDS])
def test_a_wrong_root_after_any_part_or_group_is_refuted(n: int) -> None:
    tree = network(max(100, 2 * n))
    log, facts = signed(tree, n)
    for part, (data, _) in enumerate(log.parts):
        for group in range(_last_group(len(data)) + 1):
            if group == _last_group(len(data)):
                false = changed(log, part, data, GARBAGE)
            else:
                at = group * GROUP_BYTES + 320
                false = changed(log, part, data[:at] + GARBAGE + data[at + 32 :])
            found = find(tree, false, facts, 1)
            assert found is not None and (found.part, found.group) == (part, group) and falls(found)


@pytest.mark.parametrize("last", [0, 63, 1 << 23, (1 << 24) - 1])
def test_a_wrong_root_before_a_record_that_is_refused_is_refuted(last: int) -> None:
    """A record of the second group that only its leaf refuses cannot be shown on top of a root that nobody can open:
    the group that ends with that root falls instead."""
    tree = network(300)
    log, facts = signed(tree, 65)
    first = b"".join((i << 16 | 7).to_bytes(5, "big") for i in range(64))
    second = (last << 16 | 7).to_bytes(5, "big")
    found = find(tree, changed(log, 0, first + GARBAGE + second, GARBAGE), facts, 1)
    assert found is not None and found.group == 0 and len(found.leaves) == 64 * 32 and falls(found)


@pytest.mark.parametrize("length", [1, 4, 6, 321, 351, 352, 353, 704])
def test_a_part_of_a_wrong_length_is_refuted(length: int) -> None:
    tree = network(300)
    log, facts = signed(tree, 140)
    false = changed(log, 0, log.parts[0][0][:length])
    found = find(tree, false, facts, 1)
    assert found is not None and (found.leaves, found.siblings) == (b"", b"") and falls(found)


def test_an_honest_report_is_never_refuted() -> None:
    """Any group of it, its proof spoiled at random: the judge refuses it, or says that the group holds."""
    tree = network(300)
    log, facts = signed(tree, 150)
    rng = random.Random(9)
    for _ in range(ATTEMPTS):
        found = refutation(tree, log, facts, 1, 0, rng.randrange(3))
        leaves, siblings = bytearray(found.leaves), bytearray(found.siblings)
        for _ in range(rng.randrange(4)):
            target = rng.choice((leaves, siblings))
            kind = rng.randrange(4)
            at = rng.randrange(len(target) // 32) * 32 if len(target) >= 32 else 0
            if kind == 0 and target:
                target[rng.randrange(len(target))] ^= 1 << rng.randrange(8)
            elif kind == 1:
                target[at : at + 32] = bytes(32)
            elif kind == 2:
                del target[at : at + 32]
            else:
                target[at:at] = rng.randbytes(32)
        group = found.group if rng.random() < 0.8 else rng.randrange(3)
        tried = replace(found, group=group, leaves=bytes(leaves), siblings=bytes(siblings))
        try:
            assert not falls(tried)
        except Revert as error:
            assert error.reason in ("", "refuter: leaves", "refuter: siblings", "refuter: multiproof")


def test_a_header_that_does_not_follow_is_not_the_committees_fault() -> None:
    tree = network(100)
    log, facts = signed(tree, 3)
    header = replace(Header.unpack(log.header), challenged_epochs=77)
    assert find(tree, replace(log, header=header.pack()), facts, 1) is None


def test_the_tree_stays_as_it_is() -> None:
    tree = network(100)
    log, facts = signed(tree, 70)
    before = tree.ring_word
    assert find(tree, changed(log, 0, log.parts[0][0], GARBAGE), facts, 1) is not None
    assert tree.ring_word == before


def test_a_commitment_binds_finder_report_and_proof() -> None:
    tree = network(100)
    log, facts = signed(tree, 3)
    found = refutation(tree, log, facts, 1, 0, 0)
    claims = {
        found.commitment(1, DOMAIN),
        found.commitment(2, DOMAIN),
        replace(found, facts=facts ^ 1).commitment(1, DOMAIN),
        replace(found, leaves=b"").commitment(1, DOMAIN),
        replace(found, siblings=b"").commitment(1, DOMAIN),
        replace(found, part=1).commitment(1, DOMAIN),
        replace(found, group=1).commitment(1, DOMAIN),
        found.commitment(1, Domain(1, DOMAIN.contract)),
    }
    assert len(claims) == 8

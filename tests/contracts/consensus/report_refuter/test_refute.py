"""refute: a false report falls to one transaction, an honest one never."""

from __future__ import annotations

import random
from typing import Any

import boa
import pytest

from tests.contracts.consensus.drafts import events
from tests.support.actors import STRANGER, keccak, words
from tests.support.refutation import GROUP, Report, advance, draft, record
from tests.support.suite import ZERO_ADDRESS, Suite
from tests.support.uptime import ALL, apply_record, pick, root_of

GARBAGE = keccak(b"garbage")


def many(n: int, mask: int = 7) -> list[bytes]:
    return [record(i, mask) for i in range(n)]


def refuse(net: Suite, arguments: list[Any], reason: str) -> None:
    with boa.reverts(reason):
        net.refuter.refute(*arguments)


@pytest.fixture
def wide(net: Suite) -> Suite:
    """200 nodes, some of which were down before."""
    net.registry.set_count(200)
    net.report({3: 0b1010, 65: ALL}, count=200)
    net.report({65: ALL, 70: ALL})
    return net


def test_a_garbage_root_falls(wide: Suite) -> None:
    true = draft(wide, many(10))
    false = true.but(parts=[(true.parts[0][0], GARBAGE)])
    false.send(wide)
    assert wide.hub.last_epoch() == 3
    wide.refuter.refute(*false.arguments(), sender=STRANGER.address)
    (event,) = events(wide.refuter, "Refuted")
    assert (event.epoch, event.cancels, event.generation, event.who) == (3, 0, 1, 0b111)
    assert (event.finder, event.part, event.group) == (ZERO_ADDRESS, 0, 0)
    assert wide.hub.last_epoch() == 2
    assert wide.refuter.fault_of(3, 0) == 1 << 72 | 0b111 << 40 | wide.now
    true.but(view=1 << 16).send(wide)
    assert wide.hub.last_epoch() == 3


def falsify(true: Report, kind: str, rng: random.Random) -> Report:
    """The report with one thing wrong somewhere."""
    (data, root), *_ = true.parts
    n = len(data) // 5 if len(data) <= 320 else GROUP
    at = 5 * rng.randrange(n)
    if kind == "wrong root":
        return true.but(parts=[(data, GARBAGE)])
    if kind == "other mask":
        r = int.from_bytes(data[at : at + 5], "big") ^ 1 << rng.randrange(12)
        return true.but(parts=[(data[:at] + r.to_bytes(5, "big") + data[at + 5 :], root)])
    if kind == "other node":
        r = int.from_bytes(data[at : at + 5], "big") ^ 1 << 39
        return true.but(parts=[(data[:at] + r.to_bytes(5, "big") + data[at + 5 :], root)])
    raise AssertionError(kind)


@pytest.mark.parametrize("n", [1, 64, 65])
@pytest.mark.parametrize("kind", ["wrong root", "other mask", "other node"])
def test_wrong_at_any_place(wide: Suite, n: int, kind: str) -> None:
    true = draft(wide, many(n))
    groups = 1 + (n > GROUP)
    rng = random.Random(n)
    for _ in range(3):
        false = falsify(true, kind, rng)
        with boa.env.anchor():
            false.send(wide)
            opened = kind != "other node"
            found = 0
            for group in range(groups):
                try:
                    with boa.env.anchor():
                        wide.refuter.refute(*false.arguments(0, group, opened))
                        found += 1
                except boa.BoaError:
                    assert opened or group == 1
            assert found == 1, "exactly the wrong group falls"


@pytest.mark.parametrize("n", [1, 64, 65])
def test_a_record_left_out(wide: Suite, n: int) -> None:
    """Signed root of n records, n - 1 of them shown, at each place."""
    true = draft(wide, many(n))
    data = true.parts[0][0]
    for at in sorted({0, n // 2, n - 1}):
        kept = [record(i) for i in range(n) if i != at]
        shown = draft(wide, kept) if kept else draft(wide)
        false = shown.but(parts=[(shown.parts[0][0], true.root)])
        assert false.parts[0][0] != data
        with boa.env.anchor():
            false.send(wide)
            wide.refuter.refute(*false.arguments())
            assert wide.hub.last_epoch() == 2


@pytest.mark.parametrize("n", [1, 64, 65])
def test_a_record_twice(wide: Suite, n: int) -> None:
    """In the same group it is refused by order, in a later one because the node has its record already."""
    for at in sorted({0, n // 2, n - 1}):
        records = many(n)
        twice = [*records[: at + 1], record(at, 9), *records[at + 1 :]]
        data = b"".join(twice)
        running = draft(wide, records).root
        if len(twice) > GROUP:
            after = draft(wide, records[:GROUP]).root if at >= GROUP - 1 else GARBAGE
            data = data[:320] + after + data[320:]
        false = draft(wide).but(parts=[(data, running)])
        with boa.env.anchor():
            false.send(wide)
            if at + 1 < GROUP:
                wide.refuter.refute(*false.arguments(0, 0, opened=False))
            else:
                wide.refuter.refute(*second_group(wide, false, records[:GROUP]))
            assert wide.hub.last_epoch() == 2


def second_group(net: Suite, false: Report, first: list[bytes]) -> list[Any]:
    """Arguments that open group 1 against the state after the true records of group 0."""
    from tests.support.refutation import advance, multiproof, records_of

    leaves = advance(false.leaves, b"".join(first), false.header_before, false.header)
    indices = [r >> 16 for r in records_of(false.parts[0][0][352:])]
    opened = b"".join(words(leaves.get(i, 0)) for i in indices)
    return [false.struct, 0, 1, false.parts[0][0], opened, multiproof(leaves, false.depth, indices)]


@pytest.mark.attack("T35")
def test_a_node_in_two_groups(wide: Suite) -> None:
    """The end root is what the record gives if it is applied all the same, so that only the second record is wrong."""
    first, again = many(GROUP), [record(9, 5)]
    true = draft(wide, first)
    leaves = advance(true.leaves, b"".join(first), true.header_before, true.header)
    older = leaves[9] & ~(0xFFFFFFFF << 32) | pick(true.header_before, 0) << 32
    leaves[9] = apply_record(older, 5, 0, 0, true.header_before, true.header)
    false = true.but(parts=[(b"".join(first) + true.root + again[0], root_of(leaves, true.depth))])
    false.send(wide)
    refuse(wide, [*false.arguments(0, 0, True)], "refuter: the group holds")
    wide.refuter.refute(*second_group(wide, false, first))
    assert wide.hub.last_epoch() == 2


@pytest.mark.parametrize("index", [200, 255, 2**24 - 1])
def test_a_record_of_no_node(wide: Suite, index: int) -> None:
    false = draft(wide).but(parts=[(record(1) + record(index), GARBAGE)])
    false.send(wide)
    wide.refuter.refute(*false.arguments(opened=False))


@pytest.mark.parametrize("spare", [1, 2, 3])
def test_spare_bits(wide: Suite, spare: int) -> None:
    false = draft(wide).but(parts=[(record(1, spare=spare), GARBAGE)])
    false.send(wide)
    wide.refuter.refute(*false.arguments(opened=False))


def test_records_out_of_order(wide: Suite) -> None:
    true = draft(wide, [record(1), record(2)])
    false = true.but(parts=[(record(2) + record(1), true.root)])
    false.send(wide)
    wide.refuter.refute(*false.arguments(opened=False))


@pytest.mark.parametrize("length", [1, 4, 6, 319, 321, 351, 352, 353, 356, 673, 704])
def test_a_part_of_a_wrong_length(wide: Suite, length: int) -> None:
    false = draft(wide).but(parts=[((record(1) * 200)[:length], GARBAGE)])
    false.send(wide)
    wide.refuter.refute(*false.arguments(opened=False))
    assert wide.hub.last_epoch() == 2


def test_a_posted_part_of_a_wrong_length(wide: Suite) -> None:
    true = draft(wide, many(65), cut=[1])
    (first, running), last = true.parts
    false = true.but(parts=[(first + b"\0", running), last])
    false.send(wide)
    wide.refuter.refute(*false.arguments(0, 0, opened=False))


@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_wrong_root_between_posted_parts(wide: Suite, at: int) -> None:
    true = draft(wide, many(190), cut=[1, 1])
    parts = list(true.parts)
    parts[at] = (parts[at][0], GARBAGE)
    false = true.but(parts=parts)
    false.send(wide)
    for part in range(at):
        refuse(wide, false.arguments(part), "refuter: the group holds")
    wide.refuter.refute(*false.arguments(at))
    assert wide.hub.last_epoch() == 2


def test_an_empty_report_with_another_root(wide: Suite) -> None:
    false = draft(wide)
    false = false.but(parts=[(b"", GARBAGE)])
    false.send(wide)
    wide.refuter.refute(*false.arguments())


def test_an_empty_last_part(wide: Suite) -> None:
    true = draft(wide, many(64), cut=[1])
    assert true.parts[1] == (b"", true.parts[0][1])
    with boa.env.anchor():
        true.send(wide)
        for part in range(2):
            refuse(wide, true.arguments(part), "refuter: the group holds")
    false = true.but(parts=[true.parts[0], (b"", GARBAGE)])
    false.send(wide)
    wide.refuter.refute(*false.arguments(1))


@pytest.mark.parametrize("count", [200, 256, 257, 600, 5_000])
def test_a_network_that_grew(wide: Suite, count: int) -> None:
    """The first group starts from the root before, lifted to the new depth."""
    wide.registry.set_count(count)
    true = draft(wide, [*many(3), record(count - 1)], count=count)
    with boa.env.anchor():
        true.send(wide)
        refuse(wide, true.arguments(), "refuter: the group holds")
    with boa.env.anchor():
        empty = draft(wide, count=count)
        empty.send(wide)
        refuse(wide, empty.arguments(), "refuter: the group holds")
    false = true.but(parts=[(true.parts[0][0], wide.uptime.root)])
    false.send(wide)
    wide.refuter.refute(*false.arguments())


@pytest.mark.parametrize("n", [0, 1, 2, 63, 64, 65, 128, 129])
def test_an_honest_report_stands(wide: Suite, n: int) -> None:
    true = draft(wide, many(n), indet=0b101)
    true.send(wide)
    for group in range(max(1, -(-n // GROUP))):
        refuse(wide, true.arguments(0, group), "refuter: the group holds")


@pytest.mark.attack("A16")
def test_an_invented_leaf_fells_nothing(wide: Suite) -> None:
    """One with last = m would have its record refused, were it not for the proof."""
    true = draft(wide, many(5))
    true.send(wide)
    struct, part, group, data, leaves, siblings = true.arguments()
    m = 3
    invented = leaves[:64] + words(m << 32) + leaves[96:]
    refuse(wide, [struct, part, group, data, invented, siblings], "refuter: multiproof")


# ---- one by one


@pytest.fixture
def false(wide: Suite) -> Report:
    """A false report that stands."""
    true = draft(wide, many(70))
    made = true.but(parts=[(true.parts[0][0], GARBAGE)])
    made.send(wide)
    return made


def test_needs_a_report_that_stands(wide: Suite, false: Report) -> None:
    struct = list(false.struct)
    refuse(wide, [(*struct[:1], struct[1] + 1, *struct[2:]), *false.arguments()[1:]], "hub: no report in the ring")
    refuse(wide, [(*struct[:1], struct[1] ^ 1 << 170, *struct[2:]), *false.arguments()[1:]], "refuter: header")
    refuse(wide, [(*struct[:2], bytes(32), *struct[3:]), *false.arguments()[1:]], "refuter: header")
    wide.refuter.refute(*false.arguments(0, 1))
    refuse(wide, false.arguments(0, 1), "hub: no report in the ring")


@pytest.mark.parametrize("field", [0, 3, 5, 6])
def test_needs_the_report_that_was_signed(wide: Suite, false: Report, field: int) -> None:
    struct = list(false.struct)
    struct[field] = struct[field] ^ 1 if isinstance(struct[field], int) else bytes(32)
    refuse(wide, [tuple(struct), *false.arguments()[1:]], "refuter: other report")


@pytest.mark.attack("A16")
def test_needs_its_parts(wide: Suite, false: Report) -> None:
    struct = list(false.struct)
    for parts in (struct[4][:1], struct[4] + struct[4], [struct[4][0], bytes(32)], []):
        refuse(wide, [(*struct[:4], parts, *struct[5:]), *false.arguments()[1:]], "refuter: other report")
    arguments = false.arguments()
    for part in (1, 33, 2**255, 2**256 - 1):
        refuse(wide, [arguments[0], part, *arguments[2:]], "refuter: no such part")
    refuse(wide, [*arguments[:3], b"other", *arguments[4:]], "refuter: other part")


def test_needs_a_group(wide: Suite, false: Report) -> None:
    arguments = false.arguments(0, 1)
    for group in (2, 180, 2**255):
        refuse(wide, [*arguments[:2], group, *arguments[3:]], "refuter: no such group")
    refuse(wide, false.arguments(0, 0), "refuter: the group holds")


def test_needs_the_leaves(wide: Suite, false: Report) -> None:
    arguments = false.arguments(0, 1)
    for leaves in (b"", arguments[4][:-32], arguments[4] + bytes(32), arguments[4][:-1]):
        refuse(wide, [*arguments[:4], leaves, arguments[5]], "refuter: leaves")
    swapped = arguments[4][32:64] + arguments[4][:32] + arguments[4][64:]
    assert swapped != arguments[4], "node 65 was down, node 64 was not"
    refuse(wide, [*arguments[:4], swapped, arguments[5]], "refuter: multiproof")


def test_needs_the_siblings(wide: Suite, false: Report) -> None:
    *most, siblings = false.arguments(0, 1)
    refuse(wide, [*most, siblings + bytes(32)], "refuter: siblings")
    with boa.reverts():  # beyond the end of the bytes there is nothing to read
        wide.refuter.refute(*most, siblings[:-32])
    refuse(wide, [*most, siblings[:-32] + GARBAGE], "refuter: multiproof")


def test_a_void_epoch_has_no_records(wide: Suite) -> None:
    root, before = wide.uptime.root, wide.uptime.header
    wide.void()
    made = Report(wide.uptime.header, before, root, {}, [(b"", root)], wide.parameters.price)
    refuse(wide, made.arguments(opened=False), "refuter: other report")


@pytest.mark.attack("T41")
def test_only_in_dispute(wide: Suite, false: Report) -> None:
    usable = wide.now + wide.hub.DISPUTE()
    arguments = false.arguments(0, 1)
    wide.at(usable - 1)
    with boa.env.anchor():
        wide.refuter.refute(*arguments)
    wide.at(usable)
    refuse(wide, arguments, "hub: not in dispute")


def test_takes_all_after_it_along(wide: Suite, false: Report) -> None:
    """Reports on top of a false one fall with it; only the signers of the false one are named."""
    later = draft_on(wide, false)
    later.but(seats=(1, 2, 3)).send(wide)
    assert wide.hub.last_epoch() == 4
    wide.refuter.refute(*false.arguments(0, 1))
    assert wide.hub.last_epoch() == 2
    assert wide.refuter.fault_of(3, 0) >> 40 & 0xFFFFFFFF == 0b111
    assert wide.refuter.fault_of(4, 0) == 0
    assert [wide.hub.cancels(e) for e in range(2, 6)] == [0, 1, 1, 0]


def draft_on(net: Suite, base: Report) -> Report:
    """An empty report on top of a false one."""
    from tests.support.uptime import header_word, pick

    e = base.epoch + 1
    net.at(net.parameters.end(e))
    h = base.header
    challenged = net.challenged(e)
    header = header_word(e, pick(h, 32), pick(h, 64) + int(challenged), pick(h, 96), 200, challenged=challenged)
    return Report(header, h, base.root, {}, [(b"", base.root)], net.parameters.price)

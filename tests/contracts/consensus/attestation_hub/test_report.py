"""report: what one signed report changes, and each way it is refused."""

from __future__ import annotations

import boa
import pytest

from tests.contracts.consensus.drafts import Draft, draft, events
from tests.support.actors import RELAYER, STRANGER, keccak, words
from tests.support.constants import M32, PRICE_ONE
from tests.support.suite import Suite, facts_word, records_hash
from tests.support.uptime import ALL, Uptime, lift, pick


def test_stores_the_word_and_logs_what_was_signed(net: Suite) -> None:
    d = draft(net, count=8, indet=0b111)
    up = Uptime()
    data = up.report({3: ALL}, 8, 0b111)
    d = d.but(data=data, root=up.root)
    args = d.signed(net)
    net.hub.report(*args, sender=STRANGER.address)

    (event,) = events(net.hub, "Report")
    assert (event.epoch, event.root, event.header, event.facts) == (1, up.root, up.header, d.facts)
    assert (event.digest, event.who, event.parts, event.data) == (d.digest(net), 0b111, [], data)
    assert net.hub.last_epoch() == 1
    assert net.hub.ring_word(1) == keccak(up.root + words(up.header))
    assert net.hub.counters() == up.header & (2**152 - 1)
    meta = net.hub.meta(1)
    assert meta >> 64 == int.from_bytes(d.digest(net), "big") >> 64
    assert ((meta >> 32) & M32, meta & M32) == (0b111, net.now)


def test_any_quorum_of_seats_will_do(net: Suite) -> None:
    draft(net).send(net, seats=[0, 2, 3])
    assert (net.hub.meta(1) >> 32) & M32 == 0b1101


def test_a_month_of_epochs_follows_the_reference(net: Suite) -> None:
    for e in range(1, 31):
        net.report({1: ALL, 5: e} if e % 7 < 3 else {5: e << 3 & ALL}, indet=1 if e % 5 == 0 else 0)
    header = net.uptime.header
    assert net.hub.counters() == header & (2**152 - 1)
    assert pick(header, 64) == 29, "all but epoch 1 are challenged when reports come in time"
    assert pick(header, 96) == 6


def test_a_late_report_leaves_the_next_epoch_unchallenged(net: Suite) -> None:
    net.report(delay=net.parameters.epoch // 3)
    net.report(delay=net.parameters.epoch // 3 + 1)
    net.report()
    assert pick(net.uptime.header, 64) == 1, "epoch 2 is challenged, epoch 3 is not"


def test_count_grows_with_the_registry(net: Suite) -> None:
    net.report(count=2)
    net.registry.set_count(5)
    net.report(count=5)
    assert pick(net.hub.counters(), 128, 24) == 5


def test_a_deeper_tree_keeps_its_leaves(net: Suite) -> None:
    net.report({1: ALL}, count=2)
    before = net.uptime.root
    net.registry.set_count(300)
    net.report({1: ALL}, count=300)
    assert net.uptime.root == lift(before, 1, 9)


def test_indeterminate_slots_enter_the_header(net: Suite) -> None:
    draft(net, count=8, indet=0b100000000101).send(net)
    assert pick(net.hub.counters(), 96) == 3


def test_posted_parts_bind_in_order(net: Suite) -> None:
    d = draft(net)
    first, second = b"\1" * 352, b"\2" * 70
    net.hub.post(first)
    net.hub.post(second)
    mid = keccak(b"running root")
    d = d.but(parts=[keccak(first), mid, keccak(second), mid], data=b"\3" * 5)
    d.send(net)
    (event,) = events(net.hub, "Report")
    assert event.parts == d.parts
    x = keccak(b"".join(d.parts) + keccak(d.data) + d.root)
    assert x == records_hash(d.parts, d.data, d.root)
    assert net.hub.meta(1) >> 64 == int.from_bytes(d.digest(net), "big") >> 64


def test_sixty_four_words_of_parts(net: Suite) -> None:
    net.hub.post(b"\1")
    d = draft(net).but(parts=[keccak(b"\1"), keccak(b"r")] * 32)
    d.send(net)
    assert net.hub.last_epoch() == 1


def test_data_of_the_full_length(net: Suite) -> None:
    draft(net).but(data=b"\7" * 8192).send(net)
    assert net.hub.last_epoch() == 1


def test_a_table_of_31_seats(bare: Suite) -> None:
    bare.set_committee(n=31)
    draft(bare).send(bare)
    assert (bare.hub.meta(1) >> 32) & M32 == 2**21 - 1


# ---- reverts


def refused(net: Suite, args: list[object], reason: str) -> None:
    before = net.hub.counters()
    with boa.reverts(reason):
        net.hub.report(*args, sender=RELAYER.address)
    assert net.hub.counters() == before


def test_no_signatures_reverts_first_of_all(bare: Suite) -> None:
    """Before a committee stands, before the epoch is over, with nonsense everywhere."""
    refused(bare, [77, b"\1" * 32, b"\2" * 32, 2**255, [], b"", 0, b""], "hub: no signatures")


@pytest.mark.attack("T38")
def test_not_the_next_epoch(net: Suite) -> None:
    d = draft(net)
    net.go(5)
    refused(net, d.but(e=2).signed(net), "hub: not the next epoch")
    refused(net, d.but(e=0).signed(net), "hub: not the next epoch")
    net.report()
    refused(net, d.signed(net), "hub: not the next epoch")


@pytest.mark.attack("T38")
def test_epoch_not_over(net: Suite) -> None:
    d = Draft(1, net.uptime.word, net.uptime.root, facts_word(0, PRICE_ONE))
    net.at(net.parameters.end(1) - 1)
    refused(net, d.signed(net), "hub: epoch not over")
    net.at(net.parameters.end(1))
    d.send(net)
    assert net.hub.last_epoch() == 1


@pytest.mark.attack("T38")
def test_other_lineage(net: Suite) -> None:
    refused(net, draft(net).but(previous=keccak(b"another past")).signed(net), "hub: other lineage")


def test_no_committee(bare: Suite) -> None:
    bare.set_committee(start=3)
    refused(bare, draft(bare).signed(bare), "hub: no committee")


def test_odd_parts(net: Suite) -> None:
    net.hub.post(b"\1")
    refused(net, draft(net).but(parts=[keccak(b"\1")]).signed(net), "hub: parts")


def test_part_not_posted(net: Suite) -> None:
    refused(net, draft(net).but(parts=[keccak(b"\1"), bytes(32)]).signed(net), "hub: part not posted")


def test_count_fell(net: Suite) -> None:
    net.report(count=8)
    d = draft(net)
    refused(net, d.but(facts=d.facts - 1).signed(net), "hub: count fell")


def test_count_beyond_registry(net: Suite) -> None:
    refused(net, draft(net, count=9).signed(net), "hub: count beyond registry")


def test_four_indeterminate_slots(net: Suite) -> None:
    refused(net, draft(net, indet=0b1111).signed(net), "hub: indeterminate")


@pytest.mark.parametrize("bit", [36, 39])
def test_spare_bits(net: Suite, bit: int) -> None:
    d = draft(net)
    refused(net, d.but(facts=d.facts | 1 << bit).signed(net), "hub: spare bits")


@pytest.mark.parametrize("bit", [128, 255])
def test_facts_beyond_the_price(net: Suite, bit: int) -> None:
    d = draft(net)
    refused(net, d.but(facts=d.facts | 1 << bit).signed(net), "hub: facts")


@pytest.mark.parametrize("seats", [[0, 1], [0, 1, 2, 3]])
def test_not_exactly_a_quorum(net: Suite, seats: list[int]) -> None:
    refused(net, draft(net).signed(net, seats), "quorum: signatures")


def test_too_few_bits(net: Suite) -> None:
    args = draft(net).signed(net)
    args[6] = 0b011
    refused(net, args, "quorum: seats")


def test_not_the_seat(net: Suite) -> None:
    args = draft(net).signed(net)
    args[6] = 0b1011
    refused(net, args, "quorum: not the seat")

"""Forged, doubled and replayed signatures (T06, T07, T08, T38 of the threat list)."""

from __future__ import annotations

import boa
import pytest

from tests.contracts.consensus.conftest import deploy
from tests.contracts.consensus.drafts import draft
from tests.support.actors import RELAYER, STRANGER, Domain, word
from tests.support.constants import CURVE_ORDER
from tests.support.suite import REPORT, Suite, records_hash


def twin(sig: bytes) -> bytes:
    """(r, n - s): the same signature in its other form."""
    return sig[:32] + word(CURVE_ORDER - int.from_bytes(sig[32:64], "big"))


@pytest.mark.attack("T07")
def test_one_seat_does_not_count_twice(net: Suite) -> None:
    args = draft(net).signed(net)
    one = args[7][:64]
    args[7] = one + one + args[7][64:128]
    with boa.reverts("quorum: not the seat"):
        net.hub.report(*args)


@pytest.mark.attack("T06")
def test_the_twin_of_a_signature_is_no_second_one(net: Suite) -> None:
    args = draft(net).signed(net)
    args[7] = args[7][:64] + twin(args[7][:64]) + args[7][128:]
    with boa.reverts("quorum: not the seat"):
        net.hub.report(*args)


@pytest.mark.attack("T06")
def test_the_twin_does_not_stand_for_the_signature(net: Suite) -> None:
    """v is fixed at 27, so of the two forms exactly one counts: no malleable calldata."""
    args = draft(net).signed(net)
    args[7] = twin(args[7][:64]) + args[7][64:]
    with boa.reverts("quorum: not the seat"):
        net.hub.report(*args)


@pytest.mark.parametrize("place", [0, 3, 4, 30])
@pytest.mark.parametrize("junk", [bytes(64), b"\xff" * 64])
@pytest.mark.attack("T07")
def test_a_signer_of_zero_fills_no_seat(net: Suite, place: int, junk: bytes) -> None:
    """Unused entries of the table are zero, and so is what a bad signature recovers to."""
    seats = sorted({0, 1, 2, place} - ({2} if place > 2 else set()))
    args = draft(net).signed(net, [s for s in seats if s < 4 and s != place])
    at = 64 * seats.index(place)
    args[6] = sum(1 << s for s in seats)
    args[7] = args[7][:at] + junk + args[7][at:]
    with boa.reverts("quorum: bad signature"):
        net.hub.report(*args)


@pytest.mark.attack("T07")
def test_a_stranger_in_an_unused_seat(net: Suite) -> None:
    d = draft(net)
    args = d.signed(net, [0, 1])
    args[6] |= 1 << 4
    args[7] += STRANGER.sign_seat(d.digest(net))
    with boa.reverts("quorum: not the seat"):
        net.hub.report(*args)


@pytest.mark.parametrize("bit", [31, 32, 255])
def test_bits_beyond_the_seats(net: Suite, bit: int) -> None:
    args = draft(net).signed(net)
    args[6] |= 1 << bit
    with boa.reverts("quorum: seats"):
        net.hub.report(*args)


def test_more_bits_than_signatures(net: Suite) -> None:
    args = draft(net).signed(net)
    args[6] = 0b1111
    with boa.reverts():
        net.hub.report(*args)
    assert net.hub.last_epoch() == 0


@pytest.mark.attack("T07")
def test_signatures_out_of_order(net: Suite) -> None:
    args = draft(net).signed(net)
    args[7] = args[7][64:128] + args[7][:64] + args[7][128:]
    with boa.reverts("quorum: not the seat"):
        net.hub.report(*args)


@pytest.mark.attack("T08")
def test_replay_to_another_epoch(net: Suite) -> None:
    args = draft(net).signed(net)
    net.report()
    second = draft(net).signed(net)
    with boa.reverts("quorum: not the seat"):
        net.hub.report(*second[:7], args[7])


@pytest.mark.attack("T38")
def test_replay_of_the_same_report(net: Suite) -> None:
    args = draft(net).signed(net)
    net.hub.report(*args)
    net.go(10)
    with boa.reverts("hub: not the next epoch"):
        net.hub.report(*args)


@pytest.mark.attack("T08")
def test_replay_to_another_contract(net: Suite) -> None:
    args = draft(net).signed(net)
    with boa.env.anchor():
        now = net.now
        other = deploy(net.parameters).fresh()
        other.set_committee()
        other.at(now)
        assert other.hub.ring_word(0) == net.hub.ring_word(0)
        with boa.reverts("quorum: not the seat"):
            other.hub.report(*args)


@pytest.mark.attack("T08")
def test_replay_to_another_chain(net: Suite) -> None:
    """The domain follows chain.id, so a fork of the chain takes none of the other's reports."""
    d = draft(net)
    args = d.signed(net)
    with boa.env.evm.patch.anchor():
        boa.env.evm.patch.chain_id = 31_337
        with boa.reverts("quorum: not the seat"):
            net.hub.report(*args)
        there = Domain(31_337, net.hub.address)
        x = records_hash([], b"", d.root)
        who, sigs = net.sign(there.digest(REPORT, 1, d.e, d.previous, d.root, d.facts, x))
        net.hub.report(*args[:6], who, sigs)
        assert net.hub.last_epoch() == 1


def test_a_signature_of_another_generation(net: Suite) -> None:
    d = draft(net)
    who, sigs = net.sign(d.but(generation=2).digest(net))
    with boa.reverts("quorum: not the seat"):
        net.hub.report(*d.signed(net)[:6], who, sigs)


@pytest.mark.parametrize("field", ["root", "facts", "data", "view"])
@pytest.mark.attack("T08")
def test_nothing_signed_can_be_changed(net: Suite, field: str) -> None:
    d = draft(net)
    _, _, _, _, _, _, who, sigs = d.signed(net)
    forged = {
        "root": d.but(root=b"\1" * 32),
        "facts": d.but(facts=d.facts + (1 << 64)),
        "data": d.but(data=b"\0"),
        "view": d.but(facts=d.facts | 1 << 40),
    }[field]
    with boa.reverts("quorum: not the seat"):
        net.hub.report(*forged.signed(net)[:6], who, sigs)


@pytest.mark.attack("T08")
def test_a_void_signature_is_no_report(net: Suite) -> None:
    d = draft(net)
    who, sigs = net.sign(net.void_digest(1, 1, 1, d.previous, 0))
    with boa.reverts("quorum: not the seat"):
        net.hub.report(*d.signed(net)[:6], who, sigs)


def test_whoever_carries_it_the_outcome_is_the_same(net: Suite) -> None:
    args = draft(net).signed(net)
    outcomes = []
    for carrier in (RELAYER, STRANGER):
        with boa.env.anchor():
            net.hub.report(*args, sender=carrier.address)
            outcomes.append((net.hub.ring_word(1), net.hub.meta(1), net.hub.price(), net.hub.seed(2)))
    assert outcomes[0] == outcomes[1]

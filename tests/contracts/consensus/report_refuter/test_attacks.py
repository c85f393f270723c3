"""Attacks of verification on roots, proofs, check-ins and quorum, each beside the same call without the attack."""

from __future__ import annotations

import boa
import pytest

from tests.support.actors import STRANGER, keccak, words
from tests.support.constants import CURVE_ORDER
from tests.support.refutation import Report, draft, multiproof, record
from tests.support.suite import Suite
from tests.support.uptime import ALL, leaf_hash, zero

GARBAGE = keccak(b"garbage")


@pytest.fixture
def wide(net: Suite) -> Suite:
    net.registry.set_count(16)
    net.report({3: ALL}, count=16)
    return net


def garbage(net: Suite) -> Report:
    true = draft(net, [record(1), record(2)])
    return true.but(parts=[(true.parts[0][0], GARBAGE)])


@pytest.mark.attack("T34")
def test_t34_an_inner_node_is_no_leaf(wide: Suite) -> None:
    """C50: an inner node in the place of a leaf, a proof of another length."""
    true = draft(wide, [record(2), record(3)])
    true.send(wide)
    struct, part, group, data, leaves, siblings = true.arguments()
    inner = keccak(zero(0) + leaf_hash(3, wide.uptime.leaf(3)))
    for forged in (inner + inner, bytes(32) + inner):
        with boa.reverts("refuter: multiproof"):
            wide.refuter.refute(struct, part, group, data, forged, siblings)
    with boa.reverts():
        wide.refuter.refute(struct, part, group, data, leaves, siblings[32:])
    with boa.reverts("refuter: siblings"):
        wide.refuter.refute(struct, part, group, data, leaves, siblings + siblings)
    with boa.reverts("refuter: the group holds"):
        wide.refuter.refute(struct, part, group, data, leaves, siblings)


@pytest.mark.attack("T35")
def test_t35_records_in_another_order(wide: Suite) -> None:
    """One tree has one order: a shuffled report, with the right root, falls."""
    true = draft(wide, [record(1), record(2), record(5)])
    shuffled = true.but(parts=[(record(5) + record(1) + record(2), true.root)])
    with boa.env.anchor():
        true.send(wide)
        with boa.reverts("refuter: the group holds"):
            wide.refuter.refute(*true.arguments())
    shuffled.send(wide)
    wide.refuter.refute(*shuffled.arguments(opened=False))


@pytest.mark.attack("T36")
def test_t36_an_account_that_goes_back(wide: Suite) -> None:
    """C52: a root over a leaf with less downtime than before, which no record gives."""
    leaves = dict(wide.uptime.leaves)
    leaves[3] = 0
    forged = draft(wide)
    root = b"".join(multiproof(leaves, forged.depth, [1])[-32:] for _ in range(1))
    false = forged.but(parts=[(b"", root)])
    false.send(wide)
    wide.refuter.refute(*false.arguments())
    assert wide.hub.last_epoch() == 1


@pytest.mark.attack("T37")
def test_t37_a_quorum_over_an_absurd_root_falls_to_one_stranger(wide: Suite) -> None:
    false = garbage(wide)
    false.send(wide)
    wide.refuter.refute(*false.arguments(), sender=STRANGER.address)
    assert wide.hub.last_epoch() == 1


def test_t38_an_old_report_again(wide: Suite) -> None:
    """A report of another epoch, or one that has fallen, refutes nothing."""
    false = garbage(wide)
    false.send(wide)
    arguments = false.arguments()
    with boa.env.anchor():
        wide.refuter.refute(*arguments)
        with boa.reverts("hub: no report in the ring"):
            wide.refuter.refute(*arguments)
        draft(wide, [record(1)], view=1 << 16).send(wide)
        with boa.reverts("refuter: header"):
            wide.refuter.refute(*arguments)
    wide.refuter.refute(*arguments)


@pytest.mark.attack("T39")
def test_t39_no_second_draw_by_refutation(wide: Suite) -> None:
    """C56: who has a report refuted, even an own one, gets no other seed."""
    false = garbage(wide)
    false.send(wide)
    drawn = wide.hub.seed(3)
    wide.refuter.refute(*false.arguments())
    boa.env.evm.patch.prevrandao = b"\x77" * 32
    draft(wide, view=1 << 16).send(wide)
    assert wide.hub.seed(3) == drawn


@pytest.mark.attack("T41")
def test_t41_once_and_until_the_last_second(wide: Suite) -> None:
    """C59."""
    false = garbage(wide)
    false.send(wide)
    arguments = false.arguments()
    wide.at(wide.hub.usable_at(2) - 1)
    wide.refuter.refute(*arguments)
    with boa.reverts("hub: no report in the ring"):
        wide.refuter.refute(*arguments)


def test_t08_a_refutation_of_another_hub(wide: Suite) -> None:
    """C49: the digest binds chain and contract, so a report of one hub convicts nobody of another."""
    true = draft(wide)
    true.send(wide)
    other = garbage(wide).but(view=0)
    with boa.reverts("refuter: header"):
        wide.refuter.refute(*other.arguments(opened=False))


@pytest.mark.parametrize("attack", ["twin", "twice", "unsorted", "too few", "too many", "none", "zero"])
@pytest.mark.attack("T06", "T07")
def test_t06_t07_signatures_that_are_not_a_quorum(wide: Suite, attack: str) -> None:
    """C46, C47: twins, doubles, disorder, one too few or too many, none at all, zeros."""
    true = draft(wide, [record(1)])
    who, sigs = wide.sign(true.digest(wide))
    one, two, three = (sigs[i : i + 64] for i in (0, 64, 128))
    twin = one[:32] + words(CURVE_ORDER - int.from_bytes(one[32:], "big"))
    given, bits, reason = {
        "twin": (one + twin + two, who, "quorum: not the seat"),
        "twice": (one + one + two, who, "quorum: not the seat"),
        "unsorted": (two + one + three, who, "quorum: not the seat"),
        "too few": (one + two, 0b11, "quorum: signatures"),
        "too many": (sigs + wide.sign(true.digest(wide), [3])[1], 0b1111, "quorum: signatures"),
        "none": (b"", who, "hub: no signatures"),
        "zero": (bytes(192), who, "quorum: bad signature"),
    }[attack]
    e, previous, root, facts = true.epoch, true.previous, true.root, true.facts
    with boa.reverts(reason):
        wide.hub.report(e, previous, root, facts, [], true.parts[0][0], bits, given)
    wide.hub.report(e, previous, root, facts, [], true.parts[0][0], who, sigs)

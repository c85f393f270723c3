"""u and x of a challenged epoch: every clause of protocol.md §7, "The report is a pure function", and §8, "Who"."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keepers.protocol.counters import Leaf
from keepers.protocol.merge import FAILED, PASSED, Merged, Observation, SnapshotNode, merge, owes
from keepers.protocol.nodes import Status
from keepers.protocol.records import DARK, FULL_MASK, Record

ALL_UP = FULL_MASK
SIX_UP, FIVE_UP = 0b0000_0011_1111, 0b0000_0001_1111
OWED = Leaf(u=1, last=3)
CLEAN = Leaf()
ACTIVE = SnapshotNode(1, 1, True, status=Status.ACTIVE, challenged_class=True)
PENDING = replace(ACTIVE, active=False, status=Status.PENDING)
JAILED = replace(PENDING, status=Status.JAILED)
FAULTED = replace(PENDING, status=Status.FAULTED)
OPTED = replace(ACTIVE, opted_in=True)
LIVENESS = SnapshotNode(1, 1, True, status=Status.ACTIVE)
RETIRED = replace(ACTIVE, active=False, retired=True, status=Status.RETIRED)
LATER = replace(PENDING, first=6)


def merged(
    node: SnapshotNode, leaf: Leaf, seen: int, *, free: int = 1, drawn: bool = False, passed: int = 0,
    challenged: bool = True,
) -> Merged:  # fmt: skip
    """Epoch 5 of a committee of 4 (f = 1), three observations, of which `passed` say that the node passed."""
    observations = [Observation(s, [seen | (PASSED if s < passed else FAILED)], 1) for s in range(3)]
    return merge(
        observations, n=4, epoch=5, nodes=[node], leaf_of=lambda i: leaf, weights={}, used_in_period=0,
        challenged=challenged, free={0: free}, drawn=lambda i: drawn,
    )  # fmt: skip


def record(u: int, x: int, seen: int = ALL_UP) -> tuple[Record, ...]:
    return (Record(0, x, u, FULL_MASK & ~seen),)


@pytest.mark.parametrize(
    ("node", "leaf", "free", "drawn", "owed"),
    [
        (ACTIVE, CLEAN, 1, False, False),
        (ACTIVE, CLEAN, 1, True, True),
        (ACTIVE, OWED, 1, False, True),
        (OPTED, CLEAN, 1, False, True),
        (PENDING, CLEAN, 1, False, True),
        (JAILED, CLEAN, 1, False, True),
        (FAULTED, CLEAN, 1, False, True),
        (OPTED, OWED, 0, True, False),
        (PENDING, OWED, 0, True, False),
        (LIVENESS, OWED, 1, True, False),
        (replace(LIVENESS, opted_in=True), OWED, 1, True, False),
        (RETIRED, OWED, 1, True, False),
    ],
)
def test_owes__each_reason__only_with_a_free_gpu_of_a_class_with_rounds(
    node: SnapshotNode, leaf: Leaf, free: int, drawn: bool, owed: bool
) -> None:
    assert owes(node, leaf, free, drawn) is owed


@pytest.mark.attack("A33")
@pytest.mark.parametrize(("passed", "u"), [(0, 1), (1, 1), (2, 0), (3, 0)])
def test_passed__needs_f_plus_one(passed: int, u: int) -> None:
    """A dodged draw is the leaf's u: its prediction holds until two of four seats say passed."""
    found = merged(PENDING, OWED, ALL_UP, passed=passed)
    assert found.records == (() if u else record(0, 0))


def test_drawn__not_passed__is_missed_and_unproven() -> None:
    assert merged(ACTIVE, CLEAN, ALL_UP, drawn=True).records == record(1, 1)


def test_drawn__passed__is_silence() -> None:
    assert merged(ACTIVE, CLEAN, ALL_UP, drawn=True, passed=2).records == ()


def test_not_drawn__nothing_owed__is_silence_without_an_answer() -> None:
    assert merged(ACTIVE, CLEAN, ALL_UP).records == ()


@pytest.mark.attack("A36")
def test_dodged_draw__not_drawn_again__stays_owed_and_is_missed_again() -> None:
    assert merged(ACTIVE, OWED, ALL_UP).records == record(1, 1)


def test_dodged_draw__no_gpu_free_now__keeps_its_u_and_misses_nothing() -> None:
    assert merged(ACTIVE, OWED, ALL_UP, free=0).records == ()


def test_drawn__no_gpu_free__is_no_draw() -> None:
    assert merged(ACTIVE, CLEAN, ALL_UP, free=0, drawn=True).records == ()


@pytest.mark.parametrize("node", [OPTED, JAILED, FAULTED])
def test_no_gpu_free__of_who_must_always_prove__is_unproven_and_not_missed(node: SnapshotNode) -> None:
    assert merged(node, CLEAN, ALL_UP, free=0, passed=3).records == record(1, 0)


@pytest.mark.parametrize(("leaf", "u"), [(CLEAN, 0), (OWED, 1)])
def test_no_gpu_free__of_a_pending_node__keeps_the_prediction(leaf: Leaf, u: int) -> None:
    assert merged(PENDING, leaf, ALL_UP, free=0, passed=3).records == ()
    assert merged(PENDING, leaf, SIX_UP, free=0, passed=3).records == record(u, 0, SIX_UP)


@pytest.mark.parametrize(("seen", "x"), [(ALL_UP, 1), (SIX_UP, 1), (FIVE_UP, 0)])
def test_missed__only_when_up_in_six_slots(seen: int, x: int) -> None:
    assert merged(ACTIVE, CLEAN, seen, drawn=True).records == record(1, x, seen)


@pytest.mark.parametrize("node", [PENDING, JAILED, FAULTED])
def test_missed__only_of_an_active_node(node: SnapshotNode) -> None:
    assert merged(node, CLEAN, ALL_UP).records == record(1, 0)


def test_dark_node__that_owed__is_unproven_and_not_missed() -> None:
    assert merged(ACTIVE, CLEAN, 0, drawn=True).records == record(1, 0, 0)


def test_dark_node__that_somebody_calls_passed__is_unproven_all_the_same() -> None:
    assert merged(ACTIVE, CLEAN, 0, drawn=True, passed=3).records == record(1, 0, 0)


def test_back_from_the_dark__owes_nothing__keeps_the_predicted_u() -> None:
    assert merged(ACTIVE, Leaf(mask=DARK, last=4), ALL_UP).records == record(1, 0)


def test_back_from_the_dark__passed__is_proven() -> None:
    assert merged(ACTIVE, Leaf(mask=FULL_MASK, u=1, last=4), ALL_UP, passed=2).records == record(0, 0)


@pytest.mark.parametrize("leaf", [CLEAN, OWED])
def test_not_challenged__u_keeps_its_prediction_whatever_is_said(leaf: Leaf) -> None:
    assert merged(ACTIVE, leaf, ALL_UP, challenged=False, drawn=True, passed=3).records == ()
    assert merged(ACTIVE, leaf, SIX_UP, challenged=False, drawn=True).records == record(leaf.u, 0, SIX_UP)


@pytest.mark.parametrize("node", [OPTED, JAILED, FAULTED])
def test_not_challenged__no_gpu_free__keeps_the_prediction(node: SnapshotNode) -> None:
    assert merged(node, CLEAN, ALL_UP, challenged=False, free=0).records == ()


def test_not_challenged__wholly_dark__is_unproven() -> None:
    assert merged(ACTIVE, CLEAN, 0, challenged=False).records == record(1, 0, 0)


@pytest.mark.parametrize("challenged", [False, True])
def test_liveness_class__is_proven_by_being_up(challenged: bool) -> None:
    assert merged(LIVENESS, OWED, ALL_UP, challenged=challenged, drawn=True).records == record(0, 0)
    assert merged(LIVENESS, CLEAN, 0, challenged=challenged, drawn=True).records == record(1, 0, 0)


@pytest.mark.parametrize("node", [RETIRED, LATER])
def test_retired_or_later__no_record(node: SnapshotNode) -> None:
    assert merged(node, OWED, SIX_UP, drawn=True).records == ()


def test_challenged__without_what_was_free__is_refused() -> None:
    seen = [Observation(s, [0], 1) for s in range(3)]
    with pytest.raises(ValueError, match="free at its seed"):
        merge(seen, n=4, epoch=5, nodes=[ACTIVE], leaf_of=lambda i: CLEAN, weights={}, used_in_period=0,
              challenged=True)  # fmt: skip

"""What an attester does when, by plain calls: no chain, no clock, no peers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keepers.roles.attester.decide import (
    REPORT,
    VOID,
    AttesterView,
    EpochFacts,
    Exchange,
    Follow,
    Freeze,
    ProposalFacts,
    Propose,
    QuorumFacts,
    Refuse,
    Schedule,
    Submit,
    decide,
)

SCHEDULE = Schedule(freeze=30, bodies=45, cutoff=75, view=60)
END = 1_000_000
ALL = frozenset({0, 1, 2, 3})
FACTS = EpochFacts(
    epoch=8, end=END, base=END, observers=4, observer=0, signers=4, seat=0, own_signed=True, own_logged=True,
    may_observe=True, held=ALL, held_at_cutoff=ALL,
)  # fmt: skip


def view(at: float, facts: EpochFacts = FACTS, *more: EpochFacts, may_sign: bool = True) -> AttesterView:
    return AttesterView(END + at, facts.epoch - 1, 3_600, SCHEDULE, (facts, *more), may_sign)


def steps(at: float, facts: EpochFacts = FACTS, *more: EpochFacts, may_sign: bool = True) -> list[object]:
    return [s for s in decide(view(at, facts, *more, may_sign=may_sign)).steps if not isinstance(s, Exchange)]


def proposal(**changes: object) -> ProposalFacts:
    base = ProposalFacts(view=0, seat=0, kind=REPORT, seats=ALL, bodies_at_hand=True, agrees=True, last=8)
    return replace(base, **changes)  # type: ignore[arg-type]


def test_what_was_open_before_the_seat_was_sure_is_not_signed() -> None:
    """The guard: places that opened at or before it may have been signed by an earlier self."""
    mine = replace(FACTS, own_signed=False, own_logged=False)

    def at(moment: float, facts: EpochFacts, guard: float) -> list[object]:
        found = decide(replace(view(moment, facts), guard=END + guard)).steps
        return [s for s in found if not isinstance(s, Exchange)]

    assert at(40, mine, 29.9) == [Freeze(8)] and at(40, mine, 30) == []
    assert at(40, replace(mine, own_logged=True), 30) == [Freeze(8)], "the digest in the log may be signed again"
    assert at(100, FACTS, 89.9) == [Propose(8, 0, REPORT, 8)] and at(100, FACTS, 90) == []
    follower = replace(FACTS, seat=1, proposals=(proposal(),))
    assert at(100, follower, 89.9) == [Follow(8, 0)] and at(100, follower, 90) == []
    again = replace(FACTS, signed_views=frozenset({0}))
    assert at(100, again, 90) == [Propose(8, 0, REPORT, 8)], "signed, and perhaps never sent"
    assert at(150, replace(FACTS, seat=1), 149) == [Propose(8, 1, REPORT, 8)], "the next view is open to it"


def test_views_open_at_90_150_210() -> None:
    assert SCHEDULE.view_at(89.9) is None
    assert [SCHEDULE.view_at(t) for t in (90, 149.9, 150, 209, 210, 3_600)] == [0, 0, 1, 1, 2, 58]


@pytest.mark.parametrize(("at", "expected"), [(29.9, []), (30, [Freeze(8)]), (80, [Freeze(8)])])
def test_observation_is_frozen_30_s_after_the_end(at: float, expected: list[object]) -> None:
    assert steps(at, replace(FACTS, own_signed=False, seat=1)) == expected


def test_nothing_is_signed_while_skewed_or_listening_or_away() -> None:
    unsigned = replace(FACTS, own_signed=False)
    assert steps(30, unsigned, may_sign=False) == []
    assert steps(90, FACTS, may_sign=False) == []
    assert steps(30, replace(unsigned, may_observe=False)) == []
    assert decide(view(100, replace(FACTS, observer=None, seat=None))).steps == ()


@pytest.mark.parametrize(
    ("at", "bodies", "forward"), [(30, False, True), (44.9, False, True), (45, True, True), (75.1, True, False)]
)
@pytest.mark.attack("A20")
def test_bodies_from_45_s_forwarding_until_the_cutoff(at: float, bodies: bool, forward: bool) -> None:
    exchange = next(s for s in decide(view(at)).steps if isinstance(s, Exchange))
    assert (exchange.bodies, exchange.forward) == (bodies, forward)


def test_leader_of_the_view_proposes_once() -> None:
    assert steps(89) == []
    assert steps(90) == [Propose(8, 0, REPORT, 8)], "(8 + 0) mod 4 is seat 0"
    assert steps(120, replace(FACTS, proposed_views=frozenset({0}))) == []
    assert steps(150) == [], "view 1 is seat 1's"
    assert steps(90 + 4 * 60) == [Propose(8, 4, REPORT, 8)]


def test_leader_waits_for_2f_plus_1_observations() -> None:
    assert steps(90, replace(FACTS, held=frozenset({0, 1}))) == []
    assert steps(90, replace(FACTS, held=frozenset({0, 1, 3}))) == [Propose(8, 0, REPORT, 8)]


def test_follower_signs_a_complete_proposal() -> None:
    follower = replace(FACTS, seat=2, observer=2, proposals=(proposal(),))
    assert steps(95, follower) == [Follow(8, 0)]
    assert steps(95, replace(follower, signed_views=frozenset({0}))) == [], "one digest a view"
    assert steps(151, follower) == [], "the view is over"


@pytest.mark.parametrize(
    ("changes", "word", "missing"),
    [
        ({"seat": 1}, "leader", set()),
        ({"seats": frozenset({0, 1})}, "too few", set()),
        ({"seats": frozenset({0, 1, 2})}, "missing", {3}),
        ({"bodies_at_hand": False}, "body", set()),
        ({"agrees": False}, "digest", set()),
    ],
)
@pytest.mark.attack("A06")
def test_follower_refuses(changes: dict[str, object], word: str, missing: set[int]) -> None:
    (step,) = steps(95, replace(FACTS, seat=2, observer=2, proposals=(proposal(**changes),)))
    assert isinstance(step, Refuse) and word in step.reason and step.missing == missing


def test_an_observation_that_came_after_the_cutoff_may_be_missing() -> None:
    late = replace(
        FACTS, seat=2, held_at_cutoff=frozenset({0, 1, 2}), proposals=(proposal(seats=frozenset({0, 1, 2})),)
    )
    assert steps(95, late) == [Follow(8, 0)]


def quorum(signers: int = 3, submitted: bool = False, at_view: int = 0) -> QuorumFacts:
    return QuorumFacts(at_view, b"d" * 32, REPORT, signers, submitted)


def test_leader_submits_at_once_others_stand_by_in_turn() -> None:
    ready = replace(FACTS, quorums=(quorum(),))
    assert steps(91, ready) == [Submit(8, 0, b"d" * 32, REPORT)]
    turns = []
    for seat in (1, 2, 3):
        mine = replace(ready, seat=seat)
        turns.append(next(t for t in range(90, 200) if steps(t, mine)))
    assert turns == sorted(turns) and len(set(turns)) == 3 and turns[0] == 120, "from half of the view on"
    assert steps(91, replace(ready, quorums=(quorum(submitted=True),))) == []
    assert steps(91, replace(FACTS, quorums=(quorum(signers=2),))) == [Propose(8, 0, REPORT, 8)]


def test_a_quorum_of_an_earlier_view_ends_the_views() -> None:
    ready = replace(FACTS, seat=1, observer=1, quorums=(quorum(),), proposals=(proposal(view=1, seat=1),))
    assert steps(160, ready) == [Submit(8, 0, b"d" * 32, REPORT)]


def test_views_count_from_the_report_before() -> None:
    """T = max(end, time of the report before): a late predecessor moves the views, not the freeze."""
    late = replace(FACTS, base=END + 500)
    assert steps(550, late) == []
    assert steps(590, late) == [Propose(8, 0, REPORT, 8)]
    assert steps(30, replace(late, own_signed=False)) == [Freeze(8)]


@pytest.mark.attack("C54")
def test_void_needs_an_epoch_of_silence() -> None:
    few = replace(FACTS, held=frozenset({0}), held_at_cutoff=frozenset({0}))
    nine = replace(few, epoch=9, end=END + 3_600, base=END + 3_600)
    assert steps(90, few, nine) == []
    # view 60 opens at 3,690 s: (8 + 60) mod 4 is seat 0
    assert steps(3_690, few, nine) == [Propose(8, 60, VOID, 8)]
    assert steps(7_290, few, nine) == [Propose(8, 120, VOID, 9)], "one report voids the whole run"


@pytest.mark.attack("A08")
def test_follower_refuses_to_void_what_was_observed() -> None:
    void = proposal(kind=VOID, seats=frozenset(), last=8, view=60)
    few = replace(FACTS, seat=2, observer=2, held=frozenset({2}), held_at_cutoff=frozenset({2}), proposals=(void,))
    assert steps(3_691, few) == [Follow(8, 60)]
    (step,) = steps(3_691, replace(few, held=frozenset({1, 2, 3})))
    assert isinstance(step, Refuse) and "observations" in step.reason
    (step,) = steps(3_691, replace(few, proposals=(replace(void, last=9),)))
    assert isinstance(step, Refuse)


def test_only_the_next_epoch_is_reported() -> None:
    nine = replace(FACTS, epoch=9, end=END + 3_600, base=END + 3_600)
    found = decide(view(4_000, replace(FACTS, quorums=(quorum(submitted=True),)), nine)).steps
    assert not [s for s in found if isinstance(s, Propose | Follow | Submit)]
    assert {s.epoch for s in found if isinstance(s, Exchange)} == {8, 9}

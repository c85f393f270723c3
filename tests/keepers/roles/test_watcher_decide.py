"""What a watcher does about what it finds: a pure function, one line of the rules each."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keepers.protocol.errors import find
from keepers.roles.watcher.decide import code_of, decide, pays
from keepers.roles.watcher.facts import (
    ANSWER,
    CHECK_IN,
    EQUIVOCATION,
    FALSE,
    HEADER,
    KINDS,
    LENGTH,
    PUNISH,
    RECORD,
    ROOT,
    SETTLED,
    Finding,
    Policy,
    State,
    WatcherView,
)

NOW, HURRY = 1_000_000, 300
WAD = 10**18
SUBMIT = Policy(submit=True)


def false(kind: str = ROOT, epoch: int = 7, **values: object) -> Finding:
    made = Finding(f"{kind}-{epoch}", kind, epoch, "why", deadline=NOW + 10_000, bounty=60 * WAD, gas=1_200_000)
    return replace(made, **values)  # type: ignore[arg-type]


def view(*findings: Finding, policy: Policy = SUBMIT, now: int = NOW, head: int = NOW) -> WatcherView:
    return WatcherView(now, head, 10**9, 5 * 10**11, HURRY, findings, policy)


def steps(made: WatcherView) -> list[tuple[str, str]]:
    return [(action.step, action.finding.key) for action in decide(made).actions]


def states(made: WatcherView) -> dict[str, State]:
    return {verdict.finding.key: verdict.state for verdict in decide(made).verdicts}


def test_nothing_found__nothing_done() -> None:
    plan = decide(view())
    assert plan.actions == () and plan.verdicts == ()


@pytest.mark.parametrize("kind", FALSE)
def test_false_report__committed_first_then_refuted(kind: str) -> None:
    made = false(kind)
    assert steps(view(made)) == [("commit", made.key)]
    same_second = replace(made, committed=NOW)
    assert steps(view(same_second)) == [], "a proof in the second of the commitment has no finder"
    assert states(view(same_second)) == {made.key: State.COMMITTED}
    assert steps(view(same_second, head=NOW + 1)) == [("prove", made.key)]
    assert steps(view(same_second, now=NOW + 16)) == [("prove", made.key)], "a chain without blocks is not waited for"


def test_without_a_bounty__no_commitment() -> None:
    assert steps(view(false(bounty=0))) == [("prove", "root-7")]


def test_window_about_to_close__proven_at_once() -> None:
    soon = false(deadline=NOW + HURRY)
    assert steps(view(soon)) == [("prove", "root-7")]
    assert steps(view(replace(soon, deadline=NOW + HURRY + 1))) == [("commit", "root-7")]


def test_false_answer__committed_first_even_when_its_window_closes() -> None:
    """The contract takes no refutation from who has not committed, paid or not."""
    for made in (false(ANSWER), false(ANSWER, bounty=0), false(ANSWER, deadline=NOW + 1)):
        assert steps(view(made)) == [("commit", made.key)]
        assert steps(view(replace(made, committed=NOW))) == []
        assert steps(view(replace(made, committed=NOW - 1))) == [("prove", made.key)]
    assert decide(view(false(ANSWER))).verdicts[0].code == "H6707"
    assert decide(view(false(ANSWER, deadline=NOW))).verdicts[0].code == "H6707"


def test_window_over__said_and_alarmed() -> None:
    late = false(deadline=NOW)
    plan = decide(view(late))
    assert plan.actions == ()
    assert [(v.state, v.code) for v in plan.verdicts] == [(State.LATE, "H6704")]


def test_dry__says_everything_and_sends_nothing() -> None:
    made = view(false(), policy=Policy())
    assert steps(made) == [] and states(made) == {"root-7": State.OPEN}


def test_header__is_no_matter_of_records() -> None:
    plan = decide(view(false(HEADER, provable=False)))
    assert plan.actions == ()
    assert [(v.state, v.code) for v in plan.verdicts] == [(State.UNPROVABLE, "H6704")]


def test_unprofitable__left_to_others_where_the_policy_says_so() -> None:
    """1.2 million gas of 1 gwei at $2,500 cost $3; 1 HRTH is $0.50, and the margin is a tenth."""
    thrifty = Policy(submit=True, unpaid=False, native_usd=2_500 * 10**12)
    for bounty, sends in ((6 * WAD, False), (66 * WAD // 10 - 1, False), (66 * WAD // 10, True)):
        made = false(bounty=bounty)
        assert pays(view(policy=thrifty), made) is sends
        assert steps(view(made, policy=thrifty)) == ([("commit", made.key)] if sends else [])
        assert states(view(made, policy=thrifty))[made.key] is (State.OPEN if sends else State.UNPAID)
    unpaid = decide(view(false(bounty=0), policy=thrifty)).verdicts[0]
    assert unpaid.code == "H6705"
    assert steps(view(false(bounty=0), policy=replace(thrifty, unpaid=True))) == [("prove", "root-7")]


def test_check_in__waits_for_the_false_report_above_it() -> None:
    """It would take the false report with it, and nobody would be punished for that."""
    denied, above = false(CHECK_IN, 5, bounty=0), false(ROOT, 7)
    assert states(view(denied, above))[denied.key] is State.WAITING
    assert steps(view(denied, above)) == [("commit", above.key)]
    assert steps(view(denied, replace(above, outcome=State.OURS))) == [("prove", denied.key)]
    assert ("prove", denied.key) in steps(view(replace(denied, deadline=NOW + HURRY), above)), "its window closes first"
    assert steps(view(denied, replace(above, deadline=NOW - 1))) == [("prove", denied.key)], "that one is lost already"
    assert steps(view(replace(denied, epoch=8), above))[0][0] == "commit"


def test_check_ins_of_several_epochs__the_first_takes_the_others_with_it() -> None:
    first, second = false(CHECK_IN, 5, bounty=0), false(CHECK_IN, 6, bounty=0, deadline=NOW + 20_000)
    assert steps(view(second, first)) == [("prove", first.key)]
    assert states(view(second, first))[second.key] is State.WAITING


def test_equivocation__committed_and_never_late() -> None:
    made = Finding("e", EQUIVOCATION, 4, "twice", seat=2, bounty=WAD, gas=190_000)
    assert steps(view(made)) == [("commit", "e")]
    assert steps(view(replace(made, committed=NOW - 1))) == [("prove", "e")]
    assert steps(view(made, now=1 << 40)) == [("commit", "e")]


def test_punish__at_once() -> None:
    assert steps(view(Finding("p", PUNISH, 4, "signed", bounty=WAD, gas=120_000))) == [("prove", "p")]


@pytest.mark.parametrize("state", SETTLED)
def test_on_chain__is_settled_whoever_did_it(state: State) -> None:
    plan = decide(view(false(outcome=state)))
    assert plan.actions == ()
    assert [(v.state, v.code) for v in plan.verdicts] == [(state, "")]


def test_nearest_deadline_first() -> None:
    later, sooner, never = false(ROOT, 9), false(LENGTH, 8, deadline=NOW + 5_000), false(EQUIVOCATION, 1, deadline=0)
    assert [key for _, key in steps(view(never, later, sooner))] == ["length-8", "root-9", "equivocation-1"]


def test_every_alarm__has_a_code_that_a_person_can_look_up() -> None:
    for kind in KINDS:
        for state in State:
            code = code_of(kind, state)
            assert (code == "") is (state in SETTLED)
            assert not code or find(code) is not None
    assert code_of(RECORD, State.OPEN) == "H6701"

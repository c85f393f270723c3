"""What to do about each finding, as a pure function of what is found and how the chain stands.

A finder commits before it proves, or whoever copies the proof takes its place. It does not wait for that where the
window is about to close: that a false report falls matters more than who is paid for it. A false answer is refuted by
nobody who has not committed, so there the commitment comes first in any case.
"""

from __future__ import annotations

from keepers.protocol.units import BPS
from keepers.roles.watcher.facts import (
    ANSWER,
    CHECK_IN,
    EQUIVOCATION,
    FALSE,
    PUNISH,
    Action,
    Finding,
    State,
    Verdict,
    WatcherPlan,
    WatcherView,
)

STALE_HEAD_S = 15  # a chain without a new block: its next one is later than the commitment's all the same
_NEVER = 1 << 62


def decide(view: WatcherView) -> WatcherPlan:
    """Every finding's state; what is sent now, the nearest deadline first."""
    actions: list[Action] = []
    verdicts: list[Verdict] = []
    for finding in sorted(view.findings, key=lambda f: (f.deadline or _NEVER, f.epoch, f.key)):
        state, step = _judge(view, finding)
        verdicts.append(Verdict(finding, state, code_of(finding.kind, state)))
        if step and view.policy.submit:
            actions.append(Action(step, finding))
    return WatcherPlan(tuple(actions), tuple(verdicts))


def _judge(view: WatcherView, finding: Finding) -> tuple[State, str]:
    """(state, what to send: "commit", "prove" or "")."""
    if finding.outcome is not None:
        return finding.outcome, ""
    if is_late(view, finding):
        return State.LATE, ""
    if not finding.provable:
        return State.UNPROVABLE, ""
    if not (view.policy.unpaid or pays(view, finding)):
        return State.UNPAID, ""
    hurried = finding.deadline != 0 and finding.deadline - view.now <= view.hurry
    if finding.kind == CHECK_IN and not hurried and _another_first(view, finding):
        return State.WAITING, ""
    if not takes_commitment(finding) or (hurried and finding.kind != ANSWER):
        return State.OPEN, "prove"
    if finding.committed == 0:
        return State.OPEN, "commit"
    later = view.head > finding.committed or view.now > finding.committed + STALE_HEAD_S
    return State.COMMITTED, "prove" if later else ""


def is_late(view: WatcherView, finding: Finding) -> bool:
    """Whether its window has closed."""
    return finding.deadline != 0 and view.now >= finding.deadline


def takes_commitment(finding: Finding) -> bool:
    """Whether a finder commits first: who is paid for it, and whoever refutes an answer."""
    if finding.kind == ANSWER:
        return True
    return finding.bounty > 0 and (finding.kind in FALSE or finding.kind == EQUIVOCATION)


def pays(view: WatcherView, finding: Finding) -> bool:
    """Whether the bounty covers the gas with a margin; both sides in 1e-30 USD."""
    cost = finding.gas * view.gas_price * view.policy.native_usd
    return finding.bounty * view.token_price * BPS >= cost * (BPS + view.policy.margin_bps)


def _another_first(view: WatcherView, finding: Finding) -> bool:
    """A cancelled epoch takes all later ones with it: a false report among these would go unpunished, and the check-ins
    of later epochs need no proof of their own."""
    others = [f for f in view.findings if f.outcome is None and f.provable and not is_late(view, f)]
    return any(
        (f.kind in FALSE and f.epoch > finding.epoch) or (f.kind == CHECK_IN and f.epoch < finding.epoch)
        for f in others
    )


def code_of(kind: str, state: State) -> str:
    """The code of an alarm: what was found, or that nothing can be done about it."""
    if state in (State.OURS, State.OTHER, State.GONE):
        return ""
    if state is State.UNPAID:
        return "H6705"
    if kind == ANSWER:
        return "H6707"
    if state in (State.LATE, State.UNPROVABLE):
        return "H6704"
    return {CHECK_IN: "H6702", EQUIVOCATION: "H6703", PUNISH: "H6706"}.get(kind, "H6701")


__all__ = ["code_of", "decide", "is_late", "pays", "takes_commitment"]

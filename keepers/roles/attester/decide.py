"""What an attester does now, as a pure function of what it holds. Source: protocol.md §7, End of epoch, steps 1-5.

All times are network seconds. A view v of an epoch is open in [first + v·view, first + (v+1)·view) after T, where
first = cutoff + (bodies - freeze): 75 + 15 = 90 s by default.
"""

from __future__ import annotations

from dataclasses import dataclass

from keepers.protocol.merge import leader, least_observations, quorum

MAX_VIEW = (1 << 16) - 1
STANDBY_SHARE = 2  # those that stand by begin after half of the view
REPORT, VOID = 0, 1


@dataclass(frozen=True)
class Schedule:
    """Allowances after an epoch's end, in seconds."""

    freeze: float
    bodies: float
    cutoff: float
    view: float

    @property
    def first_view(self) -> float:
        """When view 0 opens."""
        return self.cutoff + (self.bodies - self.freeze)

    def view_at(self, since: float) -> int | None:
        """The view that is open `since` seconds after T, None before the first."""
        if since < self.first_view:
            return None
        return min(MAX_VIEW, int((since - self.first_view) // self.view))

    def opens(self, view: int) -> float:
        """Seconds after T at which a view opens."""
        return self.first_view + view * self.view


@dataclass(frozen=True)
class ProposalFacts:
    """A proposal at hand: who leads, its set (as seats), whether all its bodies are here, epochs it voids through."""

    view: int
    seat: int
    kind: int
    seats: frozenset[int]
    bodies_at_hand: bool
    agrees: bool  # our own recomputation gives its digest
    last: int


@dataclass(frozen=True)
class QuorumFacts:
    """Signatures on one digest of one view."""

    view: int
    digest: bytes
    kind: int
    signers: int
    submitted: bool  # our own outbox has it already


@dataclass(frozen=True)
class EpochFacts:
    """An epoch that has ended and has no report. `base` is T. `held`: seats whose observation and body are here;
    `held_at_cutoff`: those of them that were here in time, so that a leader must have them. `observers` seats observe
    it, we as number `observer`; `signers` seats sign its report, we as `seat` (the same table, but for a report that
    is 24 epochs late: then the table in force now signs)."""

    epoch: int
    end: int
    base: float
    observers: int
    observer: int | None
    signers: int
    seat: int | None
    own_signed: bool
    own_logged: bool  # the sign log has its digest: signing that one again is no second signature
    may_observe: bool
    held: frozenset[int]
    held_at_cutoff: frozenset[int]
    proposals: tuple[ProposalFacts, ...] = ()
    signed_views: frozenset[int] = frozenset()
    proposed_views: frozenset[int] = frozenset()
    quorums: tuple[QuorumFacts, ...] = ()


@dataclass(frozen=True)
class AttesterView:
    """Everything that `decide` needs. `epochs` ascending from last + 1; `may_sign` False: skewed, or listening. What
    opened at or before `guard` may have been signed by an earlier self that the sign log does not know of."""

    now: float
    last: int
    epoch_seconds: int
    schedule: Schedule
    epochs: tuple[EpochFacts, ...]
    may_sign: bool = True
    guard: float = 0.0


@dataclass(frozen=True)
class Freeze:
    """Fix and sign the own observation of an epoch."""

    epoch: int


@dataclass(frozen=True)
class Exchange:
    """Bring to every peer what it has not acknowledged; with bodies or without."""

    epoch: int
    bodies: bool
    forward: bool


@dataclass(frozen=True)
class Propose:
    """Lead a view: propose the set of all held observations (kind REPORT), or epochs through `last` as void."""

    epoch: int
    view: int
    kind: int
    last: int


@dataclass(frozen=True)
class Follow:
    """Recompute a proposal and sign it."""

    epoch: int
    view: int


@dataclass(frozen=True)
class Refuse:
    """Do not sign; send the leader what its set lacks."""

    epoch: int
    view: int
    reason: str
    missing: frozenset[int]


@dataclass(frozen=True)
class Submit:
    """Send the report of a digest that has a quorum."""

    epoch: int
    view: int
    digest: bytes
    kind: int


Step = Freeze | Exchange | Propose | Follow | Refuse | Submit


@dataclass(frozen=True)
class AttesterPlan:
    """Steps in order."""

    steps: tuple[Step, ...]


def decide(view: AttesterView) -> AttesterPlan:
    """The steps of this moment. The same view gives the same steps; a step done before does no harm."""
    steps: list[Step] = []
    for facts in view.epochs:
        steps += _observe(view, facts)
    first = next((facts for facts in view.epochs if facts.epoch == view.last + 1), None)
    if first is not None and first.seat is not None:
        steps += _report(view, first)
    return AttesterPlan(tuple(steps))


def _observe(view: AttesterView, facts: EpochFacts) -> list[Step]:
    schedule, since = view.schedule, view.now - facts.end
    if facts.observer is None or since < schedule.freeze:
        return []
    steps: list[Step] = []
    safe = facts.own_logged or facts.end + schedule.freeze > view.guard
    if not facts.own_signed and facts.may_observe and view.may_sign and safe:
        steps.append(Freeze(facts.epoch))
    forward = view.now - facts.base <= schedule.cutoff
    steps.append(Exchange(facts.epoch, since >= schedule.bodies, forward))
    return steps


def _report(view: AttesterView, facts: EpochFacts) -> list[Step]:
    steps: list[Step] = []
    since = view.now - facts.base
    now_view = view.schedule.view_at(since)
    need = quorum(facts.signers)
    ready = sorted((q for q in facts.quorums if q.signers >= need), key=lambda q: q.view)
    if ready:
        chosen = ready[0]
        if not chosen.submitted and since >= submit_after(view.schedule, facts, chosen.view):
            steps.append(Submit(facts.epoch, chosen.view, chosen.digest, chosen.kind))
        return steps
    if now_view is None or not view.may_sign or facts.seat is None:
        return steps
    if now_view not in facts.signed_views and facts.base + view.schedule.opens(now_view) <= view.guard:
        return steps
    if leader(facts.epoch, now_view, facts.signers) == facts.seat:
        if now_view not in facts.proposed_views:
            steps += _lead(view, facts, now_view)
        return steps
    for proposal in facts.proposals:
        if proposal.view == now_view and now_view not in facts.signed_views:
            steps.append(_judge(view, facts, proposal))
    return steps


def submit_after(schedule: Schedule, facts: EpochFacts, view: int) -> float:
    """Seconds after T from which this seat submits: the leader at once, the others one after the other from half of
    the view on, so that one transaction is the rule."""
    rank = ((facts.seat or 0) - leader(facts.epoch, view, facts.signers)) % facts.signers
    if rank == 0:
        return schedule.opens(view)
    return schedule.opens(view) + schedule.view / STANDBY_SHARE * (1 + (rank - 1) / facts.signers)


def void_through(view: AttesterView) -> int:
    """The newest epoch of the run from last + 1 on that may be voided now, 0 if none: fewer than 2f + 1 observations
    with bodies are held, and one epoch has passed since its end (at most 24 epochs a report)."""
    through = 0
    for number, facts in enumerate(view.epochs[:24]):
        if facts.epoch != view.last + 1 + number:
            break
        if len(facts.held) >= least_observations(facts.observers) or view.now < facts.end + view.epoch_seconds:
            break
        through = facts.epoch
    return through


def _lead(view: AttesterView, facts: EpochFacts, now_view: int) -> list[Step]:
    if len(facts.held) >= least_observations(facts.observers):
        return [Propose(facts.epoch, now_view, REPORT, facts.epoch)]
    through = void_through(view)
    return [Propose(facts.epoch, now_view, VOID, through)] if through else []


def _judge(view: AttesterView, facts: EpochFacts, proposal: ProposalFacts) -> Step:
    def refuse(reason: str, missing: frozenset[int] = frozenset()) -> Refuse:
        return Refuse(facts.epoch, proposal.view, reason, missing)

    if proposal.seat != leader(facts.epoch, proposal.view, facts.signers):
        return refuse("not the leader of this view")
    if proposal.kind == VOID:
        if proposal.last > void_through(view):
            return refuse("there are observations of an epoch that it voids", facts.held)
        if not proposal.agrees:
            return refuse("our own recomputation gives another digest")
        return Follow(facts.epoch, proposal.view)
    if len(proposal.seats) < least_observations(facts.observers):
        return refuse("too few observations")
    missing = facts.held_at_cutoff - proposal.seats
    if missing:
        return refuse("an observation is missing that was here at the cut-off", missing)
    if not proposal.bodies_at_hand:
        return refuse("a body is not at hand yet")
    if not proposal.agrees:
        return refuse("our own recomputation gives another digest")
    return Follow(facts.epoch, proposal.view)

"""What the agent concludes about its nodes. Pure: facts in, notes out."""

from __future__ import annotations

from dataclasses import dataclass

from keepers.protocol.merge import faults
from keepers.protocol.nodes import Status


@dataclass(frozen=True)
class NodeFacts:
    """A node at one block. `chain_key` is the key of the present epoch; `hardware` the state of the last telemetry."""

    node: int
    epoch: int
    status: Status
    first: int
    reserved: int
    chain_key: str
    own_key: str
    hardware: str
    known: bool = True
    challenge: str = ""  # why the last challenge was not answered


@dataclass(frozen=True)
class OwedFacts:
    """A node when the seed of an epoch is there. `free`: GPUs that no lease held at the seed; `drawn`: the lot fell on
    it; `unproven`: u of its leaf, None where the reports up to this epoch are not known here; `later`: a seat will
    know in a moment."""

    node: int
    epoch: int
    known: bool
    status: Status
    first: int
    since: int
    own_key: bool
    muted: bool
    challenged: bool
    free: int
    drawn: bool
    unproven: bool | None
    opt_in: bool
    later: bool = False


UNKNOWN = "unknown"  # whether a draw of before is still owed


@dataclass(frozen=True)
class Owed:
    """Whether a node answers the challenge of an epoch, and for which reason."""

    facts: OwedFacts
    answer: bool
    reason: str


def owed(facts: OwedFacts) -> Owed:
    """Whether the node may owe an answer. Where u is not known it answers: an answer that nobody asked for costs
    electricity, one that was owed costs the epoch."""
    if not facts.known:
        return Owed(facts, False, "unregistered")
    if facts.muted:
        return Owed(facts, False, "switched-off")
    if not facts.own_key:
        return Owed(facts, False, "not-its-key")
    if facts.status is Status.RETIRED and facts.since < facts.epoch:
        return Owed(facts, False, "retired")
    if facts.epoch < facts.first:
        return Owed(facts, False, "not-yet")
    if not facts.challenged:
        return Owed(facts, False, "liveness-only")
    if not facts.free:
        return Owed(facts, False, "no-free-gpu")
    if facts.status in (Status.PENDING, Status.JAILED, Status.FAULTED):
        return Owed(facts, True, facts.status.name.lower())
    if facts.drawn:
        return Owed(facts, True, "drawn")
    if facts.opt_in:
        return Owed(facts, True, "opted-in")
    if facts.unproven is None:
        return Owed(facts, not facts.later, UNKNOWN)
    return Owed(facts, True, "unproven") if facts.unproven else Owed(facts, False, "not-drawn")


@dataclass(frozen=True)
class Note:
    """Something to tell the operator: level "info", "warning" or "error", and words that say what to do."""

    node: int
    level: str
    text: str


@dataclass(frozen=True)
class CheckInPolicy:
    """Checking in on chain by itself: wei a node may pay in 24 hours, and the tip (wei a gas)."""

    daily_wei: int
    tip: int


@dataclass(frozen=True)
class SlotFacts:
    """A node whose beat few attesters have, shortly before the end of a slot. Money in wei.

    `heard`: seats that acknowledged its beat, of `seats`. `checked_in`: the chain has it for this slot. `under_way`:
    the check-in of the slot before is sent and not mined. `cost`: the most that one costs; `spent`: in 24 hours.
    """

    node: int
    epoch: int
    slot: int
    heard: int
    seats: int
    own_key: str
    chain_key: str
    status: Status
    first: int
    since: int
    checked_in: bool
    under_way: bool
    balance: int
    cost: int
    spent: int


@dataclass(frozen=True)
class CheckIn:
    """What to do about a slot: `send` or not, for `reason` (a label), and words for the log (empty: nothing to say)."""

    facts: SlotFacts
    send: bool
    reason: str
    text: str = ""


def check_in(facts: SlotFacts, daily_wei: int) -> CheckIn:
    """Whether a node checks in: once a slot, where f attesters or fewer have its beat and its key can pay."""
    needed = faults(facts.seats) + 1
    few = f"slot {facts.epoch}.{facts.slot} was acknowledged by {facts.heard}/{facts.seats} attesters, {needed} count"
    if facts.heard >= needed:
        return CheckIn(facts, False, "heard")
    if facts.checked_in:
        return CheckIn(facts, False, "on-chain")
    if facts.epoch < facts.first or facts.chain_key != facts.own_key:
        return CheckIn(facts, False, "not-its-key")
    if facts.status is Status.RETIRED and facts.since < facts.epoch:
        return CheckIn(facts, False, "retired")
    if facts.under_way:
        return CheckIn(facts, False, "under-way", f"{few}: the check-in before is not mined yet, no other is sent")
    if facts.cost > facts.balance:
        return CheckIn(
            facts,
            False,
            "no-gas",
            f"{few}: no check-in, {facts.own_key} holds {facts.balance / 1e18:.6f} and one costs up to"
            f" {facts.cost / 1e18:.6f} of the native coin",
        )
    if facts.spent + facts.cost > daily_wei:
        return CheckIn(
            facts,
            False,
            "daily-cap",
            f"{few}: no check-in, {facts.spent / 1e18:.6f} were spent in 24 hours and agent.check_in_daily is"
            f" {daily_wei / 1e18:.6f}",
        )
    return CheckIn(facts, True, "sent", f"{few}: checks in on chain")


@dataclass(frozen=True)
class AgentPlan:
    """Rows to store, and what has changed since the last look."""

    facts: tuple[NodeFacts, ...]
    notes: tuple[Note, ...]


def judge(facts: NodeFacts) -> Note:
    """The one note that matters most about a node."""
    node = facts.node
    if not facts.known:
        return Note(node, "error", "not registered: hearth node register, then start again")
    if facts.chain_key != facts.own_key:
        return Note(
            node, "error", f"the registry has key {facts.chain_key}, not {facts.own_key}: its beats do not count"
        )
    if facts.status is Status.RETIRED:
        return Note(node, "warning", "retired: take it out of the settings")
    if facts.hardware == "unknown":
        held = f"; {facts.reserved} GPUs are leased and stay so" if facts.reserved else ""
        return Note(node, "error", f"its hardware cannot be read, so it does not beat{held}")
    if facts.status is Status.FAULTED:
        return Note(node, "error", "faulted by proof: it takes no lease until it is proven clean for a day")
    if facts.status is Status.JAILED:
        return Note(node, "warning", "jailed: keep it up, it is freed after 24 clean epochs")
    if facts.hardware == "degraded" and facts.reserved:
        return Note(node, "error", f"a GPU is degraded and {facts.reserved} GPUs of the node are leased")
    if facts.hardware == "degraded":
        return Note(node, "warning", "a GPU is degraded")
    if facts.challenge:
        return Note(node, "error", facts.challenge)
    if facts.epoch < facts.first:
        return Note(node, "info", f"counts from epoch {facts.first} on")
    if facts.status is Status.PENDING:
        return Note(node, "info", "pending: active once a report of a whole clean epoch is usable")
    return Note(node, "info", f"active, {facts.reserved} GPUs leased")


def decide(facts: tuple[NodeFacts, ...], last_notes: dict[int, str]) -> AgentPlan:
    """Notes that differ from the last ones of the same node."""
    notes = tuple(judge(each) for each in facts)
    return AgentPlan(facts, tuple(note for note in notes if last_notes.get(note.node) != note.text))

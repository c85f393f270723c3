"""What the watcher's rules read (what it has found, as the chain stands) and what they write. No rules are here."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

ROOT, LENGTH, RECORD, HEADER = "root", "length", "record", "header"
CHECK_IN, EQUIVOCATION, PUNISH, ANSWER = "check-in", "equivocation", "punish", "answer"
FALSE = (ROOT, LENGTH, RECORD)  # reports that `refute` fells
KINDS = (*FALSE, HEADER, CHECK_IN, EQUIVOCATION, PUNISH, ANSWER)


class State(StrEnum):
    """How a finding stands, in words."""

    OPEN = "open"  # can be proven, and is not on chain yet
    COMMITTED = "committed"  # the finder's commitment is on chain; the proof follows
    SENT = "sent"  # the chain holds it, and our own transaction may be why: the outbox will tell
    WAITING = "waiting"  # something that is to be shown first
    UNPAID = "unprofitable"  # pays less than its gas, and the settings leave such things to others
    UNPROVABLE = "unprovable"
    LATE = "too late"
    OURS = "proven by us"
    OTHER = "proven by another"
    GONE = "gone"  # it fell with another, or a reorg took it back


UNSETTLED = (State.OPEN, State.COMMITTED, State.SENT, State.WAITING, State.UNPAID, State.UNPROVABLE, State.LATE)
SETTLED = (State.OURS, State.OTHER, State.GONE)


@dataclass(frozen=True)
class Policy:
    """What this watcher does. `submit`: sends proofs; else it looks and alarms. `unpaid`: also those that pay less than
    their gas. `native_usd`: price of a whole native coin in 1e-12 USD, 0 = gas costs nothing. `margin_bps`: a bounty
    must exceed its gas by this."""

    submit: bool = False
    unpaid: bool = True
    native_usd: int = 0
    margin_bps: int = 1_000


@dataclass(frozen=True)
class Finding:
    """Something false. `number`: which report of the epoch, by its cancels; `node` and `seat`: -1 where it names none.
    `deadline`: second from which it can no longer be shown, 0 = none; `bounty` in wei of the token, `gas` of all that
    has to be sent. `committed`: second of our commitment, 0 = none. `outcome`: a settled state, or SENT, once the
    chain holds it or no longer holds what it is about."""

    key: str
    kind: str
    epoch: int
    why: str
    number: int = 0
    node: int = -1
    seat: int = -1
    provable: bool = True
    deadline: int = 0
    bounty: int = 0
    gas: int = 0
    committed: int = 0
    outcome: State | None = None


@dataclass(frozen=True)
class WatcherView:
    """One block's worth of findings. `now` by the clock and `head` by the newest block, seconds; `gas_price` in wei,
    `token_price` in 1e-12 USD; `hurry`: seconds before a deadline in which nothing is waited for any more."""

    now: int
    head: int
    gas_price: int
    token_price: int
    hurry: int
    findings: tuple[Finding, ...]
    policy: Policy


@dataclass(frozen=True)
class Action:
    """Something to send: a finder's commitment ("commit") or the proof itself ("prove")."""

    step: str
    finding: Finding


@dataclass(frozen=True)
class Verdict:
    """How a finding stands, and the code with which that is alarmed ("" where nothing is wrong any more)."""

    finding: Finding
    state: State
    code: str


@dataclass(frozen=True)
class WatcherPlan:
    """What to send, most urgent first, and how everything stands."""

    actions: tuple[Action, ...]
    verdicts: tuple[Verdict, ...]

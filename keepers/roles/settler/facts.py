"""What the settler's rules read (one block's worth of facts) and what they write (a plan). No rules are here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from keepers.protocol.counters import Header, Leaf
from keepers.protocol.epochs import Calendar
from keepers.protocol.leases import Money, Sheet, Terms
from keepers.protocol.nodes import Status

Uptime = Callable[[int, int], "tuple[Header, Leaf] | None"]


@dataclass(frozen=True)
class Policy:
    """What this settler does. `upkeep`: also work that pays nothing. `providers`: whose leases and tallies are its own
    business. `native_usd`: price of a whole native coin in 1e-12 USD, 0 = gas costs nothing (local networks).
    `margin_bps`: a bounty must exceed its gas by this. `jail`: may jail nodes. `redeem`: redeems tallies of others."""

    jail: bool = True
    upkeep: bool = True
    redeem: bool = True
    providers: frozenset[int] = frozenset()
    native_usd: int = 0
    margin_bps: int = 1_000
    max_actions: int = 256


@dataclass(frozen=True)
class Limits:
    """Parameters of the deployment: bounty in bps, CLAIM and ABANDON in seconds."""

    bounty_bps: int
    claim: int
    abandon: int


@dataclass(frozen=True)
class LeaseFacts:
    """A lease that is not finished, with its sheet. `bond`: shares still locked, known of own stopped leases only."""

    id: int
    terms: Terms
    money: Money
    sheet: Sheet
    bond: int = 0


@dataclass(frozen=True)
class NodeFacts:
    """Status of a node, and whether its class is liveness-only (rounds 0)."""

    node: int
    status: Status
    first: int
    clean: int
    since: int
    liveness: bool


@dataclass(frozen=True)
class TallyFacts:
    """A tally that may hold something."""

    key: int
    period: int


@dataclass(frozen=True)
class TicketFacts:
    """An unbonding ticket."""

    provider: int
    owner: str
    ticket: int
    release: int


@dataclass(frozen=True)
class PoolFacts:
    """Stake of a provider in gwei, the stake it needs, and when it was last below."""

    provider: int
    assets: int
    required: int
    last_below: int


@dataclass(frozen=True)
class SettlerView:
    """One block's worth of facts.

    `newest`: newest usable epoch, 0 = none; `usable`: epoch -> time since which it is usable (1 = it has left the ring,
    absent = it is not); `top`: highest epoch reported; `closed`: periods whose price is fixed; `closable`: those that
    no report has closed until ABANDON after their end; `uptime(node, epoch)`: the rebuilt header and leaf; `gas_price`
    in wei.
    """

    now: int
    calendar: Calendar
    newest: int
    top: int
    usable: Mapping[int, int]
    uptime: Uptime
    leases: tuple[LeaseFacts, ...]
    nodes: tuple[NodeFacts, ...]
    tallies: tuple[TallyFacts, ...]
    tickets: tuple[TicketFacts, ...]
    pools: tuple[PoolFacts, ...]
    closed: frozenset[int]
    closable: frozenset[int]
    own: int
    gas_price: int
    policy: Policy
    limits: Limits


@dataclass(frozen=True)
class Action:
    """Something to send. `subject` and `kind` name it; `ids` are leases (several: one batch); `epoch` the epoch of the
    proof, `first` that of a second proof (None = none); `after`: (subject, kind) that must be mined first."""

    kind: str
    subject: str
    ids: tuple[int, ...] = ()
    node: int = 0
    epoch: int = 0
    first: int | None = None
    key: int = 0
    periods: tuple[int, ...] = ()
    provider: int = 0
    owner: str = ""
    ticket: int = 0
    after: tuple[str, str] | None = None
    bounty: int = 0


@dataclass(frozen=True)
class Skipped:
    """Why something that one might expect is not done."""

    kind: str
    subject: str
    reason: str


@dataclass(frozen=True)
class SettlerPlan:
    """Actions in the order in which they should be mined, and what was skipped."""

    actions: tuple[Action, ...]
    skipped: tuple[Skipped, ...]


@dataclass
class Draft:
    """A plan in the making."""

    actions: list[Action] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)

    def skip(self, kind: str, subject: str, reason: str) -> None:
        """Note why something that one might expect is not done."""
        self.skipped.append(Skipped(kind, subject, reason))


def is_mine(view: SettlerView, provider: int) -> bool:
    """Whether work for a provider is this settler's business."""
    return view.policy.upkeep or provider in view.policy.providers

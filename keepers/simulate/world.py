"""The whole protocol as one object: the reference model of the contracts.

A World is the suite as deployed, with its clock set by hand. Every operation is a call by contract and function name:
`world.call("escrow", "stop", lease, 0, sender=renter)`; it either happens whole, or raises Revert with the words of the
contract and changes nothing. Addresses are numbers, hashes and signatures bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from keepers.protocol.epochs import Calendar
from keepers.protocol.units import STAKE_PRICE_PRODUCT, WAD
from keepers.simulate.challenge import Challenge
from keepers.simulate.committee import Committee
from keepers.simulate.engine import Engine
from keepers.simulate.escrow import Escrow
from keepers.simulate.hub import Hub
from keepers.simulate.market import Market
from keepers.simulate.pool import Pool
from keepers.simulate.refuter import Refuter
from keepers.simulate.registry import Registry
from keepers.simulate.standing import NodeStanding
from keepers.simulate.state import Context, Event, Journal, Revert
from keepers.simulate.token import Token

# in order of deployment
CONTRACTS = (
    "token", "pool", "registry", "hub", "standing", "escrow", "market", "engine", "refuter", "committee", "challenge",
)  # fmt: skip


@dataclass(frozen=True)
class Parameters:
    """Constructor arguments of the suite; defaults are those of the default profile.

    Seconds, but for dispute and grace (epochs); shares in bps; supply and fee in wei; price USD a token, 12 decimals.
    """

    genesis: int
    slot: int = 300
    epochs_per_period: int = 24
    supply: int = 10**9 * WAD
    price: int = 5 * 10**11
    bound: int = 1_000
    dispute: int = 24
    grace: int = 24
    hub_abandon: int = 7 * 86_400
    unbonding: int = 14 * 86_400
    registry_fee: int = WAD
    answer_window: int = 7 * 86_400
    cooldown: int = 7 * 86_400
    bounty: int = 100
    claim: int = 3 * 86_400
    escrow_abandon: int = 7 * 86_400
    market_max_age: int = 7_200
    engine_max_age: int = 7_200
    spread: int = 25
    peg: int = 9_500
    cap: int = 9_900
    fee: int = 400
    attesters: int = 3_000
    builders_share: int = 2_000
    seat_bond: int = 10_000 * WAD
    notice: int = 14 * 86_400
    rate: int = 200
    holder: int = 0
    owner: int = 0
    guardian: int = 0
    builders: int = 0

    @property
    def calendar(self) -> Calendar:
        """The calendar of the suite."""
        return Calendar(self.genesis, self.slot, self.epochs_per_period)


@dataclass
class World:
    """All eleven contracts over one journal. `recover(digest, r ‖ s ‖ v)` gives a signer's address, 0 for none."""

    parameters: Parameters
    addresses: dict[str, int]
    recover: Callable[[bytes, bytes], int]
    chain_id: int = 1
    wallets: dict[int, Callable[[bytes, bytes], bool]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        p, at = self.parameters, self.addresses
        calendar = self.calendar = p.calendar
        j = self._journal = Journal()
        c = self.context = Context(p.genesis, 0, self.chain_id, self.recover, self.wallets)
        self.token = Token(j, c, at["token"], at["engine"], p.holder, p.supply)
        stake_price = STAKE_PRICE_PRODUCT // p.price
        self.pool = Pool(j, c, self.token, at, p.owner, stake_price, p.unbonding, calendar.period_seconds)
        self.registry = Registry(
            j, c, calendar, self.token, self.pool, at, p.owner, p.registry_fee, p.answer_window, p.cooldown
        )
        self.hub = Hub(
            j, c, calendar, self.registry, self.pool, at, p.owner, p.guardian,
            p.dispute, p.grace, p.hub_abandon, p.price, p.bound,
        )  # fmt: skip
        self.refuter = Refuter(j, c, calendar, self.hub, at["refuter"])
        self.committee = Committee(
            j, c, calendar, self.hub, self.refuter, self.token, at["committee"], p.owner, p.dispute, p.seat_bond,
            p.notice, p.unbonding,
        )  # fmt: skip
        self.challenge = Challenge(
            j, c, calendar, self.hub, self.registry, self.pool, at["challenge"], p.answer_window, p.rate
        )
        self.standing = NodeStanding(j, c, calendar, self.hub, self.registry, at["standing"])
        self.escrow = Escrow(
            j, c, calendar, self.hub, self.registry, self.pool, at, p.bounty, p.claim, p.escrow_abandon
        )
        self.market = Market(
            j, c, self.hub, self.registry, self.pool, self.escrow, at["market"], p.slot, p.market_max_age
        )
        self.engine = Engine(
            j, c, calendar, self.token, self.hub, self.registry, self.escrow, at["engine"], p.owner,
            p.engine_max_age, p.spread, p.cap, p.bounty, p.peg, p.fee,
            (p.attesters, p.builders_share), p.builders,
        )  # fmt: skip

    @property
    def now(self) -> int:
        """Time of the block, unix seconds."""
        return self.context.now

    @property
    def events(self) -> list[Event]:
        """Everything logged so far."""
        return self._journal.events

    def warp(self, now: int, prevrandao: int = 0) -> None:
        """Begins a block at `now`. Raises ValueError for a time that lies back."""
        if now < self.context.now:
            raise ValueError(f"time goes on: {now} lies before {self.context.now}")
        self.context.now = now
        self.context.prevrandao = prevrandao

    def call(self, contract: str, function: str, *arguments: Any, sender: int | None = None) -> Any:
        """One transaction: the function's return value, or Revert with nothing changed."""
        method = getattr(getattr(self, contract), function)
        with self._journal.transaction():
            return method(*arguments) if sender is None else method(*arguments, sender=sender)

    def mark(self) -> tuple[int, int]:
        """A point to `rewind` to; the clock is the caller's."""
        return self._journal.mark()

    def rewind(self, mark: tuple[int, int]) -> None:
        """Undoes everything since a mark."""
        self._journal.rewind(*mark)


__all__ = ["CONTRACTS", "Event", "Parameters", "Revert", "World"]

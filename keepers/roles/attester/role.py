"""The attester role.

    Attester(signer, [Fixed(500_000_000_000)])                 a seat whose key is `signer`; prices with 12 decimals
    Attester(signer, build_sources(specs, local, http))        the same from settings

`mount(context)` needs `context.senders[signer.address]` to submit reports and `context.attestations`. Its routes are
POST /v1/{heartbeats, observations, proposals, signatures, answers, openings} and GET /v1/epochs/{epoch},
/v1/epochs/{epoch}/seats/{seat}, /v1/epochs/{epoch}/signed, /v1/nodes/{node}, /v1/answers/{epoch}/{false or node},
/v1/classes/{class}. Everything it does is decided by `decide.decide` from what it holds and
what time it is: a timer only wakes it, a lost tick loses nothing. The timers `view-V.I` cover the first views of an
epoch; `poll` covers all of them on a real clock.

    desk     key, books, committees, the followed chain      facts    what is known of an ended epoch
    decide   the rules, pure                                 act      what the rules chose
    signlog  what was signed, once a place                   start    the test of the sign log
    mirror   its copy on another disk
    dues     who may owe an answer                           answers  what nodes answered, and what holds of it
    checker  the secret vectors of answers                   statistics  how fast a class answers
    locks    one process a seat; old copies are known        doppelganger   is the key used elsewhere?
    gauges   metrics                                         reads    GET routes
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

from keepers.chain.keys import Signer
from keepers.chain.ports import BlockRef
from keepers.protocol.errors import HearthError
from keepers.roles.attester import decide as rules
from keepers.roles.attester import doppelganger
from keepers.roles.attester.act import Hand
from keepers.roles.attester.answer_routes import answer_routes
from keepers.roles.attester.decide import AttesterPlan, AttesterView
from keepers.roles.attester.desk import OPEN_EPOCHS, Desk
from keepers.roles.attester.facts import FactBook
from keepers.roles.attester.prices import Fixed, PriceSource
from keepers.roles.attester.reads import read_routes
from keepers.roles.attester.signlog import NEW
from keepers.roles.attester.start import check_sign_log
from keepers.runtime.clock import VirtualClock
from keepers.runtime.role import Context, Role, Route, Skip
from keepers.runtime.ticker import Block, Epoch, Every, Slot, Timer, Trigger, slot_of_ordinal
from keepers.wire.attester_client import AttesterClient
from keepers.wire.codec import BEATS_LIMIT

TIMED_VIEWS = 3  # views with timers of their own
STEPS = 6  # wake-ups a view


class Attester(Role[AttesterView, AttesterPlan]):
    """One seat; see the module's text."""

    name: ClassVar[str] = "attester"

    def __init__(
        self,
        signer: Signer,
        prices: Sequence[PriceSource],
        client: Callable[..., AttesterClient] = AttesterClient,
        mirror: Path | None = None,
    ) -> None:
        """`client(endpoint, http)` reaches another seat: a simulation puts a network of its own there. `mirror`: where
        a second copy of the sign log is kept."""
        super().__init__()
        self._mirror = mirror
        self.key = signer
        self._client = client
        self.prices = tuple(prices)
        self._desk: Desk | None = None
        self._told: str = ""  # what the log last said of the clock

    @property
    def desk(self) -> Desk:
        """The seat's books. Raises RuntimeError before `mount`."""
        if self._desk is None:
            raise RuntimeError("the attester is not mounted")
        return self._desk

    # ------------------------------------------------------------------ set-up

    def signer(self) -> Signer | None:
        return self.key

    def mount(self, context: Context) -> None:
        super().mount(context)
        if not context.deployment.local and any(isinstance(source, Fixed) for source in self.prices):
            raise HearthError(
                "H1501",
                "a fixed price is for local networks",
                why=["the deployment record does not say that this network is local"],
                next=["set http sources under attester.prices"],
            )
        if not self.prices:
            raise HearthError("H1501", "an attester needs a price source", next=["set attester.prices"])
        self._desk = Desk(self.key, context, self.log, self._client, self._mirror)
        self.facts = FactBook(self.desk)
        self.hand = Hand(self.desk, self.facts, lambda: self.prices, self._count)

    def start(self) -> None:
        desk, reader = self.desk, self.context.reader
        head = reader.head()
        # a clock that is behind the chain saw nothing of the time in between, whatever it says when it is set
        desk.started = max(self.context.clock.precise(), head.timestamp)
        desk.committees.refresh(head)
        desk.heads.look()
        check_sign_log(desk, head)
        desk.ingest.restore()
        desk.exchange.restore(desk.own_digests())
        desk.answers.restore()
        seat = desk.seat_now()
        self.log.info(
            "seat %s, sign log at epoch %d, %d price sources, next report: epoch %d",
            "none yet" if seat is None else seat, desk.sign_book.log.watermark(), len(self.prices), desk.last + 1,
        )  # fmt: skip

    def close(self) -> None:
        if self._desk is not None:
            self._desk.close()

    def timers(self) -> Sequence[Timer]:
        schedule, length = self.desk.schedule, self.context.calendar.epoch_seconds
        timers = [
            Timer("epoch", Epoch()),
            Timer("freeze", Epoch(schedule.freeze)),
            Timer("bodies", Epoch(schedule.bodies)),
            Timer("cutoff", Epoch(schedule.cutoff)),
            Timer("slot", Slot(self.context.deployment.allowances.late)),
            Timer("block", Block()),
        ]
        for number in range(TIMED_VIEWS * STEPS):
            offset = schedule.first_view + number * schedule.view / STEPS
            if offset < length:
                timers.append(Timer(f"view-{number // STEPS}.{number % STEPS}", Epoch(offset)))
        if not isinstance(self.context.clock, VirtualClock):
            timers.append(Timer("poll", Every(max(0.25, schedule.view / STEPS))))
        return timers

    def routes(self) -> Sequence[Route]:
        desk = self.desk
        return [
            Route(
                "POST", "/v1/heartbeats", desk.ingest.heartbeats, limit=BEATS_LIMIT, bare=True, batch=desk.ingest.many
            ),
            *desk.exchange.routes(),
            *answer_routes(desk.answers),
            *read_routes(desk.exchange, desk.seen, lambda: desk.last, lambda: desk.tree),
        ]

    # ------------------------------------------------------------------ the cycle

    def observe(self, trigger: Trigger, at: BlockRef) -> AttesterView:
        desk, calendar, now = self.desk, self.context.calendar, self.context.clock.precise()
        desk.heads.look()
        if desk.exchange.impostor or trigger.timer == "cutoff":
            doppelganger.watch(desk, trigger.ordinal - 1)
        current = self.context.epoch()
        if current == 0:
            self._clock_allows()
            raise Skip("the first epoch has not begun")
        if trigger.timer == "slot":
            self._close_slot(trigger.ordinal - 1)
        desk.snapshots.of(current, at)
        desk.follow(at)
        desk.look_at_challenge()
        if desk.last + 1 >= current:
            raise Skip("every ended epoch is reported")
        facts = []
        for epoch in range(desk.last + 1, min(current, desk.last + 1 + OPEN_EPOCHS)):
            snapshot = desk.snapshots.of(epoch, at)
            if snapshot is not None:
                facts.append(self.facts.epoch(epoch, snapshot, now, at))
        if not facts:
            raise Skip("no committee is in force yet")
        desk.gauges.lag(current - 1 - desk.last)
        may_sign = self._clock_allows() and self._has_listened(now)
        guard = desk.sign_book.log.unsure_until
        return AttesterView(now, desk.last, calendar.epoch_seconds, desk.schedule, tuple(facts), may_sign, guard)

    def decide(self, view: AttesterView) -> AttesterPlan:
        return rules.decide(view)

    def act(self, plan: AttesterPlan) -> None:
        self.hand.carry_out(plan)

    # ------------------------------------------------------------------ small parts

    def _clock_allows(self) -> bool:
        """False while the clock is off: counted in every cycle, said once for each time."""
        fault = self.desk.clock_fault()
        if fault is None:
            self._told = ""
            return True
        self._count(fault.code)
        if not self._told:
            self._told = fault.code
            self.log.error("nothing is signed", extra={"code": fault.code, "reason": fault.message})
        return False

    def _has_listened(self, now: float) -> bool:
        """Whether the epoch is over in which a new sign log only listens; then it is no new one any more."""
        desk = self.desk
        if now < desk.listen_until:
            return False
        if desk.sign_book.log.state == NEW:
            desk.sign_book.log.settle()
        return True

    def _close_slot(self, ordinal: int) -> None:
        epoch, slot = slot_of_ordinal(ordinal)
        number = self.desk.seen.close_slot(epoch, slot)
        self.log.debug("slot %d.%d: %d nodes seen", epoch, slot, number)
        self.desk.gauges.slot(number)

    def _count(self, code: str) -> None:
        if self.context.metrics:
            self.context.metrics.error(self.name, code)

"""The settler role.

    Settler(signer)                                            everything that anybody may do, gas for nothing
    Settler(signer, Policy(jail=False))                        a replay's settler
    Settler(signer, Policy(native_usd=2_500 * 10**12))         settles others' leases only where the bounty pays the gas

`mount(context)` needs `context.senders[signer.address]` and `context.attestations` for proofs. Reads the chain at the
final block (money never rests on less), sends through the outbox, which looks at the head once more before it sends.
`delay_s`: work of others waits a random time up to this, so that settlers do not race each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from keepers.chain.attestations import Attestations
from keepers.chain.keys import Signer
from keepers.chain.ports import BlockRef, Sender
from keepers.protocol.counters import Header, Leaf
from keepers.protocol.epochs import RING
from keepers.protocol.errors import HearthError
from keepers.protocol.leases import Terms
from keepers.protocol.price import PeriodWord
from keepers.protocol.units import WAD
from keepers.roles.settler import decide as rules
from keepers.roles.settler.act import Dispatcher
from keepers.roles.settler.decide import Action, Limits, Policy, SettlerPlan, SettlerView
from keepers.roles.settler.observe import Index
from keepers.runtime.role import Context, Role, Skip
from keepers.runtime.ticker import Block, Epoch, Period, Timer, Trigger

RETRY_SLOTS = 1  # a refused row is tried again after a slot
EPOCH_JITTER = 0.25  # of a slot
KEEP_LEAVES = 100_000
KINDS = (
    "stop", "stop_dark", "anchor", "settle", "settle_first", "settle_many", "finish", "free_bond", "activate", "jail",
    "unjail", "close_period", "redeem", "withdraw", "poke",
)  # fmt: skip


class Settler(Role[SettlerView, SettlerPlan]):
    """Upkeep; see the module's text."""

    name: ClassVar[str] = "settler"

    def __init__(
        self, signer: Signer, policy: Policy | None = None, payee: int | None = None, delay_s: float = 0.0
    ) -> None:
        super().__init__()
        self.key = signer
        self.policy = policy or Policy()
        self.payee = int(signer.address, 16) if payee is None else payee
        self._delay_s = delay_s
        self._ready: dict[tuple[str, str], float] = {}
        self._next_due: int | None = None
        self._made: Dispatcher | None = None
        self._newest = -1
        self._owed = True  # a look at the chain that has not been acted upon
        self._closed: set[int] = set()
        self._period = self._seen_period = -1
        self._leaves: dict[tuple[int, int, bytes], Leaf] = {}
        self._due_since: dict[tuple[str, str], int] = {}  # (kind, subject) -> when it was first seen due

    def signer(self) -> Signer | None:
        return self.key

    def mount(self, context: Context) -> None:
        super().mount(context)
        deployment = context.deployment
        parameters = deployment.parameters
        try:
            self.limits = Limits(
                int(parameters["bounty_bps"]), int(parameters["claim_s"]), int(parameters["abandon_s"])
            )
            self._dispute = int(parameters["dispute_epochs"]) * context.calendar.epoch_seconds
        except (KeyError, ValueError) as error:
            raise HearthError(
                "H1004",
                "the deployment record lacks what a settler needs",
                why=[f"parameters: {error}"],
                next=["use a record written by this version's deploy script"],
            ) from error
        self.index = Index(
            self.key.address, context.store, context.reader, context.suite, context.calendar, deployment.first_block
        )
        self._epoch_offset = context.rng.uniform(0, context.calendar.slot * EPOCH_JITTER)

    def start(self) -> None:
        self.index.restore()

    def timers(self) -> Sequence[Timer]:
        return (Timer("block", Block()), Timer("epoch", Epoch(self._epoch_offset)), Timer("period", Period()))

    # ------------------------------------------------------------------ observe

    def observe(self, trigger: Trigger, at: BlockRef) -> SettlerView:
        context, calendar = self.context, self.context.calendar
        attestations = context.attestations
        assert attestations is not None, "a settler needs the process's follower of reports"
        final = context.reader.final()
        now = context.clock.now()
        if now < calendar.genesis:
            raise Skip("the clock is before genesis")
        hub = context.suite.hub
        newest = int(hub.newest_usable(at=at))
        changed = self.index.refresh(final)
        due = self._next_due is None or now >= self._next_due
        fresh = changed or newest != self._newest
        if trigger.timer == "block" and not (fresh or due or self._owed or self._ready):
            raise Skip("nothing new")
        self._owed = True
        with attestations.lock:
            attestations.refresh(at)
            top = attestations.last
        self._newest = newest
        leases = self.index.leases_facts(final, self.policy.providers)
        closed, closable = self._periods(now, at)
        self._period = calendar.period(now)
        return SettlerView(
            now=now,
            calendar=calendar,
            newest=newest,
            top=top,
            usable=self._usable(leases, newest, top, at),
            uptime=self._uptime,
            leases=leases,
            nodes=self.index.nodes_facts(final),
            tallies=self.index.tallies_facts(),
            tickets=self.index.tickets_facts(),
            pools=self.index.pools_facts(at) if self._period != self._seen_period else (),
            closed=closed,
            closable=closable,
            own=self.payee,
            gas_price=at.base_fee,
            policy=self.policy,
            limits=self.limits,
        )

    def _usable(self, leases: Sequence[rules.LeaseFacts], newest: int, top: int, at: BlockRef) -> dict[int, int]:
        """Epochs that are usable; the exact time only where CLAIM runs from it. A run: reports come in order."""
        calendar, hub = self.context.calendar, self.context.suite.hub
        usable = dict.fromkeys(range(max(1, top - RING + 1), newest + 1), 2)
        exact = set()
        for lease in leases:
            if lease.terms.stopped and lease.terms.stop_after:
                last = calendar.epoch(lease.terms.start + lease.terms.stop_after - 1)
                if last <= newest:
                    exact.add(last)
        ordered = sorted(exact)
        times = (
            self.context.reader.read_many([hub.view("usable_at", epoch) for epoch in ordered], at) if ordered else []
        )
        usable.update({epoch: int(moment) for epoch, moment in zip(ordered, times, strict=True)})
        return usable

    def _uptime(self, node: int, epoch: int) -> tuple[Header, Leaf] | None:
        """Header and leaf of a node at an epoch, None where they are not known. Remembered: an old epoch costs a
        rebuilt tree, and what a report said stays so unless a reorg takes it back."""
        attestations = self.context.attestations
        if attestations is None:
            return None
        with attestations.lock:
            try:
                reported = attestations.report(epoch)
                key = (node, epoch, reported.root)
                if key not in self._leaves:
                    if len(self._leaves) >= KEEP_LEAVES:
                        self._leaves.clear()
                    self._leaves[key] = Leaf.unpack(attestations.leaf(node, epoch))
            except HearthError:
                return None
        return reported.header, self._leaves[key]

    def _periods(self, now: int, at: BlockRef) -> tuple[frozenset[int], frozenset[int]]:
        """(closed, closable) periods among those of the known tallies."""
        closable: set[int] = set()
        calendar, hub = self.context.calendar, self.context.suite.hub
        open_ones = {
            period
            for _, period in self.index.tallies
            if period not in self._closed and calendar.period_end(period) <= now
        }
        if open_ones:
            ordered = sorted(open_ones)
            last = int(hub.last_epoch(at=at))
            words = self.context.reader.read_many([hub.view("period_word", period) for period in ordered], at)
            for period, word in zip(ordered, words, strict=True):
                if PeriodWord.unpack(int(word)).closed(last, now, self._dispute):
                    self._closed.add(period)  # closed once is closed for ever
                elif now >= calendar.period_end(period) + self.limits.abandon:
                    closable.add(period)
        return frozenset(self._closed), frozenset(closable)

    # ------------------------------------------------------------------ decide, act

    def decide(self, view: SettlerView) -> SettlerPlan:
        plan = rules.decide(view)
        self._next_due = rules.next_due(view)
        if plan.actions:  # due until a block shows it done: rows may be refused, and some may not fit into one cycle
            again = view.now + RETRY_SLOTS * view.calendar.slot
            self._next_due = again if self._next_due is None else min(again, self._next_due)
        if self.context.dry:
            self._done(plan)
        return plan

    def act(self, plan: SettlerPlan) -> None:
        now = self.context.clock.now()
        for skipped in plan.skipped:
            self.log.debug("skip %s %s: %s", skipped.kind, skipped.subject, skipped.reason)
        if self.context.metrics:
            for skipped in plan.skipped:
                self.context.metrics.skipped(self.name, skipped.reason)
        actions = self._matured(plan.actions, now)
        sender = self.context.senders.get(self.key.address)
        if sender is None:
            self._done(plan)
            return
        attestations = self.context.attestations
        assert attestations is not None
        dispatcher = self._dispatcher(sender, attestations)
        acted = dispatcher.carry_out(SettlerPlan(actions, ()), now)
        for action in acted.enqueued:
            self.log.info("%s %s", action.kind, action.subject)
        for action, error in acted.unproven:
            self.log.warning(
                "%s %s waits", action.kind, action.subject, extra={"code": error.code, "reason": str(error)}
            )
            if self.context.metrics:
                self.context.metrics.error(self.name, error.code)
        self._done(plan)
        self._tidy_tallies(actions)
        self._measure(plan, acted.enqueued, now)

    def _done(self, plan: SettlerPlan) -> None:
        """What was observed has been acted upon: the next block alone is no reason to look again."""
        self._owed = False
        if not any(skipped.kind == "poke" and skipped.reason == rules.ENOUGH for skipped in plan.skipped):
            self._seen_period = self._period

    def _dispatcher(self, sender: Sender, attestations: Attestations) -> Dispatcher:
        if self._made is None:
            context, retry = self.context, RETRY_SLOTS * self.context.calendar.slot
            self._made = Dispatcher(
                self.key.address, context.store, context.suite, sender, attestations, self._node_of, self.payee, retry
            )
        return self._made

    def _node_of(self, lease_id: int) -> int:
        return Terms.unpack(self.index.leases[lease_id][0]).node

    def _matured(self, actions: tuple[Action, ...], now: int) -> tuple[Action, ...]:
        """Actions whose random delay is over. They are decided anew each time, so the chain is read again first."""
        if self._delay_s <= 0:
            return actions
        names = {(action.subject, action.kind) for action in actions}
        self._ready = {name: moment for name, moment in self._ready.items() if name in names}
        for name in names:
            self._ready.setdefault(name, now + self.context.rng.uniform(0, self._delay_s))
        return tuple(action for action in actions if self._ready[action.subject, action.kind] <= now)

    def _tidy_tallies(self, actions: Sequence[Action]) -> None:
        """Forget tallies that a redemption has emptied."""
        wanted = [(action.key, period) for action in actions if action.kind == "redeem" for period in action.periods]
        if not wanted:
            return
        escrow = self.context.suite.escrow
        final = self.context.reader.final()
        words = self.context.reader.read_many([escrow.view("tally", key, period) for key, period in wanted], final)
        empty = [pair for pair, word in zip(wanted, words, strict=True) if int(word) == 0]
        calendar = self.context.calendar
        # an empty tally of a period that has ended stays empty: settlements pay into the period of their block
        self.index.drop_tallies(pair for pair in empty if final.timestamp >= calendar.period_end(pair[1]))

    def _measure(self, plan: SettlerPlan, enqueued: Sequence[Action], now: int) -> None:
        if not self.context.metrics:
            return
        group, network = self.context.metrics.settler, self.context.deployment.network
        due = {(action.kind, action.subject): now for action in plan.actions}
        self._due_since = {name: self._due_since.get(name, moment) for name, moment in due.items()}
        for kind in KINDS:
            since = [moment for (known, _), moment in self._due_since.items() if known == kind]
            group.due.labels(network, kind).set(len(since))
            group.overdue_seconds.labels(network, kind).set(now - min(since, default=now))
        group.bounty_usd.labels(network).inc(sum(action.bounty for action in enqueued) / WAD)
        for skipped in plan.skipped:
            if skipped.reason == "unprofitable":
                group.unprofitable.labels(network, skipped.kind).inc()

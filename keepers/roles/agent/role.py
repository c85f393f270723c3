"""The agent role.

    Agent([NodeKey(node=3, signer=key, sampler=Sampler())])            one process, any number of nodes
    Agent(nodes, wait=lambda seconds: None)                            beats at the start of the slot, no waiting

`mount(context)` finds the attesters in the chain's committee (the record's endpoints fill the gaps). Timers: `beat`
at every slot on a worker of its own; `flush` repeats what was not acknowledged, and beats for the present slot where
that failed or came while this process was down; `epoch` looks at the registry.
`agent.beater.muted` is the set of nodes that are switched off. Sends no transaction and needs no gas, unless it is
given a `CheckInPolicy`: then `check-in`, shortly before a slot ends, checks in on chain those of its nodes whose beat
at most f attesters have acknowledged. The node's own key pays: nobody else can check it in. With a `Prover` it answers
challenges (`answering.py`): `challenge`, on a worker of its own; some it fails on purpose (`canaries.py`), and
`canaries` asks seats half an epoch later what they said of it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import ClassVar

import httpx

from keepers.chain.challenges import Challenges, Drawn, Size
from keepers.chain.keys import Signer
from keepers.chain.ports import BlockRef
from keepers.gpu.prover import Prover
from keepers.gpu.sampler import UNKNOWN
from keepers.protocol.epochs import SLOTS
from keepers.protocol.hashing import keccak
from keepers.protocol.merge import faults
from keepers.protocol.messages import Domain, beat_offset
from keepers.roles.agent import decide as rules
from keepers.roles.agent.act import check_in, remember
from keepers.roles.agent.answering import Answerer
from keepers.roles.agent.canaries import Canaries
from keepers.roles.agent.decide import AgentPlan, CheckIn, CheckInPolicy, NodeFacts, Owed, OwedFacts, SlotFacts
from keepers.roles.agent.heartbeat import Beater, NodeKey, SlotResult
from keepers.roles.agent.leaves import Leaves
from keepers.roles.agent.observe import observe_nodes, observe_owed, observe_slot
from keepers.runtime.clock import VirtualClock
from keepers.runtime.role import Context, Retry, Role, Skip
from keepers.runtime.ticker import Epoch, Every, Slot, Timer, Trigger, slot_of_ordinal
from keepers.wire.attester_client import AttesterClient, make_http
from keepers.wire.committee import Committee, Committees

__all__ = ["Agent", "NodeKey"]
SEND_TIMEOUT_S = 5.0
# of a slot, after which a check-in is decided: a beat was repeated until then, and a fifth is left to be mined
CHECK_IN_SHARE = 0.8
FLUSH_S = 5.0  # between repeats: with a send that hangs, ten seconds at most until a seat that is back is found
CHALLENGE_S = 2.0  # between looks for a seed and at the prover, and between repeats of an answer
PATIENCE_S = 3.0  # a seat may take to follow to the report of a seed; a quarter of a deadline where that is shorter
MAX_SEATS = 31


@dataclass(frozen=True)
class BeatView:
    """Slot to beat for and the committee that observes it."""

    epoch: int
    slot: int
    committee: Committee


@dataclass(frozen=True)
class FlushView:
    """Time and head of a repeat; `missed` is the present slot where nothing is signed for it."""

    now: float
    head: BlockRef
    missed: BeatView | None


@dataclass(frozen=True)
class SlotView:
    """Nodes that few attesters have heard in a slot that is about to end."""

    nodes: tuple[SlotFacts, ...]


@dataclass(frozen=True)
class CheckIns:
    """What is done about them."""

    each: tuple[CheckIn, ...]


@dataclass(frozen=True)
class ChallengeView:
    """Seeds of the present epoch. `fresh`: they are not those that are being answered, so `facts` and `sizes` (class
    and its work by node) say who answers; else what is under way goes on."""

    committee: Committee
    fresh: bool
    drawn: Drawn | None
    facts: tuple[OwedFacts, ...] = ()
    sizes: Mapping[int, tuple[int, Size]] = field(default_factory=dict)


@dataclass(frozen=True)
class Answers:
    """Who answers, and for which reason."""

    view: ChallengeView
    owed: tuple[Owed, ...]


AgentView = BeatView | FlushView | SlotView | ChallengeView | tuple[NodeFacts, ...]
Plan = BeatView | FlushView | CheckIns | Answers | AgentPlan


class Agent(Role[AgentView, Plan]):
    """Heartbeats of the nodes of one process; see the module's text."""

    name: ClassVar[str] = "agent"

    def __init__(
        self,
        nodes: Sequence[NodeKey],
        wait: Callable[[float], object] | None = None,
        check_in: CheckInPolicy | None = None,
        prover: Prover | None = None,
        canary_bps: int = 0,
    ) -> None:
        super().__init__()
        self.canary_bps = canary_bps
        self.canaries: Canaries | None = None
        self.prover = prover
        self.answerer: Answerer | None = None
        self.nodes = tuple(nodes)
        self.check_in = check_in
        self.last: SlotResult | None = None
        self._stopping = threading.Event()
        self._wait = wait
        self._http: httpx.Client | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._clients: dict[tuple[int, str], AttesterClient] = {}
        self._notes: dict[int, str] = {}
        self._answer_pool: ThreadPoolExecutor | None = None
        self._unsure_until = 0.0  # seats are asked again until then, 0 = nothing is open
        self._challenge_seen = b""  # head at which the seeds were last read

    def signers(self) -> Sequence[Signer]:
        return [key.signer for key in self.nodes] if self.check_in is not None else []

    def mount(self, context: Context) -> None:
        super().mount(context)
        deployment = context.deployment
        virtual = isinstance(context.clock, VirtualClock)
        if self._wait is None:
            self._wait = (lambda _: None) if virtual else self._stopping.wait
        self._http = make_http(SEND_TIMEOUT_S, context.transport)
        if not virtual:
            # seats that hang must not delay the beat to the others, however many they are
            self._pool = ThreadPoolExecutor(MAX_SEATS, thread_name_prefix="agent-send")
        bootstrap = {a.address: a.url for a in deployment.attesters}
        self._committees = Committees(context.reader, deployment.first_block, bootstrap)
        domain = Domain(deployment.chain_id, deployment.address("AttestationHub"))
        late = deployment.allowances.late
        self.beater = Beater(self.nodes, context.calendar, domain, context.store, self._seats, late, self._pool)
        if self.prover is not None and "ComputeChallenge" in deployment.contracts:
            if not virtual:
                self._answer_pool = ThreadPoolExecutor(MAX_SEATS, thread_name_prefix="agent-answer")
            self._challenges = Challenges(context.reader, context.suite, context.calendar, deployment.first_block)
            self.canaries = self.beater.announcer = Canaries(
                context, self.canary_bps, Committees(context.reader, deployment.first_block, bootstrap)
            )
            self.answerer = Answerer(
                context, self.nodes, self.prover, self._challenges, self._seats, self._answer_pool, self.canaries
            )

    def start(self) -> None:
        for key in self.nodes:
            first_line = getattr(key.sampler, "first_line", None)
            if first_line is not None:
                self.log.info("node %d %s", key.node, first_line())
        context = self.context
        self._committees.refresh(context.reader.head())
        self.beater.restore(self._committees.of_epoch)

    def drain(self) -> None:
        self._stopping.set()
        if self.answerer is not None:
            self.answerer.stop()

    def close(self) -> None:
        self.drain()
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
        if self._answer_pool is not None:
            self._answer_pool.shutdown(wait=False, cancel_futures=True)
        if self.prover is not None:
            self.prover.close()
        if self._http is not None:
            self._http.close()

    def timers(self) -> Sequence[Timer]:
        slot = self.context.calendar.slot
        every = min(FLUSH_S, max(1.0, slot / 4))
        # each process in a rhythm of its own, or all would come back to a seat in the same second
        every *= 1 - beat_offset(keccak(self.nodes[0].signer.address.encode()), 200) / 1_000
        timers = [
            Timer("beat", Slot(), own_thread=True),
            Timer("flush", Every(every)),
            Timer("epoch", Epoch()),
        ]
        if self.check_in is not None:
            timers.append(Timer("check-in", Slot(CHECK_IN_SHARE * slot)))
        if self.answerer is not None:
            timers.append(Timer("challenge", Every(min(CHALLENGE_S, max(0.5, slot / 20))), own_thread=True))
            timers.append(Timer("canaries", Epoch(self.context.calendar.epoch_seconds / 2), own_thread=True))
        return timers

    def observe(self, trigger: Trigger, at: BlockRef) -> AgentView:
        now = self.context.clock.precise()
        if trigger.timer == "epoch":
            answers = self.answerer is not None
            facts = observe_nodes(
                self.context, self.nodes, self.context.epoch(), at, self.beater.telemetry, answers
            )  # fmt: skip
            notes = self.answerer.notes if self.answerer is not None else {}
            return tuple(replace(each, challenge=notes.get(each.node, each.challenge)) for each in facts)
        if trigger.timer == "challenge":
            return self._challenge(at)
        if trigger.timer == "canaries":
            assert self.canaries is not None
            raise Skip("a seat passed a canary" if self.canaries.collect(at, self._seats) else "no seat is accused")
        if trigger.timer == "flush":
            missed = self._missed(now, at)
            if missed is None and not self.beater.waiting():
                raise Skip("nothing waits")
            self._committees.refresh(at)
            return FlushView(now, at, missed)
        epoch, slot = slot_of_ordinal(trigger.ordinal)
        start = self.context.calendar.slot_start(epoch, slot)
        if epoch == 0:
            raise Skip("nobody observes the epoch before the first")
        if now >= start + self.context.calendar.slot:
            raise Skip("slot is over")
        if trigger.timer == "check-in":
            return self._few_heard(epoch, slot, at)
        return BeatView(epoch, slot, self._committee(epoch, at))

    def _few_heard(self, epoch: int, slot: int, at: BlockRef) -> SlotView:
        heard = self.beater.heard(epoch, slot)
        if heard is None:
            raise Skip("nothing was signed in this slot")
        committee = self._committee(epoch, at)
        few = [key for key in self.nodes if key.node in heard and heard[key.node] <= faults(committee.n)]
        if not few:
            raise Skip("heard")
        assert self.check_in is not None
        return SlotView(observe_slot(self.context, few, epoch, slot, heard, committee.n, self.check_in, at))

    def _challenge(self, at: BlockRef) -> ChallengeView:
        assert self.answerer is not None
        epoch = self.context.epoch()
        if epoch == 0:
            raise Skip("no challenge before the first epoch")
        known = self.answerer.drawn
        drawn = self._challenges.of(epoch, at) if known is None or at.hash != self._challenge_seen else known
        self._challenge_seen = at.hash
        # of the epoch before something may still be under way when this one has no seed yet
        gone = drawn is None and (self.answerer.open() if known is None else known.epoch == epoch)
        if drawn is not None and (drawn != known or self._unsure_until):
            return self._owed(drawn, at, drawn != known)
        if not gone and not self.answerer.open():
            raise Skip("no challenge is open")
        return ChallengeView(self._committee(epoch if known is None else known.epoch, at), gone, drawn)

    def _owed(self, drawn: Drawn, at: BlockRef, new: bool) -> ChallengeView:
        """What is owed to the seeds. Where a seat may soon know more of a node, that node waits for a few seconds."""
        now = self.context.clock.precise()
        committee = self._committee(drawn.epoch, at)
        leaves = Leaves(self.context, drawn.epoch, self._seats(committee), at)
        facts, sizes = observe_owed(
            self.context, self.nodes, self._challenges, drawn, self.beater.muted, at, leaves.unproven
        )  # fmt: skip
        if new:
            shortest = min((size.deadline for _, size in sizes.values()), default=0)
            self._unsure_until = now + min(PATIENCE_S, shortest / 4)
        if leaves.later and now < self._unsure_until:
            facts = tuple(replace(each, later=True) for each in facts)
        else:
            self._unsure_until = 0.0
        return ChallengeView(committee, True, drawn, facts, sizes)

    def decide(self, view: AgentView) -> Plan:
        if isinstance(view, ChallengeView):
            return Answers(view, tuple(rules.owed(facts) for facts in view.facts))
        if isinstance(view, tuple):
            return rules.decide(view, self._notes)
        if isinstance(view, SlotView):
            assert self.check_in is not None
            return CheckIns(tuple(rules.check_in(facts, self.check_in.daily_wei) for facts in view.nodes))
        return view

    def act(self, plan: Plan) -> None:
        if isinstance(plan, AgentPlan):
            self._count_leased({facts.node: facts.reserved for facts in plan.facts})
            self._notes.update(remember(self.context.store, plan, self.log))
        elif isinstance(plan, CheckIns):
            for each in plan.each:
                check_in(self.context, each, self.log)
        elif isinstance(plan, Answers):
            assert self.answerer is not None
            view = plan.view
            if view.fresh:
                self.answerer.take(view.drawn, plan.owed, view.sizes, view.committee.n)
            self.answerer.step(view.committee)
        elif isinstance(plan, FlushView):
            self.beater.flush(plan.now, self._committees.of_epoch, plan.head)
            if plan.missed is not None:
                self._beat(plan.missed)
        else:
            self._beat(plan)

    def _missed(self, now: float, at: BlockRef) -> BeatView | None:
        """The present slot, if its moment has passed by more than the beat's own worker needs."""
        calendar = self.context.calendar
        epoch = calendar.epoch(int(now)) if now >= calendar.genesis else 0
        if epoch == 0:
            return None
        slot = int(now - calendar.start(epoch)) // calendar.slot
        due = calendar.slot_start(epoch, slot) + self.beater.offset(epoch, slot) + FLUSH_S
        if now < due or self.beater.signed(epoch, slot):
            return None
        return BeatView(epoch, slot, self._committee(epoch, at))

    def _beat(self, view: BeatView) -> None:
        start = self.context.calendar.slot_start(view.epoch, view.slot)
        moment = start + self.beater.offset(view.epoch, view.slot)
        delay = moment - self.context.clock.precise()
        if delay > 0 and self._wait is not None:
            self._wait(delay)
        if self._stopping.is_set():
            return
        # the head of the moment of sending, not of the start of the slot: its age is part of what is checked
        self.last = self.beater.beat(view.epoch, view.slot, self.context.reader.head(), view.committee)
        counted = self.last.acknowledged > faults(self.last.seats)
        self.log.log(
            logging.INFO if counted else logging.WARNING,
            "heartbeat slot %d.%d signed for %d nodes, acknowledged by %d/%d attesters (%d count)",
            view.epoch, view.slot, self.last.signed, self.last.acknowledged, self.last.seats,
            faults(self.last.seats) + 1,
        )  # fmt: skip
        self._measure(view, counted)

    def _measure(self, view: BeatView, counted: bool) -> None:
        """A slot counts once f + 1 attesters have acknowledged it, nothing earlier."""
        if self.context.metrics is None:
            return
        group, network = self.context.metrics.agent, self.context.deployment.network
        for key in self.nodes:
            node = str(key.node)
            telemetry = self.beater.telemetry.get(key.node)
            beats = key.node not in self.beater.muted and telemetry is not None and telemetry.state != UNKNOWN
            for seat in self.last.took if self.last and beats else ():
                ordinal = view.epoch * SLOTS + view.slot
                group.heartbeat_acks.labels(network, node, str(seat)).set(ordinal)
            (group.slot_counted if counted and beats else group.slot_missed).labels(network, node).inc()
            for place, device in enumerate(telemetry.devices if telemetry else ()):
                state = -1 if device.reading is None else 0 if device.fault else 1
                group.gpu_state.labels(network, node, str(place)).set(state)
                if device.reading is not None and device.reading.temperature is not None:
                    group.gpu_temp.labels(network, node, str(place)).set(device.reading.temperature)

    def _count_leased(self, leased: Mapping[int, int]) -> None:
        if self.context.metrics is not None:
            group, network = self.context.metrics.agent, self.context.deployment.network
            for node, gpus in leased.items():
                group.gpus_leased.labels(network, str(node)).set(gpus)

    def _committee(self, epoch: int, at: BlockRef) -> Committee:
        self._committees.refresh(at)
        committee = self._committees.of_epoch(epoch)
        if committee is None:
            raise Retry("no committee is in force yet", "H6202")
        return committee

    def _seats(self, committee: Committee) -> list[AttesterClient]:
        assert self._http is not None
        found = []
        for endpoint in committee.endpoints:
            if endpoint.url:
                key = (endpoint.seat, endpoint.url)
                if key not in self._clients:
                    self._clients[key] = AttesterClient(endpoint, self._http)
                found.append(self._clients[key])
        return found

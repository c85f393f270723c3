"""One run from a seed: epochs of true up times, what each seat saw of them, the exchange, the report, the verdict.

    Run(Scenario(seed=7, epochs=1_000)).play()

Everything that is drawn comes from the seed, so a run repeats to the byte: `hearth simulate attestation --seed 7`.
"""

from __future__ import annotations

import logging
import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from keepers.chain.keys import ORDER, LocalSigner
from keepers.protocol.epochs import SLOTS, Calendar
from keepers.protocol.merge import Body, faults, least_observations, quorum
from keepers.simulate.attestation.byzantine import STRATEGIES, ByzantineSeat
from keepers.simulate.attestation.chain import HUB, SimChain
from keepers.simulate.attestation.judge import Judge
from keepers.simulate.attestation.net import Net, Timeline, Weather
from keepers.simulate.attestation.seats import Seat, deployment

GENESIS = 1_800_000_000
GOAL_S = 600  # a report within ten minutes of the epoch's end …
GOAL_SHARE = 0.999  # … of so many
STEPS = 6  # looks of a seat in a view


@dataclass(frozen=True)
class Scenario:
    """`byzantine` seats (f by default) are bent, of which each epoch draws how many are at work, so that with those
    that are away they are no more than the committee is made for; `dead` ones never start. Clocks are within `skew`
    seconds; `crash` is the chance that an honest process dies as it sends, `restored` that it comes back on an older
    copy of its folder; `partition` the chance that an epoch's exchange is cut in two for a while; `blind` that a beat
    does not reach a seat; `checkin` that a node which nobody sees checks in on chain; `cancel` that a report falls,
    with up to two before it: a check-in that it lacks came to light, as after a reorg (a false report would need more
    than f byzantine seats)."""

    seed: int = 1
    epochs: int = 1_000
    seats: int = 7
    nodes: int = 200
    byzantine: int | None = None
    dead: int = 0
    strategy: str = ""
    weather: Weather = field(default_factory=Weather)
    skew: float = 10.0
    crash: float = 0.001
    restored: float = 0.1
    partition: float = 0.02
    blind: float = 0.02
    checkin: float = 0.2
    cancel: float = 0.03


@dataclass(frozen=True)
class Verdict:
    """What came of a run. `within_goal`: share of the reports within GOAL_S of their epoch's end, or of the moment at
    which they, or one before them, fell; a missing one counts as late."""

    scenario: Scenario
    reports: int
    voided: int
    missing: int
    within_goal: float
    slowest_s: float
    slots_checked: int
    slots_lost: int
    slots_invented: int
    wrong_roots: int
    signed_twice: int
    failed: int
    failures: tuple[str, ...]
    counts: dict[str, int]

    @property
    def safe(self) -> bool:
        """Nothing that must never happen has happened."""
        return self.failed == 0

    @property
    def live(self) -> bool:
        """Every epoch has its report, and 99.9 % of them in ten minutes."""
        return self.missing == 0 and self.within_goal >= GOAL_SHARE


class Run:
    """A committee, its network and its chain."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.rng = random.Random(scenario.seed)
        self.calendar = Calendar(GENESIS, 300, 24)
        self.timeline = Timeline(GENESIS + 60.0)
        n = scenario.seats
        self.f, self.least = faults(n), least_observations(n)
        keys = [LocalSigner(self.rng.randrange(1, ORDER).to_bytes(32, "big")) for _ in range(n)]
        addresses = [key.address for key in keys]
        self.chain = SimChain(self.calendar, addresses, scenario.nodes, lambda: self.timeline.now)
        self.deployment = deployment(addresses, HUB, GENESIS)
        self.net = Net(self.timeline, self.rng, scenario.weather)
        self.judge = Judge(self)
        self.counts: Counter[str] = Counter()
        self.body_bytes = Body.length(scenario.nodes)
        bent = self.f if scenario.byzantine is None else scenario.byzantine
        order = self.rng.sample(range(n), n)
        self.bent = set(order[:bent])
        dead = set(order[n - scenario.dead :]) if scenario.dead else set()
        self.seats: list[Seat] = []
        for number, key in enumerate(keys):
            kind = ByzantineSeat if number in self.bent else Seat
            self.seats.append(kind(number, key, self, self.rng.uniform(-scenario.skew, scenario.skew)))
            self.net.peers[number] = self.seats[number]
            self.seats[number].dead = number in dead
        self._down: dict[int, int] = {}  # node -> slots that its outage still lasts
        self._disturbed: set[int] = set()
        self._fallen: dict[int, float] = {}  # first epoch -> when it fell
        self._active = 0

    # ------------------------------------------------------------------ driving

    def play(self, progress: Callable[[int, int], object] = lambda done, of: None) -> Verdict:
        """Live through all epochs; the verdict."""
        log = logging.getLogger("hearth")
        level = log.level
        log.setLevel(logging.CRITICAL)  # byzantine seats make honest ones complain a lot
        try:
            self._play(progress)
        finally:
            log.setLevel(level)
        return self._verdict()

    def _play(self, progress: Callable[[int, int], object]) -> None:
        for seat in self.seats:
            if not seat.dead:
                seat.start()
        for epoch in range(1, self.scenario.epochs + 1):
            self._live(epoch)
            progress(epoch, self.scenario.epochs)
        last = self.calendar.end(self.scenario.epochs) + 2 * self.calendar.epoch_seconds
        self.timeline.run_until(last)
        self._judge_new()

    def _live(self, epoch: int) -> None:
        """One epoch: its beats, then what is done after its end, until the next one ends."""
        self._draw_strategies(epoch)
        end = self.calendar.end(epoch)
        self.timeline.at(end, lambda: self._beats(epoch))
        allowances = self.deployment.allowances
        for seat in self.seats:
            for timer, offset in (
                ("freeze", allowances.freeze),
                ("bodies", allowances.bodies),
                ("cutoff", allowances.cutoff),
            ):
                self._schedule(seat, end + offset, timer, epoch)
            first_view = end + allowances.cutoff + (allowances.bodies - allowances.freeze)
            self._poll(seat, epoch, first_view, end + self.calendar.epoch_seconds)
        if self.rng.random() < self.scenario.partition:
            self._cut(epoch, end + self.rng.uniform(0, 180), self.rng.uniform(10, 90))
        self.timeline.run_until(end + self.calendar.epoch_seconds - 1)

    def _schedule(self, seat: Seat, local: float, timer: str, epoch: int) -> None:
        self.timeline.at(local - seat.clock.offset, lambda: self._wake(seat, timer, epoch))

    def _wake(self, seat: Seat, timer: str, epoch: int) -> None:
        seat.wake(timer, epoch + 1)
        self._judge_new()

    def _poll(self, seat: Seat, epoch: int, local: float, until: float) -> None:
        """A look at every sixth of a view until the epoch is reported, or the seat's clock says `until`."""

        def look() -> None:
            if self.chain.hub.last_epoch >= epoch or local > until:
                return
            self._wake(seat, "poll", epoch)
            self._poll(seat, epoch, local + self.deployment.allowances.view / STEPS, until)

        self.timeline.at(local - seat.clock.offset, look)

    def _judge_new(self) -> None:
        self.chain.attestations.refresh(self.chain.head())
        while self._next <= self.chain.attestations.last:
            self.judge.reported(self._next)
            if self.rng.random() < self.scenario.cancel:
                self._doubt(self._next)
            self._next += 1

    _next = 1  # the epoch whose report is judged next

    # ------------------------------------------------------------------ what happens

    def _draw_strategies(self, epoch: int) -> None:
        bent = [seat for seat in self.seats if isinstance(seat, ByzantineSeat)]
        away = sum(seat.honest and seat.away and not seat.dead for seat in self.seats)
        most = min(len(bent), max(0, self.scenario.seats - quorum(self.scenario.seats) - away))
        active = set(self.rng.sample(range(len(bent)), self.rng.randint(0, most))) if bent else set()
        if self.scenario.strategy:
            active = set(range(len(bent)))
        self._active = len(active)
        for place, seat in enumerate(bent):
            drawn = self.scenario.strategy or self.rng.choice(STRATEGIES[1:])
            seat.choose(epoch, drawn if place in active else "honest")
            self.counts[f"byzantine: {seat.strategy}"] += 1

    def _beats(self, epoch: int) -> None:
        """Draw who was up, and what of it reached each seat."""
        self.chain.mine()
        truth = {node: self._up(node) for node in range(self.scenario.nodes)}
        if self.rng.random() < self.scenario.checkin:
            self._check_in(epoch, truth)
        blind = self.scenario.blind
        for seat in self.seats:
            masks = {}
            for node, mask in truth.items():
                if mask and self.rng.random() < 12 * blind:
                    mask &= ~(1 << self.rng.randrange(SLOTS))
                if self.rng.random() < blind / 10:
                    mask = 0  # the line between the two is gone for the whole hour
                masks[node] = mask
            seat.observed(epoch, masks)

    def _up(self, node: int) -> int:
        left = self._down.get(node, 0)
        if not left and self.rng.random() < 0.03:
            left = int(self.rng.expovariate(1 / 12)) + 1
            start = self.rng.randrange(SLOTS)
        else:
            start = 0
        down = min(left, SLOTS - start)
        self._down[node] = left - down
        return ((1 << SLOTS) - 1) & ~(((1 << down) - 1) << start)

    def _cut(self, epoch: int, at: float, seconds: float) -> None:
        groups = {seat: self.rng.randrange(2) for seat in range(self.scenario.seats)}
        self._disturbed.add(epoch)
        self.counts["partitions"] += 1
        self.timeline.at(at, lambda: self.net.groups.update(groups))
        self.timeline.at(at + seconds, self.net.groups.clear)

    def _check_in(self, epoch: int, truth: Mapping[int, int]) -> None:
        """A node whose beats reach nobody comes on chain, in the slot itself."""
        unseen = [(node, slot) for node, mask in truth.items() for slot in range(SLOTS) if not mask >> slot & 1]
        if unseen:
            self.counts["check-ins"] += 1
            node, slot = self.rng.choice(unseen)
            self.chain.check_in(node, epoch, slot)

    def _doubt(self, epoch: int) -> None:
        """A report that has just been made will fall, at any moment up to the report of the next epoch."""
        first = max(1, epoch - self.rng.randrange(3))
        at = self.timeline.now + self.rng.uniform(1, self.calendar.epoch_seconds + 200)
        self.timeline.at(at, lambda: self._cancel(first))

    def _cancel(self, first: int) -> None:
        last = self.chain.hub.last_epoch
        if first > last:
            return  # it fell with an earlier one, and is not signed again yet
        down = [
            (node, slot)
            for node in range(self.scenario.nodes)
            for slot in range(SLOTS)
            if self.judge.mask(node, first) >> slot & 1
        ]
        if down:
            node, slot = self.rng.choice(down)
            self.chain.check_in(node, first, slot)
        reason = self.chain.cancel(first)
        if reason:
            self.judge.fail(f"epoch {first} could not be cancelled: {reason}")
            return
        self.chain.attestations.refresh(self.chain.head())
        self.counts["cancels"] += 1
        self.counts["reports that fell"] += last - first + 1
        self.judge.fell(first)
        self._fallen[first] = self.timeline.now
        self._next = first
        for epoch in range(first, last + 1):
            for seat in self.seats:
                local = self.timeline.now + seat.clock.offset
                self._poll(seat, epoch, local, local + 2 * self.calendar.epoch_seconds)

    def fallen_at(self, epoch: int) -> float:
        """When the report of an epoch last fell, by itself or with one before it; 0 if it never did."""
        return max((at for first, at in self._fallen.items() if first <= epoch), default=0.0)

    def may_crash(self) -> bool:
        """Whether one more seat may be away: the committee is made for n - q of them, bent ones included."""
        away = sum(seat.honest and seat.away for seat in self.seats)
        return away + self._active + 1 <= self.scenario.seats - quorum(self.scenario.seats)

    def disturbed(self, epoch: int) -> bool:
        """Whether a partition cut the exchange: then what all had in time is not asked."""
        return epoch in self._disturbed

    def base(self, epoch: int) -> float:
        """T of an epoch: its end, or the time of the report before it, if that is later."""
        end = self.calendar.end(epoch)
        return max(end, self.chain.attestations.report(epoch - 1).block.timestamp) if epoch > 1 else end

    def count(self, what: str, number: int = 1) -> None:
        """Something happened."""
        self.counts[what] += number

    def _verdict(self) -> Verdict:
        judge = self.judge
        for code, number in self.net.refused.items():
            self.counts[f"honest messages refused with {code}"] = number
        self.counts["messages"] = self.net.sent
        self.counts["transactions that reverted"] = len(self.chain.reverted)
        missing = max(0, self.scenario.epochs - judge.reports - judge.voided)
        return Verdict(
            scenario=self.scenario,
            reports=judge.reports,
            voided=judge.voided,
            missing=missing,
            within_goal=sum(seconds <= GOAL_S for seconds in judge.latencies) / (len(judge.latencies) + missing),
            slowest_s=max(judge.latencies, default=0.0),
            slots_checked=judge.slots_checked,
            slots_lost=judge.slots_lost,
            slots_invented=judge.slots_invented,
            wrong_roots=judge.wrong_roots,
            signed_twice=judge.signed_twice,
            failed=judge.failed,
            failures=tuple(judge.failures),
            counts=dict(sorted(self.counts.items())),
        )

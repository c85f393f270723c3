"""Virtual time: one process holds every seat, every node and a settler, and this file alone moves the clock.

A block is mined at each second that has transactions, several in one, else one at the start of each epoch. Nothing is
invented: takes and stops are the renter's transactions, beats, reports, settlements and redemptions are the roles' own.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from keepers.chain.contracts import Suite
from keepers.chain.ports import BlockRef, Call
from keepers.gpu.backends.cpu import CpuBackend
from keepers.gpu.prover import InlineProver
from keepers.protocol.credits import Balance
from keepers.protocol.epochs import SLOTS
from keepers.protocol.errors import HearthError
from keepers.protocol.nodes import Node, Status
from keepers.replay.inputs import EPOCH, SLOT, Traces
from keepers.replay.ports import ReplayPorts
from keepers.replay.renter import Renter
from keepers.replay.town import BASE, PRICE_USD, Post, Town
from keepers.replay.wire import ChainTransport
from keepers.roles.agent.role import Agent
from keepers.roles.agent.tables import AgentAnswer
from keepers.roles.attester.prices import Fixed, parse_price
from keepers.roles.attester.role import Attester
from keepers.roles.settler.decide import Policy as SettlerPolicy
from keepers.roles.settler.role import Settler
from keepers.runtime.app import App
from keepers.runtime.clock import VirtualClock
from keepers.runtime.settings import load
from keepers.runtime.ticker import Epoch, Slot, VirtualTicker
from keepers.store.migrations import open_store
from keepers.wire.direct import DirectTransport
from keepers.wire.routing import Router

ANSWERS: Any = AgentAnswer.__table__  # type: ignore[attr-defined]
SETTLED_AT = BASE + EPOCH // 2  # chain time at which the set-up is over: well inside epoch 0
BUY_EPOCH = 3
WARM_UP_EPOCHS = 27  # about: one to observe, DISPUTE to become usable, one to activate
RUN_OUT_S = 225_000  # about: DISPUTE, the end of the period, its price, and DISPUTE again
PATIENCE_EPOCHS = 24 * 45  # after the last stop; then something waits for ever and that is a fault
Progress = Callable[[float, float, str], object]


class Life:
    """Virtual time from the end of the set-up to the last redemption."""

    def __init__(
        self, traces: Traces, town: Town, wire: ChainTransport, folder: Path, rng: random.Random, progress: Progress
    ) -> None:
        self.traces, self.town, self.wire, self._progress = traces, town, wire, progress
        self.day = 0
        self.warm_up_epochs = 0
        self._mined = SETTLED_AT
        wire.call("evm_setNextBlockTimestamp", SETTLED_AT)
        wire.call("evm_mine")
        settings = load(
            flags={"rpc_urls": [f"http://127.0.0.1:{wire.port}"], "home": folder / "home"}, env={}, files=()
        ).settings
        self.clock = VirtualClock(SETTLED_AT)
        calendar = town.record.clock()
        self.ticker = VirtualTicker(self.clock, calendar)
        self.calendar = calendar
        store = self.store = open_store("sqlite://", threaded=False)
        self.ports = ReplayPorts(settings, town.record, store, self.clock, wire)
        direct = DirectTransport()
        price = parse_price(PRICE_USD)
        self.attesters = [Attester(key, [Fixed(price)]) for key in town.seats]
        self.agent = Agent(town.node_keys, wait=lambda _: None, prover=InlineProver(CpuBackend()))
        self.settler = Settler(town.settler, SettlerPolicy(jail=False))
        self.app = App(
            settings,
            town.record,
            [*self.attesters, self.agent, self.settler],
            ports=self.ports,
            store=store,
            clock=self.clock,
            ticker=self.ticker,
            transport=direct,
            rng=rng,
        )
        self.app.start()
        for i, seat in enumerate(self.attesters):
            direct.mount(f"attester-{i}", Router(seat.routes()))
        self.ticker.before = self._before
        self.suite = Suite.over(self.ports.reader)
        self._post = Post(wire, town.record)
        self._offsets = sorted({0, *(int(a) for a in self._epoch_offsets()), *(k * SLOT for k in range(SLOTS))})
        self.renter = Renter(traces, town, self.suite)

    # ---- the run

    def live(self) -> None:
        """Warm up, live the days, run on until nothing is owed."""
        self._warm_up()
        last = self._lease_days()
        self._run_on(last)

    def answers(self) -> int:
        """Answers to the compute challenge that the nodes signed."""
        with self.store.read() as connection:
            return int(connection.execute(select(func.count()).select_from(ANSWERS)).scalar_one())

    def close(self) -> None:
        """Let everything go."""
        self.app.close()
        self.wire.close()

    def _warm_up(self) -> None:
        """Epochs with everybody up, until every node is Active at the start of one: there the first day begins."""
        for epoch in range(1, 24 * 7):
            start = self.calendar.start(epoch)
            self._pass_until(start)
            words = self.ports.reader.read_many(
                [self.suite.registry.view("node", k) for k in range(len(self.town.node_keys))], self._head()
            )
            if all(Node.unpack(word).status is Status.ACTIVE for word in words):
                self.day = start
                self.warm_up_epochs = epoch - 1
                return
            # The first report has set a fresh price by epoch 3, and entries are open.
            self._post.check(self._at(start, self.renter.buy() if epoch == BUY_EPOCH else []))
            self._tell(f"warm-up, epoch {epoch}: nodes prove themselves before they take leases")
        raise HearthError("H9001", "the nodes did not become Active within a week of epochs")

    def _lease_days(self) -> int:
        """All takes and stops at their seconds; returns the chain time of the last stop."""
        seconds = self.traces.seconds
        first = self.traces.jobs.first_s
        end = self.day + (seconds[-1].at - first if seconds else 0)
        for second in seconds:
            at = self.day + second.at - first
            self._pass_until(at)
            self._post.check(self._at(at, self.renter.orders(second)))
            self._tell(f"day {(at - self.day) / 86_400:.1f}: {len(self.renter.jobs_of)} leases opened")
        return end

    def _run_on(self, last: int) -> None:
        """Until every lease is finished and every tally redeemed."""
        begin = self.clock.now()
        for epoch in range(self.calendar.epoch(begin) + 1, self.calendar.epoch(max(begin, last)) + PATIENCE_EPOCHS):
            start = self.calendar.start(epoch)
            self._pass_until(start)
            self._at(start, [])
            # Right after a report the settler has most to do; look when it has done it.
            self._pass_until(start + EPOCH - SLOT)
            left = self._left()
            if not left:
                return
            self._tell(f"day {(start - self.day) / 86_400:.1f}: {left} to go")
        raise HearthError(
            "H9001", f"after {PATIENCE_EPOCHS // 24} days there is still something to pay", why=(self._left(),)
        )

    def _left(self) -> str:
        """What is still owed, in words; empty when nothing is."""
        head = self._head()
        escrow = self.suite.escrow
        ids = list(self.renter.jobs_of)
        words = self.ports.reader.read_many([escrow.view("terms", i) for i in ids], head)
        open_leases = sum(not word >> 6 & 1 for word in words)
        if open_leases:
            return f"{open_leases} leases"
        period = self.calendar.period(head.timestamp)
        keys = [*range(max(self.town.owner_of) + 1), int(self.town.settler.address, 16)]
        calls = [escrow.view("tally", key, p) for key in keys for p in range(period + 1)]
        waiting = sum(Balance.unpack(word).credits > 0 for word in self.ports.reader.read_many(calls, head))
        return f"{waiting} tallies" if waiting else ""

    # ---- a second

    def _pass_until(self, end: int) -> None:
        """Everything before second `end`, with a stop at each second at which a role may want a block."""
        for moment in self._moments(end):
            self._at(moment, [])

    def _moments(self, end: int) -> Iterator[int]:
        """Seconds after now and before `end` at which roles wake, and the ones after a block that led to more."""
        while True:
            now = self.clock.now()
            moment = now + 1 if self.ports.waiting() else self._next_wake(now)
            if moment >= end:
                return
            yield moment

    def _next_wake(self, now: int) -> int:
        into = (now - self.calendar.genesis) % EPOCH
        start = now - into
        return next((start + offset for offset in self._offsets if offset > into), start + EPOCH)

    def _epoch_offsets(self) -> Iterator[float]:
        """Offsets in an epoch at which the roles have timers, rounded up to whole seconds."""
        for role in self.app.roles:
            for timer in role.timers():
                if isinstance(timer.kind, Epoch):
                    yield -(-timer.kind.offset // 1)
                elif isinstance(timer.kind, Slot):
                    yield from (k * SLOT - (-timer.kind.offset // 1) for k in range(SLOTS))

    def _at(self, moment: int, calls: Sequence[Call]) -> list[tuple[str, Call]]:
        """One second: roles wake, the renter sends, outboxes send, a block if there is anything for one."""
        self.ticker.run_until(moment)
        sent = self._post.send(self.town.renter, calls) if calls else []
        if self.ports.waiting():
            self.ports.step()
        begins_epoch = (moment - self.calendar.genesis) % EPOCH == 0
        if sent or begins_epoch or int(self.wire.call("txpool_status")["pending"], 16):
            self._mine(moment)
        return sent

    def _mine(self, moment: int) -> None:
        if moment <= self._mined:
            raise HearthError("H9001", f"a second block at {moment}")
        self.wire.calls([("evm_setNextBlockTimestamp", (moment,)), ("evm_mine", ())])
        self._mined = moment
        self.app.pulse()

    def _tell(self, text: str) -> None:
        """How far it is, in seconds of the chain; the two ends besides the days are what such runs take."""
        seconds = self.traces.seconds
        days = seconds[-1].at - self.traces.jobs.first_s if seconds else 0
        done = self.clock.now() - BASE
        self._progress(done, max(done, WARM_UP_EPOCHS * EPOCH + days + RUN_OUT_S), text)

    def _head(self) -> BlockRef:
        return self.ports.reader.head()

    def _before(self, due: float) -> None:
        """Ahead of each firing: at the start of a slot, switch off the agents of dark nodes."""
        if due != int(due) or (int(due) - self.calendar.genesis) % SLOT:
            return
        after = int(due) - self.day
        dark = self.day > 0 and after >= 0
        self.agent.beater.muted = (
            {k for k in range(len(self.town.node_keys)) if self.traces.dark(k, after)} if dark else set()
        )

"""`hearth replay`: the production roles on virtual time against a real local chain, driven by a trace.

One process holds every seat, every node and a settler; the clock is moved by this file alone. A block is mined at each
second that has transactions, several in one, else one at the start of each epoch. Nothing is invented: takes and stops
are the renter's transactions, beats, reports, settlements and redemptions are the roles' own.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from keepers.chain.contracts import Suite
from keepers.chain.ports import OPEN_STATES, BlockRef, Call
from keepers.localnet.anvil import ROOT, Anvil
from keepers.localnet.network import LocalNetwork, new_folder
from keepers.outbox.policy import GWEI, Policy
from keepers.outbox.tables import ROWS
from keepers.protocol.credits import Balance
from keepers.protocol.epochs import SLOTS
from keepers.protocol.errors import HearthError
from keepers.protocol.messages import Domain, Take, pack_nodes
from keepers.protocol.units import BPS, PRICE_ONE, mul_div_ceil
from keepers.replay import bill as second_opinion
from keepers.replay.books import read_effort, read_leases, read_money
from keepers.replay.orders import Book, Second, Unmatched, timeline
from keepers.replay.orders import Take as Taken
from keepers.replay.rates import FIXED_USD_PER_HOUR, Rate, rates_for
from keepers.replay.report import Report
from keepers.replay.town import BASE, FOREVER, PRICE_USD, Post, Town, settle_down
from keepers.replay.traces import Jobs, Nodes, Outages, Skipped, read_jobs, read_nodes, read_outages, read_prices
from keepers.replay.wire import ChainTransport
from keepers.roles.agent.role import Agent
from keepers.roles.attester.prices import Fixed, parse_price
from keepers.roles.attester.role import Attester
from keepers.roles.settler.decide import Policy as SettlerPolicy
from keepers.roles.settler.role import Settler
from keepers.runtime.app import App
from keepers.runtime.chainports import ChainPorts
from keepers.runtime.clock import VirtualClock
from keepers.runtime.metrics import Metrics
from keepers.runtime.settings import load
from keepers.runtime.ticker import VirtualTicker
from keepers.store.migrations import open_store
from keepers.wire.direct import DirectTransport
from keepers.wire.routing import Router

SLOT = 300  # seconds: the default profile's
EPOCH = SLOT * SLOTS
SETTLED_AT = BASE + EPOCH // 2  # chain time at which the set-up is over: well inside epoch 0
GAS_LIMIT = 10**9  # of a block: a second may hold all the takes of a burst
BUY_EPOCH = 3
WARM_UP_EPOCHS = 27  # about: one to observe, DISPUTE to become usable, one to activate
RUN_OUT_S = 225_000  # about: DISPUTE, the end of the period, its price, and DISPUTE again
ACTIVE = 2  # status of a node that takes leases (INodeRegistry)
PATIENCE_EPOCHS = 24 * 45  # after the last stop; then something waits for ever and that is a fault
Progress = Callable[[float, float, str], object]
log = logging.getLogger("hearth.replay")


@dataclass(frozen=True)
class Inputs:
    """The command's arguments."""

    nodes: Path
    jobs: Path
    outages: Path | None = None
    prices: Path | None = None
    node_limit: int | None = None
    from_day: int = 0
    days: int = 1
    attesters: int = 4
    seed: int = 1


@dataclass(frozen=True)
class Traces:
    """What the files say, and what follows from it."""

    nodes: Nodes
    jobs: Jobs
    outages: Outages | None
    rates: dict[str, Rate]
    skipped: tuple[Skipped, ...]
    seconds: tuple[Second, ...]
    unmatched: tuple[Unmatched, ...]

    @property
    def takes(self) -> list[Taken]:
        """All takes in their order."""
        return [take for second in self.seconds for take in second.takes]

    def dark(self, node: int, after: int) -> bool:
        """Whether a node is dark in the slot that begins `after` seconds after the first day's start."""
        return self.outages is not None and self.outages.dark(node, after)


def read_traces(inputs: Inputs) -> Traces:
    """All files, the rates, and who takes what. Raises H1006 that names the file and the row."""
    nodes = read_nodes(inputs.nodes, inputs.node_limit)
    jobs = read_jobs(inputs.jobs, inputs.from_day, inputs.days)
    outages = read_outages(inputs.outages) if inputs.outages else None
    prices, unpriced = read_prices(inputs.prices) if inputs.prices else ({}, ())
    rates = rates_for((node.model for node in nodes.nodes), prices)
    for node in nodes.nodes:
        if node.model not in rates:
            raise HearthError(
                "H1006",
                f"{inputs.nodes.name}, row {node.row}: no rate is known for the model {node.model!r}",
                why=(f"the fixed table has {', '.join(FIXED_USD_PER_HOUR)}",),
                next=("give a price file: --prices FILE",),
            )
        if len(node.model.encode()) > 32 or "=" in node.model:
            raise HearthError(
                "H1006",
                f"{inputs.nodes.name}, row {node.row}: the model {node.model[:40]!r} cannot name a class",
                why=("a class name has at most 32 bytes, and no = sign",),
            )

    def dark(node: int, second: int) -> bool:
        return outages is not None and outages.dark(node, (second - jobs.first_s) // SLOT * SLOT)

    seconds, unmatched = timeline(jobs.orders, Book(nodes.nodes, rates, dark))
    skipped = (*nodes.skipped, *jobs.skipped, *unpriced)
    return Traces(nodes, jobs, outages, rates, skipped, tuple(seconds), tuple(unmatched))


class Replay:
    """One replay. `progress(done, total, text)` hears how far it is; `root` is the repository with the contracts."""

    def __init__(
        self,
        inputs: Inputs,
        progress: Progress = lambda done, total, text: None,
        root: Path = ROOT,
        folder: Path | None = None,
    ) -> None:
        self.inputs, self._progress, self._root = inputs, progress, root
        self._folder = folder

    def run(self) -> Report:
        """Live it. Raises HearthError for bad input, and H9001 where the network does not do what it must."""
        started = time.monotonic()
        traces = read_traces(self.inputs)
        bill = second_opinion.expected(
            self.inputs.nodes,
            self.inputs.jobs,
            fixed_usd=FIXED_USD_PER_HOUR,
            slot=SLOT,
            node_limit=self.inputs.node_limit,
            from_day=self.inputs.from_day,
            days=self.inputs.days,
            outages=self.inputs.outages,
            prices=self.inputs.prices,
        )
        folder = self._folder or new_folder(self._root)
        self._progress(0, 1, "chain and contracts")
        rng = random.Random(self.inputs.seed)
        # Blocks hold whatever a second brings, in the order in which it was sent.
        options = ["--order", "fifo", "--gas-limit", str(GAS_LIMIT)]
        with Anvil.start(log=folder / "anvil.log", timestamp=BASE + 60, options=options, root=self._root) as anvil:
            wire = ChainTransport(anvil.port)
            network = LocalNetwork(folder, anvil, self._root)
            town = settle_down(
                wire, network, traces.nodes.nodes, traces.rates, self.inputs.attesters, _tokens(traces), rng
            )
            life = Life(traces, town, wire, folder, rng, self._progress)
            try:
                life.live()
                return self._report(traces, bill, town, life, time.monotonic() - started)
            finally:
                life.close()

    def _report(self, traces: Traces, bill: second_opinion.Bill, town: Town, life: Life, real: float) -> Report:
        reader, first = life.ports.reader, town.record.first_block
        leases = read_leases(reader, first, life.jobs_of, town.owner_of, traces, life.day)
        money, supply_fault = read_money(reader, town.record, first)
        if supply_fault:
            raise HearthError("H9001", "the supply does not add up", why=(supply_fault,))
        virtual = life.clock.now() - (BASE + EPOCH)
        return Report(
            nodes=len(traces.nodes.nodes),
            jobs=traces.jobs.count,
            leases=leases,
            bill=bill,
            unmatched={u.order.job_id: dict(u.why) for u in traces.unmatched},
            skipped=traces.skipped,
            rates=list(traces.rates.values()),
            money=money,
            effort=read_effort(life.wire, reader, town.record, first, virtual, round(real, 1)),
            parameters={
                "slot_s": SLOT,
                "epoch_s": EPOCH,
                "token_usd": PRICE_USD,
                "attesters": self.inputs.attesters,
                "from_day": self.inputs.from_day,
                "days": self.inputs.days,
                "warm_up_epochs": life.warm_up_epochs,
                "outages": self.inputs.outages is not None,
                "prices": self.inputs.prices is not None,
            },
            seed=self.inputs.seed,
        )


def _keep_blocks(reader: Any) -> None:
    """Blocks are never taken back here, and every wake-up of every seat asks for some: answer from memory."""
    ask: Callable[[int], BlockRef | None] = reader.block
    known: dict[int, BlockRef] = {}

    def block(number: int) -> BlockRef | None:
        if number not in known:
            found = ask(number)
            if found is None:
                return None
            known[number] = found
        return known[number]

    reader.block = block


def _deposit(take: Taken) -> int:
    """What a take locks: the whole term, which is the job and one slot."""
    return take.rate_wei * take.order.gpus * (take.order.duration_s + SLOT)


def _burn(traces: Traces) -> int:
    """Tokens (wei) whose burn buys the deposits of all leases: the renter buys once, before the first day."""
    spread = 25  # bps, of the default profile; `Life._buy` demands the credits, so a wrong figure cannot pass
    credits = sum(_deposit(take) for take in traces.takes)
    return mul_div_ceil(mul_div_ceil(credits, BPS, BPS - spread), PRICE_ONE, parse_price(PRICE_USD, "replay"))


def _tokens(traces: Traces) -> int:
    return _burn(traces) // 10**18 + 1


class Life:
    """Virtual time from the end of the set-up to the last redemption."""

    def __init__(
        self, traces: Traces, town: Town, wire: ChainTransport, folder: Path, rng: random.Random, progress: Progress
    ) -> None:
        self.traces, self.town, self.wire, self._progress = traces, town, wire, progress
        self.day = 0
        self.warm_up_epochs = 0
        self.jobs_of: dict[int, Taken] = {}
        self._lease_of: dict[str, int] = {}
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
        metrics = Metrics(town.record.network)
        store = open_store("sqlite://", threaded=False)
        self._store = store
        # One process, one lock holder: nothing else ever sends with these keys.
        policy = Policy(in_flight=512, tip=1, max_fee=1_000 * GWEI)
        self.ports = ChainPorts(
            settings, town.record, store, self.clock, metrics=metrics, transport=wire, policy=policy, lock_keys=False
        )
        _keep_blocks(self.ports.reader)
        direct = DirectTransport()
        price = parse_price(PRICE_USD, "replay")
        self.attesters = [Attester(key, [Fixed(price)]) for key in town.seats]
        self.agent = Agent(town.node_keys, wait=lambda _: None)
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
            metrics=metrics,
        )
        self.app.start()
        for i, seat in enumerate(self.attesters):
            direct.mount(f"attester-{i}", Router(seat.routes()))
        self.ticker.before = self._before
        self.suite = Suite.over(self.ports.reader)
        self._post = Post(wire, town.record)
        self._offsets = sorted({0, *(int(a) for a in self._epoch_offsets()), *(k * SLOT for k in range(SLOTS))})
        self._domain = Domain(town.record.chain_id, town.record.address("LeaseMarket"))

    # ---- the run

    def live(self) -> None:
        """Warm up, live the days, run on until nothing is owed."""
        self._warm_up()
        last = self._lease_days()
        self._run_on(last)

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
            if all(word >> 160 & 0xFF == ACTIVE for word in words):
                self.day = start
                self.warm_up_epochs = epoch - 1
                return
            # The first report has set a fresh price by epoch 3, and entries are open.
            self._post.check(self._at(start, self._buy() if epoch == BUY_EPOCH else []))
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
            self._orders(at, second)
            self._tell(f"day {(at - self.day) / 86_400:.1f}: {len(self.jobs_of)} leases opened")
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
        ids = list(self.jobs_of)
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
            moment = now + 1 if self._waiting() else self._next_wake(now)
            if moment >= end:
                return
            yield moment

    def _next_wake(self, now: int) -> int:
        into = (now - self.calendar.genesis) % EPOCH
        start = now - into
        return next((start + offset for offset in self._offsets if offset > into), start + EPOCH)

    def _epoch_offsets(self) -> Iterator[float]:
        """Offsets in an epoch at which the roles have timers, rounded up to whole seconds."""
        from keepers.runtime.ticker import Epoch, Slot

        for role in self.app.roles:
            for timer in role.timers():
                if isinstance(timer.kind, Epoch):
                    yield -(-timer.kind.offset // 1)
                elif isinstance(timer.kind, Slot):
                    yield from (k * SLOT - (-timer.kind.offset // 1) for k in range(SLOTS))

    def _waiting(self) -> bool:
        """Whether an outbox has rows that are not settled."""
        with self._store.read() as connection:
            open_rows = select(func.count()).select_from(ROWS).where(ROWS.c.state.in_([s.value for s in OPEN_STATES]))
            return bool(connection.execute(open_rows).scalar())

    def _at(self, moment: int, calls: Sequence[Call]) -> list[tuple[str, Call]]:
        """One second: roles wake, the renter sends, outboxes send, a block if there is anything for one."""
        self.ticker.run_until(moment)
        sent = self._post.send(self.town.renter, calls) if calls else []
        if self._waiting():
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

    # ---- the renter

    def _buy(self) -> list[Call]:
        """Credits for every deposit at once: exactly what the takes will lock, or nothing is bought."""
        least = sum(_deposit(take) for take in self.traces.takes)
        return [self.suite.engine.buy(_burn(self.traces), least)] if least else []

    def _orders(self, at: int, second: Second) -> None:
        """Stops, then takes, in one block."""
        calls = [self.suite.escrow.stop(self._lease_of[take.order.job_id], 0) for take in second.stops]
        calls += [self._take(take) for take in second.takes]
        self._post.check(self._at(at, calls))

    def _take(self, taken: Taken) -> Call:
        ask, signature = self.town.asks[taken.node]
        term = taken.order.duration_s + SLOT
        take = Take(
            renter=self.town.renter.signer.address,
            ask=ask.digest(self._domain),
            nodes=pack_nodes([taken.node]),
            gpus=taken.order.gpus,
            duration=term,
            prepaid=term,
            deadline=FOREVER,
            salt=len(self.jobs_of),
        )
        lease = take.lease_id(self._domain)
        self.jobs_of[lease] = taken
        self._lease_of[taken.order.job_id] = lease
        # The renter sends its own message, so it signs no other.
        return self.suite.market.take(tuple(vars(ask).values()), tuple(vars(take).values()), signature, b"", [])

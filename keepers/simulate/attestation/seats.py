"""A seat of the simulated committee: the attester role on its own clock, database and network links."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete
from sqlmodel import SQLModel

from keepers.chain.codec import CONTRACTS
from keepers.chain.contracts import Suite
from keepers.chain.deployment import Deployment
from keepers.chain.keys import LocalSigner
from keepers.roles.attester import tables
from keepers.roles.attester.role import Attester
from keepers.roles.attester.signlog import ROWS
from keepers.runtime.clock import VirtualClock
from keepers.runtime.role import Context, Fatal
from keepers.runtime.ticker import Trigger
from keepers.simulate.attestation.chain import PRICE, SimSender
from keepers.simulate.attestation.net import SimClient, Timeline
from keepers.store.engine import Store
from keepers.wire.codec import ObsBody, Proposal, SeatSignature, encode
from keepers.wire.direct import DirectTransport

if TYPE_CHECKING:
    from keepers.simulate.attestation.run import Run

_TABLES: list[Any] = [
    getattr(tables, name).__table__
    for name in (
        "AttesterBeats",
        "AttesterObservation",
        "AttesterProposal",
        "AttesterSignature",
        "AttesterEquivocation",
        "AttesterSecret",
        "AttesterAnswer",
        "AttesterOpening",
    )
]


class Crashed(BaseException):
    """The process is gone in the middle of what it did: no handler of the role may stop it."""


class SeatClock(VirtualClock):
    """A clock that is `offset` seconds ahead of true time, and knows it as far as blocks tell."""

    def __init__(self, timeline: Timeline, offset: float) -> None:
        super().__init__()
        self._timeline, self.offset = timeline, offset

    def now(self) -> int:
        return int(self.precise())

    def precise(self) -> float:
        return self._timeline.now + self.offset

    def skew(self) -> float:
        return self.offset


@dataclass(frozen=True)
class Quoted:
    """A price source that is a little off, each seat in its own way."""

    rng: random.Random
    name: str = "drawn"

    def fetch(self, now: int) -> int:
        """PRICE ± 1 %."""
        return PRICE + self.rng.randrange(-PRICE // 100, PRICE // 100)


class Seat:
    """An honest seat. Its store outlives its process; a crash takes everything else."""

    honest = True

    def __init__(self, number: int, key: LocalSigner, run: Run, offset: float) -> None:
        self.number, self.key, self.run = number, key, run
        self.rng = random.Random(run.rng.random())
        self.clock = SeatClock(run.timeline, offset)
        self.store = Store.open("sqlite://", threaded=False)
        SQLModel.metadata.create_all(self.store.engine, tables=_TABLES)
        self.sender = SimSender(run.chain, key.address)
        self.seen: dict[int, Mapping[int, int]] = {}  # epoch -> node -> slots, what reached this seat
        self.up = False
        self.dead = False
        self.crashes = 0
        self.attester: Attester | None = None

    # ------------------------------------------------------------------ life

    def start(self, sure: bool = True) -> None:
        """Start the process on what the store holds. `sure`: its sign log is known to be the newest."""
        made = Attester(self.key, [Quoted(self.rng)], self.client())
        run = self.run
        context = Context(
            reader=run.chain,
            clock=self.clock,
            calendar=run.calendar,
            deployment=run.deployment,
            suite=Suite.over(run.chain),
            store=self.store,
            senders={self.key.address: self.sender},
            attestations=run.chain.attestations,
            transport=DirectTransport(),
            rng=self.rng,
        )
        made.mount(context)
        made.desk.sign_book.log.newest = sure
        self.attester, self.up = made, True
        try:
            made.start()
        except Fatal as fatal:
            self._as_its_operator_would(made, fatal)
        for epoch in self.seen:
            self._see(epoch)

    def _as_its_operator_would(self, made: Attester, fatal: Fatal) -> None:
        """A start that was refused for a lost or old log: declare it lost through this epoch, and start again."""
        if fatal.error.code not in ("H6401", "H6402"):
            self.stop(fatal)
            return
        self.run.count("starts refused for an old sign log")
        epoch = self.run.calendar.epoch(self.clock.now())
        closed = self.run.calendar.end(epoch) + self.run.deployment.allowances.freeze
        made.desk.sign_book.log.raise_floor(epoch, closed)
        try:
            made.start()
        except Fatal as again:
            self.stop(again)

    def stop(self, fatal: Fatal) -> None:
        """The process ends itself, for good: that an honest seat does so is a finding."""
        self.up, self.dead = False, True
        self.run.judge.fail(f"honest seat {self.number} stopped: {fatal.error}")

    def crash(self, seconds: float, restored: bool) -> None:
        """kill -9 now; back after so long, perhaps on an older copy of its folder, sign log and all."""
        self.up = False
        self.crashes += 1
        self.run.count("crashes")
        if self.attester is not None:
            self.attester.desk.http.close()
        self.attester = None
        if restored:
            self.run.count("folders restored from an older copy")
            epoch = self.run.calendar.epoch(int(self.run.timeline.now)) - self.rng.randrange(0, 3)
            with self.store.engine.begin() as connection:
                for table in (ROWS, *_TABLES):
                    if "epoch" not in table.c:
                        continue  # the secret: a copy of the folder has the same one
                    connection.execute(delete(table).where(table.c.epoch >= epoch))
        sure = not restored and self.rng.random() < 0.7  # else the machine was rebooted: nothing is known
        self.run.timeline.at(self.run.timeline.now + seconds, lambda: self.start(sure))

    @property
    def away(self) -> bool:
        """Down, or only listening."""
        return not self.up or self.attester is None or self.attester.desk.listen_until > self.clock.precise()

    # ------------------------------------------------------------------ work

    def wake(self, timer: str, ordinal: int) -> None:
        """One cycle of the role."""
        if not self.up or self.attester is None:
            return
        try:
            self.attester.cycle(Trigger(timer, self.clock.precise(), ordinal))
        except Crashed:
            self.crash(self.rng.uniform(5, 90), self.rng.random() < self.run.scenario.restored)
        except Fatal as fatal:
            self.stop(fatal)

    def observed(self, epoch: int, masks: Mapping[int, int]) -> None:
        """What reached this seat in an epoch."""
        self.seen[epoch] = masks
        self.seen.pop(epoch - 3, None)
        if self.up:
            self._see(epoch)

    def _see(self, epoch: int) -> None:
        assert self.attester is not None
        for node, mask in self.seen[epoch].items():
            for slot in range(12):
                if mask >> slot & 1:
                    self.attester.desk.seen.add(node, epoch, slot)

    # ------------------------------------------------------------------ what peers reach

    def take(self, message: object) -> None:
        """A message that came in. Raises Refused."""
        assert self.attester is not None
        exchange = self.attester.desk.exchange
        if isinstance(message, ObsBody):
            exchange.take_observation(message)
        elif isinstance(message, Proposal):
            exchange.take_proposal(message)
        elif isinstance(message, SeatSignature):
            exchange.take_signature(message)

    def show(self, path: str) -> bytes:
        """GET /v1/epochs/{epoch}/seats/{seat}."""
        assert self.attester is not None
        _, _, _, epoch, _, seat = path.split("/")
        return encode(self.attester.desk.exchange.record(int(epoch), int(seat)))

    def client(self) -> Callable[..., SimClient]:
        """What reaches the other seats."""
        return lambda endpoint, http: SimClient(self.run.net, self.number, endpoint, http, self._sends)

    def _sends(self, message: object) -> None:
        self.run.judge.heard(self.number, message)
        if self.run.may_crash() and self.rng.random() < self.run.scenario.crash:
            raise Crashed


def deployment(seats: list[str], hub: int, genesis: int) -> Deployment:
    """The record of the simulated network."""
    names = ("AttestationHub", *(name for name in CONTRACTS if name != "AttestationHub"))
    return Deployment.model_validate(
        {
            "schema": "hearth.deployment/1",
            "suite_version": "0.1.0",
            "network": "simulated",
            "chain_id": 31_337,
            "local": True,
            "genesis_block_hash": "0x" + "00" * 32,
            "first_block": 0,
            "finality": {"kind": "depth", "value": 0},
            "calendar": {"genesis": genesis, "slot": 300, "epochs_per_period": 24},
            "contracts": {name: {"address": f"0x{hub + i:040x}"} for i, name in enumerate(names)},
            "attesters": [{"seat": i, "address": seat, "url": f"http://seat-{i}"} for i, seat in enumerate(seats)],
        }
    )

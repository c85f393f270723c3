"""`Canaries`: challenges that a node of this agent fails on purpose, to see who says that it passed.

In slot 0 of an epoch, before any seed of it can be acted on, a node draws whether it would fail a challenge of this
epoch, and how. The commitment stands in the telemetry of all its beats of that epoch. Only if it then owes an answer is
the canary played; half an epoch after the end the seats are asked for each other's observations, and those that say
"passed" are kept with their signatures. Everything is stored before it is sent, so a restart goes on.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, delete, insert, or_, select, update

from keepers.chain.ports import BlockRef
from keepers.protocol import canary
from keepers.protocol.messages import Domain
from keepers.protocol.units import BPS
from keepers.roles.agent.tables import AgentCanary
from keepers.runtime.role import Context
from keepers.store.engine import Store
from keepers.wire.attester_client import AttesterClient, Unreachable
from keepers.wire.canary_file import Canary, decode_observations, encode_observations, says_passed, signed_by
from keepers.wire.codec import Beat, ObsBody, pack_beats, unpack_beats
from keepers.wire.committee import Committee, Committees

_ROWS: Any = AgentCanary.__table__  # type: ignore[attr-defined]
_log = logging.getLogger("hearth.agent")
ASKED_EPOCHS = 3  # after an epoch, in which seats still have its observations
KEEP_EPOCHS = 10_000  # in which a canary and its evidence can be shown: more than a year
PEERS_ASKED = 3  # others that are asked for what a seat has signed, before the seat itself


@dataclass(frozen=True)
class Stored:
    """A canary as it is stored."""

    canary: Canary
    played: bool
    collected: bool


class Canaries:
    """Of the nodes of one process. Safe to use from several threads. `bps`: chance of each draw in 10,000."""

    def __init__(self, context: Context, bps: int, committees: Committees) -> None:
        self._context, self._bps, self._committees = context, bps, committees
        deployment = context.deployment
        self._hub = Domain(deployment.chain_id, deployment.address("AttestationHub"))
        self._challenge = Domain(deployment.chain_id, deployment.address("ComputeChallenge"))
        self._lock = threading.Lock()
        rows = _select(context.store)
        self._known: dict[tuple[int, int], tuple[str, bytes]] = {(r.node, r.epoch): (r.how, r.salt) for r in rows}
        self._announced = {(r.node, r.epoch) for r in rows if r.beat}
        self._last: dict[int, int] = {}
        for row in rows:
            if row.played:
                self._last[row.node] = max(row.epoch, self._last.get(row.node, 0))

    # ---- the beat's thread

    def mark(self, node: int, epoch: int, slot: int) -> bytes:
        """What the node's telemetry announces in this epoch; drawn in slot 0."""
        with self._lock:
            known = self._known.get((node, epoch))
            if known is None and slot == 0:
                known = self._draw(node, epoch)
        return b"" if known is None else canary.commitment(self._challenge, node, epoch, *known)

    def _draw(self, node: int, epoch: int) -> tuple[str, bytes] | None:
        rng = self._context.rng
        if not canary.allowed(epoch, self._last.get(node, 0), self._context.calendar.epochs_per_period):
            return None
        if rng.randrange(BPS) >= self._bps:
            return None
        how = rng.choice(canary.HOWS)
        salt = rng.randbytes(canary.SALT_BYTES)
        row = {"node": node, "epoch": epoch, "how": how, "salt": salt, "telemetry": b"", "beat": b"",
               "played": False, "collected": False, "observations": b""}  # fmt: skip
        self._context.store.write(lambda connection: connection.execute(insert(_ROWS).values(**row)), durable=True)
        self._known[node, epoch] = how, salt
        return how, salt

    def announced(self, beat: Beat, telemetry: bytes) -> None:
        """Keep the first beat that announces a canary."""
        place = beat.node, beat.epoch
        with self._lock:
            if place in self._announced or place not in self._known:
                return
            self._announced.add(place)
        self._update(*place, telemetry=telemetry, beat=pack_beats([beat]))

    # ---- the challenge's thread

    def how(self, node: int, epoch: int) -> str:
        """How the node fails the challenge of an epoch, "" for not at all."""
        with self._lock:
            found = self._known.get((node, epoch))
            return found[0] if found is not None and (node, epoch) in self._announced else ""

    def play(self, node: int, epoch: int) -> None:
        """The node was asked, and fails."""
        with self._lock:
            again = self._last.get(node) == epoch
            self._last[node] = epoch
        if not again:
            self._update(node, epoch, played=True)
            _log.info("node %d: canary: fails the challenge of epoch %d on purpose", node, epoch)

    # ---- afterwards

    def collect(self, at: BlockRef, clients: Callable[[Committee], Sequence[AttesterClient]]) -> int:
        """Ask what the seats said of canaries of past epochs; how many seats are found to have passed one."""
        current = self._context.epoch()
        self._drop_unplayed(current)
        waiting = [r for r in _select(self._context.store) if r.played and not r.collected and r.epoch < current]
        if not waiting:
            return 0
        self._committees.refresh(at)
        found = 0
        for row in waiting:
            committee = self._committees.of_epoch(row.epoch)
            heard = [] if committee is None else self._ask(row.epoch, committee, clients(committee))
            passed = [one for one in heard if says_passed(one, row.node)]
            over = current - row.epoch >= ASKED_EPOCHS
            if heard or over:
                self._update(row.node, row.epoch, collected=True, observations=encode_observations(passed))
            for one in passed:
                found += 1
                _log.warning(
                    "seat %d says that node %d passed the challenge of epoch %d, which it failed on purpose;"
                    " hearth challenge canaries shows the evidence a day later",
                    one.signed.seat, row.node, row.epoch,
                )  # fmt: skip
        return found

    def _ask(self, epoch: int, committee: Committee, clients: Sequence[AttesterClient]) -> list[ObsBody]:
        """What every seat signed of an epoch, as the others hold it: who lies shows us something else itself."""
        by_seat = {client.endpoint.seat: client for client in clients}
        found = []
        for seat in range(committee.n):
            others = [by_seat[s] for s in ((seat + i) % committee.n for i in range(1, committee.n)) if s in by_seat]
            itself = [by_seat[seat]] if seat in by_seat else []
            for client in (*others[:PEERS_ASKED], *itself):
                try:
                    given = client.observation(epoch, seat)
                except Unreachable as error:
                    _log.debug("nothing of seat %d: %s", seat, error, extra={"epoch": epoch})
                    continue
                if (given.signed.epoch, given.signed.seat) == (epoch, seat) and signed_by(given, committee, self._hub):
                    found.append(given)
                    break
        return found

    def _drop_unplayed(self, current: int) -> None:
        """Nobody asked the node in those epochs: nothing was failed."""
        with self._lock:
            gone = [place for place in self._known if place[1] < current and self._last.get(place[0]) != place[1]]
            for place in gone:
                del self._known[place]
                self._announced.discard(place)
        if gone:
            unplayed = and_(_ROWS.c.epoch < current, _ROWS.c.played.is_(False))
            where = or_(unplayed, _ROWS.c.epoch < current - KEEP_EPOCHS)
            self._context.store.write(lambda connection: connection.execute(delete(_ROWS).where(where)))

    def _update(self, node: int, epoch: int, **values: Any) -> None:
        where = and_(_ROWS.c.node == node, _ROWS.c.epoch == epoch)
        statement = update(_ROWS).where(where).values(**values)
        self._context.store.write(lambda connection: connection.execute(statement), durable=True)


def _select(store: Store) -> list[Any]:
    with store.read() as connection:
        return list(connection.execute(select(_ROWS).order_by(_ROWS.c.epoch, _ROWS.c.node)).all())


def stored(store: Store) -> list[Stored]:
    """Every canary of a database that was announced, oldest first."""
    return [
        Stored(
            Canary(
                row.node, row.epoch, row.how, bytes(row.salt), bytes(row.telemetry), unpack_beats(bytes(row.beat))[0],
                decode_observations(bytes(row.observations)) if row.observations else (),
            ),
            row.played,
            row.collected,
        )
        for row in _select(store)
        if row.beat
    ]  # fmt: skip


__all__ = ["Canaries", "Stored", "stored"]

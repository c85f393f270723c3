"""How the network's hub stands: entries, price, reports and who signed them, committee."""

from __future__ import annotations

from collections.abc import Sequence

from keepers.chain.ports import BlockRef
from keepers.protocol.epochs import LATE
from keepers.protocol.merge import quorum
from keepers.protocol.price import PAUSE_LENGTH
from keepers.protocol.units import M32
from keepers.sdk.reads import parameter
from keepers.sdk.seats import Seats, table_of
from keepers.sdk.types import EpochView, HubView
from keepers.wire.committee import Committees

SHOWN = 6  # epochs


class Network(Seats):
    """Looking at the hub; nothing here sends."""

    def hub_status(self, shown: int = SHOWN) -> HubView:
        """The hub now, with the last `shown` epochs that are over."""
        at, hub = self.head(), self.suite.hub
        started = at.timestamp >= self.calendar.genesis
        epoch = self.calendar.epoch(at.timestamp) if started else 0
        word = self.reads.price(at)
        last, usable, paused_at = self.reader.read_many(
            [hub.view("last_epoch"), hub.view("newest_usable"), hub.view("paused_at")], at
        )
        follower = self._committees(at)
        present, newest = follower.of_epoch(max(1, epoch)), follower.newest()
        due = last + 1
        return HubView(
            now=at.timestamp,
            epoch=epoch,
            closed=self.reads.entries(at),
            paused=word.paused,
            clamped=word.clamped,
            stale=at.timestamp > word.stamp + parameter(self.deployment, "max_age_s"),
            paused_until=paused_at + PAUSE_LENGTH if word.paused and paused_at else 0,
            price=word.spot,
            twap=word.twap,
            stamp_at=word.stamp,
            last_epoch=last,
            newest_usable=usable,
            due_epoch=due,
            due_at=self.calendar.end(due),
            behind=max(0, epoch - due),
            present=table_of(present, ""),
            coming=table_of(newest, "") if newest is not None and newest.start > max(1, epoch) else None,
            quorum=quorum(present.n) if present is not None else 0,
            epochs=self._epochs(range(epoch - 1, max(0, epoch - 1 - shown), -1), last, follower, at),
        )

    def _epochs(self, wanted: Sequence[int], last: int, follower: Committees, at: BlockRef) -> tuple[EpochView, ...]:
        hub, refuter = self.suite.hub, self.suite.refuter
        words = self.reader.read_many([refuter.view("state", e) for e in wanted], at)
        usable = self.reader.read_many([hub.view("usable_at", e) for e in wanted], at)
        fallen = self.reader.read_many([hub.view("cancels", e) for e in wanted], at)
        voids = self._voided(at, last)
        # 0: no report of it stands; 1: it has left the ring, and who signed it with it
        signed = self._signers([e for e, since in zip(wanted, usable, strict=True) if since > 1], follower, at)
        rows = []
        for e, state, since, cancels in zip(wanted, words, usable, fallen, strict=True):
            signers, seats = signed.get(e, ((), 0))
            rows.append(EpochView(e, str(state), since, signers, seats, cancels, since != 0 and e in voids))
        return tuple(rows)

    def _signers(
        self, epochs: Sequence[int], follower: Committees, at: BlockRef
    ) -> dict[int, tuple[tuple[str, ...], int]]:
        """Who signed the standing reports of epochs, of how many; late ones by the committee of when they were sent."""
        metas = self.reader.read_many([self.suite.hub.view("meta", e) for e in epochs], at)
        sent = [meta & M32 for meta in metas]
        late = [time >= self.calendar.end(e + LATE) for e, time in zip(epochs, sent, strict=True)]
        of = [self.calendar.epoch(time) if old else e for e, time, old in zip(epochs, sent, late, strict=True)]
        tables = self.reader.read_many([self.suite.hub.view("committee", e) for e in of], at)
        found = {}
        for e, meta, (generation, _, _) in zip(epochs, metas, tables, strict=True):
            table = follower.of_generation(generation)
            if table is not None:
                found[e] = tuple(seat.address for seat in table.endpoints if meta >> 32 + seat.seat & 1), table.n
        return found

    def _voided(self, at: BlockRef, last: int) -> set[int]:
        """Epochs that stand as void: without any observation."""
        names = ("Voided", "Cancelled")
        found: set[int] = set()
        for event in self.reader.events(self.deployment.first_block, at.number, "AttestationHub", names):
            if event.name == "Voided":
                found |= set(range(event["first"], event["last"] + 1))
            else:
                found = {e for e in found if e < event["first"]}
        return {e for e in found if e <= last}

"""AttestationHub in memory: reports, roots, price, period words. Source: docs/protocol.md §7; contracts/consensus."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from keepers.protocol import counters, price, report
from keepers.protocol.counters import Header
from keepers.protocol.epochs import LATE, RING, Calendar
from keepers.protocol.hashing import create_address, keccak, to_int, word
from keepers.protocol.merge import MAX_PER_EPOCH, quorum
from keepers.protocol.merkle import root_from_proof
from keepers.protocol.messages import Domain, Report, VoidReport, address_text
from keepers.protocol.nodes import Status
from keepers.protocol.price import CLAMPED, MAX_BOUND, PAUSE_EVERY, PAUSE_LENGTH, PAUSED, PeriodWord, PriceWord
from keepers.protocol.report import MAX_VOID_EPOCHS, Facts
from keepers.protocol.units import M32
from keepers.protocol.uptime_tree import UptimeTree
from keepers.simulate.pool import Pool
from keepers.simulate.registry import Registry
from keepers.simulate.state import Context, Event, Journal, Revert, Store, checked, require

SEED_SHIFT = 200  # a seed is the high 56 bits of its hash
MAX_AGE_KEPT = 255  # void epochs since the last report that a price word still counts


@dataclass(frozen=True)
class Committee:
    """A generation's first epoch and its seats."""

    start: int
    seats: tuple[int, ...]


@dataclass(frozen=True)
class Standing:
    """What the hub keeps of one epoch: ring word, digest, signers, time, price word (no flags)."""

    word: bytes
    digest: bytes
    who: int
    time: int
    price: PriceWord
    header: Header
    clamped: bool


@dataclass(frozen=True)
class Again:
    """An epoch that was signed again: how often, and when its first report drew the seed of the epoch after."""

    times: int
    drawn: int


class Hub:
    """Reports by a quorum, their dispute window, and the gate of every entry."""

    def __init__(
        self,
        journal: Journal,
        context: Context,
        calendar: Calendar,
        registry: Registry,
        pool: Pool,
        peers: dict[str, int],
        owner: int,
        guardian: int,
        dispute: int,
        grace: int,
        abandon: int,
        price_first: int,
        bound: int,
    ) -> None:
        self._journal = journal
        self._context = context
        self._calendar = calendar
        self._registry = registry
        self._pool = pool
        self.address = peers["hub"]
        self.owner = owner
        self.dispute = dispute * calendar.epoch_seconds
        self.grace = grace
        self.abandon = abandon
        self.standing: Store[int, Standing | None] = Store(journal, None)
        self.seeds: Store[int, tuple[int, int]] = Store(journal, (0, 0))
        self.periods: Store[int, PeriodWord] = Store(journal, PeriodWord())
        self.posted: Store[bytes, bool] = Store(journal, False)
        self.resigned: Store[int, Again | None] = Store(journal, None)
        self.check_in_slots: Store[tuple[int, int], int] = Store(journal, 0)
        self.refuter = peers["refuter"]
        self.seats_contract = peers["committee"]
        self.committees: Store[int, Committee | None] = Store(journal, None)
        self._older: Store[str, tuple[int, ...]] = Store(journal, ())  # the two tables before the last, later first
        self._numbers: Store[str, int] = Store(journal, 0)
        self._header: Store[str, Header] = Store(journal, Header())
        first = price.first_word(price_first, calendar.end(0))
        self.standing[0] = Standing(UptimeTree().ring_word, bytes(32), 0, 0, first, Header(), False)
        self._numbers["paused"] = 1
        self._numbers["bound"] = bound
        self._numbers["guardian"] = guardian

    @property
    def domain(self) -> Domain:
        """Where reports are signed."""
        return Domain(self._context.chain_id, address_text(self.address))

    @property
    def header(self) -> Header:
        """Header of the last epoch."""
        return self._header["last"]

    @property
    def generation(self) -> int:
        """Number of the newest committee; 0 = none."""
        return self._numbers["generation"]

    # ---- owner
    def set_committee(self, start: int, seats: list[int], endpoints: list[str], *, sender: int) -> None:
        """The committee in force for epochs from `start` on; up to the start of a pending one it replaces that one."""
        require(sender in (self.owner, self.seats_contract), "ownable: caller is not the owner")
        require(len(seats) != 0 and len(endpoints) == len(seats), "hub: seats")
        for i, seat in enumerate(seats):
            require(seat != 0, "hub: seat zero")
            require(seat not in seats[i + 1 :], "hub: seat twice")
        now = self._context.now
        present = self._calendar.epoch(now) if now > self._calendar.genesis else 0
        require(start != 0 and start <= present + RING, "hub: start")
        newest = self.committees[self.generation]
        if newest is not None:
            require(start > present, "hub: start passed")
            if start > newest.start:
                settled = min(self.last_epoch, newest.start - 1)
                require(now >= self._usable_at(settled), "hub: in dispute")
                older = self._older["generations"]
                if len(older) == 2:
                    kept = self.committees[older[0]]
                    assert kept is not None
                    late = now >= self._calendar.start(kept.start + LATE)
                    require(self.last_epoch + 1 >= kept.start or late, "hub: unreported")
                self._older["generations"] = (self.generation, *older)[:2]
        generation = self.generation + 1
        self._numbers["generation"] = generation
        self.committees[generation] = Committee(start, tuple(seats))
        self._log("CommitteeSet", generation, start, self.table(generation), tuple(seats), tuple(endpoints))

    def set_price_bound(self, bps: int, *, sender: int) -> None:
        """How far a report may move the price."""
        require(sender == self.owner, "ownable: caller is not the owner")
        require(0 < bps <= MAX_BOUND, "hub: price bound")
        self._log("PriceBoundSet", self._numbers["bound"], bps)
        self._numbers["bound"] = bps

    def set_guardian(self, guardian: int, *, sender: int) -> None:
        """Who may pause entries."""
        require(sender == self.owner, "ownable: caller is not the owner")
        self._log("GuardianSet", self._numbers["guardian"], guardian)
        self._numbers["guardian"] = guardian

    def open_entries(self, *, sender: int) -> None:
        """Opens entries."""
        require(sender == self.owner, "ownable: caller is not the owner")
        self._open(sender)

    # ---- guardian
    def pause_entries(self, *, sender: int) -> None:
        """Stops entries, never exits."""
        require(sender == self._numbers["guardian"], "hub: not the guardian")
        require(not self._numbers["paused"], "hub: paused already")
        now = self._context.now
        require(now >= self._numbers["paused_at"] + PAUSE_EVERY, "hub: paused lately")
        self._numbers["paused_at"] = now
        self._numbers["paused"] = 1
        self._log("EntriesPaused", sender, now)

    # ---- anyone
    def unpause(self, *, sender: int) -> None:
        """Lifts a pause that is 14 days old."""
        at = self._numbers["paused_at"]
        require(at != 0 and self._context.now >= at + PAUSE_LENGTH, "hub: still paused")
        self._open(sender)

    def close_period(self, p: int, *, sender: int) -> int:
        """Closes a period that no report closed in time, at the last price; returns R_p."""
        end = self._calendar.period_start(checked(p + 1))
        require(self._context.now >= end + self.abandon, "hub: not abandoned")
        require(not self._closed(p), "hub: period closed")
        r = self.price_word.high
        self.periods[p] = PeriodWord(r)
        self._log("PeriodClosed", p, r)
        return r

    def post(self, data: bytes, *, sender: int) -> None:
        """Keeps the hash of a part of a large report."""
        require(len(data) != 0, "hub: empty part")
        h = keccak(data)
        self.posted[h] = True
        self._log("Part", h, data)

    def report(
        self,
        e: int,
        previous: bytes,
        root: bytes,
        facts: int,
        parts: list[bytes],
        data: bytes,
        who: int,
        sigs: bytes,
        *,
        sender: int,
    ) -> None:
        """The report of the next epoch, signed by a quorum."""
        now = self._context.now
        require(len(sigs) != 0, "hub: no signatures")
        require(e == self.last_epoch + 1, "hub: not the next epoch")
        require(now >= self._calendar.end(e), "hub: epoch not over")
        require(self.ring_word(e - 1) == previous, "hub: other lineage")
        generation, seats = self._signers(e)
        require(len(seats) != 0, "hub: no committee")
        require(facts >> 56 & 255 == self.cancels(e) & 255, "hub: other view")
        require(len(parts) % 2 == 0, "hub: parts")
        for h in parts[::2]:
            require(self.posted[h], "hub: part not posted")
        x = keccak(b"".join(parts) + keccak(data) + root)
        digest = Report(generation, e, previous, root, facts, x).digest(self.domain)
        self._check_quorum(digest, seats, who, sigs)
        told = Facts.unpack(facts)
        require(facts >> 36 & 15 == 0, "hub: spare bits")
        require(told.indet.bit_count() <= MAX_PER_EPOCH, "hub: indeterminate")
        require(told.count >= self.header.count, "hub: count fell")
        if told.count > self.header.count:
            require(told.count <= self._registry.count, "hub: count beyond registry")
        require(facts >> 128 == 0, "hub: facts")
        challenged = self._challenged(e)
        header = self.header.reported(count=told.count, indet=told.indet, challenged=challenged)
        period = self._calendar.period_of_epoch(e)
        renew = not self._renewed_in(period)
        new = price.next_word(self.price_word, told.price, self._numbers["bound"], self._calendar.end(e), renew)
        self._numbers["clamped"] = int(new.clamped)
        self._close_periods(e, new)
        self._stand(header, root, digest, who, new.with_flags(0))
        self._log("Report", e, root, header.pack(), facts, digest, who, tuple(parts), data)
        if renew:
            self._pool.set_stake_price(new.stake_price, sender=self.address)

    def _close_periods(self, e: int, new: PriceWord) -> None:
        """Writes R_p of the two periods before that of epoch `e`, where its report has to."""
        period = self._calendar.period_of_epoch(e)
        for p in (period - 1, period - 2):
            if p >= 0:
                self.periods[p] = price.period_word_after(
                    self.periods[p],
                    period=p,
                    epoch=e,
                    epochs_per_period=self._calendar.epochs_per_period,
                    grace=self.grace,
                    price=new.with_flags(0),
                    clamped=new.clamped,
                    now=self._context.now,
                )

    def report_void(self, hi: int, root: bytes, header: int, view: int, who: int, sigs: bytes, *, sender: int) -> None:
        """The next epochs up to `hi` had no observation."""
        now = self._context.now
        require(len(sigs) != 0, "hub: unsigned")
        last = self.last_epoch
        require(last < hi <= last + MAX_VOID_EPOCHS, "hub: epochs")
        require(now >= self._calendar.end(hi), "hub: epochs not over")
        previous = self.ring_word(last)
        require(counters.ring_word(root, header) == previous, "hub: header")
        require(view >> 16 == self.cancels(last + 1) & 255, "hub: view")
        generation, seats = self._signers(last + 1)
        require(self._signers(hi)[0] == generation, "hub: two committees")
        require(len(seats) != 0, "hub: nobody signs")
        digest = VoidReport(generation, last + 1, hi, previous, view).digest(self.domain)
        self._check_quorum(digest, seats, who, sigs)
        unflagged = self.price_word.with_flags(0)
        for e in range(last + 1, hi + 1):
            self._erase_periods(e)
            self._stand(self.header.voided(), root, digest, who, unflagged)
        self._log("Voided", last + 1, hi, self.header.pack(), digest, who)

    # ---- refuter
    def cancel(self, root: bytes, header: int, *, sender: int) -> None:
        """Takes back the epoch after the header's and all that follow."""
        require(sender == self.refuter, "hub: not the refuter")
        before, last = header & M32, self.last_epoch
        standing = before < last and self._context.now < self._usable_at(before + 1)
        require(standing, "hub: not in dispute")
        kept = self.standing[before]
        assert kept is not None
        require(counters.ring_word(root, header) == kept.word, "hub: header before")
        self._header["last"] = kept.header
        self._numbers["clamped"] = int(kept.clamped)
        self._log("Cancelled", before + 1, last)

    # ---- node
    def check_in(self, node: int, *, sender: int) -> None:
        """What a heartbeat gives, on chain."""
        now = self._context.now
        e = self._calendar.epoch(now)
        require(sender == self._registry.key_of(node, e), "hub: not the node's key")
        word = self._registry.nodes[node]
        require(word.status != Status.RETIRED or word.since >= e, "hub: node retired")
        slot = (now - self._calendar.start(e)) // self._calendar.slot
        self.check_in_slots[e, node] |= 1 << slot
        self._log("CheckedIn", node, e, slot)

    # ---- views
    def cancels(self, e: int) -> int:
        """How often a report of e was cancelled."""
        again = self.resigned[e]
        return (again.times if again else 0) + (self.last_epoch < e <= self.top)

    def check_ins(self, e: int, node: int) -> int:
        """Slots of e in which the node's key checked in, 12 bits."""
        return self.check_in_slots[e, node]

    @property
    def top(self) -> int:
        """The highest epoch that was ever reported or voided."""
        return self._numbers["top"]

    @property
    def last_epoch(self) -> int:
        """The last epoch reported or voided."""
        return self.header.epoch

    @property
    def price_word(self) -> PriceWord:
        """The newest price word with the flags in force."""
        kept = self.standing[self.last_epoch]
        assert kept is not None
        flags = PAUSED * self._numbers["paused"] | CLAMPED * self._numbers["clamped"]
        oldest = self._calendar.end(max(0, self.last_epoch - MAX_AGE_KEPT))
        return replace(kept.price, flags=flags, stamp=max(kept.price.stamp, oldest))

    @property
    def counters(self) -> int:
        """Header of the last epoch without its indet, void and challenged bits."""
        h = self.header
        return Header(h.epoch, h.void_epochs, h.challenged_epochs, h.indeterminate, h.count).pack()

    def period_price(self, p: int) -> int:
        """R_p of a closed period."""
        require(self._closed(p), "hub: period open")
        return self.periods[p].price

    def usable(self, e: int) -> tuple[bytes, int]:
        """w[e] and the second since which it is usable."""
        require(e <= self.last_epoch and self._in_ring(e), "hub: not usable")
        since = self._usable_at(e)
        require(self._context.now >= since, "hub: not usable yet")
        return self.ring_word(e), since

    def usable_at(self, e: int) -> int:
        """0: no report stands; 1: it left the ring; else the second from which it is usable."""
        return 0 if e > self.last_epoch else self._usable_at(e)

    def newest_usable(self) -> int:
        """The newest usable epoch, 0 if none."""
        for e in range(self.last_epoch, max(0, self.top - RING), -1):
            if self._context.now >= self._usable_at(e):
                return e
        return 0

    def ring_word(self, e: int) -> bytes:
        """w[e] of an epoch that stands."""
        require(e <= self.last_epoch and self._in_ring(e), "hub: not in the ring")
        kept = self.standing[e]
        assert kept is not None
        return kept.word

    def meta(self, e: int) -> int:
        """Digest 192 @64 | who 32 @32 | time 32 @0 of an epoch that stands."""
        require(e <= self.last_epoch and self._in_ring(e), "hub: no report in the ring")
        kept = self.standing[e]
        assert kept is not None
        return to_int(kept.digest) >> 64 << 64 | kept.who << 32 | kept.time if e else 0

    def seed(self, e: int) -> tuple[int, int]:
        """Seed of an epoch and when it was drawn."""
        return self.seeds[e] if 2 <= e <= self.top + 1 and self._in_ring(e - 1) else (0, 0)

    def draw(self, e: int) -> int:
        """Seed of an epoch with bit 56 set; 0 where there is none."""
        seed, at = self.seed(e)
        return seed | 1 << 56 if at else 0

    def committee(self, e: int) -> tuple[int, int, int]:
        """Generation, table and number of seats of the committee of an epoch; zeros where there is none."""
        generation, seats = self._in_force(e)
        return (generation, self.table(generation), len(seats)) if seats else (0, 0, 0)

    def table(self, generation: int) -> int:
        """Where the hub's CREATE puts the table of a generation."""
        return to_int(create_address(self.address.to_bytes(20, "big"), generation))

    # ---- internal
    def _open(self, sender: int) -> None:
        require(bool(self._numbers["paused"]), "hub: entries open")
        self._numbers["paused"] = 0
        self._log("EntriesOpened", sender)

    def _in_force(self, e: int) -> tuple[int, tuple[int, ...]]:
        for generation in (self.generation, *self._older["generations"]):
            found = self.committees[generation]
            if found is not None and e >= found.start:
                return generation, found.seats
        return 0, ()

    def _signers(self, e: int) -> tuple[int, tuple[int, ...]]:
        now = self._context.now
        return self._in_force(self._calendar.epoch(now) if now >= self._calendar.end(e + LATE) else e)

    def _check_quorum(self, digest: bytes, seats: tuple[int, ...], who: int, sigs: bytes) -> None:
        length = quorum(len(seats)) * 64
        require(len(sigs) == length, "quorum: signatures")
        at = 0
        for i in range(31):
            if who >> i & 1:
                require(at + 64 <= len(sigs))
                signer = self._context.recover(digest, sigs[at : at + 64] + b"\x1b")
                require(signer != 0, "quorum: bad signature")
                require(i < len(seats) and signer == seats[i], "quorum: not the seat")
                at += 64
        require(who >> 31 == 0 and at == length, "quorum: seats")

    def _stand(self, header: Header, root: bytes, digest: bytes, who: int, unflagged: PriceWord) -> None:
        """What a report and a void epoch have in common: the epoch stands, and draws the seed of the next once."""
        e, now, w = header.epoch, self._context.now, header.ring_word(root)
        if e <= self.top:
            old, first = self.resigned[e], self.standing[e]
            assert first is not None
            self.resigned[e] = Again(old.times + 1, old.drawn) if old else Again(1, first.time)
        else:
            self._numbers["top"] = e
            self._draw(e + 1, w)
        self._header["last"] = header
        self.standing[e] = Standing(w, digest, who, now, unflagged, header, bool(self._numbers["clamped"]))

    def _challenged(self, e: int) -> bool:
        _, drawn = self.seeds[e]
        return e > 1 and report.is_challenged(drawn, self._calendar.start(e), self._calendar.epoch_seconds)

    def _renewed_in(self, period: int) -> bool:
        """Whether a report of the period stands already, which renewed the stake price."""
        e = self.last_epoch
        while e > 0 and self._calendar.period_of_epoch(e) == period:
            kept = self.standing[e]
            assert kept is not None
            if not kept.header.void:
                return True
            e -= 1
        return False

    def _erase_periods(self, e: int) -> None:
        """A void epoch that was reported before erases what reports of it or later ones wrote, and fell."""
        period = self._calendar.period_of_epoch(e)
        for p in (period - 1, period - 2):
            if e <= self.top and p >= 0 and self.periods[p].epoch >= e:
                self.periods[p] = PeriodWord()

    def _draw(self, e: int, ring_word: bytes) -> None:
        drawn = to_int(keccak(word(self._context.prevrandao) + ring_word + word(e)))
        self.seeds[e] = (drawn >> SEED_SHIFT, self._context.now)

    def _closed(self, p: int) -> bool:
        return self.periods[p].closed(self.last_epoch, self._context.now, self.dispute)

    def _in_ring(self, e: int) -> bool:
        return e + RING > self.top

    def _usable_at(self, e: int) -> int:
        kept = self.standing[e]
        assert kept is not None
        return kept.time + self.dispute if self._in_ring(e) else 1

    def _log(self, name: str, *values: Any) -> None:
        self._journal.events.append(Event("AttestationHub", name, values))


def proven_root(index: int, leaf: int, proof: list[bytes]) -> bytes:
    """Root that a proof gives, with the contracts' refusal of a proof that is too short for the index."""
    try:
        return root_from_proof(index, leaf, proof)
    except ValueError:
        raise Revert("merkle: proof") from None

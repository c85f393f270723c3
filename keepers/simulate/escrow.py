"""LeaseEscrow in memory: purses, leases, tallies. Source: docs/protocol.md §6; contracts/market."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from keepers.protocol import counters, credits, leases
from keepers.protocol.counters import Header, Leaf
from keepers.protocol.credits import Balance
from keepers.protocol.epochs import Calendar
from keepers.protocol.leases import BARRED_TERMS, HOST_REASONS, NO_LIMIT, Cause, Money, Party, Reason, Sheet, Terms
from keepers.protocol.merkle import depth_of, leaf_hash, root_from_multiproof
from keepers.protocol.nodes import Status
from keepers.protocol.units import BPS, M32, M96, M128, mul_div_ceil
from keepers.simulate.hub import Hub, proven_root
from keepers.simulate.pool import Pool
from keepers.simulate.registry import Registry
from keepers.simulate.state import Context, Event, Journal, Revert, Store, checked, require

TOP_UP_AGE = 24  # epochs
MAX_SHEETS = 2**32
Proof = list[bytes]


class Escrow:
    """The credit ledger: it pays attested seconds and nothing else."""

    def __init__(
        self,
        journal: Journal,
        context: Context,
        calendar: Calendar,
        hub: Hub,
        registry: Registry,
        pool: Pool,
        peers: dict[str, int],
        bounty: int,
        claim: int,
        abandon: int,
    ) -> None:
        self._journal = journal
        self._context = context
        self._calendar = calendar
        self._hub = hub
        self._registry = registry
        self._pool = pool
        self._peers = peers
        self.address = peers["escrow"]
        self.bounty = bounty
        self.claim = claim
        self.abandon = abandon
        self.leases: Store[int, Terms | None] = Store(journal, None)
        self.barred: Store[int, bool] = Store(journal, False)
        self.moneys: Store[int, Money] = Store(journal, Money(0, 0))
        self.parties: Store[int, Party] = Store(journal, Party(0, 0))
        self.purses: Store[int, Balance] = Store(journal, Balance())
        self.tallies: Store[tuple[int, int], Balance] = Store(journal, Balance())
        self.sheets: Store[int, Sheet | None] = Store(journal, None)
        self._counts: Store[str, int] = Store(journal, 0)

    # ---- market
    def open(
        self, id: int, terms: Terms, renter: int, bond: int, deposit: int, price: int, ask: bytes, *, sender: int
    ) -> None:
        """Opens a lease, its deposit out of the renter's purse."""
        require(sender == self._peers["market"], "escrow: caller is not market")
        require(self.leases[id] is None and not self.barred[id], "escrow: id used")
        require(0 < deposit <= M96, "escrow: deposit out of range")
        paid = self._spend(renter, deposit, price)
        self.leases[id] = terms
        self.moneys[id] = Money(paid.credits, paid.backing)
        self.parties[id] = Party(renter, bond)
        self._log("Opened", id, renter, terms.provider, terms.pack(), paid.credits, paid.backing, bond, ask)

    def bar(self, id: int, *, sender: int) -> None:
        """A tombstone: the id can never open."""
        require(sender == self._peers["market"], "escrow: caller is not market")
        require(self.leases[id] is None and not self.barred[id], "escrow: cannot bar")
        self.barred[id] = True
        self._log("Barred", id)

    # ---- engine
    def credit(self, owner: int, amount: int, backing: int, *, sender: int) -> None:
        """Fresh credits of a burn into a purse."""
        require(sender == self._peers["engine"], "escrow: caller is not engine")
        purse = self.purses[owner] + Balance(amount, backing)
        require(purse.credits <= M128 and purse.backing <= M96, "escrow: purse too full")
        self.purses[owner] = purse

    def debit(self, owner: int, amount: int, *, sender: int) -> int:
        """Credits that leave for good; returns their backing."""
        require(sender == self._peers["engine"], "escrow: caller is not engine")
        return self._take_from(owner, amount).backing

    def pay_in(self, id: int, amount: int, backing: int, by: int, *, sender: int) -> tuple[int, int]:
        """Fresh credits straight into a running lease; returns what fitted, with its backing rounded up."""
        require(sender == self._peers["engine"], "escrow: caller is not engine")
        x = self._fit(id, amount)
        k = backing if x == amount else mul_div_ceil(backing, x, amount)
        self._add(id, x, k, by)
        return x, k

    def take(self, key: int, period: int, *, sender: int) -> Balance:
        """Empties a tally."""
        require(sender == self._peers["engine"], "escrow: caller is not engine")
        require(key >> 160 == 0 and period >> 40 == 0, "escrow: no such tally")
        tally = self.tallies[key, period]
        self.tallies[key, period] = Balance()
        return tally

    # ---- renter, provider, anyone
    def add_sheet(self, notice: int, min_seconds: int, prepay: int, dark_limit: int, table: int, *, sender: int) -> int:
        """Adds an immutable term sheet; returns its id."""
        require(self._calendar.epoch_seconds <= notice <= M32, "escrow: notice out of range")
        require(min_seconds <= prepay, "escrow: minimum over prepayment")
        require(self._calendar.slot <= prepay <= M32, "escrow: prepayment out of range")
        require(dark_limit <= M32, "escrow: limit out of range")
        require(is_table(table), "escrow: table out of order")
        id = self._counts["sheets"]
        require(id < MAX_SHEETS, "escrow: no sheet id left")
        sheet = Sheet(notice, min_seconds, prepay, dark_limit, table)
        self.sheets[id] = sheet
        self._counts["sheets"] = id + 1
        self._log("SheetAdded", id, sheet.pack())
        return id

    def top_up(self, id: int, amount: int, *, sender: int) -> int:
        """Pays into a running lease from the caller's purse; returns the credits that fitted."""
        price = self._hub.price_word
        age = TOP_UP_AGE * self._calendar.epoch_seconds
        require(self._context.now <= price.stamp + age, "escrow: stale price")
        x = self._fit(id, amount)
        require(x <= self.purses[sender].credits, "escrow: purse is short")
        paid = self._take_from(sender, x)
        require(credits.covers(paid, price.low), "escrow: top-up under-backed")
        self._add(id, paid.credits, paid.backing, sender)
        return x

    def anchor(self, id: int, header: int, leaf: int, proof: Proof, *, sender: int) -> None:
        """Stores the base of a lease's downtime, once."""
        terms = self._unfinished(id)
        self.moneys[id] = self._anchored(id, terms, header, leaf, proof)

    def settle(self, id: int, header: int, leaf: int, proof: Proof, payee: int, *, sender: int) -> None:
        """Pays what is due through a usable epoch."""
        terms = self._unfinished(id)
        self._prove(terms, header, leaf, proof)
        self._settle(id, terms, self.moneys[id], header, leaf, payee)

    def settle_first(
        self,
        id: int,
        header: int,
        leaf: int,
        proof: Proof,
        payee: int,
        header0: int,
        leaf0: int,
        proof0: Proof,
        *,
        sender: int,
    ) -> None:
        """anchor and settle in one call."""
        terms = self._unfinished(id)
        money = self._anchored(id, terms, header0, leaf0, proof0)
        self._prove(terms, header, leaf, proof)
        self._settle(id, terms, money, header, leaf, payee)

    def settle_many(
        self, ids: list[int], header: int, found: list[int], proof: Proof, payee: int, *, sender: int
    ) -> None:
        """Settles leases of one epoch under one multiproof; passes over those to which nothing moves."""
        require(len(ids) != 0 and len(ids) == len(found), "escrow: lengths differ")
        require(payee >> 160 == 0, "escrow: payee is no address")
        h = Header.unpack(header)
        first = self._calendar.start(h.epoch)
        period = self._calendar.period(self._context.now)
        indices: list[int] = []
        words: list[int] = []
        bounties = Balance()
        for id, leaf in zip(ids, found, strict=True):
            terms = self.leases[id]
            require(terms is not None, "escrow: unknown lease in batch")
            assert terms is not None
            if indices and terms.node == indices[-1]:
                require(leaf == words[-1], "escrow: two leaves of one node")
            else:
                require(not indices or terms.node > indices[-1], "escrow: not sorted by node")
                indices.append(terms.node)
                words.append(leaf)
            money = self.moneys[id]
            stop = leases.effective_stop(terms, money)
            if terms.finished or money.base is None or first >= stop:
                continue
            paid, seconds, left = self._accrue(terms, money, h, Leaf.unpack(leaf))
            if paid.credits == 0:
                continue
            self.moneys[id] = left
            bounty = self._bounty(terms, paid, seconds, stop, payee)
            bounties = bounties + bounty
            self._pay(terms.provider, period, paid, bounty)
            self._log_settled(id, terms, h.epoch, left, paid, bounty, payee)
        if bounties.credits != 0:
            self.tallies[payee, period] = self.tallies[payee, period] + bounties
        hashes = [leaf_hash(i, w) for i, w in zip(indices, words, strict=True)]
        try:
            root = root_from_multiproof(indices, hashes, depth_of(h.count), proof)
        except ValueError as error:
            # the contract reads beyond the end of a short proof, which refuses without words
            raise Revert("" if "short" in str(error) else "escrow: multiproof length") from None
        word, _ = self._hub.usable(h.epoch)
        require(counters.ring_word(root, header) == word, "escrow: multiproof")

    def stop(self, id: int, sibling: int, *, sender: int) -> None:
        """Records a stop and frees the GPUs; what can no longer be owed goes home."""
        found = self.leases[id]
        require(found is not None and not found.stopped, "escrow: not running")
        assert found is not None
        terms, money = found, self.moneys[id]
        renter = self.parties[id].renter
        until = leases.until(terms, money)
        at = self._context.now
        reason, cause = Reason.RUNNING, Cause.RENTER
        if at >= until:
            at = until
            reason, cause = leases.lapse_reason(terms, money)
        elif sender == renter:
            if self._registry.nodes[terms.node].status == Status.FAULTED:
                reason, cause = Reason.HOST_FAULT, Cause.HOST
            elif sibling != 0:
                require(self._failed(id, terms, renter, sibling), "escrow: no failed sibling")
                reason, cause = Reason.CLUSTER, Cause.HOST
            elif at - terms.start >= self._sheet(terms).min_seconds:
                reason = Reason.RENTER_CLOSED
        if reason == Reason.RUNNING:
            require(sender == self._registry.owners[terms.provider], "escrow: may not stop it now")
            reason, cause = Reason.HOST_EXIT, Cause.HOST
        self._stop(id, terms, at, reason, cause, sender)

    def free_bond(self, id: int, *, sender: int) -> None:
        """Ends the bond of a stopped lease of which nothing can be forfeited any more."""
        terms, party = self._unfinished(id), self.parties[id]
        kept = terms.reason in HOST_REASONS or not leases.is_harmless(terms, self._sheet(terms), self._calendar)
        require(terms.stopped and party.bond != 0 and not kept, "escrow: no bond to free")
        self.parties[id] = Party(party.renter, 0)
        self._log("BondFreed", id, party.bond)
        self._pool.end_bond(terms.provider, party.bond, 0, 0, 0, sender=self.address)

    def give_notice(self, id: int, *, sender: int) -> None:
        """The provider shortens a lease to the sheet's notice."""
        terms = self._unfinished(id)
        require(not terms.stopped, "escrow: stopped before notice")
        now = self._context.now
        require(now < leases.until(terms, self.moneys[id]), "escrow: lapsed before notice")
        require(self._is_provider(terms.provider, sender), "escrow: notice is the provider's")
        duration = leases.notice_duration(terms, self._sheet(terms), now)
        require(duration < terms.duration, "escrow: notice changes nothing")
        self.leases[id] = replace(terms, duration=duration, notice=True)
        self._log("NoticeGiven", id, duration)

    def stop_dark(
        self,
        id: int,
        header0: int,
        leaf0: int,
        proof0: Proof,
        header: int,
        leaf: int,
        proof: Proof,
        *,
        sender: int,
    ) -> None:
        """Stops a lease whose node was at fault for longer than its sheet allows."""
        terms = self._unfinished(id)
        require(terms.reason not in HOST_REASONS, "escrow: stopped for the host")
        limit = self._sheet(terms).dark_limit
        require(limit != NO_LIMIT, "escrow: sheet has no dark limit")
        money = self.moneys[id]
        self._prove_first(terms, header0, leaf0, proof0)
        self._prove(terms, header, leaf, proof)
        h0, h = Header.unpack(header0), Header.unpack(header)
        stop = leases.effective_stop(terms, money)
        require(self._calendar.start(h.epoch) < stop, "escrow: dark after the stop")
        dark = leases.fault_between(terms, stop, self._calendar, h0, Leaf.unpack(leaf0), h, Leaf.unpack(leaf))
        require(dark > limit, "escrow: not dark for so long")
        if not terms.stopped:
            self._stop(id, terms, min(self._context.now, stop), Reason.HOST_DOWN, Cause.HOST, sender)
        else:
            self.leases[id] = replace(terms, reason=Reason.HOST_DOWN, cause=Cause.HOST)
            self._log("Stopped", id, sender, int(Reason.HOST_DOWN), int(Cause.HOST), terms.stop_after, 0, 0)

    def finish(self, id: int, header: int, leaf: int, proof: Proof, *, sender: int) -> None:
        """Last settlement, rest to the renter's purse, bond ended."""
        terms = self._unfinished(id)
        require(terms.stopped, "escrow: still running")
        money, party, sheet = self.moneys[id], self.parties[id], self._sheet(terms)
        stop = terms.start + terms.stop_after
        epoch = 0
        if header != 0:
            require(terms.stop_after != 0, "escrow: length 0 needs no proof")
            epoch = leases.stop_epoch(terms, stop, self._calendar)
            require(header & M32 == epoch, "escrow: not the stop's epoch")
            since = self._prove(terms, header, leaf, proof)
            if sender != party.renter and self._context.now < since + self.claim:
                require(leases.is_harmless(terms, sheet, self._calendar), "escrow: claims are open")
            paid, _, money = self._accrue(terms, money, Header.unpack(header), Leaf.unpack(leaf))
            if paid.credits != 0:
                self._pay(terms.provider, self._calendar.period(self._context.now), paid, Balance())
                self._log_settled(id, terms, epoch, money, paid, Balance(), terms.provider)
        elif terms.stop_after != 0:
            at = self._hub.usable_at(self._calendar.epoch(stop - 1))
            gone = leases.is_abandoned(stop, self._context.now, self.abandon, self._calendar, at)
            require(gone, "escrow: finish needs a proof")
        rest = Balance(money.credits, money.backing)
        if rest.credits != 0:
            self.purses[party.renter] = self.purses[party.renter] + rest
        self.moneys[id] = Money(0, 0, money.settled, money.base)
        self.leases[id] = replace(terms, finished=True)
        taken = limit = 0
        if terms.reason in HOST_REASONS:
            taken = leases.forfeit_shares(party.bond, sheet, terms.stop_after)
            limit = leases.damage_limit(terms.per_second * money.settled, self._hub.price_word.high)
        self._log("Finished", id, epoch, rest.credits, rest.backing, party.bond, taken, limit)
        if party.bond != 0:
            self._pool.end_bond(terms.provider, party.bond, taken, party.renter, limit, sender=self.address)

    # ---- views
    @property
    def sheet_count(self) -> int:
        """Sheets ever added."""
        return self._counts["sheets"]

    def terms(self, id: int) -> int:
        """The terms word; 0 if nothing ever bore the id."""
        found = self.leases[id]
        return found.pack() if found is not None else BARRED_TERMS if self.barred[id] else 0

    def money(self, id: int) -> int:
        """The money word."""
        return self.moneys[id].pack()

    def party(self, id: int) -> int:
        """The party word."""
        return self.parties[id].pack()

    def until(self, id: int) -> int:
        """The recorded stop, else the second until which the lease is funded."""
        terms = self.leases[id]
        require(terms is not None, "escrow: no such lease to read")
        assert terms is not None
        return leases.effective_stop(terms, self.moneys[id])

    def room(self, id: int) -> int:
        """Credits that a top-up can bring in now."""
        terms, now = self.leases[id], self._context.now
        if terms is None or terms.stopped or now >= leases.until(terms, self.moneys[id]):
            return 0
        return leases.room(terms, self.moneys[id], self._sheet(terms), now)

    def due(self, id: int, header: int, leaf: int, proof: Proof) -> tuple[int, int]:
        """Attested seconds due in all, and the credits that settle would pay."""
        terms, money = self._unfinished(id), self.moneys[id]
        self._prove(terms, header, leaf, proof)
        due = self._due(terms, money, Header.unpack(header), Leaf.unpack(leaf))
        return due, leases.payment(terms, money, due)

    # ---- who and which
    def _unfinished(self, id: int) -> Terms:
        require(not self.barred[id], "escrow: finished")
        terms = self.leases[id]
        require(terms is not None, "escrow: no such lease")
        assert terms is not None
        require(not terms.finished, "escrow: finished")
        return terms

    def _sheet(self, terms: Terms) -> Sheet:
        sheet = self.sheets[terms.sheet]
        assert sheet is not None
        return sheet

    def _is_provider(self, provider: int, sender: int) -> bool:
        return sender in (self._registry.providers[provider].operator, self._registry.owners[provider])

    def _failed(self, id: int, terms: Terms, renter: int, sibling: int) -> bool:
        if (id - sibling) % 2**256 > 7 and (sibling - id) % 2**256 > 7:
            return False
        other = self.leases[sibling]
        if other is None or other.start != terms.start or self.parties[sibling].renter != renter:
            return False
        return other.reason in HOST_REASONS

    # ---- proofs
    def _prove(self, terms: Terms, header: int, leaf: int, proof: Proof) -> int:
        word, since = self._hub.usable(header & M32)
        root = proven_root(terms.node, leaf, proof)
        require(counters.ring_word(root, header) == word, "escrow: proof")
        return since

    def _prove_first(self, terms: Terms, header: int, leaf: int, proof: Proof) -> int:
        e, began = header & M32, self._calendar.epoch(terms.start)
        if e != began:
            require(e > began and self._hub.usable_at(e - 1) == 1, "escrow: not the anchor's epoch")
        self._prove(terms, header, leaf, proof)
        return e

    def _anchored(self, id: int, terms: Terms, header: int, leaf: int, proof: Proof) -> Money:
        money = self.moneys[id]
        require(money.base is None, "escrow: anchored before")
        e = self._prove_first(terms, header, leaf, proof)
        base = leases.base_of(terms, self._calendar, e, Header.unpack(header), Leaf.unpack(leaf))
        require(-leases.ANCHOR_BIAS < base < leases.ANCHOR_BIAS, "escrow: base out of range")
        self._log("Anchored", id, e, base)
        return replace(money, base=base)

    # ---- money
    def _due(self, terms: Terms, money: Money, header: Header, leaf: Leaf) -> int:
        require(money.base is not None, "escrow: no anchor")
        assert money.base is not None
        stop = leases.effective_stop(terms, money)
        require(self._calendar.start(header.epoch) < stop, "escrow: epoch after the stop")
        return leases.due_seconds(terms, stop, money.base, self._calendar, header, leaf)

    def _accrue(self, terms: Terms, money: Money, header: Header, leaf: Leaf) -> tuple[Balance, int, Money]:
        due = self._due(terms, money, header, leaf)
        if due <= money.settled:
            return Balance(), 0, money
        x = leases.payment(terms, money, due)
        paid, rest = Balance(money.credits, money.backing).split(x)
        return paid, due - money.settled, Money(rest.credits, rest.backing, due, money.base)

    def _bounty(self, terms: Terms, paid: Balance, seconds: int, stop: int, payee: int) -> Balance:
        earned = seconds >= self._calendar.period_seconds or self._context.now >= stop
        return credits.bounty(paid, self.bounty) if payee != terms.provider and earned else Balance()

    def _settle(self, id: int, terms: Terms, money: Money, header: int, leaf: int, payee: int) -> None:
        require(payee >> 160 == 0, "escrow: payee is no address")
        h = Header.unpack(header)
        paid, seconds, left = self._accrue(terms, money, h, Leaf.unpack(leaf))
        require(paid.credits != 0, "escrow: nothing due")
        self.moneys[id] = left
        period = self._calendar.period(self._context.now)
        bounty = self._bounty(terms, paid, seconds, leases.effective_stop(terms, money), payee)
        if bounty.credits != 0:
            self.tallies[payee, period] = self.tallies[payee, period] + bounty
        self._pay(terms.provider, period, paid, bounty)
        self._log_settled(id, terms, h.epoch, left, paid, bounty, payee)

    def _pay(self, provider: int, period: int, paid: Balance, bounty: Balance) -> None:
        net = Balance(paid.credits - bounty.credits, paid.backing - bounty.backing)
        self.tallies[provider, period] = self.tallies[provider, period] + net

    def _take_from(self, owner: int, amount: int) -> Balance:
        require(amount <= self.purses[owner].credits, "escrow: purse has too little")
        moved, rest = self.purses[owner].split(amount)
        if amount == self.purses[owner].credits:  # all of it, the backing of an empty purse included
            moved, rest = self.purses[owner], Balance()
        self.purses[owner] = rest
        return moved

    def _spend(self, owner: int, amount: int, price_low: int) -> Balance:
        moved = self._take_from(owner, amount)
        require(credits.covers(moved, price_low), "escrow: deposit under-backed")
        return moved

    def _fit(self, id: int, amount: int) -> int:
        terms, money, now = self.leases[id], self.moneys[id], self._context.now
        require(terms is not None and not terms.stopped, "escrow: not open to payments")
        assert terms is not None
        require(now < leases.until(terms, money), "escrow: lapsed")
        x = min(leases.room(terms, money, self._sheet(terms), now), amount)
        require(x != 0, "escrow: nothing fits")
        require(money.credits + x <= M96, "escrow: lease too full")
        return x

    def _add(self, id: int, amount: int, backing: int, by: int) -> None:
        money = self.moneys[id]
        self.moneys[id] = replace(money, credits=money.credits + amount, backing=money.backing + backing)
        self._log("ToppedUp", id, by, amount, backing)

    def _stop(self, id: int, terms: Terms, at: int, reason: Reason, cause: Cause, sender: int) -> None:
        after = at - terms.start
        money, renter = self.moneys[id], self.parties[id].renter
        self.leases[id] = terms.with_stop(after, reason, cause)
        checked(after - money.settled)
        back = leases.excess(terms, money, after)
        moved, rest = Balance(money.credits, money.backing).split(back)
        if back != 0:
            self.moneys[id] = replace(money, credits=rest.credits, backing=rest.backing)
            self.purses[renter] = self.purses[renter] + moved
        self._log("Stopped", id, sender, int(reason), int(cause), after, back, moved.backing)
        self._registry.release(terms.node, terms.gpus, sender=self.address)

    def _log_settled(
        self, id: int, terms: Terms, epoch: int, money: Money, paid: Balance, bounty: Balance, payee: int
    ) -> None:
        values = (id, terms.provider, epoch, money.settled, paid.credits, paid.backing, bounty.credits, payee)
        self._log("Settled", *values)

    def _log(self, name: str, *values: Any) -> None:
        self._journal.events.append(Event("LeaseEscrow", name, values))


def is_table(table: int) -> bool:
    """Whether a sheet's uptimes fall strictly and its credits never do; empty steps only at the end."""
    if table >> 128:
        return False
    uptime, given = BPS + 1, 0
    for i in range(4):
        step = table >> (96 - 32 * i) & M32
        if step == 0:
            return table & ((1 << (128 - 32 * i)) - 1) == 0
        if step >> 16 >= uptime or step & 0xFFFF < given or step & 0xFFFF > BPS:
            return False
        uptime, given = step >> 16, step & 0xFFFF
    return True

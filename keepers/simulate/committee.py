"""AttesterCommittee in memory: bonded seats. Source: docs/protocol.md §7, "Seats and bonds"; contracts/consensus."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from keepers.protocol.epochs import Calendar
from keepers.protocol.hashing import to_int
from keepers.protocol.seats import MAX_BOND, NoTable, Seat, bounty, next_table
from keepers.protocol.statements import OBSERVATION, Place, Statement, commitment
from keepers.protocol.units import M24, M32, M40
from keepers.simulate.hub import Hub
from keepers.simulate.refuter import Refuter
from keepers.simulate.state import Context, Event, Journal, Revert, Store, require
from keepers.simulate.token import Token


class Committee:
    """Bonds, tables with notice, and proofs against seats."""

    def __init__(
        self,
        journal: Journal,
        context: Context,
        calendar: Calendar,
        hub: Hub,
        refuter: Refuter,
        token: Token,
        address: int,
        owner: int,
        dispute: int,
        bond: int,
        notice: int,
        unbonding: int,
    ) -> None:
        self._journal = journal
        self._context = context
        self._calendar = calendar
        self._hub = hub
        self._refuter = refuter
        self._token = token
        self.address = address
        self.owner = owner
        self.bond = bond
        self.notice = notice
        self.release = dispute * calendar.epoch_seconds + unbonding
        self.accounts: Store[int, Seat] = Store(journal, Seat())
        self.endpoints: Store[int, str] = Store(journal, "")
        self.tables: Store[str, tuple[int, ...]] = Store(journal, ())
        self.times: Store[str, int] = Store(journal, 0)
        self.committed: Store[bytes, int] = Store(journal, 0)
        self.punishments: Store[tuple[int, int], int] = Store(journal, 0)
        self.proofs: Store[tuple[int, tuple[int, ...]], bool] = Store(journal, False)

    # ---- owner
    def propose(self, seats: list[int], *, sender: int) -> None:
        """The next table, for anyone to apply after the notice."""
        require(sender == self.owner, "ownable: caller is not the owner")
        require(len(seats) != 0, "committee: no seats")
        for i, who in enumerate(seats):
            found = self.accounts[who]
            require(found.bond >= self.bond and found.leaving == 0, "committee: seat not bonded")
            require(who not in seats[i + 1 :], "committee: seat twice")
        fresh, old = sum(not self.accounts[who].seated for who in seats), len(self.tables["now"])
        if old:
            require(max(fresh, old + fresh - len(seats)) <= max(old // 3, 1), "committee: too many changes")
        self.tables["next"] = tuple(seats)
        self.times["next"] = self._context.now + self.notice
        self._log("ChangeProposed", tuple(seats), self.times["next"])

    # ---- attester
    def join(self, amount: int, endpoint: str, *, sender: int) -> None:
        """Bonds tokens from the caller's allowance."""
        found = self.accounts[sender]
        require(found.leaving == 0, "committee: leaving")
        require(found.free == 0, "committee: withdraw first")
        bond = found.bond + amount
        require(bond < 2**256)
        require(amount != 0 and bond <= MAX_BOND, "committee: amount")
        self.accounts[sender] = replace(found, bond=bond)
        self.endpoints[sender] = endpoint
        self._log("Bonded", sender, amount, bond, endpoint)
        self._token.transfer_from(sender, self.address, amount, sender=self.address)

    def set_endpoint(self, endpoint: str, *, sender: int) -> None:
        """Where the seat answers from the next table on."""
        require(self.accounts[sender].bond != 0, "committee: no bond")
        self.endpoints[sender] = endpoint
        self._log("EndpointSet", sender, endpoint)

    def leave(self, *, sender: int) -> None:
        """The seat is out of the table that anyone applies after the notice."""
        found = self.accounts[sender]
        require(found.seated, "committee: not seated")
        require(found.leaving == 0, "committee: leaving already")
        at = self._context.now + self.notice
        self.accounts[sender] = replace(found, leaving=at)
        self._log("Leaving", sender, at)

    def withdraw(self, *, sender: int) -> int:
        """The bond of an account that has no seat (any more); wei."""
        found = self.accounts[sender]
        require(not found.seated, "committee: still seated")
        require(self._context.now >= found.free, "committee: not released")
        require(found.bond != 0, "committee: nothing left")
        self.accounts[sender] = Seat(fault=found.fault)
        self._log("Withdrawn", sender, found.bond)
        self._token.transfer(sender, found.bond, sender=self.address)
        return found.bond

    # ---- anyone
    def commit(self, commitment: bytes, *, sender: int) -> None:
        """Claims an equivocation before it is shown."""
        require(self.committed[commitment] == 0, "committee: committed already")
        self.committed[commitment] = self._context.now

    def apply(self, *, sender: int) -> None:
        """Hands the hub the table that is due."""
        now, old = self._context.now, self.tables["now"]
        try:
            following = next_table(old, self.tables["next"], self.times["next"], self.accounts.__getitem__, now)
        except NoTable as reason:
            raise Revert(str(reason)) from None
        if 0 < self.times["next"] <= now:
            self.tables["next"] = ()
            self.times["next"] = 0
        start = self._calendar.epoch(now) + 1 if now >= self._calendar.genesis else 1
        free = self._calendar.start(start) + self.release
        for who in old:
            found = self.accounts[who]
            self.accounts[who] = replace(found, seated=False, free=free)
        for who in following:
            self.accounts[who] = replace(self.accounts[who], seated=True, free=0)
        self.tables["now"] = following
        self._log("Applied", start, following)
        urls = [self.endpoints[who] for who in following]
        self._hub.set_committee(start, list(following), urls, sender=self.address)

    def prove_equivocation(self, index: int, first: Statement, second: Statement, *, sender: int) -> None:
        """Two things signed where a seat may sign one."""
        place = _place(first)
        require(place == _place(second), "committee: other place")
        a, b = first.digest(self._hub.domain), second.digest(self._hub.domain)
        require(a != b, "committee: the same")
        generation = to_int(first.words[0])
        require(0 < generation < 2**16 and index < 31, "committee: no such seat")
        who = self._seat(generation, index)
        require(who != 0, "committee: no such seat")
        if first.kind == OBSERVATION:
            require(to_int(first.words[2]) == index, "committee: other seat")
        signed = self._signer(first, a) == who and self._signer(second, b) == who
        require(signed, "committee: not signed by it")
        require(not self.proofs[who, place], "committee: proven already")
        self.proofs[who, place] = True
        committed = self.committed[commitment(sender, a, b)]
        finder = sender if 0 < committed < self._context.now else 0
        self._log("Equivocated", who, to_int(first.words[1]), a, b)
        self._settle(self._take(who, self.accounts[who].bond, finder), finder)

    def punish(self, e: int, cancels: int, *, sender: int) -> None:
        """Takes a tenth of the bond of each seat that signed a report which fell; the second time, all."""
        fault = self._refuter.fault_of(e, cancels)
        require(fault != 0, "committee: no fault")
        who = fault >> 40 & M32
        require(self.punishments[e, cancels] == 0, "committee: punished already")
        self.punishments[e, cancels] = who
        finder, at, total = fault >> 96, fault & M40, 0
        for i in range(31):
            if who >> i & 1:
                seat = self._seat(fault >> 72 & M24, i)
                found = self.accounts[seat]
                taken = found.penalty(at)
                self.accounts[seat] = replace(found, fault=max(found.fault, at))
                total += self._take(seat, taken, finder)
        self._settle(total, finder)

    # ---- views
    def seat_of(self, who: int) -> int:
        """The seat word of an account."""
        return self.accounts[who].pack()

    def seats(self) -> tuple[int, ...]:
        """The table that was applied last."""
        return self.tables["now"]

    def pending(self) -> tuple[tuple[int, ...], int]:
        """The proposed table and the second from which it may be applied."""
        return self.tables["next"], self.times["next"]

    def punished(self, e: int, cancels: int) -> int:
        """Seats that were punished for a report, as bits."""
        return self.punishments[e, cancels]

    def committed_at(self, commitment: bytes) -> int:
        """Second of a commitment, 0 = never."""
        return self.committed[commitment]

    def endpoint(self, who: int) -> str:
        """Where an account answers."""
        return self.endpoints[who]

    def state(self, who: int) -> str:
        """How an account stands, in words."""
        found, now = self.accounts[who], self._context.now
        if found.seated:
            if not found.bond:
                return "seated, bond lost"
            if found.leaving:
                return "seated, leaving" if now < found.leaving else "left, waiting for the next table"
            return "seated"
        if not found.bond:
            return "no bond"
        if not found.free:
            return "bonded, no seat"
        return "out, bond held" if now < found.free else "out, bond free"

    # ---- internal
    def _seat(self, generation: int, index: int) -> int:
        found = self._hub.committees[generation]
        return found.seats[index] if found is not None and index < len(found.seats) else 0

    def _take(self, who: int, amount: int, finder: int) -> int:
        found = self.accounts[who]
        self.accounts[who] = replace(found, bond=found.bond - amount)
        self._log("Punished", who, amount, bounty(amount) if finder else 0, finder)
        return amount

    def _settle(self, amount: int, finder: int) -> None:
        paid = bounty(amount) if finder else 0
        if amount != paid:
            self._token.burn(amount - paid, sender=self.address)
        if paid:
            self._token.transfer(finder, paid, sender=self.address)

    def _signer(self, s: Statement, digest: bytes) -> int:
        require(len(s.sig) in (64, 65), "committee: signature")
        return self._context.recover(digest, s.sig if len(s.sig) == 65 else s.sig + b"\x1b")

    def _log(self, name: str, *values: Any) -> None:
        self._journal.events.append(Event("AttesterCommittee", name, values))


def _place(s: Statement) -> Place:
    require(s.well_formed, "committee: statement")
    return s.place


__all__ = ["Committee"]

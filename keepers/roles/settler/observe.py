"""The settler's index: leases, tallies, tickets and nodes, brought forward by events up to the final block."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, and_, delete, insert, select

from keepers.chain.contracts import LEASE_EVENTS, Suite
from keepers.chain.ports import ZERO_ADDRESS, BlockRef, Event, Reader
from keepers.protocol.epochs import Calendar
from keepers.protocol.leases import Money, Party, Sheet, Terms
from keepers.protocol.nodes import Node, Status
from keepers.protocol.stake import Own, Ticket, tickets_issued
from keepers.roles.settler.facts import LeaseFacts, NodeFacts, PoolFacts, TallyFacts, TicketFacts
from keepers.roles.settler.tables import SettlerCursor, SettlerLease, SettlerTally, SettlerTicket
from keepers.store.engine import Store

_LEASES: Any = SettlerLease.__table__  # type: ignore[attr-defined]
_TALLIES: Any = SettlerTally.__table__  # type: ignore[attr-defined]
_TICKETS: Any = SettlerTicket.__table__  # type: ignore[attr-defined]
_CURSOR: Any = SettlerCursor.__table__  # type: ignore[attr-defined]
REGISTRY_EVENTS = ("NodeRegistered", "StatusSet", "NodeRetired")
POOL_EVENTS = ("Unbonding", "BondEnded", "Withdrawn", "PoolOpened", "UnitsSet", "Staked", "Slashed")
SPAN = 2_000  # blocks asked for at a time


class Index:
    """What may become due. Memory holds it, the store remembers it with the block it is true for."""

    def __init__(
        self, who: str, store: Store, reader: Reader, suite: Suite, calendar: Calendar, first_block: int
    ) -> None:
        self._who = who
        self._store = store
        self._reader = reader
        self._suite = suite
        self._calendar = calendar
        self._first_block = first_block
        self._block = first_block - 1
        self._hash = b""
        self.leases: dict[int, tuple[int, int]] = {}  # id -> terms, money
        self.tallies: set[tuple[int, int]] = set()
        self.tickets: dict[tuple[int, str, int], int] = {}
        self.nodes: dict[int, int] = {}
        self.providers: set[int] = set()
        self._sheets: dict[int, Sheet] = {}
        self._liveness: dict[int, bool] = {}
        self._loaded = False

    def restore(self) -> None:
        """Read the tables of an earlier run."""
        with self._store.read() as connection:
            cursor = connection.execute(select(_CURSOR).where(_CURSOR.c.who == self._who)).first()
            if cursor is None:
                return
            self._block, self._hash = cursor.block, bytes(cursor.block_hash)
            for row in connection.execute(select(_LEASES).where(_LEASES.c.who == self._who)):
                self.leases[row.id] = (row.terms, row.money)
            for row in connection.execute(select(_TALLIES).where(_TALLIES.c.who == self._who)):
                self.tallies.add((row.key, row.period))
            for row in connection.execute(select(_TICKETS).where(_TICKETS.c.who == self._who)):
                self.tickets[row.provider, row.owner, row.ticket] = row.release

    def refresh(self, at: BlockRef) -> bool:
        """Bring the index to block `at`, which must be final. True if anything changed."""
        if not self._loaded:
            self._load_nodes(at)
        if self._block >= at.number:
            return False
        if self._hash and self._block >= self._first_block:
            here = self._reader.block(self._block)
            if here is None or here.hash != self._hash:
                self._start_over()
        changed = False
        while self._block < at.number:
            last = min(at.number, self._block + SPAN)
            events = [
                *self._reader.events(self._block + 1, last, "LeaseEscrow", LEASE_EVENTS),
                *self._reader.events(self._block + 1, last, "NodeRegistry", REGISTRY_EVENTS),
                *self._reader.events(self._block + 1, last, "StakingPool", POOL_EVENTS),
            ]
            changed = self._take(events, last, at) or changed
        return changed

    def leases_facts(self, at: BlockRef, own: Container[int] = ()) -> tuple[LeaseFacts, ...]:
        """Open leases by node, with their sheets; of stopped ones of the providers `own` also the bond."""
        wanted = sorted({Terms.unpack(terms).sheet for terms, _ in self.leases.values()} - set(self._sheets))
        if wanted:
            words = self._reader.read_many([self._suite.escrow.view("sheet", sheet) for sheet in wanted], at)
            self._sheets.update({sheet: Sheet.unpack(int(word)) for sheet, word in zip(wanted, words, strict=True)})
        facts = []
        for lease_id, (terms, money) in self.leases.items():
            unpacked = Terms.unpack(terms)
            facts.append(LeaseFacts(lease_id, unpacked, Money.unpack(money), self._sheets[unpacked.sheet]))
        mine = [place for place, lease in enumerate(facts) if lease.terms.stopped and lease.terms.provider in own]
        views = [self._suite.escrow.view("party", facts[place].id) for place in mine]
        for place, word in zip(mine, self._reader.read_many(views, at) if views else [], strict=True):
            facts[place] = replace(facts[place], bond=Party.unpack(int(word)).bond)
        return tuple(sorted(facts, key=lambda lease: (lease.terms.node, lease.id)))

    def nodes_facts(self, at: BlockRef) -> tuple[NodeFacts, ...]:
        """Nodes that are not retired."""
        facts = []
        for index, word in sorted(self.nodes.items()):
            node = Node.unpack(word)
            if node.status is Status.RETIRED:
                continue
            if node.class_id not in self._liveness:
                # rounds stand at place 8 of the row (INodeRegistry.HardwareClass); 0 = liveness only
                self._liveness[node.class_id] = int(self._suite.registry.class_of(node.class_id, at=at)[8]) == 0
            liveness = self._liveness[node.class_id]
            facts.append(NodeFacts(index, node.status, node.first, node.clean, node.since, liveness))
        return tuple(facts)

    def tallies_facts(self) -> tuple[TallyFacts, ...]:
        """Tallies that may hold something."""
        return tuple(TallyFacts(key, period) for key, period in sorted(self.tallies))

    def tickets_facts(self) -> tuple[TicketFacts, ...]:
        """Tickets that are not withdrawn."""
        return tuple(TicketFacts(*key, release) for key, release in sorted(self.tickets.items()))

    def pools_facts(self, at: BlockRef) -> tuple[PoolFacts, ...]:
        """Pools of all providers; asked once a period only."""
        pool, providers = self._suite.pool, sorted(self.providers)
        calls = [pool.view("own", p) for p in providers] + [pool.view("required", p) for p in providers]
        words = self._reader.read_many(calls, at) if calls else []
        facts = []
        for place, provider in enumerate(providers):
            own = Own.unpack(int(words[place]))
            facts.append(PoolFacts(provider, own.assets, int(words[len(providers) + place]), own.last_below))
        return tuple(facts)

    def drop_tallies(self, emptied: Iterable[tuple[int, int]]) -> None:
        """Forget tallies that hold nothing any more."""
        gone = set(emptied) & self.tallies
        if not gone:
            return
        self.tallies -= gone

        def work(connection: Connection) -> None:
            for key, period in gone:
                mine = and_(_TALLIES.c.who == self._who, _TALLIES.c.key == key, _TALLIES.c.period == period)
                connection.execute(delete(_TALLIES).where(mine))

        self._store.write(work)

    # ------------------------------------------------------------------ events

    def _load_nodes(self, at: BlockRef) -> None:
        registry = self._suite.registry
        count = int(registry.count(at=at))
        words = self._reader.read_many([registry.view("node", i) for i in range(count)], at) if count else []
        self.nodes = {i: int(word) for i, word in enumerate(words)}
        self.providers = set(range(int(registry.provider_count(at=at)))) if count else set()
        self._loaded = True

    def _start_over(self) -> None:
        """The block we stood at is gone, although it was final: read everything again."""
        self.leases, self.tallies, self.tickets = {}, set(), {}
        self._block, self._hash, self._loaded = self._first_block - 1, b"", False

    def _take(self, events: list[Event], last: int, at: BlockRef) -> bool:
        leases = {int(e["id"]) for e in events if e.contract == "LeaseEscrow"}
        nodes = {int(e["node"]) for e in events if e.contract == "NodeRegistry"}
        self.providers |= {int(e["provider"]) for e in events if e.name == "PoolOpened"}
        tallies = self._tallies_of(events)
        pools = {
            (int(e["provider"]), self._owner(e)) for e in events if e.name in ("Unbonding", "BondEnded", "Withdrawn")
        }
        pools = {(provider, owner) for provider, owner in pools if owner not in ("", ZERO_ADDRESS)}
        escrow, registry = self._suite.escrow, self._suite.registry
        ids, indices = sorted(leases), sorted(nodes)
        calls = [escrow.view("terms", i) for i in ids] + [escrow.view("money", i) for i in ids]
        calls += [registry.view("node", i) for i in indices]
        # read at the newest final block: the words are those of the end of all events, which is where we are going
        words = [int(word) for word in self._reader.read_many(calls, at)] if calls else []
        for place, lease_id in enumerate(ids):
            terms = words[place]
            if Terms.unpack(terms).finished:
                self.leases.pop(lease_id, None)
            else:
                self.leases[lease_id] = (terms, words[len(ids) + place])
        for place, node in enumerate(indices):
            self.nodes[node] = words[2 * len(ids) + place]
        self.tallies |= tallies
        owners = self._tickets_of(pools, at)
        block = self._reader.block(last)
        self._block, self._hash = last, block.hash if block else b""
        if leases or tallies or owners:
            self._store.write(lambda connection: self._save(connection, ids, tallies, owners))
        elif last == at.number:
            self._store.write(self._save_cursor)
        return bool(events)

    def _owner(self, event: Event) -> str:
        return str(event["to"] if event.name == "BondEnded" else event["who"]).lower()

    def _tallies_of(self, events: list[Event]) -> set[tuple[int, int]]:
        found: set[tuple[int, int]] = set()
        for event in events:
            if event.name != "Settled":
                continue
            moment = event.timestamp
            if not moment:
                block = self._reader.block(event.block_number)
                moment = block.timestamp if block else self._calendar.genesis
            period = self._calendar.period(moment)
            found.add((int(event["provider"]), period))
            if event["bounty"]:
                found.add((int(event["payee"]), period))
        return found

    def _tickets_of(self, pools: set[tuple[int, str]], at: BlockRef) -> set[tuple[int, str]]:
        """Read the tickets of owners whose stake moved; a withdrawn one reads 0."""
        pool = self._suite.pool
        owners = sorted(pools)
        words = self._reader.read_many([pool.view("stake_of", p, who) for p, who in owners], at) if owners else []
        issued = {owner: tickets_issued(int(word)) for owner, word in zip(owners, words, strict=True)}
        wanted = [(p, who, i) for (p, who), count in issued.items() for i in range(count)]
        tickets = self._reader.read_many([pool.view("ticket_of", *key) for key in wanted], at) if wanted else []
        for key, word in zip(wanted, tickets, strict=True):
            ticket = Ticket.unpack(int(word))
            if ticket.shares:
                self.tickets[key] = ticket.release
            else:
                self.tickets.pop(key, None)
        return pools

    def _save_cursor(self, connection: Connection) -> None:
        connection.execute(delete(_CURSOR).where(_CURSOR.c.who == self._who))
        row = {"who": self._who, "block": self._block, "block_hash": self._hash}
        connection.execute(insert(_CURSOR), [row])

    def _save(
        self, connection: Connection, ids: list[int], tallies: set[tuple[int, int]], owners: set[tuple[int, str]]
    ) -> None:
        who = self._who
        for lease_id in ids:
            connection.execute(delete(_LEASES).where(and_(_LEASES.c.who == who, _LEASES.c.id == lease_id)))
            if lease_id in self.leases:
                terms, money = self.leases[lease_id]
                connection.execute(insert(_LEASES), [{"who": who, "id": lease_id, "terms": terms, "money": money}])
        for key, period in tallies:
            mine = and_(_TALLIES.c.who == who, _TALLIES.c.key == key, _TALLIES.c.period == period)
            connection.execute(delete(_TALLIES).where(mine))
            connection.execute(insert(_TALLIES), [{"who": who, "key": key, "period": period}])
        for provider, owner in owners:
            mine = and_(_TICKETS.c.who == who, _TICKETS.c.provider == provider, _TICKETS.c.owner == owner)
            connection.execute(delete(_TICKETS).where(mine))
            rows = [
                {"who": who, "provider": p, "owner": o, "ticket": i, "release": release}
                for (p, o, i), release in self.tickets.items()
                if (p, o) == (provider, owner)
            ]
            if rows:
                connection.execute(insert(_TICKETS), rows)
        self._save_cursor(connection)

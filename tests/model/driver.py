"""Random sequences of calls on the reference model and on the bytecode, compared after every step.

A step is (kind, seed): the kind says which call is made, the seed chooses its arguments from the state that it finds.
So any part of a sequence is a sequence, and a failing one can be shrunk. After each step outcome, return value, events
and every word that the model changed are compared, and the invariants of docs/protocol.md §10 are checked by number.
"""

from __future__ import annotations

import copy
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from keepers.protocol import leases, report
from keepers.protocol.counters import Header
from keepers.protocol.hashing import keccak, word
from keepers.protocol.leases import HOST_REASONS, NO_LIMIT
from keepers.protocol.merge import Merged, quorum
from keepers.protocol.messages import (
    Ask,
    RegisterNode,
    Report,
    RotateKey,
    Take,
    VoidReport,
    fingerprints_hash,
    pack_nodes,
)
from keepers.protocol.records import FULL_MASK, Record
from keepers.protocol.units import GWEI, WAD
from keepers.protocol.uptime_tree import UptimeTree
from keepers.simulate.registry import HardwareClass, Status
from keepers.simulate.state import Event, Revert
from keepers.simulate.world import Parameters, World
from tests.model.chain import Chain, Outcome, Signer, hexed

GENESIS = 1_700_000_000
Step = tuple[str, int]


class Mismatch(AssertionError):
    """Model and bytecode disagree, or an invariant is broken; says which step and how."""


@dataclass
class Call:
    """A call about to be made, and what to note when it succeeds."""

    contract: str
    function: str
    arguments: tuple[Any, ...]
    sender: int
    then: Callable[[], None] | None = None

    def __str__(self) -> str:
        shown = [f"0x{a.hex()[:16]}…" if isinstance(a, bytes) else a for a in self.arguments]
        return f"{self.contract}.{self.function}({', '.join(map(str, shown))}) by {hexed(self.sender)}"


@dataclass
class Book:
    """What happened so far, told by events alone: totals that the invariants compare with the state."""

    bought: int = 0
    taken: int = 0
    burned: int = 0
    minted: int = 0
    deposited: Counter[int] = field(default_factory=Counter)
    paid: Counter[int] = field(default_factory=Counter)
    returned: Counter[int] = field(default_factory=Counter)
    proven: dict[int, int] = field(default_factory=dict)  # lease -> epoch of its finish with a proof


@dataclass
class Memory:
    """What the people and keepers of a sequence remember; copied at its start."""

    now: int
    tree: UptimeTree
    trees: dict[int, UptimeTree]
    masks: dict[int, list[int]]
    book: Book
    leases: list[int]
    asks: list[tuple[Ask, bytes]]
    takes: list[Take]
    nodes: int = 0
    keys: int = 1_000
    salt: int = 0
    posted: int = 0


class Driver:
    """Two suites side by side, the people who use them, and the generator of their calls."""

    def __init__(self) -> None:
        self.signer = Signer()
        new = self.signer.new
        self.owner, self.guardian, self.builders, self.holder = new(1), new(2), new(3), new(4)
        self.renters = [new(10 + i) for i in range(3)]
        self.owners = [new(20 + i) for i in range(3)]
        self.operators = [new(30 + i) for i in range(3)]
        self.settlers = [new(40 + i) for i in range(2)]
        self.seats = [new(50 + i) for i in range(7)]
        self.strangers = [new(60)]
        self.finder = new(70)
        self.people = [
            self.owner, self.guardian, self.holder, *self.renters, *self.owners, *self.operators, *self.settlers,
            *self.strangers, self.finder,
        ]  # fmt: skip
        self.parameters = Parameters(
            genesis=GENESIS, slot=10, epochs_per_period=4, dispute=2, grace=4, hub_abandon=1_200, unbonding=600,
            answer_window=300, cooldown=240, claim=200, escrow_abandon=1_200, market_max_age=360, engine_max_age=360,
            registry_fee=WAD, seat_bond=10**21, notice=600,
            holder=self.holder, owner=self.owner, guardian=self.guardian, builders=self.builders,
        )  # fmt: skip
        self.chain = Chain(self.parameters, self.owner)
        # the suite's own contracts sign nothing: as signers they refuse, as a wallet without EIP-1271 does
        wallets = {address: lambda digest, sig: False for address in self.chain.addresses.values()}
        self.world = World(self.parameters, self.chain.addresses, self.signer.recover, wallets=wallets)
        self.calendar = self.world.calendar
        self.constants = self.chain.push_constants()
        self.attempts: Counter[str] = Counter()
        self.successes: Counter[str] = Counter()
        self.refusals: Counter[tuple[str, str]] = Counter()
        self.steps = 0
        self.memory = Memory(GENESIS, UptimeTree(), {}, {}, Book(), [], [], [])
        self.memory.trees[0] = UptimeTree()
        self.warp(GENESIS)
        self._bootstrap()
        self._base = copy.deepcopy(self.memory)
        self._mark = self.world.mark()
        self._snapshot = self.chain.evm.snapshot()

    # ---- running
    def reset(self) -> None:
        """Back to the state after the bootstrap."""
        self.chain.evm.revert(self._snapshot)
        self._snapshot = self.chain.evm.snapshot()
        self.world.rewind(self._mark)
        self.memory = copy.deepcopy(self._base)
        self.world.context.now, self.world.context.prevrandao = self._base.now, 0
        self.chain.warp(self._base.now, 0)

    def run(self, steps: list[Step]) -> None:
        """A whole sequence from the bootstrap. Raises Mismatch."""
        self.reset()
        for i, step in enumerate(steps):
            try:
                self.step(*step)
            except Mismatch as error:
                raise Mismatch(f"step {i} {step}: {error}") from None

    def step(self, kind: str, seed: int) -> bool:
        """One step; whether its call succeeded. Raises Mismatch."""
        rng = random.Random(seed)
        if kind in LEASE_KINDS and rng.random() < 0.9:
            open_ = [t for i in self.memory.leases if not (t := self.terms(i)).finished]
            running = [t for t in open_ if not t.stopped]
            if not (running if kind in RUNNING_KINDS else open_):
                kind = "take"
            elif kind == "finish" and len(running) == len(open_):
                kind = "stop"
        found = getattr(self, "do_" + kind)(rng)
        self.steps += 1
        if found is None:
            return True
        return self.make(found, kind)

    def make(self, call: Call, kind: str = "") -> bool:
        """Makes a call on both sides and compares everything."""
        world_mark = self.world.mark()
        logged = len(self.world.events)
        purses = dict(self.world.escrow.purses)
        try:
            model_name = {"transferFrom": "transfer_from", "burnFrom": "burn_from"}.get(call.function, call.function)
            value = self.world.call(call.contract, model_name, *call.arguments, sender=call.sender)
            mine = Outcome(True, value, "", tuple(self.world.events[logged:]))
        except Revert as error:
            mine = Outcome(False, None, error.reason, ())
        theirs = self.chain.call(call.contract, call.function, *call.arguments, sender=call.sender)
        self.attempts[kind] += 1
        where = call
        if (mine.ok, mine.reason) != (theirs.ok, theirs.reason):
            raise Mismatch(f"{where}: model {mine.ok} {mine.reason!r}, bytecode {theirs.ok} {theirs.reason!r}")
        if not mine.ok:
            self.refusals[kind, mine.reason] += 1
            return False
        self.successes[kind] += 1
        outputs = self.chain.functions[call.contract, call.function].outputs
        if outputs and mine.value != theirs.value:
            raise Mismatch(f"{where}: model returns {mine.value}, bytecode {theirs.value}")
        if mine.events != theirs.events:
            for a, b in zip(mine.events, theirs.events, strict=False):
                if a != b:
                    raise Mismatch(f"{where}: model logs {a}, bytecode {b}")
            raise Mismatch(f"{where}: model logs {len(mine.events)} events, bytecode {len(theirs.events)}")
        if call.then is not None:
            call.then()
        self._read(mine.events)
        self._compare_touched(world_mark[0], where)
        self._check(call, mine.events, purses, where)
        return True

    def warp(self, now: int) -> None:
        """Both clocks to `now`."""
        self.memory.now = now
        randomness = int.from_bytes(keccak(word(now)), "big")
        self.world.warp(now, randomness)
        self.chain.warp(now, randomness)

    # ---- comparison of words
    def _compare_touched(self, mark: int, where: Call) -> None:
        touched = {(id(store), key) for store, key, _ in self.world._journal._undo[mark:]}
        seen: set[tuple[str, str, Any]] = set()
        readers = self._readers()
        for store_id, key in touched:
            for contract, view, arguments, expected in readers[store_id](key):
                if (contract, view, arguments) in seen:
                    continue
                seen.add((contract, view, arguments))
                got = self.chain.view(contract, view, *arguments)
                if got != expected:
                    raise Mismatch(f"{where}: {view}{arguments} is {got} on chain, {expected} in the model")

    def _readers(self) -> dict[int, Callable[[Any], list[tuple[str, str, tuple[Any, ...], Any]]]]:
        w, now = self.world, self.memory.now
        epoch = self.calendar.epoch(now)
        t, p, r, h, e, n = w.token, w.pool, w.registry, w.hub, w.escrow, w.engine

        def hub_numbers(_: Any) -> list[tuple[str, str, tuple[Any, ...], Any]]:
            return [
                ("hub", "price", (), h.price_word.pack()),
                ("hub", "counters", (), h.counters),
                ("hub", "last_epoch", (), h.last_epoch),
                ("hub", "newest_usable", (), h.newest_usable()),
                ("hub", "committee", (epoch,), h.committee(epoch)),
            ]

        def engine_numbers(_: Any) -> list[tuple[str, str, tuple[Any, ...], Any]]:
            period = self.calendar.period(now)
            return [
                ("engine", "outstanding", (e.address,), n.outstanding),
                ("engine", "pots", (), n.pots),
                ("engine", "peg", (), n.peg),
                ("engine", "fee_of", (period,), n.fees.of(period)),
            ]

        def need(k: Any) -> list[tuple[str, str, tuple[Any, ...], Any]]:
            return [("pool", "need", (k,), p.need(k)), ("pool", "required", (k,), p.required(k))]

        def lease(k: Any) -> list[tuple[str, str, tuple[Any, ...], Any]]:
            rows: list[tuple[str, str, tuple[Any, ...], Any]] = [
                ("escrow", "terms", (k,), e.terms(k)),
                ("escrow", "money", (k,), e.money(k)),
                ("escrow", "room", (k,), e.room(k)),
            ]
            return [*rows, ("escrow", "until", (k,), e.until(k))] if e.leases[k] is not None else rows

        def counts(_: Any) -> list[tuple[str, str, tuple[Any, ...], Any]]:
            return [
                ("registry", "count", (), r.count),
                ("registry", "provider_count", (), r.provider_count),
                ("escrow", "sheet_count", (), e.sheet_count),
            ]

        def row(k: Any) -> Any:
            found = r.classes[k]
            return tuple(vars(found).values()) if found is not None else ()

        def nothing(_: Any) -> list[tuple[str, str, tuple[Any, ...], Any]]:
            return []

        return {
            id(t.balance): lambda k: [("token", "balanceOf", (k,), t.balance[k])],
            id(t.allowed): lambda k: [("token", "allowance", k, t.allowed[k])],
            id(t.nonce): lambda k: [("token", "nonces", (k,), t.nonce[k])],
            id(t._supply): lambda k: [("token", "totalSupply", (), t.total_supply)],
            id(p.bucket): lambda k: [("pool", "own", (k,), p.bucket[k].pack())],
            id(p.need_owner): need,
            id(p.units): need,
            id(p.tickets): lambda k: [("pool", "unbonding", (k,), p.tickets[k].pack())],
            id(p.issued): lambda k: [("pool", "stake_of", k, p.stake_of(*k))],
            id(p.ticket): lambda k: [("pool", "ticket_of", k, p.ticket_word(*k))],
            id(p.faults): lambda k: [("pool", "ceiling", (k,), p.ceiling(k))],
            id(p.claims): nothing,  # no view; its effect is compared by later rewards
            id(p.grants): nothing,
            id(p._price): lambda k: [("pool", "stake_price", (), p.stake_price)],
            id(r.nodes): lambda k: [("registry", "node", (k,), r.nodes[k].pack())],
            id(r.keys): lambda k: [("registry", "key_of", (k, x), r.key_of(k, x)) for x in (epoch, epoch + 1)],
            id(r.node_of_key): lambda k: [("registry", "node_of_key", (k,), r.node_of_key[k])],
            id(r.gpu): lambda k: [("registry", "gpu_owner", (k,), r.gpu_owner(k))],
            id(r.providers): lambda k: [("registry", "provider", (k,), r.providers[k].pack())],
            id(r.owners): lambda k: [("registry", "owner_of", (k,), r.owners[k])],
            id(r.pending): lambda k: [("registry", "pending_owner_of", (k,), r.pending[k])],
            id(r.payouts): lambda k: [("registry", "payout", (k,), r.payouts[k])],
            id(r.classes): lambda k: [("registry", "class_of", (k,), row(k))],
            id(r.grants): nothing,
            id(r._counts): counts,
            id(h.standing): lambda k: [
                ("hub", "ring_word", (k,), h.ring_word(k)),
                ("hub", "meta", (k,), h.meta(k)),
                ("hub", "usable_at", (k,), h.usable_at(k)),
            ],
            id(h.seeds): lambda k: [("hub", "seed", (k,), h.seed(k))],
            id(h.periods): lambda k: [("hub", "period_word", (k,), h.periods[k].pack())],
            id(h.posted): nothing,
            id(h.committees): hub_numbers,
            id(h._numbers): hub_numbers,
            id(h._older): lambda _: [
                ("hub", "committee", (x,), h.committee(x)) for x in range(max(0, epoch - 9), epoch + 9)
            ],
            id(h._header): hub_numbers,
            id(e.leases): lease,
            id(e.barred): lambda k: [("escrow", "terms", (k,), e.terms(k))],
            id(e.moneys): lease,
            id(e.parties): lambda k: [("escrow", "party", (k,), e.party(k))],
            id(e.purses): lambda k: [("escrow", "purse", (k,), e.purses[k].pack())],
            id(e.tallies): lambda k: [("escrow", "tally", k, e.tallies[k].pack())],
            id(e.sheets): lambda k: [("escrow", "sheet", (k,), s.pack() if (s := e.sheets[k]) else 0)],
            id(e._counts): counts,
            id(n._fees): engine_numbers,
            id(n._numbers): engine_numbers,
            id(n._pegs): engine_numbers,
        }

    # ---- invariants
    def _read(self, events: tuple[Event, ...]) -> None:
        """Books what the events say."""
        book = self.memory.book
        for event in events:
            v = event.values
            match event.name:
                case "Transfer" if v[0] == 0:
                    book.minted += v[2]
                case "Transfer" if v[1] == 0:
                    book.burned += v[2]
                case "Bought":
                    book.bought += v[3]
                case "Refunded":
                    book.taken += v[1]
                case "Redeemed":
                    book.taken += v[3]
                case "Opened":
                    book.deposited[v[0]] += v[4]
                    self.memory.leases.append(v[0])
                case "ToppedUp":
                    book.deposited[v[0]] += v[2]
                case "Settled":
                    book.paid[v[0]] += v[4]
                case "Stopped":
                    book.returned[v[0]] += v[5]
                case "Finished":
                    book.returned[v[0]] += v[2]
                    if v[1]:
                        book.proven[v[0]] = v[1]

    def _fail(self, number: str, text: str, where: Call) -> None:
        raise Mismatch(f"{number} broken after {where}: {text}")

    def attested(self, node: int, first: int, last: int) -> int:
        """Seconds in [first, last) in which a node was attested, counted slot by slot from what was reported."""
        slot, total = self.calendar.slot, 0
        t = first
        while t < last:
            e, k = self.calendar.slot_of(t)
            end = min(last, self.calendar.slot_start(e, k) + slot)
            masks = self.memory.masks.get(e)
            mask = FULL_MASK if masks is None else masks[node] if node < len(masks) else 0
            if not mask >> k & 1:
                total += end - t
            t = end
        return total

    def _check(self, call: Call, events: tuple[Event, ...], purses: dict[int, Any], where: Call) -> None:
        w, book = self.world, self.memory.book
        e, names = w.escrow, {x.name for x in events}
        moneys = [e.moneys[i] for i in self.memory.leases]
        # I1
        credits = sum(b.credits for b in e.purses.values()) + sum(b.credits for b in e.tallies.values())
        credits += sum(m.credits for m in moneys)
        backing = sum(b.backing for b in e.purses.values()) + sum(b.backing for b in e.tallies.values())
        backing += sum(m.backing for m in moneys)
        if credits != book.bought - book.taken:
            self._fail("I1", f"credits {credits}, bought - taken {book.bought - book.taken}", where)
        if backing != w.engine.outstanding:
            self._fail("I1", f"backing {backing}, outstanding {w.engine.outstanding}", where)
        held = sum(m.credits for m in moneys)
        totals = [sum(c.values()) for c in (book.deposited, book.paid, book.returned)]
        if totals[0] != totals[1] + totals[2] + held:
            self._fail("I1", f"deposited {totals[0]} != paid {totals[1]} + returned {totals[2]} + held {held}", where)
        # I2
        for event in events:
            if event.name in ("Settled", "Finished"):
                self._check_lease(event.values[0], where)
        # I3
        if names & {"Reserved", "Opened", "Stopped", "NodeRetired"}:
            reserved: Counter[int] = Counter()
            for i in self.memory.leases:
                terms = e.leases[i]
                if terms is not None and not terms.stopped:
                    reserved[terms.node] += terms.gpus
            for i in range(w.registry.count):
                node = w.registry.nodes[i]
                if node.reserved != reserved[i] or node.reserved > node.gpus:
                    self._fail(
                        "I3", f"node {i}: reserved {node.reserved}, leases {reserved[i]}, GPUs {node.gpus}", where
                    )
        # I4
        stake = 0
        bonds: Counter[int] = Counter()
        for i in self.memory.leases:
            terms = e.leases[i]
            if terms is not None and not terms.finished:
                bonds[terms.provider] += e.parties[i].bond
        for p in range(w.registry.provider_count):
            own, tickets = w.pool.bucket[p], w.pool.tickets[p]
            stake += own.assets + tickets.assets
            if own.locked != bonds[p] or own.locked > own.shares:
                self._fail("I4", f"provider {p}: locked {own.locked}, bonds {bonds[p]}, shares {own.shares}", where)
        # tokens may be sent to the pool by mistake: they are nobody's, never missing
        if stake * GWEI > w.token.balance[w.pool.address]:
            self._fail("I4", f"stake {stake} gwei, tokens {w.token.balance[w.pool.address]} wei", where)
        # I5
        if w.token.total_supply != self.parameters.supply - book.burned + book.minted:
            self._fail("I5", "supply is not genesis - burned + minted", where)
        for event in events:
            v = event.values
            if event.name == "Redeemed" and (v[5] + v[7] + v[8]) * 10_000 > self.parameters.cap * v[4]:
                self._fail("I5", f"minted {v[5]} + {v[7]} + {v[8]} of backing {v[4]}", where)
            if event.name == "Refunded" and v[3] > v[2]:
                self._fail("I5", f"refund minted {v[3]} of backing {v[2]}", where)
            # I7
            if event.name in ("Report", "Voided"):
                who = v[5] if event.name == "Report" else v[4]
                _, seats = w.hub._signers(v[0])
                if who.bit_count() != quorum(len(seats)) or who >> len(seats):
                    self._fail("I7", f"report of {len(seats)} seats stands with {who:b}", where)
            # I12, I13
            if event.name == "BondEnded" and v[4] + v[5] and call.function == "finish":
                lease = call.arguments[0]
                terms = e.leases[lease]
                assert terms is not None
                worth = v[4] * GWEI * w.hub.price_word.high // 10**12
                if worth > book.paid[lease]:
                    self._fail("I12", f"renter gets {worth} of a bond, paid {book.paid[lease]}", where)
            if event.name == "Slashed" and v[4] * 5 > v[1]:
                self._fail("I13", f"finder gets {v[4]} of {v[1]}", where)
        # I6: a root that stands is the function of the records that were reported
        if names & {"Report", "Voided"} and w.hub.ring_word(w.hub.last_epoch) != self.memory.tree.ring_word:
            self._fail("I6", f"root of epoch {w.hub.last_epoch} is not that of its records", where)
        # I10
        if w.hub.price_word.paused and call.function in ("buy", "take") and call.contract in ("engine", "market"):
            self._fail("I10", "an entry succeeded while paused", where)
        # I11
        signed = {int(call.arguments[1].renter, 16)} if call.function == "take" and call.contract == "market" else set()
        for owner, before in purses.items():
            now = e.purses[owner]
            shrank = now.credits < before.credits or now.backing < before.backing
            if shrank and owner != call.sender and owner not in signed:
                self._fail("I11", f"purse of {hexed(owner)} shrank", where)

    def _check_lease(self, id: int, where: Call) -> None:
        """I2: paid = rate × GPUs × settled, settled ≤ attested; equal once finished with a proof from its start."""
        e = self.world.escrow
        terms, money = e.leases[id], e.moneys[id]
        assert terms is not None
        stop = leases.effective_stop(terms, money) if not terms.finished else terms.start + terms.stop_after
        attested = self.attested(terms.node, terms.start, stop)
        if self.memory.book.paid[id] != terms.per_second * money.settled:
            self._fail("I2", f"paid {self.memory.book.paid[id]} for {money.settled} s", where)
        if money.settled > attested:
            self._fail("I2", f"settled {money.settled} s, attested {attested} s", where)
        if id in self.memory.book.proven and money.settled != attested:
            self._fail("I2", f"finished with {money.settled} s, attested {attested} s", where)

    # ---- choosing
    def amount(self, rng: random.Random, usual: int) -> int:
        """Mostly something usual; now and then a boundary, or a number that the bytecode itself knows."""
        x = rng.random()
        if x < 0.7:
            return rng.randrange(1, max(2, usual))
        if x < 0.85:
            return rng.choice((0, 1, usual, usual + 1, max(0, usual - 1), 2**64 - 1, 2**96, 2**128, 2**255, 2**256 - 1))
        return max(0, min(2**256 - 1, rng.choice(self.constants) + rng.choice((-1, 0, 1))))

    def someone(self, rng: random.Random, right: int) -> int:
        """The right caller, seldom another."""
        return right if rng.random() < 0.92 else rng.choice(self.people)

    def lease(self, rng: random.Random) -> int:
        """A lease, mostly of the last ones and one that is not finished; now and then one that never was."""
        known = self.memory.leases
        if known and rng.random() < 0.85:
            return rng.choice([i for i in known if not self.terms(i).finished][-6:] or known)
        if not known or rng.random() < 0.03:
            return rng.randrange(2**256)
        open_ = [i for i in known if not self.terms(i).finished]
        pool = open_ if open_ and rng.random() < 0.9 else known
        return rng.choice(pool[-6:])

    def fundable(self, rng: random.Random) -> int:
        """Mostly a lease that can still be paid into."""
        self.refresh(rng)
        open_ = [i for i in self.memory.leases if self.world.escrow.room(i)]
        return rng.choice(open_) if open_ and rng.random() < 0.9 else self.lease(rng)

    def terms(self, id: int) -> leases.Terms:
        """Terms of a lease that opened."""
        found = self.world.escrow.leases[id]
        assert found is not None
        return found

    def proof(self, e: int, node: int) -> tuple[int, int, list[bytes]]:
        """(header word, leaf word, siblings) of a node at an epoch that was reported."""
        tree = self.memory.trees[e]
        if node >= 1 << tree.depth:
            return tree.header.pack(), 0, []
        return tree.header.pack(), tree.leaf(node).pack(), tree.proof(node)

    def spoil(self, rng: random.Random, found: tuple[int, int, list[bytes]]) -> tuple[int, int, list[bytes]]:
        """The same proof, seldom with one thing changed."""
        header, leaf, siblings = found
        if rng.random() > 0.04:
            return found
        match rng.randrange(4):
            case 0:
                return header, leaf ^ 1 << rng.randrange(256), siblings
            case 1:
                return header ^ 1 << 128, leaf, siblings
            case 2:
                return header, leaf, siblings[:-1]
            case _:
                return header, leaf, [*siblings[:-1], bytes(32)]

    # ---- time and reports
    def do_warp(self, rng: random.Random) -> None:
        """Time goes on: often not at all, seldom by a lot."""
        step = rng.choice((0, 1, 1, 3, 10, 29, 60, 120, 121, 480))
        self.warp(self.memory.now + step)

    def do_report(self, rng: random.Random) -> Call | None:
        """The next report, as soon as its epoch is over; seldom one that is wrong somewhere."""
        hub, tree = self.world.hub, self.memory.tree
        e = hub.last_epoch + 1
        end = self.calendar.end(e)
        if self.memory.now < end and rng.random() < 0.95:
            self.warp(end + rng.choice((0, 0, 1, 30)))
        elif self.memory.now > end + 12 * self.calendar.epoch_seconds:
            return self.do_void(rng)
        count = max(tree.header.count, sum(self.world.registry.nodes[i].first <= e for i in range(self.memory.nodes)))
        masks, records = [], []
        for i in range(count):
            predicted = tree.leaf(i).prediction
            node = self.world.registry.nodes[i]
            mask = predicted[0]
            if node.status != Status.RETIRED and node.first <= e:
                odds = (25, 60, 5, 10) if tree.leaf(i).dark else (65, 12, 8, 15)
                mask = rng.choices((0, predicted[0], FULL_MASK, rng.getrandbits(12)), odds)[0]
            u = int(mask == FULL_MASK) if mask != predicted[0] else predicted[1]
            if (mask, u) != predicted:
                records.append(Record(i, 0, u, mask))
            masks.append(mask)
        indet = 0 if rng.random() < 0.8 else sum(1 << k for k in rng.sample(range(12), rng.randrange(1, 4)))
        spot = hub.price_word.spot
        price = spot * rng.choice((100, 99, 101) if spot > self.parameters.price * 97 // 100 else (101, 103)) // 100
        if rng.random() < 0.05:
            price = rng.choice((0, 1, rng.randrange(2**50), 2**64 - 1))
        challenged = report.is_challenged(hub.seeds[e][1] if e > 1 else 0, self.calendar.start(e), 120)
        draft = UptimeTree.at(tree.snapshot())
        built = report.build(
            draft, Merged(tuple(masks), indet, min(price, 2**64 - 1), tuple(records)),
            count=count, view=report.view_number(hub.cancels(e), rng.randrange(4)), challenged=challenged,
        )  # fmt: skip
        generation, seats = hub._signers(e)
        parts, data, digest = [], built.data, built.digest(generation, hub.domain)
        if len(records) > 1 and rng.random() < 0.3:
            # cut as nobody has to: the hub checks that parts were posted, a refutation would judge what they say
            first, data = data[:5], data[5:]
            parts = [keccak(first), keccak(b"root")]
            x = keccak(parts[0] + parts[1] + keccak(data) + built.root)
            digest = Report(generation, e, built.previous, built.root, built.facts.pack(), x).digest(hub.domain)
            if rng.random() < 0.9:
                self.make(Call("hub", "post", (first,), self.finder), "post")
        facts = built.facts.pack()
        if rng.random() < 0.04:
            # signed by a quorum that lies, so that only the hub's own limits refuse it
            facts = rng.choice(
                (
                    facts | 1 << 36,
                    facts | 0b1111 << 24,
                    facts | 1 << 128,
                    facts + 50,
                    facts >> 24 << 24 | max(0, tree.header.count - 1),
                    facts >> 24 << 24,
                )
            )
            parts, data = parts[: rng.randrange(3)], b""
            x = keccak(b"".join(parts) + keccak(data) + built.root)
            digest = Report(generation, e, built.previous, built.root, facts, x).digest(hub.domain)
        who, sigs = self._quorum(rng, seats, digest)
        arguments = [e, built.previous, built.root, facts, parts, data, who, sigs]
        if rng.random() < 0.06:
            wrong = rng.randrange(6)
            arguments[wrong if wrong < 4 else wrong + 2] = (
                e + 1, bytes(32), bytes(32), built.facts.pack() ^ 1 << rng.randrange(200), who ^ 1, sigs[:-1],
            )[wrong]  # fmt: skip

        def then() -> None:
            self._reported(e, draft, masks)

        return Call("hub", "report", tuple(arguments), rng.choice(self.people), then)

    def refresh(self, rng: random.Random) -> None:
        """Mostly: reports that are missing are made up for, so that the price is fresh again."""
        late = self.parameters.engine_max_age
        if rng.random() < 0.15:
            return
        for _ in range(30):
            if self.memory.now <= self.world.hub.price_word.stamp + late:
                return
            call = self.do_report(rng)
            if call is not None:
                self.make(call, "report")

    def do_void(self, rng: random.Random) -> Call | None:
        """A report that epochs had no observation."""
        hub, tree = self.world.hub, self.memory.tree
        first = hub.last_epoch + 1
        over = self.calendar.epoch(self.memory.now) - 1
        if over < first:
            self.warp(self.calendar.end(first))
            over = first
        hi = min(over, first + rng.choice((0, 0, 1, 5, 23, 24)))
        view = report.view_number(hub.cancels(first), rng.randrange(4)) if rng.random() < 0.97 else 2**24
        if rng.random() < 0.03:
            hi += rng.choice((24, 25))
        generation, seats = hub._signers(first)
        digest = VoidReport(generation, first, hi, tree.ring_word, view).digest(hub.domain)
        who, sigs = self._quorum(rng, seats, digest)

        def then() -> None:
            for e in range(first, hi + 1):
                draft = UptimeTree.at(self.memory.tree.snapshot())
                draft.void(e)
                self._reported(e, draft, None)

        header = tree.header.pack() ^ (rng.random() < 0.03)
        return Call("hub", "report_void", (hi, tree.root, header, view, who, sigs), self.finder, then)

    def _quorum(self, rng: random.Random, seats: tuple[int, ...], digest: bytes) -> tuple[int, bytes]:
        """Signatures of a quorum of the seats; seldom too few, twice the same, or a stranger's."""
        n = len(seats)
        chosen = sorted(rng.sample(range(n), quorum(n))) if n else []
        x = rng.random()
        if x < 0.02 and chosen:
            chosen = chosen[1:]
        who = sum(1 << i for i in chosen)
        signers = [seats[i] for i in chosen]
        if 0.02 < x < 0.04 and signers:
            signers[-1] = self.finder
        if 0.04 < x < 0.05 and len(signers) > 1:
            signers[1] = signers[0]
        return who, b"".join(self.signer.sign(s, digest, v27=True)[:64] for s in signers)

    def _reported(self, e: int, tree: UptimeTree, masks: list[int] | None) -> None:
        before: Header = self.memory.tree.header
        after = tree.header
        # I6
        rises = after.void_epochs - before.void_epochs + after.challenged_epochs - before.challenged_epochs
        if not (0 <= rises <= 1 and before.indeterminate <= after.indeterminate and before.count <= after.count):
            raise Mismatch(f"I6: header {after} after {before}")
        for i, leaf in tree.leaves():
            old = self.memory.tree.leaf(i)
            if leaf.down < old.down or leaf.fault < old.fault or leaf.fault > leaf.down:
                raise Mismatch(f"I6: leaf {leaf} after {old}")
        self.memory.tree = tree
        self.memory.trees[e] = tree
        if masks is not None:
            self.memory.masks[e] = masks

    def do_usable(self, rng: random.Random) -> None:
        """Waits until the newest report is usable."""
        hub = self.world.hub
        if hub.last_epoch:
            self.warp(max(self.memory.now, hub.usable_at(hub.last_epoch)))

    # ---- hub
    def do_governance(self, rng: random.Random) -> Call:
        """Settings, pauses, openings, all by the one who may, or by somebody else."""
        w = self.world
        owner = self.someone(rng, self.owner)
        calls = [
            Call("hub", "set_price_bound", (rng.choice((0, 1, 500, 1_000, 5_000, 5_001)),), owner),
            *[Call("hub", "open_entries", (), owner)] * 3,
            Call("hub", "unpause", (), rng.choice(self.people)),
            Call("hub", "set_guardian", (rng.choice((self.guardian, self.guardian, 0)),), owner),
            Call("engine", "set_fee", (rng.choice((0, 400, 900, 901)), rng.choice((3_000, 3_001, 0)), 2_000), owner),
            Call("engine", "set_peg", (rng.choice((0, 9_500, 9_900, 9_901)),), owner),
            Call("engine", "set_builders", (rng.choice((self.builders, 0)),), owner),
            Call("registry", "close_class", (rng.randrange(4),), owner),
            Call("pool", "set_grant", (rng.choice((self.finder, 0)), rng.randrange(3)), owner),
            Call("registry", "set_grant", (rng.choice((self.finder, 0)), rng.randrange(3)), owner),
        ]
        if w.hub.price_word.paused and rng.random() < 0.5:
            return Call("hub", "open_entries", (), owner)
        if rng.random() < 0.1:
            return Call("hub", "pause_entries", (), self.someone(rng, self.guardian))
        if rng.random() < 0.15:
            n = rng.choice((1, 4, 5, 7))
            seats = rng.sample(self.seats, n)
            start = self.calendar.epoch(self.memory.now) + rng.choice((0, 1, 2, 5))
            return Call("hub", "set_committee", (start, seats, ["https://a"] * n), owner)
        if rng.random() < 0.1:
            row = HardwareClass("X", min_stake=rng.choice((0, 10**9, 2**60, 2**60 + 1)), kind=rng.randrange(6))
            return Call("registry", "add_class", (row,), owner)
        if rng.random() < 0.15:
            last = max(0, self.calendar.period(w.now) - rng.randrange(5))
            return Call("hub", "close_period", (last,), rng.choice(self.people))
        return rng.choice(calls)

    # ---- providers
    def provider(self, rng: random.Random) -> int:
        """A provider's id, seldom one that does not exist."""
        return rng.randrange(self.world.registry.provider_count) if rng.random() < 0.97 else 99

    def do_provider(self, rng: random.Random) -> Call:
        """A provider's papers."""
        p = self.provider(rng)
        owner = self.someone(rng, self.world.registry.owners[p])
        other = rng.choice((*self.people, 0))
        pending = self.world.registry.pending[p]
        return rng.choice(
            [
                Call("registry", "register_provider", (rng.choice((*self.operators, 0)), other, "x"), self.owners[2]),
                Call("registry", "set_operator", (p, rng.choice((*self.operators, *self.operators, 0))), owner),
                Call("registry", "set_payout", (p, other), owner),
                Call("registry", "set_metadata", (p, "y"), owner),
                Call("registry", "transfer_provider", (p, rng.choice((*self.owners, 0))), owner),
                Call("registry", "accept_provider", (p,), self.someone(rng, pending or self.owners[0])),
                Call("market", "cancel_all", (p,), self.someone(rng, self.world.registry.providers[p].operator)),
            ]
        )

    def do_node(self, rng: random.Random) -> Call:
        """Registers, rotates or retires a node."""
        registry, m = self.world.registry, self.memory
        x = rng.random()
        if x < 0.6 or m.nodes == 0:
            p = self.provider(rng)
            m.keys += 1
            key = self.signer.new(m.keys)
            prints = [keccak(b"gpu" + word(m.keys * 16 + j)) for j in range(rng.choice((1, 2, 4, 8)))]
            if rng.random() < 0.1:
                prints = [keccak(b"gpu" + word(16_000 + rng.randrange(60)))]
            class_id = rng.choice((0, 0, 0, 1, 2))
            owner = registry.owners[p]
            message = RegisterNode(p, hexed(owner), class_id, 276, fingerprints_hash(prints), hexed(key))
            signer = key if rng.random() < 0.95 else self.finder
            sig = self.signer.sign(signer, message.digest(registry.domain))

            def then() -> None:
                m.nodes += 1

            arguments = (p, class_id, 276, prints, key, sig)
            return Call("registry", "register_node", arguments, self.someone(rng, owner), then)
        node = rng.randrange(m.nodes + 1)
        owner = self.someone(rng, registry.owners[registry.nodes[node].provider])
        if x < 0.75:
            m.keys += 1
            key = self.signer.new(m.keys if rng.random() < 0.9 else 1_001)
            sig = self.signer.sign(key, RotateKey(node, hexed(key)).digest(registry.domain))
            return Call("registry", "rotate_key", (node, key, sig), owner)
        return Call("registry", "retire_node", (node,), owner)

    def do_stake(self, rng: random.Random) -> Call:
        """Stake in, out, tickets paid, pokes."""
        p, pool = self.provider(rng), self.world.pool
        owner = self.someone(rng, pool.need_owner[p] or self.finder)
        own = pool.bucket[p]
        x = rng.random()
        if x < 0.4:
            return Call("pool", "stake_own", (p, self.amount(rng, 10**13)), owner)
        if x < 0.65:
            usual = rng.choice((own.shares - own.locked, max(1, (own.shares - own.locked) // 50)))
            return Call("pool", "unstake_own", (p, self.amount(rng, usual)), owner)
        if x < 0.9:
            due = [k for k, ticket in pool.ticket.items() if ticket is not None]
            if due and rng.random() < 0.8:
                key = rng.choice(due)
                if rng.random() < 0.6:
                    found = pool.ticket[key]
                    assert found is not None
                    self.warp(max(self.memory.now, found.release - rng.choice((0, 0, 0, 1))))
                return Call("pool", "withdraw", key, rng.choice(self.people))
            who = rng.choice((owner, *self.renters))
            issued = pool.issued[p, who]
            number = rng.randrange(issued + 1) if rng.random() < 0.9 else rng.randrange(2**256)
            ticket = pool.ticket[p, who, number]
            if ticket is not None and rng.random() < 0.4:
                self.warp(max(self.memory.now, ticket.release + rng.choice((-1, 0))))
            return Call("pool", "withdraw", (p, who, number), rng.choice(self.people))
        return Call("pool", "poke", (p,), rng.choice(self.people))

    def do_punish(self, rng: random.Random) -> Call:
        """A granted caller slashes or faults."""
        sender = self.someone(rng, self.finder)
        if rng.random() < 0.6:
            units = rng.choice((0, 10**9, 10**10, 10**12, 2**64, 2**256 - 1))
            return Call("pool", "slash", (self.provider(rng), units, rng.choice((self.finder, 0))), sender)
        return Call("registry", "fault", (rng.randrange(self.memory.nodes + 1),), sender)

    def do_standing(self, rng: random.Random) -> Call | None:
        """Activates, jails or unjails by proofs."""
        usable = self.world.hub.newest_usable()
        if usable == 0:
            return self.do_report(rng)
        node = rng.randrange(self.memory.nodes) if self.memory.nodes else 0
        status = self.world.registry.nodes[node].status
        up = [e for e in range(max(1, usable - 40), usable + 1) if self._up(e, node)]
        e = rng.choice(up[-3:]) if up and rng.random() < 0.9 else rng.randrange(1, self.world.hub.last_epoch + 1)
        x = rng.random()
        if status == Status.PENDING and x < 0.9:
            return Call("standing", "activate", (node, *self.spoil(rng, self.proof(e, node))), self.settlers[0])
        if status in (Status.JAILED, Status.FAULTED) and x < 0.9:
            return Call("standing", "unjail", (node, *self.spoil(rng, self.proof(e, node))), self.settlers[0])
        if not self.memory.tree.leaf(node).dark and rng.random() < 0.6:
            return self.do_report(rng)
        b = usable if rng.random() < 0.8 else rng.randrange(1, self.world.hub.last_epoch + 1)
        clean = self.world.registry.nodes[node].clean
        a = max(0, b - rng.choice((1, 12, 24, 24, 25)))
        if rng.random() < 0.9:
            a = max(a, clean)
        # a node that has just become Active is clean from the present epoch on, which has no report yet
        if a not in self.memory.trees or (b <= a and rng.random() < 0.9):
            return self.do_report(rng)
        return Call(
            "standing", "jail", (node, *self.proof(a, node), *self.spoil(rng, self.proof(b, node))), self.finder
        )

    def _up(self, e: int, node: int) -> bool:
        masks = self.memory.masks.get(e)
        return masks is not None and node < len(masks) and masks[node] == 0

    # ---- money
    def do_token(self, rng: random.Random) -> Call:
        """Transfers, approvals, burns."""
        sender = rng.choice(self.people)
        other = rng.choice((*self.people, 0, self.world.pool.address))
        balance = self.world.token.balance[sender]
        amount = self.amount(rng, balance // 1_000 + 2)
        if rng.random() < 0.2:
            token, deadline = self.world.token, self.memory.now + rng.choice((-1, 0, 100))
            nonce = token.nonce[sender] - (rng.random() < 0.1)
            digest = token.permit_digest(sender, other, amount, max(0, nonce), deadline)
            sig = self.signer.sign(self.someone(rng, sender), digest)
            arguments = (sender, other, amount, deadline, sig[64], sig[:32], sig[32:64])
            return Call("token", "permit", arguments, rng.choice(self.people))
        return rng.choice(
            [
                Call("token", "transfer", (other, amount), sender),
                Call("token", "approve", (other, amount), sender),
                Call("token", "transferFrom", (other, sender, amount), sender),
                Call("token", "burn", (amount,), sender),
                Call("token", "burnFrom", (other, amount), sender),
                Call("token", "mint", (sender, amount), sender),
            ]
        )

    def do_buy(self, rng: random.Random) -> Call:
        """Credits into a purse."""
        self.refresh(rng)
        renter = rng.choice(self.renters)
        least = 0 if rng.random() < 0.9 else self.amount(rng, 10**24)
        return Call("engine", "buy", (self.amount(rng, 10**22), least), renter)

    def do_pay(self, rng: random.Random) -> Call:
        """Pay as you go."""
        return Call("engine", "pay", (self.fundable(rng), self.amount(rng, 10**17), 0), rng.choice(self.renters))

    def do_refund(self, rng: random.Random) -> Call:
        """Credits back to tokens."""
        renter = rng.choice(self.renters)
        held = self.world.escrow.purses[renter].credits
        amount = held if rng.random() < 0.05 else self.amount(rng, max(2, held // 3))
        return Call("engine", "refund", (amount, 0 if rng.random() < 0.95 else 2**90), renter)

    def do_redeem(self, rng: random.Random) -> Call:
        """Tallies to tokens."""
        if rng.random() < 0.1:
            return Call("engine", "pay_builders", (), rng.choice(self.people))
        full = [k for k, v in self.world.escrow.tallies.items() if v.credits]
        if not full or rng.random() < 0.05:
            return Call("engine", "redeem", (self.amount(rng, 9), [rng.randrange(9)]), rng.choice(self.people))
        key, period = rng.choice(full)
        periods = [period] if rng.random() < 0.7 else [p for k, p in full if k == key][:32]
        return Call("engine", "redeem", (key, periods), rng.choice(self.people))

    def do_intrude(self, rng: random.Random) -> Call:
        """A call that only another contract of the suite may make."""
        x, p, stranger = self.amount(rng, 10**9), self.provider(rng), rng.choice(self.people)
        return rng.choice(
            [
                Call("pool", "open_pool", (9, stranger), stranger),
                Call("pool", "set_owner", (p, stranger), stranger),
                Call("pool", "set_units", (p, 0), stranger),
                Call("pool", "set_stake_price", (x,), stranger),
                Call("pool", "lock", (p, x, x), stranger),
                Call("pool", "end_bond", (p, 0, 0, stranger, x), stranger),
                Call("registry", "reserve", (0, 1), stranger),
                Call("registry", "release", (0, 1), stranger),
                Call("registry", "bump_generation", (p, stranger), stranger),
                Call("registry", "set_status", (0, 2, 1, 1), stranger),
                Call("escrow", "open", (x, 1 << 192, stranger, 0, x, x, bytes(32)), stranger),
                Call("escrow", "bar", (x,), stranger),
                Call("escrow", "credit", (stranger, x, x), stranger),
                Call("escrow", "debit", (self.renters[0], 1), stranger),
                Call("escrow", "pay_in", (self.lease(rng), 1, 1, stranger), stranger),
                Call("escrow", "take", (p, 0), stranger),
            ]
        )

    # ---- market
    def do_sheet(self, rng: random.Random) -> Call:
        """A term sheet."""
        epoch = self.calendar.epoch_seconds
        steps = 9_900 << 112 | 1_000 << 96 | 9_000 << 80 | 5_000 << 64
        notice, least = rng.choice((epoch, 2 * epoch)), rng.choice((0, 60, 240))
        prepay, limit, table = (
            rng.choice((600, 2_000, 2**32 - 1)),
            rng.choice((NO_LIMIT, 30, 0)),
            rng.choice((0, steps)),
        )
        match rng.randrange(9):
            case 0:
                notice = rng.choice((epoch - 1, 2**32))
            case 1:
                least, prepay = rng.choice(((10**6, 600), (0, 9), (0, 2**32)))
            case 2:
                limit = 2**32
            case 3:
                table = rng.choice((1 << 128, 5, steps | 9_500 << 48, steps ^ 9_000 << 80))
        return Call("escrow", "add_sheet", (notice, least, prepay, limit, table), rng.choice(self.people))

    def do_take(self, rng: random.Random) -> Call:
        """A renter takes an ask."""
        self.refresh(rng)
        w, m = self.world, self.memory
        market, registry = w.market, w.registry
        active = [i for i in range(m.nodes) if registry.nodes[i].status == Status.ACTIVE]
        free = [i for i in active if registry.nodes[i].reserved < registry.nodes[i].gpus]
        pool = free if free and rng.random() < 0.92 else list(range(m.nodes)) or [0]
        node = rng.choice(pool)
        p = registry.nodes[node].provider if rng.random() < 0.97 else self.provider(rng)
        same = [i for i in pool if registry.nodes[i].provider == p]
        nodes = (
            [node] if rng.random() < 0.75 or len(same) < 2 else rng.sample(same, min(len(same), rng.randrange(2, 5)))
        )
        gpus = rng.choice((1, 1, 2, 3))
        m.salt += 1
        rate = rng.choice((10**14, 277_777_777_777, 1))
        if rng.random() < 0.1:
            rate = self.amount(rng, 10**15)
        word_ = registry.providers[p]
        low, high = rng.choice(((1, 10_000), (60, 3_000), (0, 2**256 - 1)))
        ask = Ask(
            p, rng.choice((0, pack_nodes(nodes), pack_nodes(sorted(set(nodes[:1] + same[:3]))[:8]))),
            registry.nodes[node].class_id, rate, low, high, rng.randrange(w.escrow.sheet_count + (rng.random() < 0.03)),
            m.now + rng.choice((0, *[1_000] * 15, -1)), word_.generation, m.salt,
        )  # fmt: skip
        if m.asks and rng.random() < 0.1:
            ask = max((a for a, _ in m.asks[-5:]), key=lambda a: a.expiry)
        digest = ask.digest(market.domain)
        operator = word_.operator if word_.operator in self.signer._keys and rng.random() < 0.97 else self.finder
        ask_sig = self.signer.sign(operator, digest)
        renter = rng.choice(self.renters)
        if rng.random() < 0.02:
            renter = rng.choice(list(self.chain.addresses.values()))
        if rng.random() < 0.02:
            gpus = rng.choice((0, 2**16, 5, 2**200))
        duration = rng.choice((60, 130, 300, 600, 1_200, 2_999, 9_000))
        prepaid = rng.choice((duration, min(duration, 600), max(60, duration // 2)))
        if rng.random() < 0.08:
            prepaid = rng.choice((0, 9, 10_000, 2**32))
        take = Take(
            hexed(renter),
            digest,
            pack_nodes(nodes),
            gpus,
            duration,
            prepaid,
            m.now + rng.choice((-1, 0, *[500] * 15)),
            m.salt,
        )
        if m.takes and rng.random() < 0.05:
            take = rng.choice(m.takes)
            renter = int(take.renter, 16)
        # no transaction comes from an address with code
        sender = rng.choice((renter, renter, self.finder)) if renter in self.signer._keys else self.finder
        signer = renter if rng.random() < 0.97 and renter in self.signer._keys else self.finder
        take_sig = self.signer.sign(signer, take.digest(market.domain)) if sender != renter else b""
        lapsed = [self.lease(rng)] if rng.random() < 0.1 else []

        def then() -> None:
            m.asks.append((ask, ask_sig))
            m.takes.append(take)

        return Call("market", "take", (ask, take, ask_sig, take_sig, lapsed), sender, then)

    def do_cancel(self, rng: random.Random) -> Call:
        """A renter cancels a message, taken or not."""
        renter = rng.choice(self.renters)
        self.memory.salt += 1
        nodes = pack_nodes(rng.sample(range(9), rng.randrange(0, 4)))
        take = Take(hexed(renter), bytes(32), nodes, 1, 60, 60, 0, self.memory.salt)
        if self.memory.takes and rng.random() < 0.3:
            take = rng.choice(self.memory.takes)
        renter = int(take.renter, 16)
        return Call(
            "market", "cancel", (take,), self.someone(rng, renter if renter in self.signer._keys else self.finder)
        )

    def do_top_up(self, rng: random.Random) -> Call:
        """From a purse into a lease."""
        id, renter = self.fundable(rng), rng.choice(self.renters)
        if rng.random() < 0.03:
            self.warp(self.memory.now + 25 * self.calendar.epoch_seconds)
        usual = rng.choice((self.world.escrow.room(id) + 2, 10**18))
        return Call("escrow", "top_up", (id, self.amount(rng, usual)), renter)

    # ---- leases
    def epoch_for(self, rng: random.Random, id: int) -> int:
        """A usable epoch within the lease, mostly the newest; seldom any other."""
        hub = self.world.hub
        if id not in self.memory.leases or rng.random() < 0.05:
            return rng.randrange(0, hub.last_epoch + 1)
        terms = self.terms(id)
        stop = leases.effective_stop(terms, self.world.escrow.moneys[id])
        first, last = self.calendar.epoch(terms.start), self.calendar.epoch(max(terms.start, stop - 1))
        newest = min(hub.newest_usable(), last)
        if newest < first:
            return hub.last_epoch
        return newest if rng.random() < 0.7 else rng.randrange(first, newest + 1)

    def start_epoch(self, rng: random.Random, id: int) -> int:
        """Epoch of a lease's start if it was reported; seldom another."""
        last = self.world.hub.last_epoch
        if id not in self.memory.leases or rng.random() < 0.03:
            return rng.randrange(last + 1)
        return min(last, self.calendar.epoch(self.terms(id).start))

    def node_of(self, id: int) -> int:
        """Node of a lease; 0 where there is none."""
        found = self.world.escrow.leases[id]
        return found.node if found is not None else 0

    def payee(self, rng: random.Random) -> int:
        """Who gets the bounty."""
        return rng.choice((*self.settlers, *self.settlers, 0, 1, self.finder)) if rng.random() < 0.98 else 2**160

    def do_anchor(self, rng: random.Random) -> Call:
        """Anchors a lease."""
        id = self.lease(rng)
        bare = [
            i for i in self.memory.leases if self.world.escrow.moneys[i].base is None and not self.terms(i).finished
        ]
        if bare and rng.random() < 0.9:
            id = rng.choice(bare)
            usable = self.world.hub.usable_at(self.calendar.epoch(self.terms(id).start))
            self.warp(max(self.memory.now, min(usable, self.memory.now + 240)))
        found = self.spoil(rng, self.proof(self.start_epoch(rng, id), self.node_of(id)))
        return Call("escrow", "anchor", (id, *found), rng.choice(self.people))

    def do_settle(self, rng: random.Random) -> Call:
        """Settles one lease, with or without its anchor."""
        id = self.lease(rng)
        node = self.node_of(id)
        found = self.spoil(rng, self.proof(self.epoch_for(rng, id), node))
        sender = rng.choice(self.people)
        if self.world.escrow.moneys[id].base is None or rng.random() < 0.03:
            first = self.spoil(rng, self.proof(self.start_epoch(rng, id), node))
            return Call("escrow", "settle_first", (id, *found, self.payee(rng), *first), sender)
        return Call("escrow", "settle", (id, *found, self.payee(rng)), sender)

    def do_settle_many(self, rng: random.Random) -> Call:
        """Settles many leases of one epoch under one multiproof."""
        known = self.memory.leases[-64:]
        if not known:
            return Call("escrow", "settle_many", ([], 0, [], [], 0), self.finder)
        e = self.epoch_for(rng, rng.choice(known))
        tree = self.memory.trees[e]
        chosen = rng.sample(known, rng.randrange(1, min(len(known), 12) + 1))
        chosen = [i for i in chosen if self.node_of(i) < 1 << tree.depth] or chosen[:1]
        chosen.sort(key=self.node_of)
        nodes = sorted({self.node_of(i) for i in chosen})
        siblings = tree.multiproof(nodes) if nodes[-1] < 1 << tree.depth else []
        found = [tree.leaf(self.node_of(i)).pack() for i in chosen]
        if rng.random() < 0.05 and siblings:
            siblings = rng.choice(([*siblings, bytes(32)], siblings[:-1], [bytes(32), *siblings[1:]]))
        if rng.random() < 0.03:
            rng.shuffle(chosen)
        arguments = (chosen, tree.header.pack(), found, siblings, self.payee(rng))
        return Call("escrow", "settle_many", arguments, rng.choice(self.people))

    def do_stop(self, rng: random.Random) -> Call:
        """A stop by the renter, the provider, or anyone after the lapse."""
        id = self.lease(rng)
        if id not in self.memory.leases:
            return Call("escrow", "stop", (id, 0), self.finder)
        terms = self.terms(id)
        open_ = [i for i in self.memory.leases if not self.terms(i).stopped]
        if open_ and rng.random() < 0.85:
            id = rng.choice(open_)
            terms = self.terms(id)
        if rng.random() < 0.35 and not terms.stopped:
            self.warp(max(self.memory.now, self.world.escrow.until(id) - rng.choice((0, 0, 1))))
        renter = self.world.escrow.parties[id].renter
        operator = self.world.registry.providers[terms.provider].operator
        sibling = 0 if rng.random() < 0.85 else (id + rng.choice((-1, 1, 2, 9))) % 2**256
        failed = [
            (i, j)
            for i in open_
            for j in self.memory.leases
            if abs(i - j) < 8 and self.terms(j).reason in HOST_REASONS and self.memory.now < self.world.escrow.until(i)
        ]
        faulted = [i for i in open_ if self.world.registry.nodes[self.terms(i).node].status == Status.FAULTED]
        if failed and rng.random() < 0.5:
            id, sibling = rng.choice(failed)
            return Call("escrow", "stop", (id, sibling), self.someone(rng, self.world.escrow.parties[id].renter))
        if faulted and rng.random() < 0.5:
            id = rng.choice(faulted)
            return Call("escrow", "stop", (id, 0), self.someone(rng, self.world.escrow.parties[id].renter))
        sender = rng.choice((renter, renter, operator, self.world.registry.owners[terms.provider], self.finder))
        return Call("escrow", "stop", (id, sibling), sender)

    def do_flash(self, rng: random.Random) -> Call | None:
        """A lease that its provider ends in the second in which it began (C25)."""
        known = len(self.memory.leases)
        if not self.make(self.do_take(rng), "take") or len(self.memory.leases) == known:
            return None
        id = self.memory.leases[-1]
        terms = self.terms(id)
        owner = self.world.registry.owners[terms.provider]
        self.make(Call("escrow", "stop", (id, 0), owner), "flash")
        e = self.calendar.epoch(terms.start)
        found = self.proof(min(e, self.world.hub.last_epoch), terms.node) if rng.random() < 0.3 else (0, 0, [])
        return Call("escrow", "finish", (id, *found), rng.choice(self.people))

    def do_give_notice(self, rng: random.Random) -> Call:
        """A provider's notice."""
        id = self.lease(rng)
        found = self.world.escrow.leases[id]
        operator = self.world.registry.providers[found.provider].operator if found is not None else self.finder
        return Call("escrow", "give_notice", (id,), self.someone(rng, operator))

    def do_free_bond(self, rng: random.Random) -> Call:
        """Anyone frees the bond of a stopped lease of which nothing can be forfeited."""
        stopped = [i for i in self.memory.leases if self.terms(i).stopped and not self.terms(i).finished]
        id = rng.choice(stopped) if stopped and rng.random() < 0.9 else self.lease(rng)
        return Call("escrow", "free_bond", (id,), rng.choice(self.people))

    def do_stop_dark(self, rng: random.Random) -> Call:
        """Proves too much fault."""
        known = [i for i in self.memory.leases if not self.terms(i).finished and self.sheet_limit(i) != NO_LIMIT]
        id = rng.choice(known) if known and rng.random() < 0.9 else self.lease(rng)
        node = self.node_of(id)
        first = self.proof(self.start_epoch(rng, id), node)
        found = self.spoil(rng, self.proof(self.epoch_for(rng, id), node))
        return Call("escrow", "stop_dark", (id, *first, *found), self.settlers[0])

    def sheet_limit(self, id: int) -> int:
        """Downtime limit of a lease's sheet."""
        sheet = self.world.escrow.sheets[self.terms(id).sheet]
        assert sheet is not None
        return sheet.dark_limit

    def do_finish(self, rng: random.Random) -> Call:
        """Finishes a lease, with the proof of its stop or without."""
        stopped = [i for i in self.memory.leases if self.terms(i).stopped and not self.terms(i).finished]
        id = rng.choice(stopped) if stopped and rng.random() < 0.9 else self.lease(rng)
        found = self.world.escrow.leases[id]
        if found is None:
            return Call("escrow", "finish", (id, 0, 0, []), self.finder)
        stop = found.start + found.stop_after
        sender = rng.choice((self.world.escrow.parties[id].renter, self.finder))
        e = self.calendar.epoch(max(found.start, stop - 1))
        if rng.random() < 0.1:
            self.warp(max(self.memory.now, stop + self.parameters.escrow_abandon * rng.choice((1, 2))))
        if not found.stop_after or e > self.world.hub.last_epoch or rng.random() < 0.05:
            return Call("escrow", "finish", (id, 0, 0, []), sender)
        if self.world.escrow.moneys[id].base is None and rng.random() < 0.8:
            first = self.start_epoch(rng, id)
            self.warp(max(self.memory.now, self.world.hub.usable_at(first)))
            self.make(Call("escrow", "anchor", (id, *self.proof(first, found.node)), self.finder), "anchor")
        at = self.world.hub.usable_at(e)
        if at > self.memory.now and rng.random() < 0.7:
            self.warp(at + rng.choice((0, 0, self.parameters.claim)))
        if rng.random() < 0.03:
            e = rng.randrange(self.world.hub.last_epoch + 1)
        return Call("escrow", "finish", (id, *self.spoil(rng, self.proof(e, found.node))), sender)

    # ---- the bootstrap
    def must(self, contract: str, function: str, *arguments: Any, sender: int) -> None:
        """A call that has to succeed."""
        if not self.make(Call(contract, function, arguments, sender), "must"):
            reasons = [reason for kind, reason in self.refusals if kind == "must"]
            raise AssertionError(f"{contract}.{function} was refused: {reasons[-1]}")

    def _bootstrap(self) -> None:
        """A small market: committee, classes, sheets, two staked providers with Active nodes, three renters."""
        w, at = self.world, self.chain.addresses
        self.must("hub", "set_committee", 1, self.seats[:4], ["https://s"] * 4, sender=self.owner)
        self.must("hub", "open_entries", sender=self.owner)
        self.must("pool", "set_grant", self.finder, 1, sender=self.owner)
        self.must("registry", "set_grant", self.finder, 1, sender=self.owner)
        for row in (HardwareClass("A", min_stake=10**11), HardwareClass("B", min_stake=3 * 10**11, vram_gib=80)):
            self.must("registry", "add_class", row, sender=self.owner)
        for notice, least, prepay, limit in ((120, 0, 2**32 - 1, NO_LIMIT), (120, 60, 600, 40), (240, 240, 1_200, 30)):
            self.must("escrow", "add_sheet", notice, least, prepay, limit, 0, sender=self.owner)
        table = 9_900 << 112 | 1_000 << 96
        self.must("escrow", "add_sheet", 120, 0, 10_000, 50, table, sender=self.owner)
        for person in (*self.renters, *self.owners, self.finder):
            self.must("token", "transfer", person, 10**26, sender=self.holder)
            for spender in ("engine", "pool", "registry"):
                self.must("token", "approve", at[spender], 2**256 - 1, sender=person)
        for i in range(2):
            self.must("registry", "register_provider", self.operators[i], self.owners[i], "x", sender=self.owners[i])
            self.must("pool", "stake_own", i, 10**16, sender=self.owners[i])
        for i in range(6):
            self.memory.keys += 1
            key = self.signer.new(self.memory.keys)
            p = i % 2
            prints = [keccak(b"gpu" + word(self.memory.keys * 16 + j)) for j in range(4)]
            message = RegisterNode(p, hexed(self.owners[p]), i % 3 // 2, 276, fingerprints_hash(prints), hexed(key))
            digest = message.digest(w.registry.domain)
            arguments = (p, i % 3 // 2, 276, prints, key, self.signer.sign(key, digest))
            self.must("registry", "register_node", *arguments, sender=self.owners[p])
            self.memory.nodes += 1
        for _ in range(4):
            self._quiet_report()
        self.do_usable(random.Random(0))
        for i in range(6):
            self.must("standing", "activate", i, *self.proof(2, i), sender=self.settlers[0])
        for renter in self.renters:
            self.must("engine", "buy", 10**24, 0, sender=renter)

    def _quiet_report(self) -> None:
        """An epoch in which every node was up."""
        hub, tree = self.world.hub, self.memory.tree
        e = hub.last_epoch + 1
        self.warp(max(self.memory.now, self.calendar.end(e)))
        challenged = report.is_challenged(hub.seeds[e][1] if e > 1 else 0, self.calendar.start(e), 120)
        count = sum(self.world.registry.nodes[i].first <= e for i in range(self.memory.nodes))
        records = tuple(Record(i, 0, 0, 0) for i in range(count) if tree.leaf(i).prediction != (0, 0))
        draft = UptimeTree.at(tree.snapshot())
        spot = hub.price_word.spot
        built = report.build(draft, Merged((), 0, spot, records), count=count, view=0, challenged=challenged)
        generation, seats = hub._signers(e)
        chosen = range(quorum(len(seats)))
        digest = built.digest(generation, hub.domain)
        sigs = b"".join(self.signer.sign(seats[i], digest, v27=True)[:64] for i in chosen)
        arguments = (e, built.previous, built.root, built.facts.pack(), [], built.data, (1 << len(chosen)) - 1, sigs)
        if not self.make(Call("hub", "report", arguments, self.finder, lambda: self._reported(e, draft, [0] * count))):
            raise AssertionError("a quiet report was refused")


WEIGHTS = {
    "warp": 8, "report": 14, "void": 1, "usable": 6, "governance": 4, "provider": 2, "node": 4, "stake": 6,
    "punish": 1, "standing": 7, "token": 2, "buy": 3, "pay": 4, "refund": 2, "redeem": 5, "sheet": 1, "take": 12,
    "cancel": 1, "top_up": 4, "anchor": 3, "settle": 9, "settle_many": 5, "stop": 6, "give_notice": 2, "stop_dark": 4,
    "finish": 8, "intrude": 1, "flash": 1, "free_bond": 2,
}  # fmt: skip


RUNNING_KINDS = frozenset({"pay", "top_up", "stop", "give_notice"})
LEASE_KINDS = frozenset(
    {"pay", "top_up", "anchor", "settle", "settle_many", "stop", "give_notice", "stop_dark", "finish", "free_bond"}
)


def sequence(seed: int, length: int) -> list[Step]:
    """A random sequence of steps."""
    rng = random.Random(seed)
    kinds = rng.choices(list(WEIGHTS), list(WEIGHTS.values()), k=length)
    return [(kind, rng.getrandbits(48)) for kind in kinds]


def shrink(driver: Driver, steps: list[Step], budget: int = 400) -> list[Step]:
    """ddmin: the shortest part of a failing sequence that still fails, within a budget of runs."""

    def fails(part: list[Step]) -> bool:
        try:
            driver.run(part)
        except Mismatch:
            return True
        return False

    parts = 2
    while len(steps) > 1 and budget > 0:
        size = max(1, len(steps) // parts)
        for at in range(0, len(steps), size):
            rest = steps[:at] + steps[at + size :]
            budget -= 1
            if rest and fails(rest):
                steps, parts = rest, max(parts - 1, 2)
                break
            if budget <= 0:
                break
        else:
            if size == 1:
                break
            parts = min(len(steps), parts * 2)
    return steps

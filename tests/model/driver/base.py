"""Two suites side by side, the people who use them, and what every room needs to choose its calls."""

from __future__ import annotations

import copy
import random
from collections import Counter
from typing import Any

from keepers.protocol import leases
from keepers.protocol.hashing import keccak, word
from keepers.protocol.records import FULL_MASK
from keepers.protocol.units import WAD
from keepers.protocol.uptime_tree import UptimeTree
from keepers.simulate.state import Revert
from keepers.simulate.world import Parameters, World
from tests.model.chain import Chain, Outcome, Signer
from tests.model.driver import invariants
from tests.model.driver.calls import Book, Call, Memory, Mismatch, Step
from tests.model.driver.sequences import LEASE_KINDS, RUNNING_KINDS
from tests.model.driver.words import readers

GENESIS = 1_700_000_000


class Base:
    """The reference model and the bytecode; a call is made on both and everything is compared."""

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
            registry_fee=WAD, seat_bond=1_000 * WAD, notice=600,
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
        self.lying = False  # while a false report stands, whose root is not that of its records (I6)
        self.memory = Memory(GENESIS, UptimeTree(), {}, {}, Book(), [], [], [])
        self.memory.trees[0] = UptimeTree()
        self.warp(GENESIS)

    def keep(self) -> None:
        """Makes the present state the one that `reset` goes back to."""
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
        if (mine.ok, mine.reason) != (theirs.ok, theirs.reason):
            raise Mismatch(f"{call}: model {mine.ok} {mine.reason!r}, bytecode {theirs.ok} {theirs.reason!r}")
        if not mine.ok:
            self.refusals[kind, mine.reason] += 1
            return False
        self.successes[kind] += 1
        outputs = self.chain.functions[call.contract, call.function].outputs
        if outputs and mine.value != theirs.value:
            raise Mismatch(f"{call}: model returns {mine.value}, bytecode {theirs.value}")
        if mine.events != theirs.events:
            for a, b in zip(mine.events, theirs.events, strict=False):
                if a != b:
                    raise Mismatch(f"{call}: model logs {a}, bytecode {b}")
            raise Mismatch(f"{call}: model logs {len(mine.events)} events, bytecode {len(theirs.events)}")
        if call.then is not None:
            call.then()
        invariants.keep_books(self.memory, mine.events)
        self._compare_touched(world_mark[0], call)
        invariants.check(self, call, mine.events, purses)
        return True

    def must(self, contract: str, function: str, *arguments: Any, sender: int) -> None:
        """A call that has to succeed."""
        if not self.make(Call(contract, function, arguments, sender), "must"):
            reasons = [reason for kind, reason in self.refusals if kind == "must"]
            raise AssertionError(f"{contract}.{function} was refused: {reasons[-1]}")

    def warp(self, now: int) -> None:
        """Both clocks to `now`."""
        self.memory.now = now
        randomness = int.from_bytes(keccak(word(now)), "big")
        self.world.warp(now, randomness)
        self.chain.warp(now, randomness)

    def _compare_touched(self, mark: int, call: Call) -> None:
        touched = {(id(store), key) for store, key, _ in self.world._journal._undo[mark:]}
        seen: set[tuple[str, str, Any]] = set()
        found = readers(self.world)
        for store_id, key in touched:
            for contract, view, arguments, expected in found[store_id](key):
                if (contract, view, arguments) in seen:
                    continue
                seen.add((contract, view, arguments))
                got = self.chain.view(contract, view, *arguments)
                if got != expected:
                    raise Mismatch(f"{call}: {view}{arguments} is {got} on chain, {expected} in the model")

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

    def provider(self, rng: random.Random) -> int:
        """A provider's id, seldom one that does not exist."""
        return rng.randrange(self.world.registry.provider_count) if rng.random() < 0.97 else 99

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

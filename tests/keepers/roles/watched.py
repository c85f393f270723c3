"""A network whose quorum signs what a test wants, on the reference model, and watchers that look at it."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from keepers.chain.keys import LocalSigner
from keepers.protocol.hashing import keccak
from keepers.protocol.merge import quorum
from keepers.protocol.messages import RegisterNode, Report, fingerprints_hash
from keepers.protocol.rebuild import EpochLog
from keepers.protocol.records import FULL_MASK, Record, groups_of
from keepers.protocol.report import Facts, pack_signatures, view_number, void_report
from keepers.protocol.uptime_tree import UptimeTree
from keepers.roles.watcher.role import Policy, Watcher
from keepers.runtime.clock import VirtualClock
from keepers.runtime.health import Health
from keepers.runtime.metrics import Metrics
from keepers.runtime.role import Context
from keepers.runtime.ticker import Trigger
from keepers.simulate.registry import HardwareClass
from keepers.simulate.world import Parameters
from keepers.store.engine import Store
from keepers.store.migrations import open_store
from keepers.wire.direct import DirectTransport
from keepers.wire.signatures import compact
from tests.keepers.roles.town import GENESIS, OWNER, PRICE, SCALES, key, number, record
from tests.keepers.roles.world_chain import ADDRESSES, WorldChain

SEATS = 4
BOND = 10_000 * 10**18
Parts = list[tuple[bytes, bytes]]
GARBAGE = keccak(b"garbage")


class Watched:
    """`tree` is the truth: what an honest committee would have signed."""

    def __init__(self, nodes: int = 3, dispute: int = 1) -> None:
        self.parameters = Parameters(
            genesis=GENESIS, holder=OWNER, owner=OWNER, guardian=OWNER, builders=OWNER, claim=7_200,
            escrow_abandon=5 * 86_400, hub_abandon=5 * 86_400, **{**SCALES, "dispute": dispute},
        )  # fmt: skip
        self.calendar = self.parameters.calendar
        self.chain = WorldChain(self.parameters)
        self.world = self.chain.world
        self.seats = [key(f"seat {i}") for i in range(SEATS)]
        self.keys = [key(f"node {i}") for i in range(nodes)]
        self.clock = VirtualClock(GENESIS)
        self.chain.now = self.clock.now  # type: ignore[method-assign]
        self.tree = UptimeTree()
        self.transport = DirectTransport()
        self._found()
        self.step(GENESIS + 1)

    def _found(self) -> None:
        w = self.world
        seats = [number(seat) for seat in self.seats]
        w.call("hub", "set_committee", 1, seats, [f"http://seat-{i}" for i in range(SEATS)], sender=OWNER)
        self.bond()
        w.call("registry", "add_class", HardwareClass("RTX-4090-24GB", min_stake=10**9), sender=OWNER)
        provider = w.call("registry", "register_provider", OWNER, OWNER, "", sender=OWNER)
        w.call("token", "approve", ADDRESSES["registry"], 2**255, sender=OWNER)
        for i, node in enumerate(self.keys):
            prints = [keccak(f"gpu {i}".encode())]
            message = RegisterNode(
                provider, f"0x{OWNER:040x}", next(iter(w.registry.classes)), 0, fingerprints_hash(prints), node.address
            )
            sig = node.sign_digest(message.digest(w.registry.domain))
            w.call("registry", "register_node", provider, message.class_id, 0, prints, number(node), sig, sender=OWNER)

    def bond(self) -> None:
        """Every seat has its whole bond, whatever it lost."""
        w = self.world
        for seat in map(number, self.seats):
            missing = BOND - w.committee.accounts[seat].bond
            if missing:
                w.call("token", "transfer", seat, missing, sender=OWNER)
                w.call("token", "approve", ADDRESSES["committee"], missing, sender=seat)
                w.call("committee", "join", missing, "", sender=seat)

    # ---- time

    def step(self, now: int) -> None:
        """A block at `now`, or at the present second where that has passed."""
        now = max(now, self.world.now)
        self.clock.move_to(now)
        self.chain.mine(now)

    def begin(self, now: int) -> None:
        """What is called from here on happens at `now`; the next block takes it."""
        now = max(now, self.world.now)
        self.clock.move_to(now)
        self.world.warp(now, prevrandao=len(self.chain.blocks))

    @property
    def next(self) -> int:
        """The epoch to report."""
        return int(self.world.hub.last_epoch) + 1

    # ---- reports

    def records(self, nodes: Sequence[int], mask: int = 0b110) -> list[Record]:
        """One of each of these nodes."""
        return [Record(node, 0, int(mask == FULL_MASK), mask) for node in nodes]

    def report(
        self,
        records: Sequence[Record] = (),
        cut: int = 0,
        bend: Callable[[Parts], Parts] | None = None,
        words: Callable[[list[list[int]]], list[list[int]]] | None = None,
        view: int = 0,
    ) -> int:
        """The next report with these records, the first `cut` groups in a posted part. `bend` changes its parts before
        it is signed, `words` the records of its groups before their roots are made (where rules allow them)."""
        e = self.next
        self.begin(self.calendar.end(e))
        hub, count = self.world.hub, len(self.keys)
        truth = UptimeTree.at(self.tree.snapshot())
        previous = truth.ring_word if hub.ring_word(e - 1) == truth.ring_word else hub.ring_word(e - 1)
        header = truth.header.reported(count=count, challenged=hub._challenged(e))
        groups = [[r.index << 16 | r.u << 12 | r.mask for r in part] for part in groups_of(records)] or [[]]
        applied = truth.apply_groups(header, groups)
        parts = _parts(groups, applied.running, cut)
        if bend is not None:
            parts = bend(parts)
        else:
            self.tree = truth
        facts = Facts(count, 0, view_number(hub.cancels(e), view), PRICE).pack()
        self._send(e, previous, parts, facts)
        return e

    def _send(self, e: int, previous: bytes, parts: Parts, facts: int) -> None:
        w, root = self.world, parts[-1][1]
        for data, _ in parts[:-1]:
            w.call("hub", "post", data, sender=OWNER)
        words = [word for data, after in parts for word in (keccak(data), after)]
        digest = Report(1, e, previous, root, facts, keccak(b"".join(words))).digest(w.hub.domain)
        who, sigs = self.sign(digest)
        w.call("hub", "report", e, previous, root, facts, words[:-2], parts[-1][0], who, sigs, sender=OWNER)
        self.step(self.world.now)

    def void(self, epochs: int = 1) -> None:
        """The next epochs declared void."""
        hi = self.next + epochs - 1
        self.begin(self.calendar.end(hi))
        view = view_number(self.world.hub.cancels(self.next), 0)
        who, sigs = self.sign(void_report(self.tree, hi, view, 1).digest(self.world.hub.domain))
        self.world.call(
            "hub", "report_void", hi, self.tree.root, self.tree.header.pack(), view, who, sigs, sender=OWNER
        )
        self.tree.void(hi)
        self.step(self.world.now)

    def sign(self, digest: bytes) -> tuple[int, bytes]:
        """A quorum's signatures."""
        return pack_signatures({i: compact(self.seats[i].sign_digest(digest)) for i in range(quorum(SEATS))})

    def check_in(self, node: int, slot: int) -> None:
        """A node's key checks in, in a slot of the next epoch to report."""
        self.begin(self.calendar.slot_start(self.next, slot))
        self.world.call("hub", "check_in", node, sender=number(self.keys[node]))
        self.step(self.world.now)

    # ---- watchers

    def watch(self, name: str = "watcher", policy: Policy | None = None, store: Store | None = None) -> Watcher:
        """A watcher with a database of its own that has begun."""
        signer: LocalSigner = key(name)
        made = Watcher(signer, policy or Policy(submit=True))
        deployment = record([seat.address for seat in self.seats], self.parameters)
        metrics = Metrics("town")
        context = Context(
            self.chain, self.clock, self.calendar, deployment, made_suite(self.chain),
            store or open_store("sqlite://", threaded=False), metrics=metrics, health=Health(),
            transport=self.transport, rng=random.Random(3),
        )  # fmt: skip
        if made.policy.submit:
            context.senders[signer.address] = self.chain.sender(signer)
        made.mount(context)
        made.start()
        return made

    def look(self, *watchers: Watcher, seconds: int = 12) -> list[str]:
        """Every watcher looks at the head, then a block comes with what they sent."""
        said = [watcher.cycle(Trigger("block", self.clock.now())) for watcher in watchers]
        self.step(self.clock.now() + seconds)
        return said

    def looks(self, *watchers: Watcher, times: int = 5) -> None:
        """Several of these."""
        for _ in range(times):
            self.look(*watchers)

    def mined(self, *functions: str) -> list[tuple[str, str]]:
        """(function, outcome) of what was sent through outboxes, of these functions."""
        return [(name, outcome) for _, name, outcome in self.chain.mined if name in functions]


def made_suite(chain: WorldChain) -> Any:
    """The suite over a chain."""
    from keepers.chain.contracts import Suite

    return Suite.over(chain)


def _parts(groups: Sequence[Sequence[int]], roots: Sequence[bytes], cut: int) -> Parts:
    """The groups as one part, or the first `cut` of them as a posted part before it."""
    parts: Parts = []
    for low, high in ((0, cut), (cut, len(groups))):
        if low == high:
            continue
        data = b""
        for g in range(low, high):
            data += b"".join(word.to_bytes(5, "big") for word in groups[g])
            data += roots[g] if g != high - 1 else b""
        parts.append((data, roots[high - 1]))
    return parts


def log_of(watched: Watched, epoch: int) -> EpochLog:
    """What the hub logged of an epoch."""
    from keepers.chain.history import read_history

    history = read_history(watched.chain, 0, watched.chain.head())
    return history.epochs[epoch - 1].log


__all__ = ["GARBAGE", "Parts", "Watched", "log_of", "replace"]

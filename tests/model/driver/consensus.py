"""Time, reports, the voids between them, and what proofs of them do to a node's status."""

from __future__ import annotations

import random
from functools import partial

from keepers.protocol import report
from keepers.protocol.counters import Header
from keepers.protocol.hashing import keccak
from keepers.protocol.merge import Merged, quorum
from keepers.protocol.messages import Report, VoidReport
from keepers.protocol.nodes import Status
from keepers.protocol.records import FULL_MASK, Record
from keepers.protocol.uptime_tree import UptimeTree
from tests.model.driver.base import Base
from tests.model.driver.calls import Call, Mismatch


class Consensus(Base):
    """The attesters, and whoever carries a leaf to NodeStanding."""

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
        masks, records = self._weather(rng, e)
        indet = 0 if rng.random() < 0.8 else sum(1 << k for k in rng.sample(range(12), rng.randrange(1, 4)))
        merged = Merged(tuple(masks), indet, min(self._median(rng), 2**64 - 1), tuple(records))
        draft = UptimeTree.at(tree.snapshot())
        view = report.view_number(hub.cancels(e), rng.randrange(4))
        built = report.build(draft, merged, count=len(masks), view=view, challenged=self._is_challenged(e))
        generation, seats = hub._signers(e)
        parts, data, digest = [], built.data, built.digest(generation, hub.domain)
        if len(records) > 1 and rng.random() < 0.3:
            # cut as nobody has to: the hub checks that parts were posted, a refutation would judge what they say
            first, data = data[:5], data[5:]
            parts = [keccak(first), keccak(b"root")]
            digest = self._signed(built, generation, built.facts.pack(), parts, data)
            if rng.random() < 0.9:
                self.make(Call("hub", "post", (first,), self.finder), "post")
        facts = built.facts.pack()
        if rng.random() < 0.04:
            facts = self._lie(rng, facts)
            parts, data = parts[: rng.randrange(3)], b""
            digest = self._signed(built, generation, facts, parts, data)
        who, sigs = self._quorum(rng, seats, digest)
        arguments = [e, built.previous, built.root, facts, parts, data, who, sigs]
        if rng.random() < 0.06:
            wrong = rng.randrange(6)
            arguments[wrong if wrong < 4 else wrong + 2] = (
                e + 1, bytes(32), bytes(32), built.facts.pack() ^ 1 << rng.randrange(200), who ^ 1, sigs[:-1],
            )[wrong]  # fmt: skip
        then = partial(self._reported, e, draft, masks)
        return Call("hub", "report", tuple(arguments), rng.choice(self.people), then)

    def _weather(self, rng: random.Random, e: int) -> tuple[list[int], list[Record]]:
        """Slots not attested of every node in an epoch, and the records that say so."""
        tree = self.memory.tree
        counted = sum(self.world.registry.nodes[i].first <= e for i in range(self.memory.nodes))
        masks, records = [], []
        for i in range(max(tree.header.count, counted)):
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
        return masks, records

    def _median(self, rng: random.Random) -> int:
        """A price near the last, that falls no further than a little below the first; seldom any other."""
        spot = self.world.hub.price_word.spot
        price = spot * rng.choice((100, 99, 101) if spot > self.parameters.price * 97 // 100 else (101, 103)) // 100
        if rng.random() < 0.05:
            price = rng.choice((0, 1, rng.randrange(2**50), 2**64 - 1))
        return price

    def _is_challenged(self, e: int) -> bool:
        seed_time = self.world.hub.seeds[e][1] if e > 1 else 0
        return report.is_challenged(seed_time, self.calendar.start(e), self.calendar.epoch_seconds)

    def _lie(self, rng: random.Random, facts: int) -> int:
        """Facts of a quorum that lies, so that only the hub's own limits refuse them."""
        count = self.memory.tree.header.count
        return rng.choice(
            (
                facts | 1 << 36,
                facts | 0b1111 << 24,
                facts | 1 << 128,
                facts + 50,
                facts >> 24 << 24 | max(0, count - 1),
                facts >> 24 << 24,
            )
        )

    def _signed(self, built: report.BuiltReport, generation: int, facts: int, parts: list[bytes], data: bytes) -> bytes:
        """Digest of a report that is cut into other parts, or has other facts, than it was built with."""
        x = keccak(b"".join(parts) + keccak(data) + built.root)
        message = Report(generation, built.header.epoch, built.previous, built.root, facts, x)
        return message.digest(self.world.hub.domain)

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

    def quiet_report(self) -> None:
        """An epoch in which every node was up."""
        hub, tree = self.world.hub, self.memory.tree
        e = hub.last_epoch + 1
        self.warp(max(self.memory.now, self.calendar.end(e)))
        count = sum(self.world.registry.nodes[i].first <= e for i in range(self.memory.nodes))
        records = tuple(Record(i, 0, 0, 0) for i in range(count) if tree.leaf(i).prediction != (0, 0))
        draft = UptimeTree.at(tree.snapshot())
        spot = hub.price_word.spot
        built = report.build(
            draft, Merged((), 0, spot, records), count=count, view=0, challenged=self._is_challenged(e)
        )
        generation, seats = hub._signers(e)
        chosen = range(quorum(len(seats)))
        digest = built.digest(generation, hub.domain)
        sigs = b"".join(self.signer.sign(seats[i], digest, v27=True)[:64] for i in chosen)
        arguments = (e, built.previous, built.root, built.facts.pack(), [], built.data, (1 << len(chosen)) - 1, sigs)
        then = partial(self._reported, e, draft, [0] * count)
        if not self.make(Call("hub", "report", arguments, self.finder, then)):
            raise AssertionError("a quiet report was refused")

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

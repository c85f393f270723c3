"""Steps of the driver that take reports back: false ones refuted at any depth, check-ins held against reports."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

from keepers.protocol import refute, report
from keepers.protocol.counters import Header
from keepers.protocol.hashing import keccak
from keepers.protocol.merge import Merged, quorum
from keepers.protocol.messages import Report, VoidReport
from keepers.protocol.rebuild import EpochLog
from keepers.protocol.records import FULL_MASK, Record, split_parts
from keepers.protocol.uptime_tree import UptimeTree
from keepers.simulate.refuter import SignedReport
from tests.model.driver import WEIGHTS as USUAL
from tests.model.driver import Call, Driver

WEIGHTS = {**USUAL, "false": 8, "cancel_hub": 1, "check_in": 6, "held": 4, "commit": 1, "state": 2}
GARBAGE = keccak(b"garbage")


class RefutingDriver(Driver):
    """The usual people, a quorum that sometimes lies, and watchers."""

    def proof(self, e: int, node: int) -> tuple[int, int, list[bytes]]:
        """Of an epoch that fell since it was chosen: of the last one that stands."""
        return super().proof(min(e, self.memory.tree.header.epoch), node)

    def epoch_for(self, rng: random.Random, id: int) -> int:
        return min(super().epoch_for(rng, id), self.memory.tree.header.epoch)

    def back_to(self, e: int) -> None:
        """Epochs after e fell: the people forget what they said."""
        memory = self.memory
        memory.tree = UptimeTree.at(memory.trees[e].snapshot())
        memory.trees = {k: t for k, t in memory.trees.items() if k <= e}
        memory.masks = {k: m for k, m in memory.masks.items() if k <= e}

    def disputed(self) -> list[int]:
        """Epochs that can still fall."""
        hub = self.world.hub
        return [e for e in range(1, hub.last_epoch + 1) if self.memory.now < hub.usable_at(e)]

    def do_cancel_hub(self, rng: random.Random) -> Call:
        """Nobody but the refuter takes an epoch back."""
        tree = self.memory.trees[rng.choice(list(self.memory.trees))]
        return Call("hub", "cancel", (tree.root, tree.header.pack()), rng.choice(self.people))

    def stack(self, rng: random.Random, log: EpochLog) -> None:
        """Reports and void epochs on top of a false one."""
        hub, header = self.world.hub, Header.unpack(log.header)
        first = header.epoch
        for _ in range(rng.choice((0, 0, 1, 2, 6))):
            e, w = hub.last_epoch + 1, header.ring_word(log.root)
            if max(self.memory.now, self.calendar.end(e)) + 6 >= hub.usable_at(first):
                return  # it would be too late to refute what lies below
            self.warp(max(self.memory.now, self.calendar.end(e)))
            generation, seats = hub._signers(e)
            view = report.view_number(hub.cancels(e), 0)
            if rng.random() < 0.4:
                digest = VoidReport(generation, e, e, w, view).digest(hub.domain)
                call = Call(
                    "hub", "report_void", (e, log.root, header.pack(), view, *self._all(seats, digest)), self.finder
                )
                header = header.voided()
            else:
                facts = report.Facts(header.count, 0, view, hub.price_word.spot).pack()
                x = keccak(keccak(b"") + log.root)
                digest = Report(generation, e, w, log.root, facts, x).digest(hub.domain)
                header = header.reported(count=header.count, challenged=hub._challenged(e))
                call = Call("hub", "report", (e, w, log.root, facts, [], b"", *self._all(seats, digest)), self.finder)
            if not self.make(call, "report"):
                raise AssertionError("a report on top of a false one was refused")

    def _all(self, seats: tuple[int, ...], digest: bytes) -> tuple[int, bytes]:
        chosen = range(quorum(len(seats)))
        sigs = b"".join(self.signer.sign(seats[i], digest, v27=True)[:64] for i in chosen)
        return (1 << len(chosen)) - 1, sigs

    def do_false(self, rng: random.Random) -> Call | None:
        """A quorum signs a false report; somebody proves it, at once or after reports on top of it."""
        hub, tree = self.world.hub, self.memory.tree
        e = hub.last_epoch + 1
        if self.memory.now < self.calendar.end(e):
            self.warp(self.calendar.end(e))
        made = self.lie(rng, e)
        if made is None:
            return self.do_report(rng)
        log, facts, generation = made
        found = refute.find(tree, log, facts, generation)
        assert found is not None, "a lie that the watcher does not see"
        finder = rng.choice(self.people)
        self.lying = True
        self.stack(rng, log)
        self.lying = False
        if rng.random() < 0.5:
            claim = found.commitment(finder, hub.domain)
            self.make(Call("refuter", "commit", (claim,), rng.choice(self.people)), "commit")
            self.warp(self.memory.now + rng.choice((0, 1, 5)))
        arguments = self.arguments(found)
        if rng.random() < 0.4:
            self.make(Call("refuter", "refute", self.bent(rng, arguments), finder), "false")
        if hub.last_epoch < e:
            self.back_to(e - 1)
            return None
        return Call("refuter", "refute", arguments, finder, lambda: self.back_to(e - 1))

    @staticmethod
    def arguments(found: refute.Refutation) -> tuple[Any, ...]:
        """Of the call, with the struct by name."""
        struct, *rest = found.args
        return (SignedReport(*struct), *rest)

    def lie(self, rng: random.Random, e: int) -> tuple[EpochLog, int, int] | None:
        """Signs and sends a false report of e: (its log, facts, generation), or None where the hub refused it."""
        hub, tree = self.world.hub, self.memory.tree
        count = tree.header.count
        chosen = sorted(rng.sample(range(count), rng.randrange(count + 1)))
        records = [Record(i, 0, int(mask == FULL_MASK), mask) for i in chosen for mask in [rng.getrandbits(12)]]
        view = report.view_number(hub.cancels(e), 0)
        built = report.build(
            UptimeTree.at(tree.snapshot()), Merged((), 0, hub.price_word.spot, tuple(records)),
            count=count, view=view, challenged=self._is_challenged(e),
        )  # fmt: skip
        data, root = self.bend(rng, built.data), built.root
        if data == built.data or rng.random() < 0.3:
            root = GARBAGE
        parts = split_parts((), (), root) if not data else (replace(built.parts[-1], data=data, root=root),)
        log = EpochLog(built.header.pack(), root, tuple((p.data, p.root) for p in parts))
        generation, seats = hub._signers(e)
        x, facts = report.records_hash(parts), built.facts.pack()
        digest = Report(generation, e, built.previous, root, facts, x).digest(hub.domain)
        who, sigs = self._quorum(rng, seats, digest)
        arguments = (e, built.previous, root, facts, [], data, who, sigs)
        self.lying = True
        try:
            sent = self.make(Call("hub", "report", arguments, self.finder), "report")
        finally:
            self.lying = False
        return (log, facts, generation) if sent else None

    @staticmethod
    def bend(rng: random.Random, data: bytes) -> bytes:
        """Something else than what was counted: bits, a record less, twice, out of place, half a record."""
        if not data:
            return data
        at = 5 * rng.randrange(len(data) // 5)
        one = data[at : at + 5]
        flipped = (int.from_bytes(one, "big") ^ 1 << rng.randrange(40)).to_bytes(5, "big")
        return rng.choice(
            (
                data,
                data[:at] + flipped + data[at + 5 :],
                data[:at] + data[at + 5 :],
                data + one,
                one + data,
                data[:-1],
            )
        )

    def bent(self, rng: random.Random, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        """The proof with one thing wrong."""
        out = list(arguments)
        k = rng.randrange(6)
        if k == 0:
            name = rng.choice(("generation", "header", "root", "facts", "parts", "header_before", "root_before"))
            value = getattr(out[0], name)
            other = value ^ 1 << rng.randrange(160) if isinstance(value, int) else GARBAGE
            out[0] = replace(out[0], **{name: [*value[:-1], GARBAGE] if name == "parts" else other})
        elif k < 3:
            out[k] = rng.choice((1, 2, 33, 2**255))
        else:
            out[k] = rng.choice((out[k][:-32], out[k] + bytes(32), out[k][::-1], b""))
        return tuple(out)

    def do_check_in(self, rng: random.Random) -> Call:
        """A node checks in on chain; seldom by somebody else."""
        node = rng.randrange(self.memory.nodes + 1)
        key = self.world.registry.key_of(node, self.calendar.epoch(self.memory.now))
        return Call("hub", "check_in", (node,), self.someone(rng, key or self.finder))

    def do_held(self, rng: random.Random) -> Call | None:
        """A check-in is held against a report in dispute that calls the node down, or not."""
        hub = self.world.hub
        open_ = set(self.disputed())
        seen = [
            (e, i) for (e, i), slots in hub.check_in_slots.items() if slots and e in open_ and e in self.memory.trees
        ]
        if not seen:
            return self.do_check_in(rng) if rng.random() < 0.5 else self.do_report(rng)
        e, node = rng.choice(seen)
        slots = [k for k in range(12) if hub.check_ins(e, node) >> k & 1]
        slot = rng.choice(slots) if rng.random() < 0.9 else rng.choice((11, 12, 300))
        before, tree = self.memory.trees[e - 1], self.memory.trees[e]
        if node >= max(1, tree.header.count):
            return None
        header, leaf, siblings = tree.header.pack(), tree.leaf(node).pack(), tree.proof(node)
        arguments = [node, slot, header, leaf, siblings, before.header.pack(), before.root]
        if rng.random() < 0.1:
            at = rng.choice((0, 2, 3, 5))
            arguments[at] ^= 1 << rng.randrange(20)
        finder = rng.choice(self.people)
        return Call("refuter", "refute_checkin", tuple(arguments), finder, lambda: self.back_to(e - 1))

    def do_commit(self, rng: random.Random) -> Call:
        """A commitment of nothing, sometimes twice."""
        return Call("refuter", "commit", (keccak(bytes([rng.randrange(20)])),), rng.choice(self.people))

    def do_state(self, rng: random.Random) -> None:
        """The words of the state of an epoch."""
        last = self.world.hub.last_epoch
        e = rng.choice((0, 1, last, last + 1, last + 2, rng.randrange(last + 3), 2**255))
        told = self.chain.view("refuter", "state", e)
        assert told == self.world.refuter.state(e), (e, told)

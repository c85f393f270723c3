"""An honest report never falls, whatever anybody sends against it.

    python -m tests.fuzz.refute --attempts 100000 --seed 0
    python -m tests.fuzz.refute --mutants            the same against refuters with one check taken out

Nine epochs stand in dispute: reports of no, one, 64, 65 and more records, in one part and in several, over a growing
tree, with void, unchallenged and partly indeterminate epochs, one signed again after a false one fell. Attempts start
from proofs that hold (of honest groups, of lies that fell elsewhere, of check-ins) and bend them: leaves invented,
siblings cut and doubled, other groups, parts, epochs, headers, parts of another report, borders of every number,
calldata. A refused call changes nothing, so each attempt meets the same chain. Every attempt has its own seed.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from keepers.protocol.counters import Header
from keepers.protocol.epochs import SLOTS
from keepers.protocol.hashing import keccak, word
from keepers.protocol.messages import address_text
from keepers.protocol.records import FULL_MASK, Record
from keepers.protocol.refute import find, refutation
from keepers.protocol.uptime_tree import UptimeTree
from tests.fuzz.positions import RECORD_LIES, ROOT_LIES, SPACING, Liar, Lie, State
from tests.support.court import Court, Signed, groups_of

BORDERS = (0, 1, 2, 31, 32, 33, 63, 64, 179, 180, 2**31, 2**128, 2**255, 2**255 + 1, 2**256 - 1)
M24, M32 = 2**24 - 1, 2**32 - 1
GENERATION, HEADER, ROOT, FACTS, PARTS, HEADER_BEFORE, ROOT_BEFORE = range(7)
STRUCT, PART, GROUP, DATA, LEAVES, SIBLINGS = range(6)
NODE, SLOT, CHECK_HEADER, LEAF, PROOF, CHECK_BEFORE, CHECK_ROOT = range(7)

Arguments = list[Any]


class Falls(AssertionError):
    """An honest report fell; the text says to what."""


@dataclass
class Docket:
    """Honest reports in dispute, and what attempts start from."""

    court: Court
    proofs: list[Arguments] = field(default_factory=list)  # of honest groups: they lead nowhere as they are
    lies: list[Arguments] = field(default_factory=list)  # that fell, or would have, in another court
    check_ins: list[Arguments] = field(default_factory=list)
    after: list[Arguments] = field(default_factory=list)  # leaves and siblings of honest groups after their records
    headers: list[int] = field(default_factory=list)
    roots: list[bytes] = field(default_factory=list)
    standing: tuple[int, list[int]] = (0, [])

    # ---- how it comes to be
    def sit(self, rng: random.Random) -> None:
        """Nine epochs."""
        self._epoch(rng, 40, 300)
        self._epoch(rng, 64, 300)
        seen = self._check_in(rng, 3)
        self.court.void()
        self._remember_nodes(rng, seen)
        self._epoch(rng, 65, 520, indet=0b1001)
        self._epoch(rng, 0, 1_030)  # nothing but a deeper tree
        self.court.warp(self.court.end(6) + self.court.q.epoch // 2)  # the epoch after has no challenge
        self._epoch(rng, 1, 1_030, indet=1)
        self._epoch(rng, 130, 1_030, sizes=(1, 1, 1), fallen=True)
        self._epoch(rng, 64, 1_030, sizes=(1, 0))
        self._epoch(rng, 200, 1_100, indet=0b10)
        self.standing = self._stand()

    def _epoch(
        self, rng: random.Random, records: int, count: int, *, indet: int = 0, sizes: tuple[int, ...] = (),
        fallen: bool = False,
    ) -> None:  # fmt: skip
        court = self.court
        e = court.tree.header.epoch + 1
        seen = self._check_in(rng, e) if records else {}
        nodes = sorted(rng.sample([i for i in range(count) if i % SPACING], records))
        told = []
        for i in nodes:
            mask = FULL_MASK if rng.random() < 0.3 else rng.getrandbits(12)
            told.append(Record(i, rng.getrandbits(1), rng.getrandbits(1), mask & ~seen.get(i, 0)))
        # who checked in and was dark before came back
        told += [Record(i, 0, 0, 0) for i in sorted(seen.keys() - set(nodes)) if court.tree.leaf(i).dark]
        true = court.true_report(sorted(told), count=count, indet=indet)
        if sizes:
            true = cut(true, sizes)
        if fallen:
            false = _false(true, "garbage root", 0)
            court.send(court.again(false))
            found = find(false.before, false.log, court.again(false).facts, 1)
            assert found is not None, "the finder sees no garbage"
            court.must("refuter", "refute", *found.args)
            self.lies.append(list(found.args))
        true = court.again(true)
        court.accept(true)
        self._remember(rng, true)
        self._remember_nodes(rng, seen)

    def _check_in(self, rng: random.Random, e: int) -> dict[int, int]:
        """Some nodes do, in the epoch that runs; their slots."""
        court = self.court
        seen: dict[int, int] = {}
        if court.now >= court.end(e):
            return {}
        nodes = rng.sample(range(280), 6)
        for i in nodes:
            court.must("registry", "set_key", i, address_text(10**6 + i))
        for slot in sorted(rng.sample(range(SLOTS), 3)):
            court.warp(max(court.now, court.q.start(e) + slot * court.q.slot))
            for i in nodes:
                court.must("hub", "check_in", i, sender=address_text(10**6 + i))
                seen[i] = seen.get(i, 0) | 1 << slot
        return seen

    def _remember(self, rng: random.Random, true: Signed) -> None:
        tree = self.court.tree
        for part, (data, _) in enumerate(true.log.parts):
            for group, records in enumerate(groups_of(data)):
                found = refutation(true.before, true.log, true.facts, 1, part, group)
                self.proofs.append(list(found.args))
                nodes = [r >> 16 for r in records]
                opened = [word(tree.word(i)) for i in nodes]
                siblings = tree.multiproof(nodes) if nodes else []
                self.after.append([b"".join(opened), b"".join(siblings)])
        for kind in (*RECORD_LIES, *ROOT_LIES):
            count = len(Liar(true).records)
            if count:
                false = _false(true, kind, rng.randrange(count))
                lie = find(false.before, false.log, false.facts, 1)
                if lie is not None:  # a record without slots counted twice is no lie
                    self.lies.append(list(lie.args))

    def _remember_nodes(self, rng: random.Random, seen: dict[int, int]) -> None:
        """The leaves of nodes that checked in, at those slots, and of some that did not."""
        tree = UptimeTree.at(self.court.tree.snapshot())
        header, before = tree.header.pack(), self.headers[-1] if self.headers else 0
        root_before = self.roots[-1] if self.roots else UptimeTree().root
        slots = {i: [k for k in range(SLOTS) if mask >> k & 1] for i, mask in seen.items()}
        slots |= {i: rng.sample(range(SLOTS), 2) for i in (*rng.sample(range(280), 5), tree.header.count - 1)}
        for node, at in slots.items():
            for slot in at:
                row = [node, slot, header, tree.word(node), tree.proof(node), before, root_before]
                self.check_ins.append(row)
        self.headers.append(header)
        self.roots.append(tree.root)

    def _stand(self) -> tuple[int, list[int]]:
        last = self.court.view("hub", "last_epoch")
        return last, [self.court.view("hub", "cancels", e) for e in range(1, last + 2)]

    # ---- attempts
    def attempt(self, seed: str) -> str:
        """One; why it was refused. Raises Falls."""
        rng = random.Random(seed)
        contract, function, arguments = self.drawn(rng)
        if rng.random() < 0.05:
            calldata = _bent_calldata(rng, self.court.calldata(contract, function, *arguments))
            done = self.court.raw(contract, calldata)
        else:
            done = self.court.call(contract, function, *arguments)
        if done.ok and (done.events or self._stand() != self.standing):
            names = [event.name for event in done.events]
            raise Falls(f"attempt {seed}: {function} went through and logged {', '.join(names)}")
        return "without effect" if done.ok else done.reason or "without a word"

    def drawn(self, rng: random.Random) -> tuple[str, str, Arguments]:
        """(contract, function, arguments)."""
        lot = rng.random()
        if lot < 0.02:
            return "hub", "cancel", [rng.choice(self.roots), rng.choice(self.headers)]
        if lot < 0.2:
            return "refuter", "refute_checkin", self._bent_check_in(rng)
        arguments = _copy(rng.choice(self.proofs if rng.random() < 0.75 else self.lies))
        other = _copy(rng.choice(self.proofs + self.lies))
        if rng.random() < 0.15:  # one report, the proof of another
            arguments = [arguments[STRUCT], *other[PART:]]
        for _ in range(rng.choice((0, 1, 1, 1, 2, 3))):
            rng.choice(BENDS)(self, rng, arguments, other)
        return "refuter", "refute", [tuple(arguments[STRUCT]), *arguments[PART:]]

    def _bent_check_in(self, rng: random.Random) -> Arguments:
        arguments = list(rng.choice(self.check_ins))
        other = rng.choice(self.check_ins)
        for _ in range(rng.choice((0, 1, 1, 2))):
            k = rng.randrange(8)
            if k == SLOT:
                arguments[SLOT] = rng.choice((*range(SLOTS), 12, 13, 64, *BORDERS))
            elif k == LEAF:
                arguments[LEAF] = rng.choice((arguments[LEAF] | FULL_MASK, FULL_MASK, 0, other[LEAF], M32 << 32))
            elif k in (CHECK_HEADER, CHECK_BEFORE):
                arguments[k] = self._bent_header(rng, arguments[k])
            elif k == PROOF:
                proof = arguments[PROOF]
                arguments[PROOF] = rng.choice(
                    (proof[:-1], proof[1:], proof[::-1], other[PROOF], [], [*proof, bytes(32)])
                )
            elif k == NODE:
                arguments[NODE] = rng.choice((other[NODE], arguments[NODE] ^ 1, arguments[NODE] | 2**24, *BORDERS))
            elif k == CHECK_ROOT:
                arguments[CHECK_ROOT] = rng.choice(self.roots)
            else:
                arguments = [*arguments[:2], *other[2:]]
        return arguments

    def _bent_header(self, rng: random.Random, header: int) -> int:
        """One field of it, or another epoch's."""
        epoch, count = header & M32, header >> 128 & M24
        small = rng.choice((0, 1, count - 1 if count else 0, count // 2, count + 1, M24))
        return rng.choice(
            (
                header & ~(M24 << 128) | small << 128,
                header ^ 1 << rng.randrange(256),
                header ^ 1 << 172,
                header ^ 1 << 173,
                header & ~(FULL_MASK << 160) | rng.getrandbits(12) << 160,
                header & ~M32 | (epoch + rng.choice((-1, 1, 5))) & M32,
                *(_counted(header, at, rng.choice((-1, 1))) for at in (32, 64, 96)),
                rng.choice(self.headers),
            )
        )  # fmt: skip


def _counted(header: int, at: int, more: int) -> int:
    """The header with more in the counter of 32 bits at `at`."""
    return header & ~(M32 << at) | ((header >> at) + more & M32) << at


def _copy(arguments: Sequence[Any]) -> Arguments:
    struct = list(arguments[STRUCT])
    struct[PARTS] = list(struct[PARTS])
    return [struct, *arguments[PART:]]


# ---- bends: each changes `arguments`, and may take from `other`


def _bend_leaf(docket: Docket, rng: random.Random, arguments: Arguments, other: Arguments) -> None:
    """One leaf: invented (with its last record now, later or never), emptied, a bit of it."""
    leaves = arguments[LEAVES]
    if not leaves:
        arguments[LEAVES] = other[LEAVES]
        return
    at = rng.randrange(len(leaves) // 32) * 32 if len(leaves) >= 32 else 0
    value = int.from_bytes(leaves[at : at + 32], "big")
    header = Header.unpack(arguments[STRUCT][HEADER] % 2**256)
    last = rng.choice((header.ordinal, header.ordinal + 1, header.epoch, M32, 0))
    changed = rng.choice(
        (value & ~(M32 << 32) | (last & M32) << 32, (last & M32) << 32, 0, value ^ 1 << rng.randrange(256))
    )
    arguments[LEAVES] = leaves[:at] + word(changed) + leaves[at + 32 :]


def _bend_row(k: int) -> Callable[[Docket, random.Random, Arguments, Arguments], None]:
    """Words of leaves or siblings: cut, doubled, swapped, from elsewhere, of the state after the group."""

    def bend(docket: Docket, rng: random.Random, arguments: Arguments, other: Arguments) -> None:
        row = arguments[k]
        at = rng.randrange(len(row) // 32 + 1) * 32
        after = rng.choice(docket.after)[k - LEAVES]
        arguments[k] = rng.choice(
            (
                row[:at] + row[at + 32 :], row[:at] + row[at : at + 32] + row[at:], row + bytes(32), row[:-1], b"",
                row[32:64] + row[:32] + row[64:], row[:at] + bytes(32) + row[at + 32 :], other[k], after, row + row,
                row[:at] + keccak(row) + row[at + 32 :],
            )
        )[: 36_864 if k == SIBLINGS else 2_048]  # fmt: skip

    return bend


def _bend_state_after(docket: Docket, rng: random.Random, arguments: Arguments, other: Arguments) -> None:
    """A whole opening of the state after some group."""
    arguments[LEAVES], arguments[SIBLINGS] = rng.choice(docket.after)


def _bend_place(docket: Docket, rng: random.Random, arguments: Arguments, other: Arguments) -> None:
    """Another group or part."""
    k = rng.choice((PART, GROUP))
    arguments[k] = rng.choice((other[k], (arguments[k] + 1) % 2**256, (arguments[k] - 1) % 2**256, *BORDERS))


def _bend_header(docket: Docket, rng: random.Random, arguments: Arguments, other: Arguments) -> None:
    struct = arguments[STRUCT]
    at = rng.choice((HEADER, HEADER, HEADER_BEFORE))
    struct[at] = docket._bent_header(rng, struct[at])


def _bend_struct(docket: Docket, rng: random.Random, arguments: Arguments, other: Arguments) -> None:
    """One field, from another report or a border."""
    struct, at = arguments[STRUCT], rng.choice((GENERATION, ROOT, FACTS, ROOT_BEFORE, HEADER_BEFORE, HEADER))
    if at in (ROOT, ROOT_BEFORE):
        struct[at] = rng.choice((other[STRUCT][at], rng.choice(docket.roots), bytes(32), keccak(struct[at])))
    else:
        struct[at] = rng.choice((other[STRUCT][at], struct[at] ^ 1 << rng.randrange(256), *BORDERS))


def _bend_parts(docket: Docket, rng: random.Random, arguments: Arguments, other: Arguments) -> None:
    """Hashes and roots of the parts: false, swapped, fewer, more, those of another report."""
    struct = arguments[STRUCT]
    parts = struct[PARTS]
    at = rng.randrange(len(parts)) if parts else 0
    struct[PARTS] = rng.choice(
        (
            [*parts[:at], rng.choice((bytes(32), keccak(b"other"), struct[ROOT_BEFORE])), *parts[at + 1 :]],
            parts[::-1], parts[:-2], parts[:-1], [*parts, *parts], [*parts, bytes(32)], other[STRUCT][PARTS], [],
            [*parts[2:], *parts[:2]], (parts * 66)[:66],
        )
    )  # fmt: skip


def _bend_data(docket: Docket, rng: random.Random, arguments: Arguments, other: Arguments) -> None:
    """Other bytes of the part; half of the time with their hash in its place."""
    data = arguments[DATA]
    at = rng.randrange(len(data)) if data else 0
    arguments[DATA] = rng.choice(
        (
            data[:at] + bytes([(data[at] if data else 0) ^ 1 << rng.randrange(8)]) + data[at + 1 :],
            data[: at // 5 * 5], data[: at // 5 * 5] + data[at // 5 * 5 + 5 :], data[:-1], data + b"\0", b"",
            data + data[-5:], other[DATA],
        )
    )  # fmt: skip
    parts, place = arguments[STRUCT][PARTS], 2 * arguments[PART]
    if rng.random() < 0.5 and place < len(parts):
        parts[place] = keccak(arguments[DATA])


# what no earlier check stops comes more often
BENDS = (
    *(3 * (_bend_leaf, _bend_row(LEAVES), _bend_row(SIBLINGS), _bend_state_after, _bend_place)),
    _bend_header, _bend_header, _bend_struct, _bend_parts, _bend_data,
)  # fmt: skip


def _bent_calldata(rng: random.Random, calldata: bytes) -> bytes:
    """Offsets, lengths, bytes, the end."""
    words = (len(calldata) - 4) // 32
    at = 4 + 32 * rng.randrange(words)
    number = rng.choice((*BORDERS, 0x20, 0x40, 0xE0, 2**64))
    return rng.choice(
        (
            calldata[:at] + word(number) + calldata[at + 32 :],
            calldata[: rng.randrange(len(calldata))],
            calldata + rng.randbytes(64),
            calldata[:at] + calldata[at + 32 :],
            calldata[: at + 31] + bytes([calldata[at + 31] ^ 1 << rng.randrange(8)]) + calldata[at + 32 :],
        )
    )


# ---- reports


def cut(report: Signed, sizes: Sequence[int]) -> Signed:
    """The same records in other parts: so many groups in each, the rest in the last."""
    liar = Liar(report)
    liar.sizes = list(sizes)
    return liar.signed(Lie("", 0, liar.records, liar.roots, 0))[0]


def _false(true: Signed, kind: str, place: int) -> Signed:
    """With one lie."""
    liar, state = Liar(true), State.start(true)
    for group in range(place // 64):
        state.put(state.after(liar.records[64 * group : 64 * group + 64]))
    return liar.signed(liar.tell(kind, place, state))[0]


def docket(court: Court | None = None) -> Docket:
    """The honest reports; the same ones every time."""
    made = Docket(court or Court())
    made.sit(random.Random("docket"))
    return made


def campaign(honest: Docket, attempts: int, seed: int) -> Counter[str]:
    """Refusals by their words. Raises Falls."""
    reasons: Counter[str] = Counter()
    for number in range(attempts):
        reasons[honest.attempt(f"{seed}:{number}")] += 1
    if honest._stand() != honest.standing:
        raise Falls("an honest report is gone, and no attempt said so")
    court, last = honest.court, honest.standing[0]
    court.warp(court.view("hub", "usable_at", last))
    if court.view("hub", "newest_usable") != last:
        raise Falls("the honest reports did not become usable")
    return reasons


def main() -> int:
    """Exit code 1 at the first honest report that falls, or the first check whose absence shows nowhere."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.refute", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--attempts", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--mutants", action="store_true", help="refuters with one check taken out; each must be found")
    options = parser.parse_args()
    if options.mutants:
        from tests.fuzz.mutants import hunt

        return hunt(options.attempts, options.seed)
    began = time.monotonic()
    try:
        reasons = campaign(docket(), options.attempts, options.seed)
    except Falls as error:
        print(f"FALLS {error}\n  again: --seed {options.seed}", file=sys.stderr)
        return 1
    print(f"refute     {options.attempts:,} attempts on honest reports, none fell, {time.monotonic() - began:.0f} s")
    for reason, number in reasons.most_common():
        print(f"  {number:>8,}  {reason}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

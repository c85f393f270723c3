"""Whatever is wrong with a report, and wherever, it falls to one transaction within the window.

    python -m tests.fuzz.positions --records 1 64 65 20000 --seed 0

A committee signs a report with one lie in it; the watcher's finder names the group and opens it; the bytecode of hub
and refuter judges it, up to the last second in which it may. Two things can lie: the records, while the signed roots
are the true ones, or the roots, while the records are true. A report that leaves a record out of both is consistent:
its root is what its records give, so no refutation exists. That is a lie about who was up, for f + 1 honest seats and
for check-ins, not for this court.

Up to ROWS records every lie is told at every place to the bytecode. In larger reports the bytecode gets every lie in
every group, and at the borders of parts; at every place the reference judge gets the lies of records and of roots, on
the group that is false.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from keepers.protocol.counters import Header, Leaf
from keepers.protocol.flat_tree import FlatTree, leaf_hashes
from keepers.protocol.hashing import keccak, word
from keepers.protocol.leaf_words import apply_words
from keepers.protocol.merkle import depth_of, multiproof
from keepers.protocol.rebuild import EpochLog
from keepers.protocol.records import DARK, FULL_MASK, GROUP, GROUP_BYTES, MAX_POSTED_BYTES, RECORD_BYTES, Record
from keepers.protocol.refute import find, refutation
from keepers.simulate.refuter import SignedReport, judge
from tests.support.court import Court, Signed, groups_of

ROWS = 200
RECORD_LIES = ("wrong", "skipped", "doubled", "invented", "no node", "spare bit")
BOTH_LIE = "counted twice"
ROOT_LIES = ("garbage root", "skipped in root", "doubled in root", "invented in root")
SPACING = 3  # node 3·k is up in every report: what is invented is invented of it


class Survives(AssertionError):
    """A false report that nothing fells, or an honest one that falls; the text says which."""


@dataclass
class State:
    """Leaf words and their tree between two groups of a report."""

    words: list[int]
    tree: FlatTree
    before: Header
    header: Header

    @classmethod
    def start(cls, report: Signed) -> State:
        """Before the first group."""
        header, base = Header.unpack(report.log.header), report.before.snapshot()
        base.tree.grow(depth_of(header.count))
        return cls([*base.words, *[0] * (header.count - len(base.words))], base.tree, base.header, header)

    def copy(self) -> State:
        return State(self.words.copy(), self.tree.copy(), self.before, self.header)

    def after(self, records: Sequence[int]) -> dict[int, int]:
        """Words of the group's nodes after its records."""
        return dict(zip(*apply_words(self.words, records, self.before, self.header), strict=True))

    def put(self, words: dict[int, int]) -> bytes:
        """Writes leaf words; the root."""
        for index, value in words.items():
            self.words[index] = value
        full = [i for i, value in words.items() if value]
        hashes = dict(zip(full, leaf_hashes(full, [words[i] for i in full]), strict=True))
        return self.tree.update({i: hashes.get(i, bytes(32)) for i in words})

    def root_with(self, words: dict[int, int]) -> bytes:
        """The root that they would give."""
        kept = {i: self.words[i] for i in words}
        root = self.put(words)
        self.put(kept)
        return root


@dataclass(frozen=True)
class Lie:
    """A report that is false first in `group`: its records, the root claimed after each group of 64."""

    kind: str
    place: int
    records: list[int]
    roots: list[bytes]
    group: int


@dataclass
class Liar:
    """All lies about one true report."""

    report: Signed
    records: list[int] = field(default_factory=list)
    roots: list[bytes] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)  # groups of each part

    def __post_init__(self) -> None:
        for data, root in self.report.log.parts:
            groups = groups_of(data)
            self.records += [r for group in groups for r in group]
            ends = range(GROUP_BYTES, GROUP_BYTES * len(groups), GROUP_BYTES)
            self.roots += [*(data[end - 32 : end] for end in ends), root]
            self.sizes.append(len(groups))

    def tell(self, kind: str, place: int, state: State, whole: bool = True) -> Lie:
        """`state` is that before the group of the place, and stays; without `whole` only that group's root is lied."""
        group = place // GROUP
        if kind == BOTH_LIE:
            return self._counted_twice(place, state)
        if kind in ROOT_LIES:
            roots = self._lied_roots(kind, place, state, whole)
            return Lie(kind, place, self.records, roots, group)
        records, one = self.records.copy(), self.records[place]
        free = (one >> 16) // SPACING * SPACING << 16 | 7
        if kind == "wrong":
            records[place] = one ^ 1 << place % 14
        elif kind == "no node":
            records[place] = one | 1 << 39
        elif kind == "spare bit":
            records[place] = one | 1 << 14 + place % 2
        elif kind == "skipped":
            del records[place]
        elif kind == "doubled":
            records.insert(place, one)
            group = (place + 1) // GROUP
        else:
            records.insert(place, free)
        groups = max(1, -(-len(records) // GROUP))
        roots = [*self.roots, self.roots[-1]][: groups - 1] + self.roots[-1:]
        return Lie(kind, place, records, roots, min(group, groups - 1))

    def can_count_twice(self, place: int) -> bool:
        """A full group, so that the record can open the one after; a node that is neither dark nor unproven by it."""
        full = (place // GROUP + 1) * GROUP <= len(self.records)
        return full and not self.records[place] & (DARK | 1 << 12)

    def _counted_twice(self, place: int, state: State) -> Lie:
        """The record again at the head of the next group, and roots as if the rules took it."""
        group, record = place // GROUP, self.records[place]
        end = (group + 1) * GROUP
        records = [*self.records[:end], record, *self.records[end:]]
        lied, roots = state.copy(), self.roots[: group + 1]
        lied.put(lied.after(self.records[group * GROUP : end]))
        node = record >> 16
        lied.words[node] = replace(Leaf.unpack(lied.words[node]), last=state.header.ordinal - 1).pack()
        for at in range(end, len(records), GROUP):
            roots.append(lied.put(lied.after(records[at : at + GROUP])))
        return Lie(BOTH_LIE, place, records, roots, group + 1)

    def _lied_roots(self, kind: str, place: int, state: State, whole: bool) -> list[bytes]:
        group, record = place // GROUP, self.records[place]
        if kind == "garbage root":
            garbage = keccak(b"garbage" + word(place))
            return [*self.roots[:group], garbage, *self.roots[group + 1 :]]
        words = state.after(self.records[group * GROUP : (group + 1) * GROUP])
        if kind == "skipped in root":
            del words[record >> 16]
        elif kind == "doubled in root":
            words[record >> 16] = self._twice(words[record >> 16], record)
        else:
            words |= state.after([(record >> 16) // SPACING * SPACING << 16 | 7])
        if not whole:
            return [*self.roots[:group], state.root_with(words), *self.roots[group + 1 :]]
        lied = state.copy()
        roots = [*self.roots[:group], lied.put(words)]
        for g in range(group + 1, len(self.roots)):
            roots.append(lied.put(lied.after(self.records[g * GROUP : (g + 1) * GROUP])))
        return roots

    @staticmethod
    def _twice(leaf: int, record: int) -> int:
        """The leaf with the slots of its record, which are some, counted a second time."""
        told = Leaf.unpack(leaf)
        return replace(told, down=told.down + (record & FULL_MASK).bit_count()).pack()

    def signed(self, lie: Lie) -> tuple[Signed, int, int]:
        """(report, part, group of it) as a committee would sign the lie, cut like the true report."""
        parts, at, where = [], 0, (0, 0)
        groups = len(lie.roots)
        sizes = [*self.sizes[:-1], groups - sum(self.sizes[:-1])]
        for number, size in enumerate(sizes):
            data = bytearray()
            for g in range(at, at + size):
                for record in lie.records[g * GROUP : (g + 1) * GROUP]:
                    data += record.to_bytes(RECORD_BYTES, "big")
                data += lie.roots[g] if g < at + size - 1 else b""
            parts.append((bytes(data), lie.roots[at + size - 1]))
            if at <= lie.group < at + size:
                where = number, lie.group - at
            at += size
        log = EpochLog(self.report.log.header, lie.roots[-1], tuple(parts))
        return replace(self.report, log=log), *where


# ---- the court


@dataclass
class Trial:
    """One court, one true report that is not sent before the end, and the lies that were told of it."""

    court: Court
    report: Signed
    rng: random.Random
    told: int = 0
    judged: int = 0

    def falls(self, false: Signed, part: int, group: int, what: str) -> None:
        """The hub takes it, the finder finds it, the refuter fells it, at a random second of the window or its last."""
        court, e = self.court, self.report.epoch
        false = court.again(false)
        court.send(false)
        found = find(false.before, false.log, false.facts, 1)
        if found is None:
            raise Survives(f"{what}: the finder sees nothing")
        if (found.part, found.group) != (part, group):
            raise Survives(f"{what}: found in part {found.part}, group {found.group}, not in {part}, {group}")
        last = court.view("hub", "usable_at", e) - 1
        court.warp(last if self.told % 8 == 0 else self.rng.randrange(court.now, last + 1))
        done = court.call("refuter", "refute", *found.args)
        if not done.ok:
            raise Survives(f"{what}: {done.reason or 'refused without a word'}")
        if court.view("hub", "last_epoch") != e - 1:
            raise Survives(f"{what}: refuted, and it stands")
        self.told += 1

    def stands(self) -> None:
        """The true report, group by group, its own honest proofs against it."""
        court, e = self.court, self.report.epoch
        true = court.again(self.report)
        court.accept(true)
        for part, (data, _) in enumerate(true.log.parts):
            for group in range(len(groups_of(data))):
                found = refutation(true.before, true.log, true.facts, 1, part, group)
                done = court.call("refuter", "refute", *found.args)
                if done.ok or done.reason != "refuter: the group holds":
                    raise Survives(f"the honest report, part {part}, group {group}: {done.reason or 'it fell'}")
        if court.view("hub", "last_epoch") != e:
            raise Survives("the honest report is gone")


def network(records: int, seed: int, court: Court | None = None) -> Trial:
    """A network in its fifth epoch, some of it dark, with a true report of so many records to come."""
    court, rng = court or Court(), random.Random(f"positions {records} {seed}")
    count = SPACING * records + rng.randrange(1, 40)
    for grown in (count // 2 + 1, count):
        down = [i for i in range(grown) if i % SPACING and rng.random() < 0.2]
        dark = [Record(i, 0, 1, FULL_MASK) for i in down if court.tree.leaf(i).prediction != (FULL_MASK, 1)]
        court.accept(court.true_report(dark, count=grown, indet=0b1010))
    court.void()
    if records % 2:
        court.warp(court.end(4) + court.q.epoch // 2)  # so late that the epoch after has no challenge
    court.accept(court.true_report([Record(1, 1, 0, 3)], count=count))
    chosen = [SPACING * k + rng.choice((1, 2)) for k in range(records)]
    told = [Record(i, rng.getrandbits(1), rng.getrandbits(1), rng.randrange(1, 1 << 12)) for i in chosen]
    return Trial(court, court.true_report(told, count=count, indet=0b101), rng)


def states(liar: Liar) -> Iterator[State]:
    """The state before each group."""
    state = State.start(liar.report)
    for group in range(len(liar.roots)):
        yield state
        state.put(state.after(liar.records[group * GROUP : (group + 1) * GROUP]))


def lies(liar: Liar, rng: random.Random, all_: bool) -> Iterator[tuple[int, str]]:
    """(place, kind) in ascending groups: all of them, or each kind in each group and all at the borders of parts."""
    records, ends = len(liar.records), {sum(liar.sizes[:k]) for k in range(len(liar.sizes) + 1)}
    for group in range(-(-records // GROUP)):
        first, last = group * GROUP, min((group + 1) * GROUP, records) - 1
        for kind in (*RECORD_LIES, *ROOT_LIES, BOTH_LIE):
            border = group in ends or group + 1 in ends
            places = {first, last} if border else {rng.randrange(first, last + 1)}
            if kind == "garbage root":
                places = {first}
            elif all_:
                places = set(range(first, last + 1))
            for place in sorted(places):
                if kind != BOTH_LIE or liar.can_count_twice(place):
                    yield place, kind


def by_bytecode(trial: Trial, all_: bool) -> None:
    """Lies and wrong lengths before hub and refuter. Raises Survives."""
    liar = Liar(trial.report)
    walk, at, state = states(liar), -1, State.start(trial.report)
    for place, kind in lies(liar, trial.rng, all_):
        while at < place // GROUP:
            state, at = next(walk), at + 1
        what = f"{len(liar.records):,} records, {kind} at {place:,}"
        trial.falls(*liar.signed(liar.tell(kind, place, state)), what)
    for part, data in lengths(trial, all_):
        parts = list(trial.report.log.parts)
        parts[part] = (data, parts[part][1])
        group, malformed = max(0, len(data) - 1) // GROUP_BYTES, _malformed(len(data))
        false = replace(trial.report, log=replace(trial.report.log, parts=tuple(parts)))
        what = f"{len(liar.records):,} records, part {part} of {len(data):,} bytes"
        trial.falls(false, part, 0 if malformed else group, what)


def lengths(trial: Trial, all_: bool) -> Iterator[tuple[int, bytes]]:
    """(part, other bytes): cut anywhere, or a byte to four too many anywhere; in large parts at borders of groups."""
    for part, (data, _) in enumerate(trial.report.log.parts):
        posted = part < len(trial.report.log.parts) - 1
        near = [b + k for b in range(0, len(data) + 1, GROUP_BYTES) for k in (-32, -1, 0, 1, 4, 319, 320, 321)]
        cuts = range(len(data)) if all_ else sorted({c for c in near if 0 <= c < len(data)})
        yield from ((part, data[:cut]) for cut in cuts if cut or not posted)
        for at in cuts:
            longer = data[:at] + bytes(1 + at % 4) + data[at:]
            if not posted or len(longer) <= MAX_POSTED_BYTES:  # the hub takes no longer one
                yield part, longer


def _malformed(length: int) -> bool:
    rest = length - max(0, length - 1) // GROUP_BYTES * GROUP_BYTES
    return rest > GROUP * RECORD_BYTES or rest % RECORD_BYTES != 0


def by_judge(trial: Trial) -> None:
    """Every lie at every place, on the group that is false, by the reference judge. Raises Survives."""
    liar = Liar(trial.report)
    header, before = liar.report.log.header, liar.report.before.header.pack()
    walk = states(liar)
    state, following = next(walk), State.start(liar.report)
    for group in range(len(liar.roots)):
        own = liar.records[group * GROUP : (group + 1) * GROUP]
        following.put(following.after(own))  # of the group after: a record doubled at the border stands there
        for place in range(group * GROUP, group * GROUP + len(own)):
            for kind in (*RECORD_LIES, *ROOT_LIES):
                lie = liar.tell(kind, place, state, whole=False)
                here = state if lie.group == group else following
                records = lie.records[lie.group * GROUP : (lie.group + 1) * GROUP]
                nodes = [r >> 16 for r in records]
                opens = nodes == sorted(set(nodes)) and nodes[-1] < here.header.count
                leaves = b"".join(word(here.words[i]) for i in nodes) if opens else b""
                siblings = b"".join(multiproof(here.tree, nodes)) if opens else b""
                data = b"".join(r.to_bytes(RECORD_BYTES, "big") for r in records)
                # the group as a part of its own, after one that ends with the root before it
                parts = [b"", here.tree.root, keccak(data), lie.roots[lie.group]]
                shown = SignedReport(1, header, lie.roots[-1], liar.report.facts, parts, before, b"")
                if not judge(shown, 1, 0, data, leaves, siblings):
                    raise Survives(f"{len(liar.records):,} records, {kind} at {place:,}: group {lie.group} holds")
                trial.judged += 1
        state = next(walk, state)


def campaign(records: int, seed: int) -> Iterator[str]:
    """All lies about one report of that many records; what was done, in words. Raises Survives."""
    trial, began = network(records, seed), time.monotonic()
    by_bytecode(trial, records <= ROWS)
    trial.stands()
    parts = len(trial.report.log.parts)
    told = f"{records:,} records, {parts} part{'s' * (parts > 1)}: {trial.told:,} false reports fell to the bytecode"
    yield f"{told}, the honest one stands, {time.monotonic() - began:.0f} s"
    if records > ROWS:
        began = time.monotonic()
        by_judge(trial)
        yield f"{records:,} records: {trial.judged:,} false groups to the judge, {time.monotonic() - began:.0f} s"


def main() -> int:
    """Exit code 1 at the first false report that stands."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.positions", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--records", type=int, nargs="+", default=[1, 64, 65, 20_000])
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for records in options.records:
        try:
            for line in campaign(records, options.seed):
                print(f"positions  {line}", flush=True)
        except Survives as error:
            print(f"SURVIVES {error}\n  again: --records {records} --seed {options.seed}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

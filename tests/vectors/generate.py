"""Writes the golden vectors beside it; `--check` compares them instead and exits 1 on a difference.

Integers are decimal strings, bytes are 0x-hex: any JSON reader keeps them. Every vector follows from keepers.protocol
with fixed seeds. The Vyper modules are tested against the same files.

    python -m tests.vectors.generate [--check]
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from keepers.protocol import (
    challenge,
    counters,
    credits,
    leases,
    merge,
    messages,
    price,
    rebuild,
    records,
    refute,
    report,
    stake,
)
from keepers.protocol.counters import Header, Leaf
from keepers.protocol.credits import Balance, FeeTerms
from keepers.protocol.epochs import Calendar
from keepers.protocol.hashing import keccak, word
from keepers.protocol.leases import Money, Sheet, Terms
from keepers.protocol.merkle import ZERO, SparseTree, depth_of, leaf_hash, lift, multiproof
from keepers.protocol.price import PriceWord
from keepers.protocol.records import DARK, FULL_MASK, Record
from keepers.protocol.uptime_tree import UptimeTree

HERE = Path(__file__).parent
SLOT = 300
CALENDAR = Calendar(genesis=1_700_000_000, slot=SLOT, epochs_per_period=24)


def encode(value: Any) -> Any:
    """JSON form: integers as decimal strings, bytes as 0x-hex, the rest as it is."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, int):
        return str(value)
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, dict):
        return {k: encode(v) for k, v in value.items()}
    return [encode(v) for v in value]


Applied = tuple[int, Record, int, int]  # leaf before, record, index, leaf after
Step = tuple[Header, Header, dict[int, Leaf], list[Applied]]  # header before, header, leaves after, records applied


def walk(seed: int, nodes: int, epochs: int) -> list[Step]:
    """Random epochs of a few nodes, some void, some indeterminate, some not challenged."""
    rng = random.Random(seed)
    tree = UptimeTree()
    predicted = dict.fromkeys(range(nodes), (0, 0))
    out = []
    for _ in range(epochs):
        before = tree.header
        applied: list[tuple[int, Record, int, int]] = []
        if rng.random() < 0.12:
            tree.void(before.epoch + 1)
        else:
            indet = rng.getrandbits(12) & rng.getrandbits(12) & rng.getrandbits(12)
            header = before.reported(count=nodes, indet=indet, challenged=rng.random() < 0.8)
            changed = []
            for i in range(nodes):
                mask = predicted[i][0] if rng.random() < 0.5 else rng.choice((0, FULL_MASK, DARK, rng.getrandbits(12)))
                u = predicted[i][1] if rng.random() < 0.7 else rng.getrandbits(1)
                x = int(rng.random() < 0.1)
                if (mask, u) != predicted[i] or x:
                    changed.append(Record(i, x, u, mask))
                predicted[i] = (FULL_MASK, 1) if mask & DARK else (0, u)
            old = {r.index: tree.leaf(r.index) for r in changed}
            tree.apply_report(header, changed)
            applied = [(old[r.index].pack(), r, r.index, tree.leaf(r.index).pack()) for r in changed]
        out.append((before, tree.header, {i: tree.leaf(i) for i in range(nodes)}, applied))
    return out


def uptime_leaf() -> dict[str, Any]:
    """D, F, U and missed read from leaves, and records applied to them."""
    rng = random.Random(1)
    reads, applies = [], []
    for seed in range(6):
        for before, header, found, applied in walk(seed, 4, 40):
            for leaf in found.values():
                for offset in (0, 12 * SLOT, rng.randrange(12 * SLOT + 1)):
                    if rng.random() < 0.25:
                        reads.append(
                            {
                                "header": header.pack(),
                                "leaf": leaf.pack(),
                                "offset": offset,
                                "slot": SLOT,
                                "mask": counters.mask_of(header, leaf),
                                "down": counters.down_seconds(header, leaf, offset, SLOT),
                                "fault": counters.fault_seconds(header, leaf, offset, SLOT),
                                "unproven": counters.unproven(header, leaf),
                                "missed": leaf.missed,
                            }
                        )
            applies += [
                {
                    "before": before.pack(),
                    "header": header.pack(),
                    "leaf": old,
                    "record": record.encode(),
                    "after": new,
                }
                for old, record, _, new in applied
                if rng.random() < 0.5
            ]
    pop = [{"mask": m, "bits": m.bit_count()} for m in (0, 1, DARK, FULL_MASK, 0x555, 0xAAA, 0x800F)]
    return {"reads": reads, "applies": applies, "pop": [p for p in pop if p["mask"] <= FULL_MASK]}


def merkle() -> dict[str, Any]:
    """Leaf hashes, empty roots, roots with proofs, multiproofs, lifted roots, ring words."""
    rng = random.Random(2)
    hashes = [
        {"index": i, "word": w, "hash": leaf_hash(i, w)} for i, w in ((0, 0), (0, 1), (7, 2**256 - 1), (2**24 - 1, 5))
    ]
    trees, multi, lifted = [], [], []
    for depth, filled in ((1, 2), (3, 5), (7, 40), (17, 200), (24, 60)):
        words = {rng.randrange(1 << depth): rng.getrandbits(256) for _ in range(filled)}
        tree = SparseTree(depth)
        tree.update({i: leaf_hash(i, w) for i, w in words.items()})
        some = [*rng.sample(sorted(words), min(3, len(words))), rng.randrange(1 << depth)]
        trees.append(
            {
                "depth": depth,
                "root": tree.root,
                "proofs": [{"index": i, "word": words.get(i, 0), "siblings": tree.proof(i)} for i in some],
            }
        )
        for size in (1, 2, 32, 64):
            pool = sorted({*words, *(i ^ 1 for i in words)})
            chosen = sorted(rng.sample(pool, min(size, len(pool))))
            header = Header(epoch=9, count=min(1 << depth, 2**24 - 1))
            multi.append(
                {
                    "depth": depth,
                    "header": header.pack(),
                    "root": tree.root,
                    "ring_word": header.ring_word(tree.root),
                    "indices": chosen,
                    "words": [words.get(i, 0) for i in chosen],
                    "siblings": multiproof(tree, chosen),
                }
            )
        if depth < 24:
            lifted.append({"depth": depth, "root": tree.root, "to": 24, "lifted": lift(tree.root, depth, 24)})
    return {
        "zero": list(ZERO),
        "leaves": hashes,
        "depths": [{"count": c, "depth": depth_of(c)} for c in (0, 1, 2, 3, 4, 5, 1_000, 2**17, 2**17 + 1, 2**24)],
        "trees": trees,
        "multiproofs": multi,
        "lifted": lifted,
        "genesis_ring_word": UptimeTree().ring_word,
    }


def reports() -> dict[str, Any]:
    """Parts, records hash, facts, roots and digests of a short chain of reports, and a void one."""
    domain = messages.Domain(31_337, "0x" + "42" * 20)
    rng = random.Random(3)
    tree = UptimeTree()
    out = []
    for epoch, (count, changes) in enumerate(((3, 0), (5, 2), (200, 64), (4_000, 130), (4_000, 1_600)), start=1):
        found = tuple(Record(i, 0, 1, rng.getrandbits(12)) for i in sorted(rng.sample(range(count), changes)))
        merged = merge.Merged((), 0b11 if epoch == 3 else 0, 5 * 10**11 + epoch, found)
        built = report.build(tree, merged, count=count, view=epoch - 1, challenged=epoch % 2 == 0)
        out.append(
            {
                "epoch": epoch,
                "previous": built.previous,
                "root": built.root,
                "header": built.header.pack(),
                "ring_word": built.header.ring_word(built.root),
                "facts": built.facts.pack(),
                "parts": [{"data": p.data, "hash": p.hash, "root": p.root} for p in built.parts],
                "records": built.records,
                "generation": 1,
                "digest": built.digest(1, domain),
            }
        )
    void = report.void_report(tree, 9, 2, 1)
    tree.void(9)
    encoded = [Record(0x010203, 1, 0, 0xABC), Record(2**24 - 1, 0, 1, FULL_MASK), Record(0, 0, 0, 0)]
    return {
        "domain": {"chain_id": domain.chain_id, "contract": domain.contract, "separator": domain.separator},
        "records": [{"index": r.index, "x": r.x, "u": r.u, "mask": r.mask, "bytes": r.encode()} for r in encoded],
        "reports": out,
        "void": {
            "first": void.first,
            "last": void.last,
            "previous": void.previous,
            "view": void.view,
            "generation": 1,
            "digest": void.digest(domain),
            "header": tree.header.pack(),
            "ring_word": tree.ring_word,
        },
        "quorum": [{"n": n, "f": merge.faults(n), "q": merge.quorum(n)} for n in range(1, 32)],
        "max_posted_bytes": records.MAX_POSTED_BYTES,
    }


def refutations() -> dict[str, Any]:
    """False reports, the proofs that fell them, and what a finder commits."""
    domain = messages.Domain(31_337, "0x" + "42" * 20)
    rng = random.Random(11)
    tree = UptimeTree()
    for epoch in range(1, 3):
        down = tuple(Record(i, 0, 1, FULL_MASK) for i in range(epoch, 300, 7) if not tree.leaf(i).dark)
        report.build(tree, merge.Merged((), 0, 10**12, down), count=300, view=0, challenged=epoch > 1)
    records_ = tuple(Record(i, 0, 0, rng.getrandbits(11)) for i in sorted(rng.sample(range(300), 100)))
    built = report.build(
        UptimeTree.at(tree.snapshot()), merge.Merged((), 1, 10**12, records_), count=300, view=0, challenged=True
    )
    out = []
    for kind, data, root in (
        ("root", built.data, keccak(b"garbage")),
        ("record", built.data[:7] + bytes([built.data[7] ^ 1]) + built.data[8:], built.root),
        ("order", built.data[5:10] + built.data[:5] + built.data[10:], built.root),
        ("length", built.data[:-1], built.root),
        ("empty", b"", built.root),
    ):
        log = rebuild.EpochLog(built.header.pack(), root, ((data, root),))
        found = refute.find(tree, log, built.facts.pack(), 1)
        assert found is not None
        out.append(
            {
                "kind": kind,
                "epoch": found.epoch,
                "generation": 1,
                "header": log.header,
                "root": root,
                "facts": found.facts,
                "header_before": found.header_before,
                "root_before": found.root_before,
                "part": found.part,
                "group": found.group,
                "data": data,
                "leaves": found.leaves,
                "siblings": found.siblings,
                "digest": found.digest(domain),
                "finder": 0xF1,
                "commitment": found.commitment(0xF1, domain),
            }
        )
    return {"domain": {"chain_id": domain.chain_id, "contract": domain.contract}, "refutations": out}


def challenges() -> dict[str, Any]:
    """Entries at row and column keys, with the keys and the seeds that they come from; list roots; a commitment."""
    rng = random.Random(12)
    entries, lists = [], []
    for n in (256, 512, 1_024, 65_536):
        seed, seed_b, node, gpu, round_ = (rng.getrandbits(32) for _ in range(5))
        class_id, row, col, previous = rng.getrandbits(16), rng.randrange(n), rng.randrange(n), rng.randbytes(32)
        ka, kb = challenge.key_a(seed, node, gpu, round_, previous), challenge.key_b(seed_b, class_id)
        a, b = challenge.line_key(ka, row), challenge.line_key(kb, col)
        entries.append(
            {
                "n": n, "seed": seed, "seed_b": seed_b, "node": node, "class_id": class_id, "gpu": gpu,
                "round": round_, "row": row, "col": col, "previous": previous, "key_a": ka, "key_b": kb,
                "row_key": a, "column_key": b, "entry": challenge.dot(a, b, n),
            }
        )  # fmt: skip
    for count in (1, 2, 3, 8, 13):
        roots = [keccak(word(i)) for i in range(count)]
        lists.append({"roots": roots, "root": challenge.list_levels(roots)[-1][0]})
    digest, place = keccak(b"digest"), challenge.Place(1, 2, 3)
    claim = {"finder": 0xF1, "digest": digest, "gpu": 1, "round": 2, "row": 3, "col": 4}
    return {
        "entries": entries,
        "lists": lists,
        "commitment": {**claim, "commitment": challenge.commitment(0xF1, digest, place, 4)},
    }


def typed_messages() -> dict[str, Any]:
    """One digest of every signed type."""
    domain = messages.Domain(31_337, "0x" + "42" * 20)
    a, b = "0x" + "11" * 20, "0x" + "22" * 20
    h = [keccak(word(i)) for i in range(4)]
    packed = messages.pack_nodes([4, 0, 2])
    examples: list[Any] = [
        messages.Ask(3, packed, 0, 10**12, 60, 86_400, 1, 1_800_000_000, 5, 99),
        messages.Take(a, h[0], messages.pack_nodes([4]), 2, 3_600, 1_800, 1_800_000_000, 7),
        messages.RegisterNode(3, a, 1, 276, messages.fingerprints_hash([h[1], h[2]]), b),
        messages.RotateKey(4, b),
        messages.Report(1, 9, h[0], h[1], 2**100 + 5, h[2]),
        messages.VoidReport(1, 9, 12, h[0], 65_537),
        messages.Heartbeat(4, 9, 11, 123_456, h[3], h[0]),
        messages.SignedObservation(1, 9, 3, h[1], 5 * 10**11),
        messages.ProposedSet(9, 65_537, 9, h[2], h[3]),
        messages.Answer(4, 9, 11, 12, h[1]),
    ]
    out = []
    for m in examples:
        names = [n for _, n in messages.members(m.TYPE)]
        out.append(
            {
                "type": m.TYPE,
                "fields": {n: getattr(m, n) for n in names},
                "struct_hash": m.struct_hash(),
                "digest": m.digest(domain),
            }
        )
    return {"domain": {"chain_id": 31_337, "contract": domain.contract, "separator": domain.separator}, "messages": out}


def accrual() -> dict[str, Any]:
    """funded_until, stop, base, due, payment, room, bond, forfeit, limit; and whole leases settled step by step."""
    rng = random.Random(4)
    due, rooms, bonds, forfeits, limits, words, runs = [], [], [], [], [], [], []
    for seed in range(20):
        path = walk(100 + seed, 1, 30)
        by_epoch = {h.epoch: (h, found[0]) for _, h, found, _ in path}
        start = rng.randrange(CALENDAR.start(1), CALENDAR.start(10))
        duration = rng.randrange(SLOT, CALENDAR.end(30) - start)
        rate, gpus = rng.choice((1, 277_777_777_777_777, 2**64 - 1)), rng.randrange(1, 17)
        prepaid = rng.randrange(1, duration + 1)
        terms = Terms(rate, gpus, 0, 3, start, duration, 1)
        money = Money(min(rate * gpus * prepaid + rng.randrange(rate * gpus), 2**96 - 1), rng.getrandbits(90))
        stop = leases.effective_stop(terms, money)
        if stop == start:
            continue
        first, last = CALENDAR.epoch(start), CALENDAR.epoch(stop - 1)
        base = leases.base_of(terms, CALENDAR, first, *by_epoch[first])
        money = Money(money.credits, money.backing, 0, base)
        words.append({"terms": terms.pack(), "money": money.pack(), "until": leases.until(terms, money), "stop": stop})
        epochs = sorted(rng.sample(range(first, last + 1), min(4, last - first + 1)))
        if epochs[-1] != last:
            epochs.append(last)
        steps, paid = [], 0
        for e in epochs:
            header, leaf = by_epoch[e]
            seconds = leases.due_seconds(terms, stop, base, CALENDAR, header, leaf)
            x = leases.payment(terms, money, seconds)
            down = counters.down_seconds(header, leaf, min(stop, CALENDAR.end(e)) - CALENDAR.start(e), SLOT)
            due.append(
                {
                    "start": start,
                    "t": min(stop, CALENDAR.end(e)),
                    "anchor": base + leases.ANCHOR_BIAS,
                    "down": down,
                    "due": seconds,
                }
            )
            if seconds > money.settled:
                moved, rest = Balance(money.credits, money.backing).split(x)
                money = Money(rest.credits, rest.backing, seconds, base)
                paid += moved.credits
            steps.append(
                {"header": header.pack(), "leaf": leaf.pack(), "due": seconds, "pays": x, "money": money.pack()}
            )
        header, leaf = by_epoch[first]
        runs.append(
            {
                "terms": terms.pack(),
                "anchor": {"header": header.pack(), "leaf": leaf.pack(), "base": base},
                "steps": steps,
                "paid": paid,
            }
        )
    for _ in range(40):
        sheet = Sheet(
            rng.randrange(3_600, 2**20), rng.randrange(2**20), rng.choice((2**20, 2**32 - 1)), leases.NO_LIMIT
        )
        terms = Terms(rng.randrange(1, 2**40), rng.randrange(1, 17), 0, 0, 10**9, rng.randrange(1, 2**24), 0)
        money = Money(rng.randrange(terms.per_second * terms.duration), 0, rng.randrange(terms.duration))
        now = 10**9 + rng.randrange(terms.duration + 1)
        rooms.append(
            {
                "terms": terms.pack(),
                "money": money.pack(),
                "prepay": sheet.prepay,
                "now": now,
                "room": leases.room(terms, money, sheet, now),
            }
        )
        low = rng.choice((1, 10**12, rng.randrange(1, 2**64)))
        bonds.append(
            {
                "sheet": sheet.pack(),
                "per_second": terms.per_second,
                "low": low,
                "gwei": leases.bond_gwei(sheet, terms.rate, terms.gpus, low),
            }
        )
        bond, elapsed = rng.getrandbits(64), rng.randrange(2**21)
        forfeits.append(
            {
                "bond": bond,
                "sheet": sheet.pack(),
                "elapsed": elapsed,
                "shares": leases.forfeit_shares(bond, sheet, elapsed),
            }
        )
        paid = rng.getrandbits(100)
        limits.append({"paid": paid, "high": low, "gwei": leases.damage_limit(paid, low)})
    return {
        "calendar": {
            "genesis": CALENDAR.genesis,
            "slot": CALENDAR.slot,
            "epochs_per_period": CALENDAR.epochs_per_period,
        },
        "until": words,
        "due": due,
        "room": rooms,
        "bond": bonds,
        "forfeit": forfeits,
        "limit": limits,
        "leases": runs,
    }


def credit() -> dict[str, Any]:
    """Backing that moves, purchases, cover, bounties, redemptions, refunds."""
    rng = random.Random(5)
    parts, buys, covers, bounties, redeems, refunds = [], [], [], [], [], []
    for i in range(60):
        c, k = rng.getrandbits(rng.choice((1, 20, 96))) + 1, rng.getrandbits(rng.choice((1, 20, 96)))
        x = rng.choice((0, c, rng.randrange(c + 1)))
        p = rng.choice((1, 10**12, 10**9, rng.randrange(1, 2**64)))
        spread, beta = rng.randrange(501), rng.randrange(101)
        parts.append({"credits": c, "backing": k, "x": x, "part": credits.part(c, k, x)})
        buys.append({"tokens": k, "low": p, "spread": spread, "credits": credits.buy(k, p, spread)})
        covers.append({"credits": c, "backing": k, "low": p, "covers": credits.covers(Balance(c, k), p)})
        b = credits.bounty(Balance(c, k), beta)
        bounties.append({"credits": c, "backing": k, "bps": beta, "bounty": b.credits, "bounty_backing": b.backing})
        cap = rng.randrange(10_001)
        terms = FeeTerms(rng.randrange(901), rng.randrange(3_001), rng.randrange(2_001), rng.randrange(cap + 1), cap)
        if i % 3 == 0:
            terms = FeeTerms(400, 3_000, 2_000, 9_500, 9_900)
        r = credits.redeem(Balance(c, k), p, terms)
        redeems.append(
            {
                "credits": c,
                "backing": k,
                "price": p,
                "fee_bps": terms.fee,
                "attesters_bps": terms.attesters,
                "builders_bps": terms.builders,
                "peg": terms.peg,
                "cap": terms.cap,
                "fee": r.fee,
                "minted": r.minted,
                "attesters": r.attesters,
                "builders": r.builders,
            }
        )
        refunds.append(
            {
                "credits": c,
                "backing": k,
                "high": p,
                "spread": spread,
                "minted": credits.refund(Balance(c, k), p, spread),
            }
        )
    return {
        "part": parts,
        "buy": buys,
        "covers": covers,
        "bounty": bounties,
        "redeem": redeems,
        "refund": refunds,
        "tally_keys": [
            {"key": k, "period": p, "slot": credits.tally_key(k, p)} for k, p in ((3, 7), (2**160 - 1, 2**32))
        ],
    }


def prices() -> dict[str, Any]:
    """Price words after a report, stake price steps."""
    rng = random.Random(6)
    steps = []
    for _ in range(80):
        p, twap = rng.choice((1, 3, 10**12, rng.randrange(1, 2**64))), rng.choice((1, 10**12, rng.randrange(1, 2**64)))
        old = PriceWord(p, twap, rng.choice((1, 10**12, rng.randrange(1, 2**64))), rng.getrandbits(39))
        median = rng.choice((0, p, p + 1, min(2**64 - 1, p * 11 // 10), p * 9 // 10, rng.getrandbits(64)))
        bound, stamp, renew = rng.choice((1, 1_000, 5_000)), rng.getrandbits(39), rng.random() < 0.5
        new = price.next_word(old, median, bound, stamp, renew)
        steps.append(
            {"word": old.pack(), "median": median, "bound": bound, "stamp": stamp, "renew": renew, "next": new.pack()}
        )
    firsts = [{"price": p, "stamp": 77, "word": price.first_word(p, 77).pack()} for p in (10**12, 5 * 10**11, 54_211)]
    return {"steps": steps, "first": firsts}


def stakes() -> dict[str, Any]:
    """Required stake, shares, values, slashes by factor."""
    rng = random.Random(7)
    rows = []
    for _ in range(60):
        assets, shares = rng.getrandbits(rng.choice((10, 63))) + 1, rng.getrandbits(rng.choice((10, 63))) + 1
        amount, units, s = rng.getrandbits(60) + 1, rng.getrandbits(63), rng.getrandbits(rng.choice((30, 63))) + 1
        other = rng.getrandbits(rng.choice((1, 63)))
        issued = rng.getrandbits(rng.choice((10, 63))) + 1 if other else 0
        claims = rng.choice((0, issued, rng.randrange(issued + 1)))
        cut = stake.slash_cut(amount, assets, stake.Unbonding(other, issued), claims, True)
        held = rng.randrange(1, shares + 1)
        rows.append(
            {
                "assets": assets,
                "shares": shares,
                "amount": amount,
                "dead": stake.is_dead(assets, shares),
                "shares_for": stake.shares_for(amount, assets, shares),
                "held": held,
                "value": stake.value_of(held, assets, shares),
                "cover": stake.bond_shares(stake.Own(assets, shares), amount),
                "units": units,
                "stake_price": s,
                "required": stake.required(units, s),
                "unbonding": other,
                "unbonding_shares": issued,
                "claims": claims,
                "slash_own": cut.active,
                "slash_unbonding": cut.unbonding,
                "reward": cut.reward,
            }
        )
    return {"buckets": rows}


FILES: dict[str, Callable[[], dict[str, Any]]] = {
    "uptime_leaf": uptime_leaf,
    "merkle": merkle,
    "reports": reports,
    "messages": typed_messages,
    "refutations": refutations,
    "challenge": challenges,
    "accrual": accrual,
    "credits": credit,
    "prices": prices,
    "stake": stakes,
}


def render(name: str) -> str:
    """The text of one vector file."""
    return json.dumps(encode(FILES[name]()), indent=1, ensure_ascii=True) + "\n"


def load(name: str) -> Any:
    """The committed vectors of one file, integers and bytes still as text."""
    return json.loads((HERE / f"{name}.json").read_text())


def number(value: str) -> int:
    """An integer of a vector."""
    return int(value)


def raw(value: str) -> bytes:
    """Bytes of a vector."""
    return bytes.fromhex(value[2:])


def main(argv: list[str] | None = None) -> int:
    """Writes or checks all files; returns the exit code."""
    parser = argparse.ArgumentParser(description="golden vectors of the protocol")
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    check = parser.parse_args(argv).check
    stale = []
    for name in FILES:
        path, text = HERE / f"{name}.json", render(name)
        if not check:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            stale.append(path.name)
    if stale:
        print("vectors differ: " + ", ".join(stale) + "; run python -m tests.vectors.generate", file=sys.stderr)
    return int(bool(stale))


if __name__ == "__main__":
    sys.exit(main())

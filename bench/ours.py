"""Gas of our own contracts, each figure the gasUsed of one real transaction from a cold state.

`run(chain)` works on `bench.chain.Chain` and on the harness that measures other projects. Volume that no bench can
make call by call (131,072 nodes, a full turn of the rings, the words of far nodes) is written into storage in the
contracts' own layout and read back through their views; every measured call, signature and proof is real.
"""

from __future__ import annotations

import random
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from coincurve import PrivateKey  # noqa: E402
from eth_utils import to_checksum_address  # noqa: E402

from keepers.chain.codec import CONTRACTS  # noqa: E402
from keepers.localnet.anvil import CHAIN_ID  # noqa: E402
from keepers.protocol.challenge import Work, commitment  # noqa: E402
from keepers.protocol.counters import Header, Leaf  # noqa: E402
from keepers.protocol.epochs import RING  # noqa: E402
from keepers.protocol.hashing import create_address, keccak  # noqa: E402
from keepers.protocol.merge import Merged, quorum  # noqa: E402
from keepers.protocol.messages import (  # noqa: E402
    Answer,
    Ask,
    Domain,
    RegisterNode,
    Take,
    fingerprints_hash,
    pack_nodes,
)
from keepers.protocol.rebuild import EpochLog  # noqa: E402
from keepers.protocol.records import Part, Record, parse_part  # noqa: E402
from keepers.protocol.refute import refutation  # noqa: E402
from keepers.protocol.report import build, pack_signatures, view_number  # noqa: E402
from keepers.protocol.units import STAKE_PRICE_PRODUCT, WAD  # noqa: E402
from keepers.protocol.uptime_tree import UptimeTree  # noqa: E402
from keepers.wire.signatures import compact  # noqa: E402
from tests.support.products import pretended  # noqa: E402
from tools.compile import build as compiled  # noqa: E402

SLOT, EPOCH, PERIOD = 300, 3_600, 86_400
NOW_EPOCH = 4_000  # the network has run for more than a full turn of the rings
DEPTH = 17
COUNT = 1 << DEPTH
PRICE = 2 * 10**12  # USD 2 a token
STAKE_PRICE = STAKE_PRICE_PRODUCT // PRICE
RATE = 555_555_555_555_555  # USD 2 a GPU-hour
LIQUID = 10**7 * WAD
SEATS = 4


def key(n: int) -> PrivateKey:
    return PrivateKey(keccak(b"bench" + n.to_bytes(4, "big")))


def address(k: PrivateKey) -> str:
    return str(to_checksum_address(keccak(k.public_key.format(False)[1:])[12:]))


def vrs(k: PrivateKey, digest: bytes) -> bytes:
    """65 bytes r ‖ s ‖ v of a digest."""
    s = k.sign_recoverable(digest, hasher=None)
    return bytes(s[:64]) + bytes([27 + s[64]])


def seat_signature(k: PrivateKey, digest: bytes) -> bytes:
    """64 bytes r ‖ s with v = 27: s is mirrored where it has to be."""
    return compact(vrs(k, digest))


def predicted(deployer: str, nonce: int) -> str:
    return str(to_checksum_address(create_address(bytes.fromhex(deployer[2:]), nonce)))


def blob(artifact: Any) -> dict[str, Any]:
    """What both harnesses deploy."""
    return {"abi": artifact.abi, "bytecode": artifact.code[2:], "deployed": artifact.runtime[2:], "linkReferences": {}}


def rewind(ch: Any, snapshot: Any) -> None:
    """Back to a snapshot. First the pool must be empty: anvil clears it a moment after the receipt is there, and what
    is left in it would be mined again."""
    while any(int(count, 16) for count in ch.rpc("txpool_status").values()):
        time.sleep(0.01)
    if ch.rpc("evm_revert", snapshot) is not True:
        raise SystemExit(f"bench: no snapshot {snapshot}")


class Bench:
    """The suite on `ch`, in the middle of its life."""

    def __init__(self, ch: Any, count: int = COUNT, seats: int = SEATS) -> None:
        self.ch, self.count = ch, count
        self.random = random.Random(7)
        self.art = compiled(CONTRACTS)
        me = ch.addr[0]
        nonce = int(ch.rpc("eth_getTransactionCount", me, "latest"), 16)
        at = {n: predicted(me, nonce + i) for i, n in enumerate(CONTRACTS)}
        self.genesis = ch.now() - NOW_EPOCH * EPOCH - 600
        cal = (self.genesis, SLOT, PERIOD // EPOCH)
        day = 86_400
        args: dict[str, tuple[Any, ...]] = {
            "ComputeToken": (at["BurnMintEngine"], me, 10**9 * WAD),
            "StakingPool": (
                at["ComputeToken"], at["NodeRegistry"], at["AttestationHub"], at["LeaseMarket"], at["LeaseEscrow"],
                STAKE_PRICE, 14 * day, PERIOD,
            ),
            "NodeRegistry": (
                at["StakingPool"], at["ComputeToken"], at["LeaseMarket"], at["LeaseEscrow"], at["NodeStanding"], *cal,
                WAD, 7 * day, 7 * day,
            ),
            "AttestationHub": (
                at["NodeRegistry"], at["StakingPool"], *cal, 24, 24, 7 * day, PRICE, 1_000, me, at["ReportRefuter"],
                at["AttesterCommittee"], "0x" + "00" * 20,
            ),
            "NodeStanding": (at["AttestationHub"], at["NodeRegistry"], *cal),
            "ReportRefuter": (at["AttestationHub"], *cal),
            "AttesterCommittee": (
                at["AttestationHub"], at["ReportRefuter"], at["ComputeToken"], *cal, 24, 10_000 * WAD, 14 * day,
                14 * day,
            ),
            "LeaseEscrow": (
                at["AttestationHub"], at["NodeRegistry"], at["StakingPool"], at["LeaseMarket"], at["BurnMintEngine"],
                *cal, 100, 3 * day, 7 * day,
            ),
            "LeaseMarket": (
                at["AttestationHub"], at["NodeRegistry"], at["StakingPool"], at["LeaseEscrow"], SLOT, 2 * EPOCH,
            ),
            "BurnMintEngine": (
                at["ComputeToken"], at["AttestationHub"], at["NodeRegistry"], at["LeaseEscrow"], *cal, 2 * EPOCH,
                25, 9_500, 9_900, 400, 3_000, 2_000, me, 100,
            ),
        }  # fmt: skip
        self.c = {}
        for n in CONTRACTS:
            if n not in args:
                continue  # deployed by the suite that measures it, so that the others' figures stand
            a = self.art[n]
            self.c[n] = ch.deploy(blob(a), *args[n])
            if self.c[n].address != at[n]:
                raise SystemExit(f"bench: {n} lies at {self.c[n].address}, predicted {at[n]}")
        self.token, self.pool, self.registry, self.hub = (self.c[n] for n in CONTRACTS[:4])
        self.standing = self.c["NodeStanding"]
        self.escrow, self.market, self.engine, self.refuter = (self.c[n] for n in CONTRACTS[5:9])
        self.market_domain = Domain(CHAIN_ID, self.market.address)
        self.hub_domain = Domain(CHAIN_ID, self.hub.address)
        self.registry_domain = Domain(CHAIN_ID, self.registry.address)
        self.seats = [key(900 + i) for i in range(seats)]
        self._committee_and_history()

    # ---- storage in the contracts' own layout
    def slot(self, name: str, variable: str) -> int:
        return next(s for n, s, _, _ in self.art[name].storage if n == variable)

    def poke(self, name: str, where: int, value: int) -> None:
        to = self.c[name].address
        self.ch.rpc("anvil_setStorageAt", to, f"0x{where:064x}", f"0x{value:064x}")

    def peek(self, name: str, where: int) -> int:
        return int(self.ch.rpc("eth_getStorageAt", self.c[name].address, hex(where), "latest"), 16)

    def mapped(self, name: str, variable: str, k: int) -> int:
        """Vyper's place of a mapping's value: keccak(slot ‖ key)."""
        return int.from_bytes(keccak(self.slot(name, variable).to_bytes(32, "big") + k.to_bytes(32, "big")), "big")

    # ---- time
    def epoch(self) -> int:
        return (int(self.ch.now()) - self.genesis) // EPOCH

    def start(self, e: int) -> int:
        return self.genesis + e * EPOCH

    def go(self, t: int) -> None:
        """The next block comes at second t."""
        if t > self.ch.now():
            self.ch.rpc("evm_setNextBlockTimestamp", hex(t))
            self.ch.rpc("evm_mine")

    # ---- history
    def _committee_and_history(self) -> None:
        """Seats by the owner; then a past of one full turn of the rings, through which `report` goes on for real."""
        self.hub.tx("set_committee", 1, [address(k) for k in self.seats], ["https://seat.example"] * len(self.seats))
        self.hub.tx("open_entries")
        self.poke("NodeRegistry", self.slot("NodeRegistry", "count"), self.count)
        if self.registry.call("count") != self.count:
            raise SystemExit("bench: the registry's layout is another one than the bench believes")
        last = NOW_EPOCH - 1
        header = Header(last, 3, last - 4, 40, self.count)
        self.tree = UptimeTree.of(
            header,
            [
                Leaf(down=3 + i % 5, fault=3, last=100 + i % 9, indeterminate=9, challenged=90).pack()
                for i in range(self.count)
            ],
        )
        self.headers: dict[int, int] = {}
        price = PRICE << 192 | PRICE << 128 | STAKE_PRICE << 64 | 0xDEAD << 8
        t = int(self.ch.now())
        for name, value in (("ring", 0xAB), ("metas", 0xCD << 64 | t - 2 * PERIOD), ("prices", price)):
            base = self.slot("AttestationHub", name)
            for i in range(RING):
                self.poke("AttestationHub", base + i, value)
        at = last % RING
        self.poke(
            "AttestationHub", self.slot("AttestationHub", "ring") + at, int.from_bytes(self.tree.ring_word, "big")
        )
        cfg = self.slot("AttestationHub", "cfg")
        # bit 237: the seed of the next epoch came in time, as it does where reports are on time
        self.poke(
            "AttestationHub",
            cfg,
            self.peek("AttestationHub", cfg) >> 152 << 152 | 1 << 237 | header.pack() & (2**152 - 1),
        )
        if self.hub.call("counters") != header.pack() & (2**152 - 1) or self.hub.call("last_epoch") != last:
            raise SystemExit("bench: the hub's layout is another one than the bench believes")
        self.report([])

    def report(self, down: list[int], mask: int = 0b111, garbage: bool = False) -> int:
        """Reports the next epoch for real (moving on to its end); gas of it. `garbage`: with a root of nothing, which
        the bench's own tree does not follow."""
        e = self.tree.header.epoch + 1
        self.go(self.start(e + 1) + 90)
        seed_time = self.hub.call("seed", e)[1]
        challenged = seed_time != 0 and seed_time <= self.start(e) + EPOCH // 3
        merged = Merged((), 0, PRICE, tuple(Record(i, 0, 0, mask) for i in sorted(down)))
        before = UptimeTree.at(self.tree.snapshot()) if garbage else self.tree
        view = view_number(int(self.hub.call("cancels", e)), 0)
        built = build(self.tree, merged, count=self.count, view=view, challenged=challenged)
        if garbage:
            self.tree = before
            parts = (*built.parts[:-1], Part(built.data, keccak(b"garbage")))
            built = replace(built, root=parts[-1].root, parts=parts)
        self.false = built
        self.headers[e] = built.header.pack()
        digest = built.digest(1, self.hub_domain)
        chosen = range(quorum(len(self.seats)))
        who, sigs = pack_signatures({i: seat_signature(self.seats[i], digest) for i in chosen})
        return int(
            self.hub.gas(
                "report", e, built.previous, built.root, built.facts.pack(), built.part_words, built.data, who, sigs
            )
        )

    def live(self, epochs: int) -> None:
        """That many epochs pass, each reported, all up."""
        for _ in range(epochs):
            self.report([])

    # ---- actors
    def provider(self, n: int, frm: str) -> int:
        self.registry.tx("register_provider", frm, frm, "", frm=frm)
        return int(self.registry.call("provider_count")) - 1

    def far_node(self, i: int, provider: int, gpus: int = 8) -> None:
        """An Active node of `provider` at index i, written in the registry's layout."""
        word = provider << 232 | 0 << 216 | 1 << 200 | gpus << 184 | 2 << 160 | 1 << 128 | 1 << 96
        self.poke("NodeRegistry", self.mapped("NodeRegistry", "node", i), word)
        if self.registry.call("node", i) != word:
            raise SystemExit("bench: a node word does not read back")


def row(ch: Any, action: str, gas: float, note: str = "") -> None:
    ch.rec("hearth", action, "ours", "worktree", gas, note)


def reports(ch: Any) -> None:
    """A thousand nodes, ten changed, four seats, rings turned once."""
    b = Bench(ch, 1_000)
    b.live(1)
    row(ch, "gas.report.1k_k3", b.report(list(range(5, 1_000, 100))), "1,000 nodes, 10 records, 3 of 4 seats")


def attestation(ch: Any) -> None:
    """Reports of 10,000 and 100,000 nodes, posted parts, a garbage root felled, one leaf read."""
    for count, changed, size in ((10_000, 100, "10k"), (100_000, 1_000, "100k")):
        before = ch.rpc("evm_snapshot")
        b = Bench(ch, count, 7)
        b.live(1)
        down = list(range(7, count, count // changed))
        row(ch, f"gas.report.{size}_k5", b.report(down), f"{count:,} nodes, {changed:,} records, 5 of 7 seats")
        b.report([i + 1 for i in down][: changed // 64 * 64], garbage=True)  # so that the last group is full
        row(ch, f"gas.refute.root_{size}", refute(b), f"one group of 64 among {count:,} nodes, its root garbage")
        if size == "10k":
            data = (b"\1" * 320 + keccak(b"root")) * 179 + b"\1" * 320
            row(ch, "gas.post_per_record", -(-int(b.hub.gas("post", data)) // (180 * 64)), "a part of 11,520 records")
        rewind(ch, before)
    before = ch.rpc("evm_snapshot")
    b = Bench(ch, 10_000, 16)
    b.live(1)
    row(ch, "gas.report.10k_k11", b.report(list(range(7, 10_000, 100))), "10,000 nodes, 100 records, 11 of 16 seats")
    rewind(ch, before)
    b = Bench(ch)
    b.live(27)
    e, node = b.tree.header.epoch - 25, 77_777
    probe = ch.deploy(blob(compiled(["GasProbe"])["GasProbe"]))
    call = (e, b.headers[e], node, b.tree.leaf(node).pack(), b.tree.proof(node), b.start(e) + 1_234)
    spent = probe.call("warm", b.standing.address, bytes.fromhex(b.standing.data("read_leaf", *call)[2:]))
    row(ch, "gas.leaf.read", spent, "depth 17, warm, in a call from another contract")


def refute(b: Bench) -> int:
    """Gas of the whole refutation of the last report, whose root is garbage, by its last group."""
    false = b.false
    log = EpochLog(false.header.pack(), false.root, ((false.data, false.root),))
    proof = refutation(b.tree, log, false.facts.pack(), 1, 0, len(parse_part(false.data)[0]) - 1)
    return int(b.refuter.gas("refute", *proof.args))


def money(ch: Any) -> None:
    """The life of leases among 131,072 nodes and 33 providers."""
    b = Bench(ch)
    sheet = b.escrow.tx("add_sheet", EPOCH, EPOCH, 7 * 86_400, 2**32 - 1, 0)
    sheet_id = int(sheet["logs"][0]["topics"][1], 16)
    row_ = ("GPU", 0, 0, 80, 0, 1_000, 300 * 10**9, 0, 0, 0, False)
    b.registry.tx("add_class", row_)
    operators = {}
    for n in range(1, 34):
        frm = ch.addr[n]
        b.token.tx("transfer", frm, LIQUID)
        for to in (b.registry, b.pool, b.engine):
            b.token.tx("approve", to.address, 2**256 - 1, frm=frm)
        p = b.provider(n, frm)
        operators[p] = ch.accts[n]
        b.pool.tx("stake_own", p, 200_000 * 10**9, frm=frm)
    first, *others = operators

    def register(i: int) -> int:
        k = key(i)
        prints = [keccak(b"gpu" + i.to_bytes(4, "big"))]
        message = RegisterNode(first, operators[first].address, 0, 1, fingerprints_hash(prints), address(k))
        sig = vrs(k, message.digest(b.registry_domain))
        return int(b.registry.gas("register_node", first, 0, 1, prints, address(k), sig, frm=operators[first].address))

    register(1)
    row(ch, "gas.node.register", register(2), "one node, one GPU, provider exists")

    renter = ch.addr[40]
    b.token.tx("transfer", renter, LIQUID)
    b.token.tx("approve", b.engine.address, 2**256 - 1, frm=renter)
    b.engine.tx("buy", 200_000 * WAD, 1, frm=renter)
    row(ch, "gas.credits.buy", b.engine.gas("buy", 10_000 * WAD, 1, frm=renter), "into a purse that exists")

    salt = iter(range(1, 10_000))

    def take(i: int, p: int, seconds: int = 6 * 86_400) -> tuple[int, int]:
        """(lease id, gas) of node i taken by the renter."""
        t = int(ch.now())
        ask = Ask(p, pack_nodes([i]), 0, RATE, EPOCH, 30 * 86_400, sheet_id, t + 86_400, 0, next(salt))
        digest = ask.digest(b.market_domain)
        op = operators[p]
        ask_sig = vrs(PrivateKey(bytes(op.key)), digest)
        message = Take(renter, digest, pack_nodes([i]), 8, 6 * 86_400, seconds, t + 600, next(salt))
        fields = (renter, digest, message.nodes, 8, message.duration, message.prepaid, message.deadline, message.salt)
        ask_fields = (
            ask.provider, ask.nodes, ask.class_id, ask.rate, ask.min_duration, ask.max_duration, ask.sheet, ask.expiry,
            ask.generation, ask.salt,
        )  # fmt: skip
        gas = b.market.gas("take", ask_fields, fields, ask_sig, b"", [], frm=renter)
        return message.lease_id(b.market_domain), int(gas)

    near = list(range(4_096, 4_096 + 40))
    far = sorted(b.random.sample(range(10_000, COUNT), 32))
    for i in near:
        b.far_node(i, first)
    for p, i in zip(others, far, strict=True):
        b.far_node(i, p)
    leases: dict[int, int] = {}
    take_gas = []
    for i in near[:36]:
        leases[i], gas = take(i, first)
        take_gas.append(gas)
    row(ch, "gas.lease.take", take_gas[1], "one node, later lease of the provider")
    for p, i in zip(others, far, strict=True):
        leases[i], _ = take(i, p)
    short, _ = take(near[38], first, 86_400)
    row(ch, "gas.lease.top_up", b.escrow.gas("top_up", short, 10 * WAD, frm=renter), "from the purse")
    row(ch, "gas.lease.pay", b.engine.gas("pay", short, 10 * WAD, 1, frm=renter), "burned straight into the lease")
    row(ch, "gas.credits.refund", b.engine.gas("refund", 100 * WAD, 1, frm=renter), "back to tokens")

    settler = int(ch.addr[50], 16)
    taken = b.epoch()

    def usable(e: int) -> int:
        """Lives on until epoch e is usable; its number."""
        b.live(e + 25 - b.tree.header.epoch)
        return e

    def proof(e: int, i: int) -> tuple[int, int, list[bytes]]:
        return b.headers[e], b.tree.leaf(i).pack(), b.tree.proof(i)

    def settle(i: int, e: int, payee: int) -> int:
        return int(b.escrow.gas("settle", leases[i], *proof(e, i), payee, frm=ch.addr[50]))

    def settle_first(i: int, e: int, payee: int) -> int:
        anchor = proof(taken, i)
        return int(b.escrow.gas("settle_first", leases[i], *proof(e, i), payee, *anchor, frm=ch.addr[50]))

    def settle_many(nodes: list[int], e: int) -> int:
        ids, words = [leases[i] for i in nodes], [b.tree.leaf(i).pack() for i in nodes]
        siblings = b.tree.multiproof(nodes)
        return int(b.escrow.gas("settle_many", ids, b.headers[e], words, siblings, settler, frm=ch.addr[50]))

    e1 = usable(taken + 1)
    settle_first(near[0], e1, first)
    row(ch, "gas.lease.settle_anchor", settle_first(near[1], e1, first), "anchor and first settlement, two proofs")
    for i in near[2:36] + far:
        settle_first(i, e1, settler)
    # a period later: settlements of more than a period, so that the bounty is due
    e2 = usable(taken + 27)
    settle(near[0], e2, first)
    row(ch, "gas.lease.settle", settle(near[1], e2, first), "later, by the provider")
    settle(near[34], e2, settler)
    row(ch, "gas.lease.settle_bounty", settle(near[35], e2, settler), "later, bounty to a settler")
    gas = settle_many(near[2:34], e2)
    row(ch, "gas.lease.settle_32_near", gas // 32, f"32 neighbours of one provider with bounty; {gas:,} in all")
    settle_many(far, e2)
    e3 = usable(taken + 28)
    gas = settle_many(far, e3)
    row(ch, "gas.lease.settle_32_far", gas // 32, f"32 providers, 131,072 nodes, no bounty due; {gas:,} in all")

    row(ch, "gas.lease.stop", b.escrow.gas("stop", leases[near[0]], 0, frm=renter), "by the renter")
    end = usable(b.epoch())
    settle(near[1], end, first)
    row(
        ch,
        "gas.lease.finish",
        b.escrow.gas("finish", leases[near[0]], *proof(end, near[0]), frm=renter),
        "by the renter",
    )

    # all tallies so far lie in closed periods after two more
    b.live(60)
    present = (int(ch.now()) - b.genesis) // PERIOD
    have = [p for p in range(present - 10, present) if b.escrow.call("tally", first, p)]
    b.engine.tx("redeem", others[0], [p for p in have if b.escrow.call("tally", others[0], p)][:1], frm=ch.addr[50])
    before = ch.rpc("evm_snapshot")
    one = b.engine.gas("redeem", first, have[:1], frm=ch.addr[50])
    rewind(ch, before)
    many = b.engine.gas("redeem", first, have, frm=ch.addr[50])
    row(ch, "gas.credits.redeem", one, "one period")
    row(ch, "gas.credits.redeem_next", (many - one) // (len(have) - 1), f"{len(have)} periods in one call: {many:,}")


def run(ch: Any) -> None:
    for suite in SUITES.values():
        suite(ch)


def elements(ch: Any) -> None:
    """Wrong entries of answers refuted, and the referee's product alone."""
    for n, rounds, gpus, size in (
        (1_024, 8, 1, "1k"), (4_096, 64, 1, "4k"), (16_384, 512, 8, "16k"), (65_536, 512, 8, "64k"),
    ):  # fmt: skip
        before = ch.rpc("evm_snapshot")
        gas = Refuted(Bench(ch, 10_000), n, rounds, gpus).gas(gpus - 1, rounds // 2)
        note = (
            f"R = {rounds}, GPU {gpus} of {gpus}, round {rounds // 2} (longest path); one chunk, garbage for all else"
        )
        row(ch, f"gas.refute.element_{size}", gas, note)
        rewind(ch, before)
    probe = ch.deploy(blob(compiled(["GasProbe"])["GasProbe"]))
    court = Refuted(Bench(ch, 10_000), 256, 1, 1).challenge
    half, whole = (
        probe.call("warm", court.address, bytes.fromhex(court.data("dot", 2**255, 2**254, n)[2:]))
        for n in (32_768, 65_536)
    )
    row(ch, "gas.dot_per_element", round((whole - half) / 32_768, 3), f"65,536 less 32,768 entries; {whole:,} in all")


class Refuted:
    """A node of a class of (n, rounds) whose answer is one chunk of garbage among hashes of nothing."""

    def __init__(self, b: Bench, n: int, rounds: int, gpus: int) -> None:
        self.b, self.n, self.rounds, self.gpus, self.node = b, n, rounds, gpus, b.count
        ch, me = b.ch, b.ch.addr[1]
        self.challenge = ch.deploy(
            blob(b.art["ComputeChallenge"]), b.hub.address, b.registry.address, b.pool.address, b.genesis, SLOT,
            PERIOD // EPOCH, 7 * 86_400, 200,
        )  # fmt: skip
        for granting in (b.registry, b.pool):
            granting.tx("set_grant", self.challenge.address, 1)
        b.registry.tx("add_class", ("GPU", 0, 0, 80, 0, 1_000, 300 * 10**9, n, rounds, 600, False))
        b.token.tx("transfer", me, LIQUID)
        b.token.tx("transfer", ch.addr[2], WAD)  # the finder
        for spender in (b.registry, b.pool):
            b.token.tx("approve", spender.address, 2**256 - 1, frm=me)
        provider = b.provider(1, me)
        b.pool.tx("stake_own", provider, 200_000 * 10**9, frm=me)
        self.key = key(1)
        prints = [keccak(b"gpu" + i.to_bytes(4, "big")) for i in range(gpus)]
        message = RegisterNode(provider, me, 0, 1, fingerprints_hash(prints), address(self.key))
        sig = vrs(self.key, message.digest(b.registry_domain))
        b.registry.tx("register_node", provider, 0, 1, prints, address(self.key), sig, frm=me)
        b.count += 1
        b.live(2)

    def gas(self, gpu: int, round_: int) -> int:
        """Gas of the refutation of the last entry of that product."""
        b, finder = self.b, self.b.ch.addr[2]
        e = b.tree.header.epoch + 1
        seed, seed_b = self.challenge.call("seeds", e)
        work = Work(self.node, e, seed, seed_b, 0, self.n, self.rounds, self.gpus)
        chunk = b"".join(keccak(bytes([i])) for i in range(12))
        root, shown = pretended(work, gpu, round_, self.n - 1, self.n - 1, chunk)
        digest = Answer(self.node, e, work.seed, work.seed_b, root).digest(Domain(CHAIN_ID, self.challenge.address))
        claimed = commitment(int(finder, 16), digest, shown.place, shown.col)
        self.challenge.tx("commit", claimed, frm=finder)
        return int(
            self.challenge.gas(
                "refute", self.node, e, root, vrs(self.key, digest), gpu, round_, shown.place.row, shown.col, chunk,
                list(shown.path), shown.previous, list(shown.list_path), frm=finder,
            )
        )  # fmt: skip


SUITES = {"reports": reports, "attestation": attestation, "money": money, "elements": elements}

if __name__ == "__main__":
    from bench.chain import Chain

    chain = Chain()
    try:
        for suite in SUITES.values():
            snapshot_id = chain.rpc("evm_snapshot")
            suite(chain)
            rewind(chain, snapshot_id)
    finally:
        chain.stop()

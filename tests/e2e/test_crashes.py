"""Keepers killed at any moment and started again neither repeat nor lose an effect (T58, D13, I2, I7).

Real processes on a real chain with a block a second: four attesters, a settler and an agent are killed with SIGKILL at
random moments and started again, while leases end and new ones are taken. At the end every transaction, signature and
wei is accounted for. HEARTH_CRASH_TRIALS=60 is a campaign of that many kills; another number draws other moments.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from keepers.chain.attestations import Attestations
from keepers.chain.pool import EndpointPool
from keepers.chain.ports import Event, TxState
from keepers.chain.rpc import ChainRpc, RpcReader
from keepers.localnet.anvil import Anvil
from keepers.localnet.network import LocalNetwork
from keepers.protocol.counters import Leaf, mask_of
from keepers.protocol.epochs import SLOTS
from keepers.protocol.leases import Terms
from keepers.replay.bill import pay
from tests.e2e.lives import Keeper, Lives, node_secret, trials
from tests.e2e.town import Lease, Reverted, Town

CLASS, MODEL = 3, "RTX-4090-24GB"
GPUS, STAKE, RATE = 8, 40_000, 10**13
KILLS = 4  # of a run without HEARTH_CRASH_TRIALS
PAUSE_S = (0.4, 3.0)  # between a start and the next kill
LEASE_S = (4, 16)
WORK_S = 6.0  # that a victim is given to have something on its way
SIGNING_S = 6  # freeze, exchange and the first view of the local profile
LIMIT_S = 150.0  # for the last effect, once nobody is killed any more
DUE_TICKET = 0


@dataclass
class Work:
    """What the keepers have to do: leases that end, a node to activate, a tally to redeem, a ticket to pay out."""

    provider: int
    nodes: tuple[int, ...]
    pending: int
    leases: list[Lease]
    tally: int  # period of the provider's tally that is due
    first_block: int  # the first that the keepers see


@pytest.fixture
def work(town: Town, network: LocalNetwork) -> Work:
    """A market with a backlog that no settler has seen yet, at the start of an epoch."""
    operator = network.key("provider").signer()
    calendar = town.calendar
    provider = town.provider("provider", STAKE)
    nodes = (town.node("provider", provider, CLASS, GPUS), town.node("provider", provider, CLASS, GPUS))
    town.send("provider", "StakingPool", "unstake_own", provider, 1_000 * 10**9)
    town.warp(town.now() + int(town.record.parameters["unbonding_s"]) + 1)
    town.report_through(town.epoch() - 1)
    town.usable(town.tree.header.epoch)
    for node in nodes:
        town.send("stranger", "NodeStanding", "activate", node, *town.proof(node))
    town.buy("renter", 10_000)

    def rent(node: int, duration: int) -> Lease:
        return town.rent(
            "renter", operator, provider, node, rate=RATE, duration=duration, prepaid=duration, sheet=1, gpus=2
        )

    first = rent(nodes[0], 30)
    town.report_through(calendar.epoch(first.start) + 1)
    town.usable(town.tree.header.epoch)
    town.settle(first, provider)
    tally = calendar.period(town.now())
    leases = [first, rent(nodes[0], 20), rent(nodes[1], 25)]
    pending = town.node("provider", provider, CLASS, GPUS)
    town.warp(calendar.period_end(tally) + calendar.epoch_seconds)
    town.report_through(town.epoch() - 1)
    town.usable(town.tree.header.epoch)
    town.warp(calendar.start(town.epoch() + 1))
    leases += [rent(nodes[0], 14), rent(nodes[1], 17)]  # run and end while the keepers die
    town.report_through(town.epoch() - 1)
    block = int(town.chain.call("eth_blockNumber"), 16) + 1
    return Work(provider, nodes, pending, leases, tally, block)


@pytest.fixture
def lives(town: Town, network: LocalNetwork, work: Work, blocks: Callable[[], None], tmp_path: Path) -> Iterator[Lives]:
    """Everybody, alive and ready, on a chain that goes on by itself."""
    made = Lives(network, town, tmp_path)
    made.add_settler()
    made.add_attesters()
    made.add_agent("agent", {n: node_secret(n) for n in (*work.nodes, work.pending)}, MODEL, GPUS)
    blocks()
    try:
        made.start_all()
        yield made
    finally:
        made.crew.stop_all()


@pytest.mark.timeout(240 + 15 * trials(KILLS))
def test_keepers__killed_at_random__every_effect_once(
    lives: Lives, town: Town, work: Work, network: LocalNetwork, record_property: Callable[[str, object], None]
) -> None:
    """I2, I7: whoever dies whenever, each lease, epoch, node, tally and ticket has its one effect, to the wei."""
    wanted = trials(KILLS)
    draw = random.Random(wanted)
    victims = Victims(lives, town, draw)
    for number in range(wanted):
        time.sleep(draw.uniform(*PAUSE_S))
        victims.strike(number)
        if wanted > KILLS and number % 2:
            rent_more(town, work, network, draw)
    until(lambda: settled(town, work) and lives.idle(), lives)
    lives.stop_all()
    audit = Audit(lives, town, work)
    audit.transactions()
    audit.signatures()
    audit.epochs()
    audit.money()
    for name, value in {**audit.figures, "kills": dict(lives.kills), "caught": lives.caught}.items():
        record_property(name, value)
        print(f"{name:24} {value}")
    assert sum(lives.kills.values()) == wanted
    assert lives.caught or wanted < 20, "the kills must hit work that is on its way"


class Victims:
    """Who dies next: each role in its turn at first, then by lot, the settler and the attesters oftenest. Every second
    one that sends transactions dies while it has one on its way, or (a seat) while an epoch is signed."""

    def __init__(self, lives: Lives, town: Town, draw: random.Random) -> None:
        self._lives, self._town, self._draw = lives, town, draw

    def strike(self, number: int) -> None:
        """Kill one and start it again, at once or a little later."""
        roles = ["settler", "attester", "agent"]
        role = roles[number] if number < len(roles) else self._draw.choices(roles, (4, 4, 2))[0]
        keeper = self._draw.choice(self._lives.of_role(role))
        if self._draw.random() < 0.5:
            self._await_work(keeper)
        self._lives.kill(keeper.name)
        time.sleep(self._draw.choice((0.0, 0.0, 0.5, 1.5)))
        self._lives.restart(keeper.name)

    def _await_work(self, keeper: Keeper) -> None:
        end = time.monotonic() + (WORK_S if keeper.address else 0.0)
        while time.monotonic() < end and not (self._lives.busy(keeper) or self._is_signing(keeper)):
            time.sleep(0.05)
        time.sleep(self._draw.uniform(0.0, 1.0))

    def _is_signing(self, keeper: Keeper) -> bool:
        """Whether it is a seat in the seconds after an epoch's end in which observations and reports are signed."""
        calendar, now = self._town.calendar, self._town.now()
        return keeper.role == "attester" and 1 <= now - calendar.start(calendar.epoch(now)) <= SIGNING_S


def rent_more(town: Town, work: Work, network: LocalNetwork, draw: random.Random) -> None:
    """One more lease, unless the market is closed at this moment (a stale price) or the node may take none."""
    node, duration = draw.choice(work.nodes), draw.randint(*LEASE_S)
    terms: dict[str, Any] = {"rate": RATE, "duration": duration, "prepaid": duration, "gpus": draw.randint(1, 2)}
    with contextlib.suppress(Reverted):
        operator = network.key("provider").signer()
        work.leases.append(town.rent("renter", operator, work.provider, node, sheet=draw.randint(0, 1), **terms))


def settled(town: Town, work: Work) -> bool:
    """Whether every effect that is owed by now is on the chain."""
    return (
        all(terms_of(town, lease).finished for lease in work.leases)
        and town.status(work.pending) == 2
        and town.tally(work.provider, work.tally) == (0, 0)
        and int(town.read("StakingPool", "ticket_of", work.provider, town.people["provider"], DUE_TICKET)) == 0
    )


def terms_of(town: Town, lease: Lease) -> Terms:
    return Terms.unpack(int(town.read("LeaseEscrow", "terms", lease.id)))


def until(done: Callable[[], bool], lives: Lives) -> None:
    end = time.monotonic() + LIMIT_S
    while not done():
        lives.crew.check()
        assert time.monotonic() < end, "an effect is lost"
        time.sleep(0.5)


@dataclass(frozen=True)
class Mined:
    """A transaction of a keeper's key on the chain."""

    sender: str
    nonce: int
    hash: bytes
    to: str
    data: bytes
    block: int
    ok: bool


class Audit:
    """The chain and the databases, compared after everybody has ended."""

    def __init__(self, lives: Lives, town: Town, work: Work) -> None:
        self.lives, self.town, self.work = lives, town, work
        self.figures: dict[str, object] = {}
        self._times: dict[int, int] = {}
        self.mined = self._mined(town.chain)
        self.events = self._events(town.chain)

    # ---- transactions

    def transactions(self) -> None:
        """One nonce after the other, each transaction one attempt of one row, each row one effect or none."""
        reverted: Counter[str] = Counter()
        for keeper in self.lives.keepers.values():
            if keeper.address:
                mine = [tx for tx in self.mined if tx.sender == keeper.address]
                self._nonces(keeper, mine)
                self._rows(keeper, mine)
                succeeded = [(tx.to, tx.data) for tx in mine if tx.ok and tx.data]
                assert len(set(succeeded)) == len(succeeded), f"{keeper.name} sent the same call twice"
                reverted += Counter(self._name(tx) for tx in mine if not tx.ok)
        self.figures |= {"transactions": len(self.mined), "reverted": dict(reverted)}
        assert set(reverted) <= {"AttestationHub.report"}, "only a report may come second"
        for tx in self.mined:  # to another seat's: two seats may submit, the chain takes the first
            if not tx.ok:
                assert any(o.ok and o.sender != tx.sender and self._name(o) == self._name(tx) for o in self.mined)

    def _nonces(self, keeper: Keeper, mine: list[Mined]) -> None:
        used = int(self.town.chain.call("eth_getTransactionCount", keeper.address, "latest"), 16)
        pool = int(self.town.chain.call("eth_getTransactionCount", keeper.address, "pending"), 16)
        assert [tx.nonce for tx in mine] == list(range(used)), f"{keeper.name} has a gap"
        assert pool == used, f"{keeper.name} has left something in the pool"

    def _rows(self, keeper: Keeper, mine: list[Mined]) -> None:
        by_hash = {tx.hash: tx for tx in mine}
        rows = self.lives.rows(keeper)
        known = set().union(*(row.sends | row.purges for row in rows))
        assert set(by_hash) <= known, f"{keeper.name} sent what its outbox does not know"
        for row in rows:
            effects = [by_hash[h] for h in row.sends if h in by_hash and by_hash[h].ok]
            assert len(effects) == (row.state == TxState.DONE), f"{row.key} is {row.state} with {len(effects)} effects"

    # ---- signatures

    def signatures(self) -> None:
        """I7: nobody has ever signed two digests of one (epoch, view), and every signature has its row in the log."""
        evidence = self.lives.evidence
        assert evidence.twice == 0
        for keeper in self.lives.of_role("attester"):
            seat = [s.key.address for s in self.lives.network.seats].index(keeper.address)
            log = self.lives.sign_log(keeper)
            places = [(kind, epoch, view) for kind, epoch, view, _ in log]
            assert len(set(places)) == len(places)
            for kind, found in (("obs", evidence.observed), ("report", evidence.reported)):
                signed = {(epoch, digest) for k, epoch, _, digest in log if k == kind}
                seen = {(epoch, digest) for (s, epoch), digests in found.items() if s == seat for digest in digests}
                assert seen <= signed, f"{keeper.name} signed what its log does not know"
            self._on_chain(seat, {digest for kind, _, _, digest in log if kind == "report"})
        self.figures["signatures seen"] = sum(map(len, [*evidence.observed.values(), *evidence.reported.values()]))

    def _on_chain(self, seat: int, signed: set[bytes]) -> None:
        for event in self._named("Report", "Voided"):
            if int(event["who"]) >> seat & 1 and event.block_number >= self.work.first_block:
                assert bytes(event["digest"]) in signed

    # ---- reports

    def epochs(self) -> None:
        """Every epoch is reported or void, once, in order."""
        reported = [int(e["epoch"]) for e in self._named("Report")]
        voided = [n for e in self._named("Voided") for n in range(int(e["first"]), int(e["last"]) + 1)]
        together = sorted(reported + voided)
        assert together == list(range(1, len(together) + 1))
        since = [e for e in self._named("Report") if e.block_number >= self.work.first_block]
        self.figures |= {"epochs reported": len(since), "epochs void": len(voided)}

    # ---- money

    def money(self) -> None:
        """I1, I2: each lease ended once and was paid its attested seconds, and nothing else moved a wei."""
        town, work = self.town, self.work
        dark = self._dark()
        assert self._once("Finished", "id") == self._once("Stopped", "id", again=True) == {x.id for x in work.leases}
        paid = 0
        for lease in work.leases:
            paid += self._lease(lease, dark[lease.node])
        assert paid > 0
        self._once("Activated", "node")
        self._once("Redeemed", "key", "period")
        self._once("Withdrawn", "provider", "who", "ticket")
        redeemed = sum(int(e["credits"]) for e in self._named("Redeemed"))
        owed = sum(town.tally(key, period)[0] for key, period in self._tallies())
        assert redeemed + owed == paid
        self.figures |= {"leases": len(work.leases), "paid (wei)": paid}

    def _lease(self, lease: Lease, dark: set[int]) -> int:
        town, calendar = self.town, self.town.calendar
        terms = terms_of(town, lease)
        first = terms.start - calendar.genesis
        down, wei = pay(first, first + terms.stop_after, dark, calendar.slot, terms.rate, terms.gpus)
        steps = [e for e in self._named("Settled") if e["id"] == lease.id]
        seconds = [int(e["seconds"]) for e in steps]
        assert seconds == sorted(set(seconds)), "a second was paid twice"
        assert sum(int(e["credits"]) for e in steps) == wei
        assert (seconds[-1] if seconds else 0) == terms.stop_after - down
        assert town.money(lease) == (0, 0)
        return wei

    def _dark(self) -> Mapping[int, set[int]]:
        """Slots since genesis in which the committee did not see each node, rebuilt from the reports on chain."""
        town = self.town
        pool = EndpointPool([town.chain.url], town.record.chain_id)
        reader = RpcReader(ChainRpc(pool), town.codec, town.record.policy())
        proofs = Attestations(reader, town.record.first_block)
        proofs.refresh(reader.heads.poll())
        dark: dict[int, set[int]] = {node: set() for node in self.work.nodes}
        for epoch in range(1, proofs.last + 1):
            header = proofs.header(epoch)
            for node, slots in dark.items():
                mask = (1 << SLOTS) - 1 if header.void else mask_of(header, Leaf.unpack(proofs.leaf(node, epoch)))
                slots |= {epoch * SLOTS + k for k in range(SLOTS) if mask >> k & 1}
        pool.close()
        return dark

    def _tallies(self) -> set[tuple[int, int]]:
        calendar, found = self.town.calendar, set()
        for event in self._named("Settled"):
            period = calendar.period(event.timestamp)
            found |= {(int(event["provider"]), period), (int(event["payee"]), period)}
        return found

    def _once(self, name: str, *fields: str, again: bool = False) -> set[Any]:
        """Subjects of an event. A stop may come `again`: a proof of darkness replaces the reason of the first."""
        subjects = [tuple(e[f] for f in fields) for e in self._named(name)]
        twice = [s for s, n in Counter(subjects).items() if n > (2 if again else 1)]
        assert not twice, f"{name} twice: {twice}"
        return {s[0] if len(fields) == 1 else s for s in subjects}

    # ---- the chain

    def _named(self, *names: str) -> list[Event]:
        return [event for event in self.events if event.name in names]

    def _name(self, tx: Mined) -> str:
        return str(self.town.codec.describe(tx.to, tx.data))

    def _mined(self, chain: Anvil) -> list[Mined]:
        wanted = {keeper.address for keeper in self.lives.keepers.values() if keeper.address}
        found = []
        for number in range(self.work.first_block, int(chain.call("eth_blockNumber"), 16) + 1):
            receipts = {r["transactionHash"]: r for r in chain.call("eth_getBlockReceipts", hex(number))}
            for tx in chain.call("eth_getBlockByNumber", hex(number), True)["transactions"]:
                if tx["from"] in wanted:
                    ok = int(receipts[tx["hash"]]["status"], 16) == 1
                    data = bytes.fromhex(tx["input"][2:])
                    hash_ = bytes.fromhex(tx["hash"][2:])
                    found.append(Mined(tx["from"], int(tx["nonce"], 16), hash_, tx["to"], data, number, ok))
        return found

    def _events(self, chain: Anvil) -> list[Event]:
        first = hex(self.town.record.first_block)
        rows = chain.call("eth_getLogs", {"fromBlock": first, "toBlock": "latest"})
        found = []
        for row in rows:
            number = int(row["blockNumber"], 16)
            event = self.town.codec.event(
                row["address"],
                [bytes.fromhex(t[2:]) for t in row["topics"]],
                bytes.fromhex(row["data"][2:]),
                block_number=number,
                block_hash=b"",
                index=int(row["logIndex"], 16),
                timestamp=self._time(chain, number),
            )
            if event is not None:
                found.append(event)
        return found

    def _time(self, chain: Anvil, number: int) -> int:
        if number not in self._times:
            self._times[number] = int(chain.call("eth_getBlockByNumber", hex(number), False)["timestamp"], 16)
        return self._times[number]

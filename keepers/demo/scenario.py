"""The demo's plot: a network of eight processes, a renter, and a node that goes dark midway.

Everybody is an ordinary `hearth up` with a settings file; the renter and the providers act through the SDK, as the
command does. Time is the local profile's: a slot is a second, an epoch twelve. There are no time jumps.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keepers.chain.attestations import Attestations
from keepers.chain.ports import Event
from keepers.demo.printout import LeaseBill, Story, Supply, gas_lines, next_lines, next_words, tokens, usd
from keepers.gpu.fingerprint import fingerprints
from keepers.gpu.stand_in import StandIn
from keepers.localnet.anvil import ROOT
from keepers.localnet.network import LocalNetwork, people
from keepers.localnet.processes import Crew, up_command
from keepers.protocol.counters import Leaf, mask_of
from keepers.protocol.epochs import SLOTS
from keepers.protocol.errors import HearthError
from keepers.protocol.nodes import Status
from keepers.protocol.units import WAD
from keepers.replay import bill as second_opinion
from keepers.sdk.client import Hearth, rate_wei
from keepers.sdk.connect import connect, load_settings
from keepers.sdk.offers import to_json
from keepers.sdk.reads import parameter
from keepers.sdk.types import LeaseView, Receipt
from keepers.wire.attester_client import make_http

CLASS = "RTX-4090-24GB"
#: The same card with a challenge that any CPU answers within a second: n = 256, 2 rounds, 4 s; USD of stake a GPU.
SMALL = f"{CLASS}-n256"
CLASSES = {SMALL: "300:256:2:4"}
GPUS = 2
#: USD per GPU-hour of a clock that runs 300 times faster: a second here is five minutes there.
ASKS = {"provider-0": "134.70", "provider-1": "129.60"}
NODES = {"provider-0": 2, "provider-1": 1}
PRICE = "0.50"
SHEET = 1  # of the local profile: no downtime limit, so that only the renter ends this lease
TERM_S = 72
RUN_EPOCHS = 3
FREEZE_AFTER_S = 14
FREEZE_SLOTS = 6
LIMIT_S = 240.0  # of any single wait; all of them together stay far below it
LOOK_S = 0.2


#: (receipt, network, chain id) -> a page of HTML
Page = Callable[[Receipt, str, int], str]


@dataclass(frozen=True)
class Fleet:
    """Who was registered: provider id and node indexes by name."""

    providers: dict[str, int]
    nodes: dict[str, list[int]]


def run(
    say: Callable[[str], object] = print,
    keep: bool = False,
    root: Path = ROOT,
    folder: Path | None = None,
    page: Page | None = None,
) -> list[str]:
    """The whole demo; what is wrong with the bill, in words (empty: nothing). `page` makes a receipt readable."""
    begin = time.monotonic()
    story = Story(say, lambda: time.monotonic() - begin)
    story.tell("hello", "a local network, its clock 300 times faster: 1 s here is one 5-minute slot there")
    wanted = {**people(list(NODES), 20_000), "renter": 1_000}
    started = LocalNetwork.start(folder=folder, tokens=wanted, classes=CLASSES, root=root, say=story.script)
    with started as network, Crew(started.folder, root) as crew:
        try:
            wrong = Plot(network, crew, story, say, keep, page).play()
        except HearthError as error:
            why, next_ = [*error.why, *_last_words(crew)], [*error.next, f"read {network.folder}/logs"]
            raise HearthError(error.code, error.message, why, next_) from error
        if keep:
            _stay(story, network)
    return wrong


def hearth_here() -> str:
    """How the command is called in the shell that called us: by name if it is on the PATH, else by its path."""
    script = Path(sys.executable).with_name("hearth")
    on_path = shutil.which("hearth")
    if on_path is not None and Path(on_path).resolve() == script.resolve() and not os.environ.get("MAKELEVEL"):
        return "hearth"
    return shown(script)


def shown(path: Path) -> str:
    """A path as short as it works from here."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _last_words(crew: Crew) -> list[str]:
    return [f"{person.name} has stopped: {person.last_words()}" for person in crew.dead()]


def _stay(story: Story, network: LocalNetwork) -> None:
    story.tell(
        "keep",
        "everything stays up: try the lines above in another terminal; Ctrl-C ends it",
    )
    try:
        while True:
            time.sleep(1)
    except KeyboardInterrupt:
        story.tell("bye", "stopping everybody")


class Plot:
    """One run of the demo on a network that stands."""

    def __init__(
        self,
        network: LocalNetwork,
        crew: Crew,
        story: Story,
        say: Callable[[str], object],
        kept: bool = False,
        page: Page | None = None,
    ) -> None:
        self.network, self.crew, self.story, self._say = network, crew, story, say
        self._kept, self._page = kept, page
        self.record = network.record
        self.calendar = self.record.clock()
        self.offers = network.folder / "offers"
        self.offers.mkdir()

    def play(self) -> list[str]:
        """Everything, in order; the faults of the bill."""
        self._start_attesters()
        fleet, providers = self._register()
        self._start_agents(fleet)
        self.crew.wait_ready(60)
        self.story.tell("people", f"{len(self.crew.people)} processes ready: {', '.join(self.crew.people)}")
        renter = self._person("renter", {"offers": str(self.offers)})
        self._wait("the first report", lambda: renter.suite.hub.last_epoch(at=renter.head()) > 0)
        last = renter.suite.hub.last_epoch(at=renter.head())
        self.story.tell("report", f"epoch {last} is on chain, one transaction for {sum(NODES.values())} nodes")
        self._sign_offers(providers, fleet)
        self._wait("active nodes", lambda: all(w.status is Status.ACTIVE for w in renter.reads.nodes()))
        self.story.tell("active", "the first clean epoch is usable: the settler has activated every node")
        self._tell_answers(renter)
        wallet = renter.buy(10 * WAD)
        self.story.tell(
            "buy",
            f"renter burns tokens for ${usd(wallet.credits_wei, 4)} of credits, which carry"
            f" {tokens(wallet.backing_wei)} HRTH of backing",
        )
        view = self._rent(renter)
        gone = self._freeze(renter, view, fleet)
        view = self._close(renter, view)
        return self._settle(renter, providers, fleet, view, gone)

    # ---- setting

    def _person(self, name: str, section: dict[str, Any] | None = None) -> Hearth:
        key = self.network.key(name)
        path = self.network.settings(name, {"renter": {**key.section(), **(section or {})}})
        return connect(load_settings({"config": str(path)}).settings)

    def _start_attesters(self) -> None:
        for i, seat in enumerate(self.network.seats):
            prices = [{"kind": "fixed", "usd": PRICE}]
            path = self.network.seat_settings(i, {"attester": {**seat.key.section(), "prices": prices}})
            self._up(seat.key.name, path, "attester")
        key = self.network.key("settler")
        self._up(
            "settler", self.network.settings("settler", {"settler": {**key.section(), "redeem": False}}), "settler"
        )

    def _up(self, name: str, settings: Path, role: str) -> None:
        import tomllib

        port = tomllib.loads(settings.read_text(encoding="utf-8"))["health_port"]
        self.crew.start(name, up_command(settings, [role]), f"http://127.0.0.1:{port}")

    def _register(self) -> tuple[Fleet, dict[str, Hearth]]:
        providers = {name: self._person(name) for name in NODES}
        with ThreadPoolExecutor(len(providers)) as pool:
            found = dict(zip(providers, pool.map(lambda item: self._join(*item), providers.items()), strict=True))
        fleet = Fleet({name: p for name, (p, _) in found.items()}, {name: nodes for name, (_, nodes) in found.items()})
        for name, nodes in fleet.nodes.items():
            stake = providers[name].stake(fleet.providers[name])
            self.story.tell(
                "stake",
                f"{name} (id {fleet.providers[name]}) stakes {stake.staked_gwei / 1e9:,.0f} HRTH for node"
                f"{'s' if len(nodes) > 1 else ''} {', '.join(map(str, nodes))} ({GPUS} x {CLASS} each)",
            )
        self.story.tell(
            "gpu", "no GPU is read here: the agents sample a declared stand-in, and every telemetry says so"
        )
        return fleet, providers

    def _tell_answers(self, renter: Hearth) -> None:
        """What a seat says of the answers to the compute challenge, without which no node is activated."""
        class_id = next(c for c, known in renter.reads.classes().items() if known == SMALL)
        with make_http() as http:
            seen = http.get(f"{self.network.seats[0].url}/v1/classes/{class_id}").json()
        self.story.tell(
            "answers",
            f"{seen['answers']} answers to the compute challenge (256 x 256 products, on this machine's CPU), median"
            f" {seen['seconds'].get('median', 0):.1f} s after the seed; each seat opened 8 rows of each",
        )

    def _join(self, name: str, hearth: Hearth) -> tuple[int, list[int]]:
        provider = hearth.register_provider(hearth.address, hearth.address)
        class_id = next(c for c, known in hearth.reads.classes().items() if known == SMALL)
        nodes = []
        for i in range(NODES[name]):
            prints = fingerprints(StandIn(CLASS, GPUS, f"{name}-{i}").uuids())
            key = self.network.key(f"{name}-node-{i}").signer()
            nodes.append(hearth.register_node(provider, class_id, list(prints), key))
        hearth.add_stake(provider, 2 * hearth.stake(provider).required_gwei)
        return provider, nodes

    def _start_agents(self, fleet: Fleet) -> None:
        for name, nodes in fleet.nodes.items():
            for i, node in enumerate(nodes):
                key = self.network.key(f"{name}-node-{i}")
                section = {
                    "nodes": [node],
                    "keystores": [str(key.keystore)],
                    "stand_in": [f"{CLASS}:{GPUS}:{name}-{i}"],
                }
                person = f"agent-{node}"
                self._up(person, self.network.settings(person, {"agent": section}), "agent")

    def _sign_offers(self, providers: dict[str, Hearth], fleet: Fleet) -> None:
        for name, hearth in providers.items():
            signed = hearth.sign_ask(
                fleet.providers[name],
                fleet.nodes[name],
                rate_wei(ASKS[name]),
                sheet=SHEET,
                expiry_at=hearth.head().timestamp + 3_600,
            )
            path = self.offers / f"{signed.digest.hex()[:16]}.json"
            path.write_text(to_json(signed, hearth.market_domain), encoding="utf-8")
            self.story.tell("ask", f"{name} asks ${ASKS[name]} per GPU-hour: a signed file, no transaction")

    # ---- plot

    def _rent(self, renter: Hearth) -> LeaseView:
        quote = renter.quote(gpu="4090", count=GPUS, duration_s=TERM_S)
        if quote.best is None:
            raise HearthError("H4203", "no offer stands", why=(quote.why(),))
        plan = renter.plan(quote.best, gpus=GPUS, duration_s=TERM_S, idempotency_key="demo")
        view = renter.rent(plan)
        self.story.tell(
            "rent",
            f"lease {view.ordinal}: {GPUS} GPUs of node {view.terms.node}, the cheapest of {len(quote.rows)} offers,"
            f" {TERM_S} s at most, ${usd(plan.deposit_wei, 4)} locked; bond {plan.bond_gwei / 1e9:,.4f} HRTH of"
            " the provider behind it",
        )
        return view

    def _freeze(self, renter: Hearth, view: LeaseView, fleet: Fleet) -> list[int]:
        """Freeze the leased node for some slots; the slots (ordinals since genesis) that lie wholly inside."""
        start = view.terms.start
        self._wait_time(renter, start + FREEZE_AFTER_S)
        person = self.crew.people[f"agent-{view.terms.node}"]
        person.freeze()
        begin = renter.head().timestamp
        self.story.tell(
            "dark", f"node {view.terms.node} freezes (SIGSTOP to pid {person.process.pid}); nobody tells the chain"
        )
        self._wait_time(renter, begin + FREEZE_SLOTS + 1)
        end = renter.head().timestamp
        person.resume()
        self.story.tell("light", f"node {view.terms.node} is back after {end - begin} s")
        slot, genesis = self.calendar.slot, self.calendar.genesis
        # A slot of which the first moments were lived may have been beaten for, and the last may come late: leave a
        # slot at each end to chance.
        return list(range((begin - genesis) // slot + 2, (end - genesis) // slot - 1))

    def _close(self, renter: Hearth, view: LeaseView) -> LeaseView:
        self._wait_time(renter, view.terms.start + RUN_EPOCHS * self.calendar.epoch_seconds)
        closed = renter.close(view.ordinal)
        self.story.tell("close", f"renter closes after {closed.wall_s} s; what can no longer be owed is back at once")
        return closed

    def _settle(
        self, renter: Hearth, providers: dict[str, Hearth], fleet: Fleet, view: LeaseView, gone: Sequence[int]
    ) -> list[str]:
        self._wait("the last report", lambda: renter.status(view.ordinal).state == "ENDED")
        view = renter.status(view.ordinal)
        self.story.tell(
            "final", "the epoch of the stop is usable: the settler has paid attested seconds and sent the rest home"
        )
        name = next(name for name, nodes in fleet.nodes.items() if view.terms.node in nodes)
        hearth, provider = providers[name], fleet.providers[name]
        self._wait("the period's price", lambda: hearth.earnings(provider).redeemable_wei > 0)
        self._wait("all tallies", lambda: all(t.closed for t in hearth.earnings(provider).tallies))
        hearth.redeem(provider)
        earned = hearth.earnings(provider)
        self.story.tell(
            "redeem",
            f"{name} redeems ${usd(earned.redeemed_credits_wei)}: fee ${usd(earned.fees_wei)}, minted"
            f" {tokens(earned.minted_wei)} HRTH",
        )
        before = renter.wallet()
        renter.refund()
        after = renter.wallet()
        self.story.tell(
            "refund",
            f"renter turns ${usd(before.credits_wei)} of unused credits into"
            f" {tokens(after.token_wei - before.token_wei)} HRTH",
        )
        return self._reckon(renter, view, gone)

    # ---- reckoning

    def _reckon(self, renter: Hearth, view: LeaseView, gone: Sequence[int]) -> list[str]:
        receipt = renter.receipt(view.ordinal)
        dark = self._dark_slots(renter, view)
        terms, slot = view.terms, self.calendar.slot
        first, last = terms.start - self.calendar.genesis, terms.start + terms.stop_after - self.calendar.genesis
        down, expected = second_opinion.pay(first, last, dark, slot, terms.rate, terms.gpus)
        bill = LeaseBill(
            number=view.ordinal,
            wall_s=terms.stop_after,
            attested_s=view.money.settled,
            dark_slots=len([s for s in dark if first < (s + 1) * slot and s * slot < last]),
            slot_s=slot,
            per_second=terms.per_second,
            gpus=terms.gpus,
            deposited=receipt.deposited_wei,
            paid=receipt.paid_wei,
            bounty=sum(line.bounty_wei for line in receipt.lines),
            returned=receipt.returned_wei,
            held=receipt.held_wei,
            expected=expected,
        )
        supply = self._supply(renter)
        faults = bill.faults() + supply.faults()
        if terms.stop_after - view.money.settled != down:
            faults.append(f"{terms.stop_after - view.money.settled} s were not paid, {down} s were not attested")
        missed = [s for s in gone if s not in dark]
        if missed:
            faults.append(f"the node was frozen in slots {missed}, and the committee says it was up")
        for line in (*bill.lines(), "", *supply.lines(), "", *gas_lines(self._gas(renter)), ""):
            self._say(line)
        verdict = "every wei agrees" if not faults else "FAULTS: " + " · ".join(faults)
        self._say(f"  CHECKED    deposits = paid + returned + held · paid = attested seconds · supply: {verdict}")
        settings = self.network.folder / "settings" / "renter.toml"
        words = next_words(hearth_here(), shown(settings), view.ordinal, self._write_page(receipt), self._kept)
        for line in next_lines(words):
            self._say(line)
        return faults

    def _write_page(self, receipt: Receipt) -> str:
        """The receipt as a page in the run's folder, which stays; its path, "" without a printer of pages."""
        if self._page is None:
            return ""
        path = self.network.folder / f"receipt-{receipt.view.ordinal}.html"
        path.write_text(self._page(receipt, self.record.network, self.record.chain_id), encoding="utf-8")
        return shown(path)

    def _dark_slots(self, renter: Hearth, view: LeaseView) -> set[int]:
        """Slots since genesis in which the committee did not see the node, rebuilt from the reports on chain."""
        proofs = Attestations(renter.reader, self.record.first_block)
        proofs.refresh(renter.head())
        dark = set()
        stop = view.terms.start + view.terms.stop_after
        for epoch in range(self.calendar.epoch(view.terms.start), self.calendar.epoch(stop - 1) + 1):
            leaf = proofs.leaf(view.terms.node, epoch)
            mask = mask_of(proofs.header(epoch), leaf if isinstance(leaf, Leaf) else Leaf.unpack(leaf))
            dark |= {epoch * SLOTS + k for k in range(SLOTS) if mask >> k & 1}
        return dark

    def _events(self, renter: Hearth, contract: str, *names: str) -> list[Event]:
        return renter.reader.events(self.record.first_block, renter.head().number, contract, names)

    def _supply(self, renter: Hearth) -> Supply:
        nodes = len(self._events(renter, "NodeRegistry", "NodeRegistered"))
        return Supply(
            genesis=parameter(self.record, "supply_wei"),
            burned=sum(int(e["burned"]) for e in self._events(renter, "BurnMintEngine", "Bought")),
            node_fees=nodes * parameter(self.record, "registry_fee_wei"),
            redeemed=sum(int(e["minted"]) for e in self._events(renter, "BurnMintEngine", "Redeemed")),
            refunded=sum(int(e["minted"]) for e in self._events(renter, "BurnMintEngine", "Refunded")),
            now=renter.suite.token.totalSupply(at=renter.head()),
        )

    def _gas(self, renter: Hearth) -> dict[str, list[int]]:
        codec, chain = self.record.codec(), self.network.chain
        used: dict[str, list[int]] = defaultdict(list)
        for number in range(self.record.first_block, renter.head().number + 1):
            block = chain.call("eth_getBlockByNumber", hex(number), True)
            if not block["transactions"]:
                continue
            gas = {r["transactionHash"]: int(r["gasUsed"], 16) for r in chain.call("eth_getBlockReceipts", hex(number))}
            for tx in block["transactions"]:
                call = codec.describe(tx["to"], bytes.fromhex(tx["input"][2:])) if tx["to"] else None
                if call is not None:
                    used[str(call)].append(gas[tx["hash"]])
        return used

    # ---- waiting

    def _wait(self, what: str, done: Callable[[], bool]) -> None:
        end = time.monotonic() + LIMIT_S
        while not done():
            self.crew.check()
            if time.monotonic() > end:
                raise HearthError(
                    "H9001", f"{what}: not there after {LIMIT_S:.0f} s", next=(f"read {self.network.folder}/logs",)
                )
            time.sleep(LOOK_S)

    def _wait_time(self, renter: Hearth, moment: int) -> None:
        self._wait(f"chain time {moment}", lambda: renter.head().timestamp >= moment)

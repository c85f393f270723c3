"""The hub and its refuter on pyrevm, and a committee that signs what it is told: a court for reports, true and false.

The code is what is deployed; registry and pool are the hub's mocks, so that any number of nodes is there at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pyrevm
from eth_abi.abi import encode

from keepers.chain.codec import ContractAbi
from keepers.chain.ports import BlockRef, Call, Event
from keepers.protocol.counters import Header
from keepers.protocol.hashing import create_address, keccak, to_int
from keepers.protocol.merge import Merged, quorum
from keepers.protocol.messages import Domain, Report, address_text
from keepers.protocol.rebuild import EpochLog
from keepers.protocol.records import Record
from keepers.protocol.report import BuiltReport, Facts, build, pack_signatures, view_number, void_report
from keepers.protocol.uptime_tree import UptimeTree
from tests.model.chain import Signer, _reason
from tests.support.constants import Parameters
from tools.compile import Artifact
from tools.compile import build as compiled

CONTRACTS = {
    "registry": "RegistryForHub",
    "pool": "PoolForHub",
    "hub": "AttestationHub",
    "refuter": "ReportRefuter",
    "relay": "Relay",
    "other": "Relay",
}
NO_ADDRESS = address_text(0)
PRICE = 2 * 10**12
OWNER, STRANGER = "0x" + "11" * 20, "0x" + "22" * 20
CHAIN_ID = 1


@dataclass(frozen=True)
class Outcome:
    """Of a transaction: whether it went through, a revert's words, what was logged."""

    ok: bool
    reason: str = ""
    events: tuple[Event, ...] = ()


@dataclass(frozen=True)
class Signed:
    """A report as it was signed: its log, facts word, and the tree before it."""

    log: EpochLog
    facts: int
    before: UptimeTree

    @property
    def epoch(self) -> int:
        return Header.unpack(self.log.header).epoch


def code() -> dict[str, Artifact]:
    """What the court deploys, by contract."""
    return compiled(sorted(set(CONTRACTS.values())))


@dataclass
class Court:
    """The chain, its clock (seconds), the honest tree, and every event of the hub. A `chain.ports.Reader` of them."""

    artifacts: Mapping[str, Artifact] = field(default_factory=code)
    seats: int = 4
    q: Parameters = field(default_factory=Parameters)

    def __post_init__(self) -> None:
        q = self.q
        self.evm = pyrevm.EVM(env=pyrevm.Env(cfg=pyrevm.CfgEnv(chain_id=CHAIN_ID)), gas_limit=2**63, spec_id="CANCUN")
        self.tree, self.now, self.number = UptimeTree(), 0, 0
        self.found: list[Event] = []
        self.logged = 0
        self._posted: set[bytes] = set()
        self._abi = {name: ContractAbi(code, self.artifacts[code].abi) for name, code in CONTRACTS.items()}
        self.addresses = {
            name: "0x" + create_address(bytes.fromhex(OWNER[2:]), nonce).hex() for nonce, name in enumerate(CONTRACTS)
        }
        self._names = {address: name for name, address in self.addresses.items()}
        self.warp(q.genesis)
        time, at = (q.genesis, q.slot, q.epochs_per_period), self.addresses
        self._deploy("registry", ())
        self._deploy("pool", ())
        self._deploy(
            "hub",
            (
                at["registry"], at["pool"], *time, q.dispute, q.grace, q.abandon, PRICE, q.bound, OWNER,
                at["refuter"], NO_ADDRESS, NO_ADDRESS,
            ),
        )  # fmt: skip
        self._deploy("refuter", (at["hub"], *time))
        self._deploy("relay", ())
        self._deploy("other", ())
        self._signer = Signer()
        self._members = [self._signer.new(i) for i in range(self.seats)]
        urls = [f"https://seat-{i}.example" for i in range(self.seats)]
        self.must("hub", "set_committee", 1, [address_text(a) for a in self._members], urls, sender=OWNER)

    def _deploy(self, name: str, arguments: Sequence[Any]) -> None:
        artifact = self.artifacts[CONTRACTS[name]]
        kinds = [i["type"] for e in artifact.abi if e["type"] == "constructor" for i in e["inputs"]]
        self.evm.insert_account_info(OWNER, pyrevm.AccountInfo(nonce=list(CONTRACTS).index(name)))
        address = self.evm.deploy(OWNER, artifact.code_bytes + encode(kinds, list(arguments)))
        if address.lower() != self.addresses[name]:
            raise AssertionError(f"{name} lies at {address}, predicted {self.addresses[name]}")

    # ---- transactions
    def warp(self, t: int) -> None:
        """Begins a block at second t; never back."""
        if t < self.now:
            raise ValueError(f"time does not go back, from {self.now} to {t}")
        self.now, self.number = t, self.number + 1
        env = pyrevm.BlockEnv(number=self.number, timestamp=t, prevrandao=keccak(t.to_bytes(8, "big")), gas_limit=2**63)
        self.evm.set_block_env(env)

    def call(self, contract: str, function: str, *arguments: Any, sender: str = STRANGER) -> Outcome:
        """One transaction; a refused one changes nothing."""
        return self.raw(contract, self._abi[contract].encode(function, arguments), sender)

    def raw(self, contract: str, calldata: bytes, sender: str = STRANGER) -> Outcome:
        """The same of calldata."""
        self.evm.reset_transient_storage()
        try:
            self.evm.message_call(caller=sender, to=self.addresses[contract], calldata=calldata)
        except RuntimeError as error:
            return Outcome(False, _reason(str(error)))
        events = tuple(self._event(i, log) for i, log in enumerate(self.evm.result.logs))
        self.logged += len(events)
        self.found += [event for event in events if event.contract == "AttestationHub"]
        return Outcome(True, events=events)

    def must(self, contract: str, function: str, *arguments: Any, sender: str = STRANGER) -> Outcome:
        """A transaction that has to go through. Raises AssertionError else."""
        return self.through(self.call(contract, function, *arguments, sender=sender), f"{contract}.{function}")

    @staticmethod
    def through(done: Outcome, what: str = "a call") -> Outcome:
        """The outcome of what has to go through. Raises AssertionError else."""
        if not done.ok:
            raise AssertionError(f"{what} was refused: {done.reason or 'without a word'}")
        return done

    def view(self, contract: str, function: str, *arguments: Any) -> Any:
        """A view's value."""
        abi = self._abi[contract]
        out = self.evm.message_call(
            caller=STRANGER, to=self.addresses[contract], calldata=abi.encode(function, arguments), is_static=True
        )
        return abi.decode(function, out)

    def calldata(self, contract: str, function: str, *arguments: Any) -> bytes:
        """Of a call."""
        return self._abi[contract].encode(function, arguments)

    def _event(self, number: int, log: Any) -> Event:
        name = self._names[log.address.lower()]
        topics = [bytes.fromhex(t[2:]) if isinstance(t, str) else bytes(t) for t in log.topics]
        data = log.data[1] if isinstance(log.data, tuple) else log.data
        decoded = self._abi[name].decode_log(topics, bytes(data))
        if decoded is None:
            raise AssertionError(f"{name} logged what is not in its ABI")
        block, index = self.number.to_bytes(32, "big"), self.logged + number
        return Event(CONTRACTS[name], decoded[0], decoded[1], self.number, block, index)

    # ---- reports
    @cached_property
    def domain(self) -> Domain:
        """Of the hub."""
        return Domain(CHAIN_ID, self.addresses["hub"])

    def end(self, e: int) -> int:
        """Second at which epoch e is over."""
        return self.q.end(e)

    def _sign(self, digest: bytes) -> tuple[int, bytes]:
        chosen = range(quorum(self.seats))
        return pack_signatures({i: self._signer.sign(self._members[i], digest, v27=True)[:64] for i in chosen})

    def challenged(self, e: int) -> bool:
        """Whether the hub will call e challenged."""
        _, drawn = self.view("hub", "seed", e)
        return bool(drawn) and drawn <= self.q.start(e) + self.q.epoch // 3

    def view_word(self, e: int) -> int:
        """The view of a report of e, first try, as it has to be signed now."""
        return view_number(self.view("hub", "cancels", e), 0)

    def true_report(self, records: Sequence[Record], *, count: int | None = None, indet: int = 0) -> Signed:
        """The true report of the next epoch with these records; moves on to its end. The honest tree stays."""
        before = UptimeTree.at(self.tree.snapshot())
        e = before.header.epoch + 1
        count = before.header.count if count is None else count
        self.must("registry", "set_count", count)
        self.warp(max(self.now, self.end(e)))
        merged = Merged((), indet, PRICE, tuple(records))
        built = build(
            UptimeTree.at(before.snapshot()), merged, count=count, view=self.view_word(e), challenged=self.challenged(e)
        )
        return self.signed(built, before)

    @staticmethod
    def signed(built: BuiltReport, before: UptimeTree) -> Signed:
        """A report as attesters build it."""
        log = EpochLog(built.header.pack(), built.root, tuple((p.data, p.root) for p in built.parts))
        return Signed(log, built.facts.pack(), before)

    def calls(self, report: Signed) -> list[tuple[str, bytes]]:
        """(contract, calldata) of the posts that are still to be made, and of the report, whatever it says."""
        log, out = report.log, []
        for data, _ in log.parts[:-1]:
            if keccak(data) not in self._posted:
                out.append(("hub", self.calldata("hub", "post", data)))
                self._posted.add(keccak(data))
        words = [w for data, root in log.parts for w in (keccak(data), root)]
        previous = report.before.ring_word
        message = Report(1, report.epoch, previous, log.root, report.facts, keccak(b"".join(words)))
        arguments = (report.epoch, previous, log.root, report.facts, words[:-2], log.parts[-1][0])
        return [*out, ("hub", self.calldata("hub", "report", *arguments, *self._sign(message.digest(self.domain))))]

    def send(self, report: Signed) -> None:
        """Posts the parts, signs and reports, a transaction each. The honest tree stays. Raises AssertionError."""
        for contract, calldata in self.calls(report):
            self.through(self.raw(contract, calldata))

    def carry(self, calls: Sequence[tuple[str, bytes]], nested: bool = False) -> None:
        """At most four calls in one transaction to the relay; nested, it calls another that makes them."""
        targets = [self.addresses[contract] for contract, _ in calls]
        calldata = self.calldata("relay", "carry", targets, [data for _, data in calls])
        if nested:
            calldata = self.calldata("relay", "carry", [self.addresses["other"]], [calldata])
        self.through(self.raw("relay", calldata))

    def accept(self, report: Signed) -> None:
        """Sends a true report and moves the honest tree on."""
        self.send(report)
        header = Header.unpack(report.log.header)
        records = [groups_of(data) for data, _ in report.log.parts]
        self.tree.apply_groups(header, [group for part in records for group in part])
        if self.view("hub", "ring_word", report.epoch) != self.tree.ring_word:
            raise AssertionError(f"the hub's word of epoch {report.epoch} is not the honest one")

    def void(self, epochs: int = 1) -> None:
        """The next epochs had no observation."""
        hi = self.tree.header.epoch + epochs
        self.warp(max(self.now, self.end(hi)))
        view = self.view_word(self.tree.header.epoch + 1)
        digest = void_report(self.tree, hi, view, 1).digest(self.domain)
        self.must("hub", "report_void", hi, self.tree.root, self.tree.header.pack(), view, *self._sign(digest))
        self.tree.void(hi)

    def again(self, report: Signed) -> Signed:
        """The same report with the view that the hub takes now."""
        facts = Facts.unpack(report.facts)
        facts = Facts(facts.count, facts.indet, self.view_word(report.epoch), facts.price)
        return Signed(report.log, facts.pack(), report.before)

    # ---- a `Reader` of what was logged
    def head(self) -> BlockRef:
        """The present block."""
        return BlockRef(self.number, self.number.to_bytes(32, "big"), self.now)

    def block(self, number: int) -> BlockRef | None:
        """A block; only that of the head has its time."""
        return BlockRef(number, number.to_bytes(32, "big"), self.now) if number <= self.number else None

    def events(self, first: int, last: int, contract: str | None = None, names: Sequence[str] = ()) -> list[Event]:
        """What the hub logged."""
        return [e for e in self.found if first <= e.block_number <= last and e.name in names]

    def read(self, call: Call, at: BlockRef) -> Any:
        """A view of the hub."""
        return self.view("hub", call.function, *call.args)


def groups_of(data: bytes) -> list[list[int]]:
    """The records of each group of a part, as numbers."""
    out = []
    for at in range(0, max(len(data), 1), 352):
        group = data[at : min(at + 320, len(data))]
        out.append([to_int(group[i : i + 5]) for i in range(0, len(group), 5)])
    return out


__all__ = ["Court", "Outcome", "Signed", "code", "groups_of"]

"""What is false now, each with what the chain says about it and the calls that prove it: reports that the books do not
bear out, check-ins that were denied, seats that signed twice, signers who were not punished yet, false answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from keepers.chain.contracts import Suite
from keepers.chain.ports import OPEN_STATES, ZERO_ADDRESS, BlockRef, Call, Reader, Sent, TxState
from keepers.protocol.errors import HearthError
from keepers.protocol.hashing import keccak
from keepers.protocol.messages import Domain, Report
from keepers.protocol.nodes import Status
from keepers.protocol.refute import Refutation, find
from keepers.protocol.report import Facts
from keepers.protocol.seats import Seat, bounty
from keepers.protocol.statements import Statement, commitment
from keepers.protocol.units import M24, M32, M40
from keepers.roles.watcher.books import Books, Denied, FalseReport, Reported
from keepers.roles.watcher.evidence import decode_pair
from keepers.roles.watcher.facts import (
    ANSWER,
    CHECK_IN,
    EQUIVOCATION,
    FALSE,
    HEADER,
    LENGTH,
    PUNISH,
    RECORD,
    ROOT,
    Finding,
    State,
)
from keepers.roles.watcher.findings import Row
from keepers.wire.committee import Committees
from keepers.wire.proof_file import decode_proof
from keepers.wire.refuting import Judge, Standing

# gas, measured on anvil (tests/e2e/test_watcher.py); the outbox asks the chain before it sends
COMMIT_GAS, PUNISH_GAS, PUNISH_SEAT_GAS, EQUIVOCATION_GAS, CHECK_IN_GAS = 50_000, 60_000, 15_000, 140_000, 190_000
REFUTE_GAS, REFUTE_RECORD_GAS = 210_000, 15_500
_DONE = (TxState.MINED, TxState.DONE)
PROVEN_ALREADY = "committee: proven already"


@dataclass(frozen=True)
class Proof:
    """How a finding is shown: the finder's commitment (None: there is no finder) and the call that proves it."""

    prove: Call
    commit: Call | None = None


class Lookout:
    """Over the books. `who` is the finder's account, "" without a key; `sent(key)` where a row of its outbox stands."""

    def __init__(
        self,
        books: Books,
        committees: Committees,
        suite: Suite,
        reader: Reader,
        domain: Domain,
        who: str,
        sent: Callable[[str], Sent | None],
        judge: Judge | None = None,
    ) -> None:
        """`judge`: of answers to the compute challenge, where the network has one."""
        self._books, self._committees, self._suite, self._reader = books, committees, suite, reader
        self._domain, self._who, self._sent, self._judge = domain, who, sent, judge
        self._refutations: dict[str, Refutation | None] = {}
        self._settled: set[str] = set()  # punishments that are done, by key
        self.proofs: dict[str, Proof] = {}

    @property
    def owes(self) -> bool:
        """Whether the books show something that is not settled."""
        books = self._books
        fallen = any(_punish_key(*place) not in self._settled for place in books.fallen)
        return books.false is not None or bool(books.denied) or fallen

    def findings(self, rows: Iterable[Row], at: BlockRef) -> tuple[Finding, ...]:
        """Everything that is false or was when it was last looked at, as block `at` has it."""
        found: dict[str, Finding] = {}
        self.proofs = {}
        if self._books.false is not None:
            self._put(found, self._false(self._books.false, at))
        for denied in self._books.denied.values():
            self._put(found, self._denied(denied, at))
        known = {row.finding.key: row for row in rows}
        for (epoch, number), _ in sorted(self._books.fallen.items()):
            self._punish(found, known, epoch, number, at)
        for key, row in known.items():
            if key not in found:
                self._put(found, self._earlier(row, at))
        return tuple(found.values())

    @staticmethod
    def _put(found: dict[str, Finding], finding: Finding | None) -> None:
        if finding is not None:
            found[finding.key] = finding

    # ------------------------------------------------------------------ reports

    def _false(self, false: FalseReport, at: BlockRef) -> Finding:
        reported, fault = false.found, false.fault
        number = report_number(reported)
        key = f"report-{reported.epoch}-{number}-{reported.logged.digest.hex()[:16]}"
        refutation = self._refutation(key, reported)
        kind = HEADER if refutation is None else _kind(fault.part, fault.group, fault.node)
        made = Finding(
            key, kind, reported.epoch, fault.why, number, fault.node,
            provable=refutation is not None, deadline=self._deadline(reported, at),
        )  # fmt: skip
        if refutation is None:
            return made
        signers = self._signers(refutation.generation, reported.logged.who)
        commit = None
        committed = 0
        if self._who:
            word = refutation.commitment(int(self._who, 16), self._domain)
            commit = self._suite.refuter.commit(word)
            committed = int(self._suite.refuter.committed_at(word, at=at))
        self.proofs[key] = Proof(self._suite.refuter.refute(*refutation.args), commit)
        records = len(refutation.leaves) // 32
        gas = COMMIT_GAS + REFUTE_GAS + records * REFUTE_RECORD_GAS + PUNISH_GAS + len(signers) * PUNISH_SEAT_GAS
        reward = bounty(sum(self._penalties(signers, at)))
        return replace(made, bounty=reward, gas=gas, committed=committed)

    def _refutation(self, key: str, reported: Reported) -> Refutation | None:
        if key not in self._refutations:
            generation = self.generation_of(reported)
            logged = reported.logged
            made = None if generation == 0 else find(self._books.tree, logged.log, logged.facts, generation)
            self._refutations = {key: made}
        return self._refutations[key]

    def generation_of(self, reported: Reported) -> int:
        """The committee that signed a report: that whose number gives the digest; 0 where none does."""
        for committee in self._committees.all():
            if self.statement(reported, committee.generation).digest(self._domain) == reported.logged.digest:
                return committee.generation
        return 0

    @staticmethod
    def statement(reported: Reported, generation: int) -> Statement:
        """What the seats of a generation signed, if they signed this report."""
        log = reported.logged.log
        records = keccak(b"".join(word for data, root in log.parts for word in (keccak(data), root)))
        facts = reported.logged.facts
        return Statement.of(Report(generation, reported.epoch, reported.previous, log.root, facts, records))

    def _deadline(self, reported: Reported, at: BlockRef) -> int:
        """The second from which it is usable. Once it has left the ring, any: it has passed."""
        return max(1, int(self._suite.hub.usable_at(reported.epoch, at=at)))

    def _signers(self, generation: int, who: int) -> list[str]:
        committee = self._committees.of_generation(generation)
        endpoints = () if committee is None else committee.endpoints
        return [endpoint.address for endpoint in endpoints if who >> endpoint.seat & 1]

    def _seats(self, accounts: Sequence[str], at: BlockRef) -> list[Seat]:
        calls = [self._suite.committee.view("seat_of", account) for account in accounts]
        return [Seat.unpack(int(word)) for word in self._reader.read_many(calls, at)] if calls else []

    def _penalties(self, accounts: Sequence[str], at: BlockRef) -> list[int]:
        return [seat.penalty(at.timestamp) for seat in self._seats(accounts, at)]

    # ------------------------------------------------------------------ check-ins

    def _denied(self, denied: Denied, at: BlockRef) -> Finding:
        reported = denied.found
        number = report_number(reported)
        key = f"check-in-{reported.epoch}-{number}-{reported.logged.digest.hex()[:16]}"
        header = reported.logged.log.header
        self.proofs[key] = Proof(
            self._suite.refuter.refute_checkin(
                denied.node, denied.slot, header, denied.leaf, list(denied.proof), denied.header_before,
                denied.root_before,
            )
        )  # fmt: skip
        others = f", and {denied.others} more nodes" if denied.others else ""
        why = f"node {denied.node} checked in on chain in slot {denied.slot} and is reported down{others}"
        return Finding(
            key, CHECK_IN, reported.epoch, why, number, denied.node,
            deadline=self._deadline(reported, at), gas=CHECK_IN_GAS,
        )  # fmt: skip

    # ------------------------------------------------------------------ seats

    def _punish(self, found: dict[str, Finding], known: dict[str, Row], epoch: int, number: int, at: BlockRef) -> None:
        key = _punish_key(epoch, number)
        if key in self._settled:
            return
        finding = self._punishment(key, epoch, number, at)
        if finding is None or (finding.outcome in (State.OURS, State.OTHER) and key not in known):
            self._settled.add(key)
        elif finding.outcome is not State.GONE or key in known:
            found[key] = finding

    def _punishment(self, key: str, epoch: int, number: int, at: BlockRef) -> Finding | None:
        """None where nothing stands behind the signers."""
        refuter, committee = self._suite.refuter, self._suite.committee
        fault = int(refuter.fault_of(epoch, number, at=at))
        signers = self._signers(fault >> 72 & M24, fault >> 40 & M32)
        made = Finding(
            key, PUNISH, epoch, f"{len(signers)} seats signed a report that was refuted", number,
            gas=PUNISH_GAS + len(signers) * PUNISH_SEAT_GAS,
        )  # fmt: skip
        if fault == 0:
            return replace(made, outcome=State.GONE)
        if int(committee.punished(epoch, number, at=at)):
            return replace(made, outcome=self._ours(key))
        seats = self._seats(signers, at)
        if not any(seat.bond for seat in seats):
            return None
        self.proofs[key] = Proof(committee.punish(epoch, number))
        ours = f"0x{fault >> 96:040x}" == self._who
        return replace(made, bounty=bounty(sum(seat.penalty(fault & M40) for seat in seats)) if ours else 0)

    def _equivocation(self, row: Row, at: BlockRef) -> Finding:
        finding = row.finding
        first, second = decode_pair(row.evidence)
        digests = {first.digest(self._domain), second.digest(self._domain)}
        if any(digests & one.digests for one in self._books.equivocated):
            return replace(finding, outcome=self._ours(finding.key))
        sent = self._sent(row_key(finding.key, "prove"))
        if sent is not None and sent.state is TxState.REFUSED and PROVEN_ALREADY in sent.reason:
            return replace(finding, outcome=State.OTHER)
        committee = self._committees.of_generation(first.generation)
        if committee is None or finding.seat >= committee.n:
            return replace(finding, provable=False)  # a reorg took the table back
        (seat,) = self._seats([committee.endpoints[finding.seat].address], at)
        if seat.bond == 0:
            return replace(finding, outcome=State.GONE)  # nothing stands behind the seat that a proof could take
        commit = None
        committed = 0
        if self._who:
            a, b = first.digest(self._domain), second.digest(self._domain)
            word = commitment(int(self._who, 16), a, b)
            commit = self._suite.committee.commit(word)
            committed = int(self._suite.committee.committed_at(word, at=at))
        prove = self._suite.committee.prove_equivocation(finding.seat, first.args, second.args)
        self.proofs[finding.key] = Proof(prove, commit)
        return replace(
            finding, provable=True, bounty=bounty(seat.bond), gas=COMMIT_GAS + EQUIVOCATION_GAS, committed=committed
        )

    # ------------------------------------------------------------------ answers

    def _answer(self, row: Row, at: BlockRef) -> Finding:
        finding, judge = row.finding, self._judge
        if judge is None:
            return replace(finding, provable=False)  # the record has no ComputeChallenge any more
        try:
            proof = decode_proof(row.evidence, judge.domain)
        except HearthError:
            return replace(finding, outcome=State.GONE)  # of a ComputeChallenge that this record no longer names
        judged = judge.proof(proof, at)
        facts = judged.facts
        if judged.standing is Standing.SAME_FAULT:
            return replace(finding, outcome=self._ours(finding.key))
        if judged.standing is Standing.CLOSED:
            return finding
        if judged.proof is None or facts.node is None:
            return replace(finding, outcome=State.GONE)  # a reorg drew other seeds
        stake = judge.stake(facts, at)
        if stake.loss_wei == 0 and facts.node.status is Status.FAULTED:
            return replace(finding, outcome=State.GONE)  # nothing that a proof could take, and out of work already
        commit = None
        committed = 0
        if self._who:
            word = proof.commitment(self._who, judge.domain)
            commit = self._suite.challenge.commit(word)
            committed = int(self._suite.challenge.committed_at(word, at=at))
        self.proofs[finding.key] = Proof(proof.call(self._suite.challenge), commit)
        return replace(
            finding, deadline=facts.deadline + 1, bounty=stake.reward_wei, gas=proof.gas(facts.n), committed=committed
        )

    # ------------------------------------------------------------------ what was found before

    def _earlier(self, row: Row, at: BlockRef) -> Finding | None:
        """A finding of before that the books do not show now: what has become of it."""
        finding = row.finding
        if finding.kind == EQUIVOCATION:
            return self._equivocation(row, at)
        if finding.kind == ANSWER:
            return self._answer(row, at)
        if finding.kind == PUNISH:
            return self._punishment(finding.key, finding.epoch, finding.number, at) or replace(
                finding, outcome=State.GONE
            )
        if finding.deadline and at.timestamp >= finding.deadline and not self._fell(finding, at):
            return finding  # its window has closed
        if finding.kind in FALSE:
            fault = int(self._suite.refuter.fault_of(finding.epoch, finding.number, at=at))
            if fault:
                finder = f"0x{fault >> 96:040x}"
                if finder == ZERO_ADDRESS:
                    return replace(finding, outcome=self._ours(finding.key))
                return replace(finding, outcome=State.OURS if finder == self._who else State.OTHER)
            return replace(finding, outcome=State.GONE)
        if not self._fell(finding, at):
            return replace(finding, outcome=State.GONE)
        return replace(finding, outcome=self._ours(finding.key))

    def _fell(self, finding: Finding, at: BlockRef) -> bool:
        """Whether the report of a finding was cancelled, itself or with an earlier one."""
        return int(self._suite.hub.cancels(finding.epoch, at=at)) > finding.number

    def _ours(self, key: str) -> State:
        """Who showed what the chain holds: while our own transaction is on its way, nobody can say."""
        sent = self._sent(row_key(key, "prove"))
        if sent is None:
            return State.OTHER
        if sent.state in _DONE:
            return State.OURS
        return State.SENT if sent.state in OPEN_STATES else State.OTHER


def row_key(key: str, step: str) -> str:
    """The outbox key of a finding's commitment or proof."""
    return f"watcher:{key}:{step}"


def _punish_key(epoch: int, number: int) -> str:
    return f"punish-{epoch}-{number}"


def report_number(reported: Reported) -> int:
    """How often its epoch had been cancelled when a report was signed, of which the view keeps eight bits."""
    return Facts.unpack(reported.logged.facts).view >> 16


def _kind(part: int, group: int, node: int) -> str:
    if part >= 0 and group < 0:
        return LENGTH
    return RECORD if node >= 0 else ROOT


__all__ = ["Lookout", "Proof", "row_key"]

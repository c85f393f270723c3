"""The watcher role.

    Watcher(None)                                  looks and alarms: an endpoint and the deployment record are enough
    Watcher(signer, Policy(submit=True))           also proves what it finds

Each block: the books are brought to the head, every report is judged by its own records, and what does not hold is
committed and proven through the outbox while its window is open. Twice an epoch, on a thread of its own, the seats are
asked what they hold of each other's signatures, and which answers they found false. Whoever proves a thing first: once
the chain holds it, it is settled.

    books    every root derived again        states    where to start from after a restart
    observe  what is false, and its proofs   evidence  seats that signed twice
    decide   the rules, pure                 answers   false answers to the compute challenge
    act      the outbox                      findings  what was found, in the database
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

import httpx
from sqlalchemy import Connection

from keepers.chain.keys import Signer
from keepers.chain.ports import BlockRef, Sent
from keepers.outbox.policy import TIP
from keepers.protocol.errors import HearthError
from keepers.protocol.messages import Domain
from keepers.protocol.price import PriceWord
from keepers.roles.watcher import decide as rules
from keepers.roles.watcher.act import Dispatcher
from keepers.roles.watcher.answers import FalseAnswers
from keepers.roles.watcher.books import Books
from keepers.roles.watcher.evidence import Evidence, seat_account
from keepers.roles.watcher.facts import (
    ANSWER,
    EQUIVOCATION,
    UNSETTLED,
    Finding,
    Policy,
    State,
    Verdict,
    WatcherPlan,
    WatcherView,
)
from keepers.roles.watcher.findings import Findings
from keepers.roles.watcher.observe import Lookout
from keepers.roles.watcher.states import States
from keepers.runtime.clock import VirtualClock
from keepers.runtime.role import Context, Role, Skip
from keepers.runtime.ticker import Block, Epoch, Timer, Trigger
from keepers.wire.attester_client import AttesterClient, make_http
from keepers.wire.committee import Committee, Committees
from keepers.wire.refuting import Judge

ASKED_EPOCHS = 3  # epochs back of which seats are asked: as long as they keep what others signed at hand
FIRST_ASKED = 24  # the same for false answers at the first time, which they keep for a PERIOD
SEAT_TIMEOUT_S, SEAT_ANSWER_S = 5.0, 10.0
HURRY_S = 300  # before a deadline: nothing is waited for any more; a quarter of the window where that is shorter
NEVER = float("inf")
EVIDENCE = "evidence"


class Watcher(Role[WatcherView, WatcherPlan]):
    """See the module's text."""

    name: ClassVar[str] = "watcher"

    def __init__(self, signer: Signer | None, policy: Policy | None = None, account: str = "") -> None:
        """`account`: the finder's, where its key is not at hand and nothing is sent."""
        super().__init__()
        self.key = signer
        self.account = account if signer is None else signer.address
        self.policy = policy or Policy()
        self.verdicts: tuple[Verdict, ...] = ()
        self._dispatcher: Dispatcher | None = None
        self._fresh = True  # something was found that no cycle has looked at
        self._pool: ThreadPoolExecutor | None = None
        self._http: httpx.Client | None = None

    def signer(self) -> Signer | None:
        return self.key if self.policy.submit else None

    # ------------------------------------------------------------------ set-up

    def mount(self, context: Context) -> None:
        super().mount(context)
        deployment, reader = context.deployment, context.reader
        try:
            dispute = int(deployment.parameters["dispute_epochs"]) * context.calendar.epoch_seconds
        except (KeyError, ValueError) as error:
            raise HearthError(
                "H1004",
                "the deployment record lacks what a watcher needs",
                why=[f"parameters: {error}"],
                next=["use a record written by this version's deploy script"],
            ) from error
        self._hurry = min(HURRY_S, dispute // 4)
        bootstrap = {attester.address: attester.url for attester in deployment.attesters}
        domain = Domain(deployment.chain_id, deployment.address("AttestationHub"))
        self.committees = Committees(reader, deployment.first_block, bootstrap)
        self.books = Books(reader, States(context.store), deployment.first_block, dispute)
        self.findings = Findings(context.store)
        judges = _judge(context), _judge(context)  # one a thread
        self.lookout = Lookout(
            self.books, self.committees, context.suite, reader, domain, self.account, self._sent, judges[0]
        )
        self._seats = Committees(reader, deployment.first_block, bootstrap)  # of the thread that asks them
        self.evidence = Evidence(domain, self._seats)
        self.answers = FalseAnswers(judges[1], self._seats) if judges[1] is not None else None
        self._asked_answers = False
        self._http = make_http(SEAT_TIMEOUT_S, context.transport, answer_s=SEAT_ANSWER_S)
        virtual = isinstance(context.clock, VirtualClock)
        self._pool = None if virtual else ThreadPoolExecutor(8, thread_name_prefix="watcher-ask")
        if context.health:
            context.health.ready("findings", self._alarm)

    def start(self) -> None:
        epoch = self.books.resume()
        self.log.info(
            "from epoch %d on; %s",
            epoch,
            "proves what it finds" if self.policy.submit and not self.context.dry else "dry: looks only",
        )

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
        if self._http is not None:
            self._http.close()

    def timers(self) -> Sequence[Timer]:
        allowances, length = self.context.deployment.allowances, self.context.calendar.epoch_seconds
        first = (allowances.cutoff + 2 * allowances.view) % length
        return (
            Timer("block", Block()),
            Timer(EVIDENCE, Epoch(first), own_thread=True),
            Timer(f"{EVIDENCE}-late", Epoch(max(first, length * 3 / 4)), own_thread=True),
        )

    # ------------------------------------------------------------------ the cycle

    def observe(self, trigger: Trigger, at: BlockRef) -> WatcherView:
        if trigger.timer.startswith(EVIDENCE):
            raise Skip("asked: something false" if self.ask_seats(at) else "asked: nothing false")
        judged = self.books.refresh(at)
        self._measure_books()
        rows = self.findings.open()
        if not (judged or rows or self._fresh or self.lookout.owes):
            raise Skip("nothing new")
        self.committees.refresh(at)
        found = self.lookout.findings(rows, at)
        self._fresh = False
        price = PriceWord.unpack(int(self.context.suite.hub.price(at=at)))
        return WatcherView(
            now=self.context.clock.now(),
            head=at.timestamp,
            gas_price=at.base_fee + TIP,
            token_price=price.low,
            hurry=self._hurry,
            findings=found,
            policy=self.policy,
        )

    def look(self, at: BlockRef) -> None:
        """Everything once, seats too, for a command that ends then."""
        self.books.refresh(at)
        self.ask_seats(at)
        try:
            self.act(self.decide(self.observe(Trigger("once", at.timestamp), at)))
        except Skip:
            self.verdicts = ()

    def decide(self, view: WatcherView) -> WatcherPlan:
        plan = rules.decide(view)
        if self.context.dry:
            self._keep(WatcherPlan((), plan.verdicts))
        return plan

    def act(self, plan: WatcherPlan) -> None:
        self._keep(plan)

    def _keep(self, plan: WatcherPlan) -> None:
        """One store transaction: rows of the outbox, and how everything stands."""
        now = self.context.clock.now()
        dispatcher = self._outbox()
        rows = [] if dispatcher is None else dispatcher.rows(plan.actions, self.lookout.proofs, now)

        def work(connection: Connection) -> list[tuple[Verdict, State | None]]:
            if dispatcher is not None:
                dispatcher.enqueue(connection, rows)
            return self.findings.record(connection, plan.verdicts, now)

        for verdict, before in self.context.store.write(work, durable=True):
            self._tell(verdict, before)
        for send in rows:
            self.log.info("%s %s", send.kind, send.key)
        self.verdicts = tuple(v for v in plan.verdicts if v.state in UNSETTLED)
        self._measure(now)

    # ------------------------------------------------------------------ seats

    def ask_seats(self, at: BlockRef) -> int:
        """Ask every seat what was signed and what was answered; how many findings are new."""
        self._seats.refresh(at)
        new = self._ask_signed() + self._ask_answers(at)
        self._fresh = self._fresh or new > 0
        return new

    def _ask_signed(self) -> int:
        current = self.context.epoch()
        epochs = range(max(1, current - ASKED_EPOCHS), current)
        new = 0
        # one proof takes a seat's whole bond: it may sign twice in thousands of views, and more would cost us gas alone
        open_now = {seat_account(row.finding) for row in self.findings.open() if row.finding.kind == EQUIVOCATION}
        for finding, evidence in self.evidence.gather(epochs, self._clients, self._pool):
            account = seat_account(finding)
            if account not in open_now and self._found(finding, evidence):
                new += 1
                open_now.add(account)
        return new

    def _ask_answers(self, at: BlockRef) -> int:
        if self.answers is None:
            return 0
        back = ASKED_EPOCHS if self._asked_answers else FIRST_ASKED
        current = self.context.epoch()
        epochs = range(max(1, current - back), current + 1)
        open_now = {(row.finding.epoch, row.finding.node) for row in self.findings.open() if row.finding.kind == ANSWER}
        known = lambda epoch, node: (epoch, node) in open_now  # noqa: E731
        found = self.answers.gather(epochs, self._clients, self._pool, known, at)
        new = sum(self._found(finding, proof) for finding, proof in found)
        self._asked_answers = True
        return new

    def _found(self, finding: Finding, evidence: bytes) -> bool:
        """Keep a finding at once and tell of it; False where it is known."""
        if not self.findings.add(finding, evidence, self.context.clock.now()):
            return False
        self._tell(Verdict(finding, State.OPEN, rules.code_of(finding.kind, State.OPEN)), None)
        return True

    def _clients(self, committee: Committee) -> list[AttesterClient]:
        assert self._http is not None
        return [AttesterClient(endpoint, self._http) for endpoint in committee.endpoints if endpoint.url]

    # ------------------------------------------------------------------ small parts

    def _outbox(self) -> Dispatcher | None:
        sender = self.context.senders.get(self.account)
        if sender is None or not self.policy.submit or self.context.dry:
            return None
        if self._dispatcher is None:
            # several tries in the last part of a window too
            self._dispatcher = Dispatcher(sender, min(self.context.calendar.slot, self._hurry / 4))
        return self._dispatcher

    def _sent(self, key: str) -> Sent | None:
        sender = self.context.senders.get(self.account)
        return None if sender is None else sender.status(key)

    def _tell(self, verdict: Verdict, before: State | None) -> None:
        """Once for each change: an error where something is wrong, with its code; else how it ended."""
        finding, metrics = verdict.finding, self.context.metrics
        if before is None and metrics:
            metrics.watcher.findings.labels(self.context.deployment.network, finding.kind).inc()
        alarming = bool(verdict.code) and verdict.state not in (State.COMMITTED, State.SENT)
        self.log.log(
            logging.ERROR if alarming else logging.INFO,
            "epoch %d: %s: %s", finding.epoch, verdict.state.value, finding.why,
            extra={"code": verdict.code, "finding": finding.key, "kind": finding.kind, "deadline": finding.deadline},
        )  # fmt: skip

    def _alarm(self) -> str | None:
        """What /readyz says while something false is not settled."""
        if not self.verdicts:
            return None
        first = self.verdicts[0]
        more = f", and {len(self.verdicts) - 1} more" if len(self.verdicts) > 1 else ""
        return f"[{first.code}] epoch {first.finding.epoch}: {first.finding.why} ({first.state.value}){more}"

    def _measure_books(self) -> None:
        if self.context.metrics:
            group = self.context.metrics.watcher
            group.epochs_checked.labels(self.context.deployment.network).set(self.books.checked)

    def _measure(self, now: int) -> None:
        if self.context.metrics:
            deadlines = [v.finding.deadline - now for v in self.verdicts if v.finding.deadline > now]
            group = self.context.metrics.watcher
            group.deadline.labels(self.context.deployment.network).set(min(deadlines, default=NEVER))


def _judge(context: Context) -> Judge | None:
    """Of answers; None where the record has no ComputeChallenge."""
    if "ComputeChallenge" not in context.deployment.contracts:
        return None
    domain = Domain(context.deployment.chain_id, context.deployment.address("ComputeChallenge"))
    return Judge(context.reader, context.calendar, domain)


__all__ = ["Policy", "Watcher"]

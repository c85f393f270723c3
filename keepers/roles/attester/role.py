"""The attester role.

    Attester(signer, [Fixed(500_000_000_000)])                 a seat whose key is `signer`; prices with 12 decimals
    Attester(signer, build_sources(specs, local, http))        the same from settings

`mount(context)` needs `context.senders[signer.address]` to submit reports and `context.attestations`. Its routes are
POST /v1/{heartbeats, observations, proposals, signatures} and GET /v1/epochs/{epoch}, /v1/nodes/{node}. Everything it
does is decided by `decide.decide` from what it holds and what time it is: a timer only wakes it, a lost tick loses
nothing. The timers `view-V.I` cover the first views of an epoch; `poll` covers all of them on a real clock.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

import httpx
from sqlalchemy import Connection

from keepers.chain.keys import Signer
from keepers.chain.ports import OPEN_STATES, BlockRef, Sender, TxState
from keepers.protocol.errors import HearthError
from keepers.protocol.hashing import keccak
from keepers.protocol.merge import leader, quorum
from keepers.protocol.messages import Domain
from keepers.protocol.uptime_tree import UptimeTree
from keepers.roles.attester import decide as rules
from keepers.roles.attester import submit as sending
from keepers.roles.attester import view as views
from keepers.roles.attester.decide import (
    VOID,
    AttesterPlan,
    AttesterView,
    EpochFacts,
    Follow,
    Freeze,
    ProposalFacts,
    Propose,
    QuorumFacts,
    Refuse,
    Schedule,
    Submit,
)
from keepers.roles.attester.exchange import Exchange
from keepers.roles.attester.ingest import Ingest, make_admission
from keepers.roles.attester.observe import HeadLog, Seen, Snapshot, Snapshots, body_of
from keepers.roles.attester.prices import Fixed, PriceSource, median_price
from keepers.roles.attester.sign import OBSERVATION, REPORT, AlreadySigned, SignBook
from keepers.roles.attester.view import Built, Ground
from keepers.runtime.clock import VirtualClock
from keepers.runtime.role import Context, Fatal, Role, Route, Skip
from keepers.runtime.ticker import Block, Epoch, Every, Slot, Timer, Trigger, slot_of_ordinal
from keepers.wire.attester_client import AttesterClient, Unreachable, make_http
from keepers.wire.codec import BEATS_LIMIT, Proposal, SeatSignature, SignedObs
from keepers.wire.committee import Committee, Committees
from keepers.wire.routing import Refused, Request, Response
from keepers.wire.signatures import compact

MAX_SKEW_S = 30.0  # an attester whose clock is further off observes and signs nothing (protocol.md §7)
LATE_EPOCHS = 24  # from then on the committee in force signs what an older one left
OPEN_EPOCHS = 48  # epochs without a report that are worked on at a time: two void reports' worth
TIMED_VIEWS = 3  # views with timers of their own
STEPS = 6  # wake-ups a view
KEEP_BEATS = 3  # epochs whose counted beats are kept after their report
ABANDON_S = 7 * 86_400
SEND_TIMEOUT_S = 5.0


class Attester(Role[AttesterView, AttesterPlan]):
    """One seat; see the module's text."""

    name: ClassVar[str] = "attester"

    def __init__(self, signer: Signer, prices: Sequence[PriceSource]) -> None:
        super().__init__()
        self.key = signer
        self.prices = tuple(prices)
        self._http: httpx.Client | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._clients: dict[tuple[int, str], AttesterClient] = {}
        self._built: dict[tuple[int, bytes, bytes], Built] = {}
        self._bases: dict[tuple[int, bytes], int] = {}
        self._started = 0.0
        self._listen_until = 0.0
        self._last = 0
        self._tree: UptimeTree | None = None
        self._followed = b""

    # ------------------------------------------------------------------ set-up

    def signer(self) -> Signer | None:
        return self.key

    def mount(self, context: Context) -> None:
        super().mount(context)
        deployment, calendar = context.deployment, context.calendar
        if not deployment.local and any(isinstance(source, Fixed) for source in self.prices):
            raise HearthError(
                "H1501",
                "a fixed price is for local networks",
                why=["the deployment record does not say that this network is local"],
                next=["set http sources under attester.prices"],
            )
        if not self.prices:
            raise HearthError("H1501", "an attester needs a price source", next=["set attester.prices"])
        allowances = deployment.allowances
        self.schedule = Schedule(allowances.freeze, allowances.bodies, allowances.cutoff, allowances.view)
        self._http = make_http(SEND_TIMEOUT_S, context.transport)
        if not isinstance(context.clock, VirtualClock):
            self._pool = ThreadPoolExecutor(8, thread_name_prefix="attester-send")
        bootstrap = {a.address: a.url for a in deployment.attesters}
        committees = Committees(context.reader, deployment.first_block, bootstrap)
        self._committees = committees
        self.snapshots = Snapshots(context.reader, context.suite, calendar, committees, deployment.first_block)
        now, who = context.clock.precise, self.key.address
        self.domain = Domain(deployment.chain_id, deployment.address("AttestationHub"))
        keep = allowances.head + allowances.late + 2 * calendar.slot
        self.heads = HeadLog(context.reader.head, context.reader.block, now, keep)
        self.seen = Seen()
        scope = f"{deployment.chain_id}:{deployment.address('AttestationHub')}:{who}"
        self.sign_book = SignBook(context.store, scope)
        admission = make_admission(calendar, allowances, self.domain, self._key_of, self.heads, self.seen)
        self.ingest = Ingest(
            who, context.store, self.seen, admission, now, self._observing, self._count_beats, self._time_ingest
        )
        self.exchange = Exchange(
            who, context.store, self.domain, now, self._observers, self._signers, calendar.end, allowances.early
        )

    def start(self) -> None:
        context = self.context
        self._started = context.clock.precise()
        head = context.reader.head()
        self._committees.refresh(head)
        self.heads.look()
        self._check_sign_log(head)
        self.ingest.restore()
        self.exchange.restore({})
        for epoch in range(max(1, self._last), self._last + OPEN_EPOCHS):
            digest = self.sign_book.signed(OBSERVATION, epoch, 0)
            if digest is not None:
                self.exchange.own[epoch] = digest
        seat = self._seat_now()
        self.log.info(
            "seat %s, sign log at epoch %d, %d price sources, next report: epoch %d",
            "none yet" if seat is None else seat, self.sign_book.watermark(), len(self.prices), self._last + 1,
        )  # fmt: skip

    def _check_sign_log(self, head: BlockRef) -> None:
        """A seat with a lost or old sign log must not sign: it could sign a second digest of one view."""
        hub = self.context.suite.hub
        last = int(hub.last_epoch(at=head))
        self._last = last
        watermark = self.sign_book.watermark()
        signed = 0
        for epoch in range(last, max(0, last - LATE_EPOCHS), -1):
            committee = self._committees.of_epoch(epoch)
            seat = committee.seat_of(self.key.address) if committee else None
            if seat is not None and int(hub.meta(epoch, at=head)) >> 32 >> seat & 1:
                signed = epoch
                break
        if signed > watermark:
            lost = watermark == 0
            raise Fatal(
                HearthError(
                    "H6401" if lost else "H6402",
                    "this seat has signed before, and its sign log is not here"
                    if lost
                    else "the sign log is older than what this seat has signed",
                    why=[f"the chain has its signature of epoch {signed}, the log ends at {watermark}"],
                    next=["bring the database of the earlier machine", "or have the owner give the seat a new key"],
                ),
                exit_code=6,
            )
        if watermark == 0 and last > 0:
            calendar = self.context.calendar
            self._listen_until = calendar.end(calendar.epoch(int(self._started)) + 1)
            self.log.info("a new sign log: listening until %d before the first signature", self._listen_until)

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
        if self._http is not None:
            self._http.close()

    def timers(self) -> Sequence[Timer]:
        schedule, length = self.schedule, self.context.calendar.epoch_seconds
        timers = [
            Timer("epoch", Epoch()),
            Timer("freeze", Epoch(schedule.freeze)),
            Timer("bodies", Epoch(schedule.bodies)),
            Timer("cutoff", Epoch(schedule.cutoff)),
            Timer("slot", Slot(self.context.deployment.allowances.late)),
            Timer("block", Block()),
        ]
        for number in range(TIMED_VIEWS * STEPS):
            offset = schedule.first_view + number * schedule.view / STEPS
            if offset < length:
                timers.append(Timer(f"view-{number // STEPS}.{number % STEPS}", Epoch(offset)))
        if not isinstance(self.context.clock, VirtualClock):
            timers.append(Timer("poll", Every(max(0.25, schedule.view / STEPS))))
        return timers

    def routes(self) -> Sequence[Route]:
        return [
            Route("POST", "/v1/heartbeats", self.ingest.heartbeats, limit=BEATS_LIMIT, bare=True),
            *self.exchange.routes(),
            Route("GET", "/v1/epochs/{epoch}", self._show_epoch),
            Route("GET", "/v1/nodes/{node}", self._show_node),
        ]

    # ------------------------------------------------------------------ observe

    def observe(self, trigger: Trigger, at: BlockRef) -> AttesterView:
        calendar, now = self.context.calendar, self.context.clock.precise()
        self.heads.look()
        if self.exchange.impostor:
            raise Fatal(
                HearthError(
                    "H6403",
                    "somebody else signs with this seat's key",
                    why=["a peer has an observation under our key that this process did not sign"],
                    next=["stop the other process, or rotate the seat's key, before starting again"],
                ),
                exit_code=6,
            )
        if trigger.timer == "slot":
            self._close_slot(trigger.ordinal - 1)
        current = calendar.epoch(int(now))
        self.snapshots.of(current, at)
        self._follow(at)
        if self._last + 1 >= current:
            raise Skip("every ended epoch is reported")
        facts = []
        for epoch in range(self._last + 1, min(current, self._last + 1 + OPEN_EPOCHS)):
            snapshot = self.snapshots.of(epoch, at)
            if snapshot is not None:
                facts.append(self._facts(epoch, snapshot, now, at))
        if not facts:
            raise Skip("no committee is in force yet")
        if self.context.metrics:
            self.context.metrics.attester.report_lag_epochs.labels(*self._labels()).set(current - 1 - self._last)
        may_sign = self._observing() and now >= self._listen_until
        return AttesterView(now, self._last, calendar.epoch_seconds, self.schedule, tuple(facts), may_sign)

    def _follow(self, at: BlockRef) -> None:
        """Bring the rebuilt tree to the head; notice a new report, or one that a reorg took back."""
        attestations = self.context.attestations
        assert attestations is not None, "an attester needs the process's follower of reports"
        if at.hash == self._followed:
            return
        with attestations.lock:
            attestations.refresh(at)
            last = attestations.last
            if last != self._last or self._tree is None:
                # a copy of our own: another role of this process may move the shared one at any time
                self._tree = UptimeTree.at(attestations.tree.snapshot())
        self._followed = at.hash
        if last != self._last:
            for epoch in range(self._last + 1, last + 1):
                self._reported(epoch, at)
            self._last = last
            self._tidy(last)

    def _facts(self, epoch: int, snapshot: Snapshot, now: float, at: BlockRef) -> EpochFacts:
        exchange, who = self.exchange, self.key.address
        first = epoch == self._last + 1
        end = self.context.calendar.end(epoch)
        base = max(end, self._base(epoch, at)) if first else end
        signers = self._signers(epoch) or snapshot.committee
        held = exchange.held(epoch)
        in_time = frozenset(seat for seat, h in held.items() if h.held_at <= base + self.schedule.cutoff)
        awake = self._started < end or bool(self.seen.masks(epoch))
        own = exchange.own.get(epoch)
        observer = snapshot.committee.seat_of(who)
        proposals: list[ProposalFacts] = []
        quorums: list[QuorumFacts] = []
        if first:
            for signed_view, proposal in sorted(exchange.proposals(epoch).items()):
                view = signed_view & 0xFFFF
                at_hand, built = self._rebuild(proposal, view, snapshot, at)
                agrees = built is not None and built.digest == proposal.digest
                seats = frozenset(obs.seat for obs in proposal.observations)
                proposals.append(
                    ProposalFacts(view, proposal.seat, proposal.kind, seats, at_hand, agrees, proposal.last)
                )
                if agrees:
                    count = len(exchange.signatures(epoch, proposal.digest))
                    quorums.append(QuorumFacts(view, proposal.digest, proposal.kind, count, self._is_sent(built)))
        return EpochFacts(
            epoch=epoch,
            end=end,
            base=base,
            observers=snapshot.committee.n,
            observer=observer,
            signers=signers.n,
            seat=signers.seat_of(who),
            own_signed=own is not None and self._has_own(epoch, own),
            may_observe=awake and now < end + self.context.calendar.epoch_seconds,
            held=frozenset(held),
            held_at_cutoff=in_time,
            proposals=tuple(proposals),
            signed_views=frozenset(v & 0xFFFF for v in self.sign_book.views(epoch)) if first else frozenset(),
            proposed_views=frozenset(p.view for p in proposals if p.seat == signers.seat_of(who)),
            quorums=tuple(quorums),
        )

    def _has_own(self, epoch: int, digest: bytes) -> bool:
        return any(self.exchange.digest_of(held.signed) == digest for held in self.exchange.held(epoch).values())

    def _base(self, epoch: int, at: BlockRef) -> int:
        """Block time at which `epoch` became the next one to report."""
        if epoch <= 1:
            return 0
        key = (epoch, self._ring_word())
        if key not in self._bases:
            self._bases = {key: int(self.context.suite.hub.meta(epoch - 1, at=at)) & 0xFFFFFFFF}
        return self._bases[key]

    def _ring_word(self) -> bytes:
        return b"" if self._tree is None else self._tree.ring_word

    def _ground(self, epoch: int, signers: Committee, at: BlockRef) -> Ground:
        attestations = self.context.attestations
        assert attestations is not None
        calendar = self.context.calendar
        first = epoch - epoch % calendar.epochs_per_period  # first epoch of the period
        assert self._tree is not None
        with attestations.lock:
            before = attestations.header(first - 1).indeterminate if first > 1 else 0
        used = self._tree.header.indeterminate - before if first <= epoch - 1 else 0
        seed_time = int(self.context.suite.hub.seed(epoch, at=at)[1])
        return Ground(self._tree, used, seed_time, signers.generation)

    def _rebuild(self, proposal: Proposal, view: int, snapshot: Snapshot, at: BlockRef) -> tuple[bool, Built | None]:
        """(bodies at hand, our own recomputation or None)."""
        key = (proposal.epoch, proposal.digest, self._ring_word())
        if key in self._built:
            return True, self._built[key]
        observations = views.gather(self.exchange, proposal)
        signers = self._signers(proposal.epoch)
        if observations is None or signers is None:
            return False, None
        try:
            ground = self._ground(proposal.epoch, signers, at)
            if proposal.kind == VOID:
                built = views.build_void(ground, self.domain, proposal.last, view)
            else:
                built = views.build_report(ground, snapshot, self.context.calendar, self.domain, observations, view)
        except ValueError as error:
            self.log.warning("proposal of seat %d for epoch %d: %s", proposal.seat, proposal.epoch, error)
            return True, None
        if built.digest == proposal.digest:
            self._built[key] = built
        else:
            self._disagree(proposal)
        return True, built

    # ------------------------------------------------------------------ decide, act

    def decide(self, view: AttesterView) -> AttesterPlan:
        return rules.decide(view)

    def act(self, plan: AttesterPlan) -> None:
        for step in plan.steps:
            try:
                if isinstance(step, Freeze):
                    self._freeze(step.epoch)
                elif isinstance(step, rules.Exchange):
                    self._push(step)
                elif isinstance(step, Propose):
                    self._propose(step)
                elif isinstance(step, Follow):
                    self._sign_proposal(step)
                elif isinstance(step, Refuse):
                    self._refuse(step)
                else:
                    self._submit(step)
            except AlreadySigned as error:
                self.log.warning("%s: %s", error.message, "; ".join(error.why))
            except Skip as skip:
                self.log.debug("skip: %s", skip.reason)
            except HearthError as error:
                # one step that fails (no price, an endpoint away) must not hold up the others
                self.log.warning("%s: %s", error.code, error.message)
                if self.context.metrics:
                    self.context.metrics.error(self.name, error.code)
        self._repeat()

    def _freeze(self, epoch: int) -> None:
        snapshot = self.snapshots.known(epoch)
        if snapshot is None:
            return
        seat = snapshot.committee.seat_of(self.key.address)
        if seat is None:
            return
        now = self.context.clock.now()
        body, price = self._draft(epoch, snapshot, now)
        generation = snapshot.committee.generation
        unsigned = SignedObs(generation, epoch, seat, keccak(body), price, bytes(65))
        digest = self.exchange.digest_of(unsigned)
        self.exchange.draft(unsigned, body)
        signature = self.sign_book.sign_once(OBSERVATION, epoch, 0, digest, self.key, now)
        signed = SignedObs(generation, epoch, seat, keccak(body), price, signature)
        self.exchange.adopt_own(signed, body, self.context.clock.precise())
        self.log.info("epoch %d: observed %d nodes, price %d", epoch, len(snapshot.nodes), price)
        if self.context.metrics:
            self.context.metrics.attester.signlog_watermark.labels(*self._labels()).set(epoch)

    def _draft(self, epoch: int, snapshot: Snapshot, now: int) -> tuple[bytes, int]:
        """Body and price: those of a draft that was interrupted before its signature, else new ones."""
        kept = self.exchange.drafted(epoch)
        if kept is not None:
            return kept
        quote = median_price(self.prices, now)
        if self.context.metrics:
            gauges = self.context.metrics.attester
            for name, price in quote.by_source.items():
                gauges.price_usd.labels(*self._labels(), name).set(price / 1e12)
            spread = max(quote.by_source.values()) / min(quote.by_source.values()) - 1
            gauges.price_spread.labels(*self._labels()).set(spread)
        body = body_of(snapshot, self.seen.masks(epoch), self.context.clock.skew())
        return body.encode(), quote.price

    def _push(self, step: rules.Exchange) -> None:
        snapshot = self.snapshots.known(step.epoch)
        if snapshot is None:
            return
        seat = snapshot.committee.seat_of(self.key.address)
        if seat is not None:
            peers = self._peers(snapshot.committee)
            self.exchange.push(step.epoch, peers, seat, step.bodies, step.forward, self._pool)

    def _propose(self, step: Propose) -> None:
        snapshot, signers = self.snapshots.known(step.epoch), self._signers(step.epoch)
        seat = signers.seat_of(self.key.address) if signers else None
        if snapshot is None or signers is None or seat is None:
            return
        at = self.context.reader.head()
        ground = self._ground(step.epoch, signers, at)
        held = [] if step.kind == VOID else views.choose(self.exchange.held(step.epoch))
        if step.kind == VOID:
            built = views.build_void(ground, self.domain, step.last, step.view)
        else:
            built = views.build_report(ground, snapshot, self.context.calendar, self.domain, held, step.view)
        signature = self._sign_report(built)
        self._built[step.epoch, built.digest, self._ring_word()] = built
        self.exchange.take_proposal(views.as_proposal(built, held, seat, signature))
        peers = self._peers(signers)
        # whoever lacks a body of the set cannot follow it: all that we hold goes first
        self.exchange.push(step.epoch, peers, seat, True, True, self._pool)
        self.log.info("epoch %d view %d: proposed %d observations", step.epoch, step.view, len(held))

    def _sign_report(self, built: Built) -> bytes:
        view = views.signed_view(built.view)
        now = self.context.clock.now()
        signature = self.sign_book.sign_once(REPORT, built.epoch, view, built.digest, self.key, now)
        if self.context.metrics:
            self.context.metrics.attester.report_signed_epoch.labels(*self._labels()).set(built.epoch)
        return compact(signature)

    def _sign_proposal(self, step: Follow) -> None:
        proposal = self.exchange.proposals(step.epoch).get(views.signed_view(step.view))
        signers = self._signers(step.epoch)
        seat = signers.seat_of(self.key.address) if signers else None
        if proposal is None or seat is None:
            return
        built = self._built.get((step.epoch, proposal.digest, self._ring_word()))
        if built is None:
            return
        signature = self._sign_report(built)
        self.exchange.take_signature(
            SeatSignature(built.kind, built.epoch, views.signed_view(built.view), built.digest, seat, signature)
        )
        self.log.info("epoch %d view %d: signed", step.epoch, step.view)

    def _refuse(self, step: Refuse) -> None:
        self.log.warning("epoch %d view %d: not signed: %s", step.epoch, step.view, step.reason)
        signers = self._signers(step.epoch)
        if not step.missing or signers is None:
            return
        leads = leader(step.epoch, step.view, signers.n)
        for client in self._peers(signers):
            if client.endpoint.seat == leads:
                try:
                    self.exchange.send_missing(client, step.epoch, step.missing)
                except Unreachable:
                    return

    def _submit(self, step: Submit) -> None:
        built = self._built.get((step.epoch, step.digest, self._ring_word()))
        sender = self.context.senders.get(self.key.address)
        if built is None or sender is None:
            return
        suite = self.context.suite
        sending.still_wanted(built, suite, self.context.reader.head())
        signatures = self.exchange.signatures(step.epoch, step.digest)
        signers = self._signers(step.epoch)
        if signers is None:
            return
        need = quorum(signers.n)

        def work(connection: Connection) -> None:
            sending.submit(built, signatures, suite, sender, need, connection)

        self.context.store.write(work, durable=True)
        self.log.info("epoch %d: report handed to the outbox, %d signatures", step.epoch, len(signatures))
        if self.context.metrics:
            self.context.metrics.attester.report_submitted_epoch.labels(*self._labels()).set(step.epoch)

    def _repeat(self) -> None:
        """Bring our proposals and signatures of the open epoch to peers that have not acknowledged them."""
        epoch = self._last + 1
        signers = self._signers(epoch)
        seat = signers.seat_of(self.key.address) if signers else None
        if signers is None or seat is None:
            return
        peers = self._peers(signers)
        for signed_view, proposal in sorted(self.exchange.proposals(epoch).items()):
            if proposal.seat == seat:
                self.exchange.broadcast(peers, (epoch, proposal.digest), _sends_proposal(proposal), self._pool)
                continue
            own = self.exchange.signatures(epoch, proposal.digest).get(seat)
            if own is not None:
                message = SeatSignature(proposal.kind, epoch, signed_view, proposal.digest, seat, own)
                self.exchange.broadcast(peers, (epoch, proposal.digest), _sends_signature(message), self._pool)

    # ------------------------------------------------------------------ small parts

    def _key_of(self, node: int, epoch: int) -> str | None:
        """None: no such node; "": this attester cannot tell yet (a clock that is ahead, a chain that is away)."""
        snapshot = self.snapshots.known(epoch)
        current = self.context.calendar.epoch(self.context.clock.now())
        if snapshot is None and epoch in (current, current - 1):
            snapshot = self.snapshots.of(epoch, self.context.reader.head())
        return "" if snapshot is None else snapshot.key_of(node)

    def _observing(self) -> bool:
        return abs(self.context.clock.skew()) <= MAX_SKEW_S

    def _observers(self, epoch: int) -> Committee | None:
        current = self.context.calendar.epoch(self.context.clock.now())
        return self._committees.of_epoch(epoch) if self._last < epoch <= current else None

    def _signers(self, epoch: int) -> Committee | None:
        calendar, now = self.context.calendar, self.context.clock.now()
        late = now >= calendar.end(epoch) + LATE_EPOCHS * calendar.epoch_seconds
        observers = self._observers(epoch)
        return self._committees.of_epoch(calendar.epoch(now)) if late and observers else observers

    def _peers(self, committee: Committee) -> list[AttesterClient]:
        assert self._http is not None
        found = []
        for endpoint in committee.endpoints:
            if endpoint.url and endpoint.address != self.key.address:
                key = (endpoint.seat, endpoint.url)
                if key not in self._clients:
                    self._clients[key] = AttesterClient(endpoint, self._http)
                found.append(self._clients[key])
        return found

    def _is_sent(self, built: Built | None) -> bool:
        sender: Sender | None = self.context.senders.get(self.key.address)
        if sender is None or built is None:
            return sender is None  # without a key's way to the chain somebody else submits
        row = sender.status(sending.row_key(built, sender))
        return row is not None and row.state in (*OPEN_STATES, TxState.DONE)

    def _close_slot(self, ordinal: int) -> None:
        epoch, slot = slot_of_ordinal(ordinal)
        number = self.seen.close_slot(epoch, slot)
        self.log.debug("slot %d.%d: %d nodes seen", epoch, slot, number)
        if self.context.metrics:
            self.context.metrics.attester.nodes_observed.labels(*self._labels()).set(number)

    def _reported(self, epoch: int, at: BlockRef) -> None:
        self.log.info("epoch %d is reported", epoch)
        if not self.context.metrics:
            return
        digest = int(self.context.suite.hub.meta(epoch, at=at)) >> 64
        ours = [d for e, d, _ in self._built if e == epoch]
        if ours:
            same = any(int.from_bytes(d, "big") >> 64 == digest for d in ours)
            self.context.metrics.attester.report_digest_match.labels(*self._labels()).set(int(same))

    def _disagree(self, proposal: Proposal) -> None:
        self.log.error(
            "epoch %d: seat %d proposes digest 0x%s…, ours differs",
            proposal.epoch, proposal.seat, proposal.digest.hex()[:16],
        )  # fmt: skip
        if self.context.metrics:
            self.context.metrics.attester.report_digest_match.labels(*self._labels()).set(0)

    def _tidy(self, last: int) -> None:
        """Forget what is reported: beats and signatures soon, observations once ABANDON has passed."""
        calendar = self.context.calendar
        abandon = int(self.context.deployment.parameters.get("abandon_s", ABANDON_S))
        soon = last - KEEP_BEATS
        later = soon - abandon // calendar.epoch_seconds
        self.seen.forget(soon)
        self.exchange.forget_memory(soon)
        self._built = {key: built for key, built in self._built.items() if key[0] >= soon}

        def work(connection: Connection) -> None:
            self.ingest.forget(connection, soon)
            self.exchange.forget(connection, later, soon)

        self.context.store.write(work)

    def _labels(self) -> tuple[str, str]:
        seat = self._seat_now()
        return self.context.deployment.network, "" if seat is None else str(seat)

    def _seat_now(self) -> int | None:
        committee = self._committees.of_epoch(self.context.calendar.epoch(self.context.clock.now()))
        return None if committee is None else committee.seat_of(self.key.address)

    def _count_beats(self, word: str, number: int) -> None:
        if self.context.metrics:
            self.context.metrics.attester.heartbeats.labels(*self._labels(), word).inc(number)

    def _time_ingest(self, seconds: float) -> None:
        if self.context.metrics:
            self.context.metrics.attester.ingest_seconds.labels(*self._labels()).observe(seconds)

    # ------------------------------------------------------------------ reads

    def _show_epoch(self, request: Request) -> Response:
        epoch = _number(request.params["epoch"])
        held = self.exchange.held(epoch)
        body = {
            "epoch": epoch,
            "reported": epoch <= self._last,
            "observations": sorted(held),
            "views": {
                str(view & 0xFFFF): {
                    "digest": "0x" + proposal.digest.hex(),
                    "leader": proposal.seat,
                    "signers": sorted(self.exchange.signatures(epoch, proposal.digest)),
                }
                for view, proposal in sorted(self.exchange.proposals(epoch).items())
            },
        }
        return Response(200, json.dumps(body, separators=(",", ":")).encode())

    def _show_node(self, request: Request) -> Response:
        node = _number(request.params["node"])
        last = self.seen.last_slot(node)
        body = {"node": node, "last_seen": None if last is None else list(last), "advisory": True}
        return Response(200, json.dumps(body, separators=(",", ":")).encode())


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 10:
        raise Refused(400, "H6105", f"{text[:20]!r} is no number")
    return int(text)


def _sends_proposal(proposal: Proposal) -> Any:
    return lambda client: client.send_proposal(proposal)


def _sends_signature(message: SeatSignature) -> Any:
    return lambda client: client.send_signature(message)

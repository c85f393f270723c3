"""What one seat works with: its key, its books, who sits on the committee, and how far the chain is.

Everything here is shared by the three steps of a cycle (`facts`, `decide`, `act`) and by the HTTP handlers.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sqlalchemy import Connection

from keepers.chain.challenges import Challenges
from keepers.chain.keys import Signer
from keepers.chain.ports import BlockRef
from keepers.protocol.errors import HearthError
from keepers.protocol.merge import Body
from keepers.protocol.messages import Domain
from keepers.protocol.uptime_tree import UptimeTree
from keepers.roles.attester.answers import Answers
from keepers.roles.attester.decide import Schedule
from keepers.roles.attester.dues import Dues, Stage
from keepers.roles.attester.exchange import Exchange
from keepers.roles.attester.gauges import AttesterGauges
from keepers.roles.attester.ingest import Ingest, make_admission
from keepers.roles.attester.observe import HeadLog, Seen, Snapshots
from keepers.roles.attester.sign import SignBook
from keepers.roles.attester.signlog import OBSERVATION, SignLog, scope_of
from keepers.roles.attester.view import Built
from keepers.runtime import checks
from keepers.runtime.clock import VirtualClock
from keepers.runtime.role import Context
from keepers.wire.attester_client import AttesterClient, make_http
from keepers.wire.committee import Committee, Committees

LATE_EPOCHS = 24  # from then on the committee in force signs what an older one left
OPEN_EPOCHS = 48  # epochs without a report that are worked on at a time: two void reports' worth
KEEP_BEATS = 3  # epochs whose counted beats are kept after their report
ABANDON_S = 7 * 86_400
SEND_TIMEOUT_S = 5.0
ANSWER_SKEW_S = 5.0  # half of what a deadline allows the network (protocol.md §8, "Sizing rule")


class Desk:
    """Made at `mount`; `last` and `tree` follow the chain, `started` is when this process began to observe."""

    def __init__(
        self,
        key: Signer,
        context: Context,
        log: logging.Logger,
        client: Callable[..., AttesterClient] = AttesterClient,
        mirror: Path | None = None,
    ) -> None:
        self._client, self.mirror = client, mirror
        deployment, calendar = context.deployment, context.calendar
        self.key, self.who, self.context, self.calendar, self.log = key, key.address, context, calendar, log
        allowances = deployment.allowances
        self.schedule = Schedule(allowances.freeze, allowances.bodies, allowances.cutoff, allowances.view)
        self.http = make_http(SEND_TIMEOUT_S, context.transport)
        virtual = isinstance(context.clock, VirtualClock)
        self.pool = None if virtual else ThreadPoolExecutor(8, thread_name_prefix="attester-send")
        bootstrap = {a.address: a.url for a in deployment.attesters}
        self.committees = Committees(context.reader, deployment.first_block, bootstrap)
        self.challenges = Challenges(context.reader, context.suite, calendar, deployment.first_block)
        self.snapshots = Snapshots(
            context.reader, context.suite, calendar, self.committees, deployment.first_block,
            lambda class_id, at: self.challenges.size(class_id, at).challenged,
        )  # fmt: skip
        self.dues = Dues(self.challenges)
        self.domain = Domain(deployment.chain_id, deployment.address("AttestationHub"))
        self.gauges = AttesterGauges(context.metrics, deployment.network, self.seat_now)
        now = context.clock.precise
        keep = allowances.head + allowances.late + 2 * calendar.slot
        self.heads = HeadLog(context.reader.head, context.reader.block, now, keep)
        self.seen = Seen()
        scope = scope_of(deployment.chain_id, self.domain.contract, self.who)
        # on a local network the same keys may be at work in several runs at once
        self.sign_book = SignBook(SignLog.beside(context.store, scope, machine_wide=not deployment.local))
        admission = make_admission(calendar, allowances, self.domain, self._key_of, self.heads, self.seen)
        self.ingest = Ingest(
            self.who, context.store, self.seen, admission, now, self.clock_is_right, self.gauges.beats,
            self.gauges.ingest,
        )  # fmt: skip
        self.exchange = Exchange(
            self.who, context.store, self.domain, now, self.observers, self.signers, calendar.end,
            self.begun, allowances.early, self._fits, self.earlier_self,
        )  # fmt: skip
        self.answers = Answers(
            self.who, context.store, Domain(deployment.chain_id, deployment.address("ComputeChallenge")), now,
            self._clock_judges_answers, self._stage, allowances.openings, self.gauges.answer, inline=virtual,
        )  # fmt: skip
        self.started = 0.0
        self.listen_until = 0.0
        self.last = 0
        self.cancels = 0  # reports of last + 1 that were cancelled
        self.tree: UptimeTree | None = None
        self.built: dict[tuple[int, bytes, bytes], Built] = {}
        self._followed = b""
        self._clients: dict[tuple[int, str], AttesterClient] = {}

    def close(self) -> None:
        """Let threads, connections and the sign log go."""
        self.sign_book.log.close()
        self.answers.close()
        if self.pool is not None:
            self.pool.shutdown(wait=False, cancel_futures=True)
        self.http.close()

    def mirror_said(self, error: HearthError | None) -> None:
        """What became of the last row's copy: a seat that signs without its mirror says so each time."""
        self.gauges.mirror(error is None)
        if error is not None:
            self.log.error("signed without the sign log's mirror", extra={"code": error.code, "reason": str(error)})
            if self.context.metrics is not None:
                self.context.metrics.error("attester", error.code)

    # the clock

    def clock_fault(self) -> HearthError | None:
        """H6001 while our clock is further off the chain than a seat's may be: then nothing is observed or signed."""
        return checks.check_clock(self.context.clock).error

    def clock_is_right(self) -> bool:
        """Whether heartbeats may be judged by our clock."""
        return self.clock_fault() is None

    def _clock_judges_answers(self) -> bool:
        """Whether our clock is near enough to chain time for answers: within half of the network's allowance."""
        return abs(self.context.clock.skew()) <= ANSWER_SKEW_S

    # the committee

    def observers(self, epoch: int) -> Committee | None:
        """The committee that observes an epoch that may be written about now."""
        return self.committees.of_epoch(epoch) if self.last < epoch <= self.context.epoch() else None

    def signers(self, epoch: int) -> Committee | None:
        """The committee that signs its report: the same, but for a report that is late beyond measure."""
        now = self.context.clock.now()
        late = now >= self.calendar.end(epoch) + LATE_EPOCHS * self.calendar.epoch_seconds
        observers = self.observers(epoch)
        return self.committees.of_epoch(self.context.epoch()) if late and observers else observers

    def begun(self, epoch: int, view: int) -> bool:
        """Whether a view, as it is signed, may have begun on a peer's clock: of the number of cancellations that we
        know of the epoch, or of one more, which a peer may see before us."""
        early = self.context.deployment.allowances.early
        newest = self.schedule.view_at(self.context.clock.precise() + early - self.calendar.end(epoch))
        cancels = self.cancels if epoch == self.last + 1 else 0
        return newest is not None and view & 0xFFFF <= newest and (view >> 16) - (cancels & 255) in (0, 1, -255)

    def peers(self, committee: Committee) -> list[AttesterClient]:
        """A client for every other seat that has an address."""
        found = []
        for endpoint in committee.endpoints:
            if endpoint.url and endpoint.address != self.who:
                key = (endpoint.seat, endpoint.url)
                if key not in self._clients:
                    self._clients[key] = self._client(endpoint, self.http)
                found.append(self._clients[key])
        return found

    def seat_now(self) -> int | None:
        """Our seat in the committee of this moment."""
        committee = self.committees.of_epoch(self.context.epoch())
        return None if committee is None else committee.seat_of(self.who)

    def earlier_self(self, epoch: int, view: int | None = None) -> bool:
        """Whether this seat's place of an epoch, its observation or the report of a view, had opened before its sign
        log was sure to be the only one: then a signature that the log lacks may be its own."""
        opens = self.schedule.freeze if view is None else self.schedule.opens(view)
        return self.calendar.end(epoch) + opens <= self.sign_book.log.unsure_until

    def _fits(self, epoch: int, body: bytes) -> bool:
        snapshot = self.snapshots.known(epoch)
        return snapshot is None or len(body) == Body.length(len(snapshot.nodes))

    def _key_of(self, node: int, epoch: int) -> str | None:
        """None: no such node; "": this attester cannot tell yet (a clock that is ahead, a chain that is away)."""
        snapshot = self.snapshots.known(epoch)
        current = self.context.epoch()
        if snapshot is None and epoch in (current, current - 1):
            snapshot = self.snapshots.of(epoch, self.context.reader.head())
        return "" if snapshot is None else snapshot.key_of(node)

    def _stage(self, epoch: int) -> Stage | None:
        """The challenge of the present epoch as the head shows it; None for another epoch, or where nobody is asked."""
        if epoch != self.context.epoch():
            return None
        at = self.context.reader.head()
        snapshot = self.snapshots.of(epoch, at)
        due = self.dues.of(snapshot, at) if snapshot is not None else None
        if snapshot is None or due is None:
            return None
        classes = {word.class_id for word in snapshot.words}
        return Stage(snapshot, due, {c: self.challenges.size(c, at) for c in classes})

    def look_at_challenge(self) -> None:
        """What checking the epoch's answers needs is computed before they come."""
        stage = self._stage(self.context.epoch())
        if stage is not None:
            self.answers.prepare(stage)

    # the chain

    @property
    def ring_word(self) -> bytes:
        """w of the last report: what the next one builds on."""
        return b"" if self.tree is None else self.tree.ring_word

    def built_of(self, epoch: int, digest: bytes) -> Built | None:
        """What a digest of an epoch stands for, if we have computed it on the present ground."""
        return self.built.get((epoch, digest, self.ring_word))

    def remember(self, built: Built) -> None:
        """Keep it for `built_of`."""
        self.built[built.epoch, built.digest, self.ring_word] = built

    def follow(self, at: BlockRef) -> None:
        """Bring the rebuilt tree to the head; notice a new report, or one that a reorg took back."""
        attestations = self.context.attestations
        assert attestations is not None, "an attester needs the process's follower of reports"
        if at.hash == self._followed:
            return
        with attestations.lock:
            attestations.refresh(at)
            last = attestations.last
            if self.tree is None or attestations.tree.ring_word != self.tree.ring_word:
                # a copy of our own: another role of this process may move the shared one at any time
                self.tree = UptimeTree.at(attestations.tree.snapshot())
        self._followed = at.hash
        self.cancels = int(self.context.suite.hub.cancels(last + 1, at=at))
        if last < self.last:
            self.recall(last)
        if last != self.last:
            for epoch in range(self.last + 1, last + 1):
                self._reported(epoch, at)
            self.last = last
            self._tidy(last)

    def recall(self, last: int) -> None:
        """Reports after `last` fell: what is kept of their epochs is at hand again, to sign them anew."""
        self.log.warning("reports after epoch %d were cancelled; they are signed again", last)
        self.last = last
        self.exchange.restore(self.own_digests())

    def own_digests(self) -> dict[int, bytes]:
        """Digests of our own observations from the last report on, by epoch."""
        found = {
            e: self.sign_book.log.signed(OBSERVATION, e, 0) for e in range(max(1, self.last), self.last + OPEN_EPOCHS)
        }
        return {epoch: digest for epoch, digest in found.items() if digest is not None}

    def _reported(self, epoch: int, at: BlockRef) -> None:
        self.log.info("epoch %d is reported", epoch)
        if self.context.metrics is None:
            return
        digest = int(self.context.suite.hub.meta(epoch, at=at)) >> 64
        ours = [built for (e, _, _), built in self.built.items() if e == epoch]
        same = [built for built in ours if int.from_bytes(built.digest, "big") >> 64 == digest]
        if ours:
            self.gauges.match(bool(same))
        if same:
            self.gauges.reported(same[0])
        snapshot = self.snapshots.known(epoch)
        if snapshot is not None:
            bodies = {
                seat: Body.decode(held.body, len(snapshot.nodes))
                for seat, held in self.exchange.held(epoch).items()
                if held.whole
            }
            self.gauges.peers(snapshot.committee.seat_of(self.who), bodies)

    def _tidy(self, last: int) -> None:
        """Forget what is reported: beats and signatures soon, observations once ABANDON has passed."""
        abandon = int(self.context.deployment.parameters.get("abandon_s", ABANDON_S))
        soon = last - KEEP_BEATS
        later = soon - abandon // self.calendar.epoch_seconds
        self.seen.forget(soon)
        self.exchange.forget_memory(soon)
        self.built = {key: built for key, built in self.built.items() if key[0] >= soon}

        def work(connection: Connection) -> None:
            self.ingest.forget(connection, soon)
            self.exchange.forget(connection, later, soon)
            self.answers.forget(connection, later, last - max(KEEP_BEATS, self.calendar.epochs_per_period))

        self.context.store.write(work)

"""The steps that `decide` chose: freeze and sign, push, propose, follow, refuse, submit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection

from keepers.protocol.errors import HearthError
from keepers.protocol.hashing import keccak
from keepers.protocol.merge import quorum
from keepers.protocol.report import view_number
from keepers.roles.attester import decide as rules
from keepers.roles.attester import submit as sending
from keepers.roles.attester import view as views
from keepers.roles.attester.decide import VOID, AttesterPlan, Follow, Freeze, Propose, Refuse, Submit
from keepers.roles.attester.desk import Desk
from keepers.roles.attester.facts import FactBook
from keepers.roles.attester.observe import Snapshot, body_of
from keepers.roles.attester.prices import PriceSource, median_price
from keepers.roles.attester.signlog import OBSERVATION, REPORT, AlreadySigned
from keepers.roles.attester.view import Built
from keepers.runtime.role import Fatal, Skip
from keepers.wire.codec import Proposal, SeatSignature, SignedObs
from keepers.wire.signatures import compact


class Hand:
    """Carries out plans. `prices` gives the present price sources, `failed` counts a step that failed, by H code."""

    def __init__(
        self, desk: Desk, facts: FactBook, prices: Callable[[], Sequence[PriceSource]], failed: Callable[[str], None]
    ) -> None:
        self._desk, self._facts, self._prices, self._failed = desk, facts, prices, failed

    def carry_out(self, plan: AttesterPlan) -> None:
        """Every step; one that fails (no price, an endpoint away) does not hold up the others."""
        for step in plan.steps:
            try:
                if isinstance(step, Freeze):
                    self._freeze(step.epoch)
                elif isinstance(step, rules.Exchange):
                    self._push(step)
                elif isinstance(step, Propose):
                    self.propose(step)
                elif isinstance(step, Follow):
                    self._sign_proposal(step)
                elif isinstance(step, Refuse):
                    self._refuse(step)
                else:
                    self._submit(step)
            except AlreadySigned as error:
                self._desk.log.warning("%s: %s", error.message, "; ".join(error.why))
            except Skip as skip:
                self._desk.log.debug("skip: %s", skip.reason)
            except HearthError as error:
                if error.code == "H6403":  # the sign log is no longer ours
                    raise Fatal(error) from error
                self._desk.log.warning("%s: %s", error.code, error.message)
                self._failed(error.code)
        self._repeat()

    def _freeze(self, epoch: int) -> None:
        desk = self._desk
        snapshot = desk.snapshots.known(epoch)
        if snapshot is None:
            return
        seat = snapshot.committee.seat_of(desk.who)
        if seat is None:
            return
        now = desk.context.clock.now()
        body, price = self._draft(epoch, snapshot, now)
        generation = snapshot.committee.generation
        unsigned = SignedObs(generation, epoch, seat, keccak(body), price, bytes(65))
        digest = desk.exchange.digest_of(unsigned)
        desk.exchange.draft(unsigned, body)
        self._require_clock()
        opens = desk.calendar.end(epoch) + desk.schedule.freeze
        signature = desk.sign_book.sign_once(OBSERVATION, epoch, 0, digest, desk.key, now, opens)
        signed = SignedObs(generation, epoch, seat, keccak(body), price, signature)
        desk.exchange.adopt_own(signed, body, desk.context.clock.precise())
        desk.log.info("epoch %d: observed %d nodes, price %d", epoch, len(snapshot.nodes), price)
        desk.gauges.observed(epoch)

    def _draft(self, epoch: int, snapshot: Snapshot, now: int) -> tuple[bytes, int]:
        """Body and price: those of a draft that was interrupted before its signature, else new ones."""
        desk = self._desk
        kept = desk.exchange.drafted(epoch)
        if kept is not None:
            return kept
        quote = median_price(self._prices(), now)
        desk.gauges.prices(quote)
        due = desk.dues.of(snapshot, desk.context.reader.head())
        judged = desk.answers.bits(epoch, due.drawn) if due is not None else {}
        body = body_of(snapshot, desk.seen.masks(epoch), desk.context.clock.skew(), judged)
        return body.encode(), quote.price

    def _require_clock(self) -> None:
        """The last look before a signature: the clock may have been set since the cycle began. Raises H6001."""
        fault = self._desk.clock_fault()
        if fault is not None:
            raise fault

    def _push(self, step: rules.Exchange) -> None:
        desk = self._desk
        snapshot = desk.snapshots.known(step.epoch)
        if snapshot is None:
            return
        seat = snapshot.committee.seat_of(desk.who)
        if seat is not None:
            peers = desk.peers(snapshot.committee)
            desk.exchange.push(step.epoch, peers, seat, step.bodies, step.forward, desk.pool)

    def propose(self, step: Propose) -> None:
        """Lead a view: build, sign once, keep, send all that the set needs."""
        desk = self._desk
        snapshot, signers = desk.snapshots.known(step.epoch), desk.signers(step.epoch)
        seat = signers.seat_of(desk.who) if signers else None
        if snapshot is None or signers is None or seat is None:
            return
        at = desk.context.reader.head()
        ground = self._facts.ground(step.epoch, signers, at)
        held = [] if step.kind == VOID else views.choose(desk.exchange.held(step.epoch))
        if step.kind == VOID:
            built = views.build_void(ground, desk.domain, step.last, step.view)
        else:
            built = views.build_report(ground, snapshot, desk.calendar, desk.domain, held, step.view)
        signature = self._sign_report(built)
        desk.remember(built)
        desk.exchange.take_proposal(views.as_proposal(built, held, seat, signature, desk.key, desk.domain))
        desk.log.info("epoch %d view %d: proposed %d observations", step.epoch, step.view, len(held))

    def _sign_report(self, built: Built) -> bytes:
        desk = self._desk
        now = desk.context.clock.now()
        self._require_clock()
        opens = self._facts.base(built.epoch, desk.context.reader.head()) + desk.schedule.opens(built.view)
        signature = desk.sign_book.sign_once(REPORT, built.epoch, built.signed_view, built.digest, desk.key, now, opens)
        desk.gauges.signed(built.epoch)
        return compact(signature)

    def _sign_proposal(self, step: Follow) -> None:
        desk = self._desk
        proposal = desk.exchange.proposals(step.epoch).get(view_number(desk.cancels, step.view))
        signers = desk.signers(step.epoch)
        seat = signers.seat_of(desk.who) if signers else None
        if proposal is None or seat is None:
            return
        built = desk.built_of(step.epoch, proposal.digest)
        if built is None:
            return
        signature = self._sign_report(built)
        desk.exchange.take_signature(
            SeatSignature(built.kind, built.epoch, built.signed_view, built.digest, seat, signature, built.words)
        )
        desk.log.info("epoch %d view %d: signed", step.epoch, step.view)

    def _refuse(self, step: Refuse) -> None:
        desk = self._desk
        desk.log.warning("epoch %d view %d: not signed: %s", step.epoch, step.view, step.reason)
        signers = desk.signers(step.epoch)
        seat = signers.seat_of(desk.who) if signers else None
        if not step.missing or signers is None or seat is None:
            return
        # to every seat, not to this leader alone: else each leader in turn would lack it, and lose its view
        missing = desk.exchange.digests(step.epoch, step.missing)
        desk.exchange.push(step.epoch, desk.peers(signers), seat, True, True, desk.pool, missing)

    def _submit(self, step: Submit) -> None:
        desk = self._desk
        built = desk.built_of(step.epoch, step.digest)
        sender = desk.context.senders.get(desk.who)
        if built is None or sender is None:
            return
        suite = desk.context.suite
        sending.still_wanted(built, suite, desk.context.reader.head())
        signatures = desk.exchange.signatures(step.epoch, step.digest)
        signers = desk.signers(step.epoch)
        if signers is None:
            return
        need = quorum(signers.n)

        def work(connection: Connection) -> None:
            sending.submit(built, signatures, suite, sender, need, connection)

        desk.context.store.write(work, durable=True)
        desk.log.info("epoch %d: report handed to the outbox, %d signatures", step.epoch, len(signatures))
        desk.gauges.submitted(step.epoch)

    def _repeat(self) -> None:
        """Bring our proposals and signatures of the open epoch to peers that have not acknowledged them."""
        desk = self._desk
        epoch = desk.last + 1
        signers = desk.signers(epoch)
        seat = signers.seat_of(desk.who) if signers else None
        if signers is None or seat is None:
            return
        peers = desk.peers(signers)
        for signed_view, proposal in sorted(desk.exchange.proposals(epoch).items()):
            if signed_view >> 16 != desk.cancels & 255:
                continue
            if proposal.seat == seat:
                desk.exchange.broadcast(peers, (epoch, proposal.digest), _sends_proposal(proposal), desk.pool)
                # after it, as what a set names is kept by everybody; who lacks a body of it cannot follow
                named = desk.exchange.named(proposal)
                desk.exchange.push(epoch, peers, seat, True, True, desk.pool, named)
                continue
            own = desk.exchange.signatures(epoch, proposal.digest).get(seat)
            if own is not None:
                message = SeatSignature(proposal.kind, epoch, signed_view, proposal.digest, seat, own, proposal.message)
                desk.exchange.broadcast(peers, (epoch, proposal.digest), _sends_signature(message), desk.pool)


def _sends_proposal(proposal: Proposal) -> Any:
    return lambda client: client.send_proposal(proposal)


def _sends_signature(message: SeatSignature) -> Any:
    return lambda client: client.send_signature(message)

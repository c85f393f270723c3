"""What a seat knows of an ended epoch, as `decide` takes it: observations held, proposals recomputed, quorums."""

from __future__ import annotations

from keepers.chain.ports import OPEN_STATES, BlockRef, Sender, TxState
from keepers.roles.attester import submit as sending
from keepers.roles.attester import view as views
from keepers.roles.attester.decide import VOID, EpochFacts, ProposalFacts, QuorumFacts
from keepers.roles.attester.desk import Desk
from keepers.roles.attester.observe import Snapshot
from keepers.roles.attester.view import Built, Ground
from keepers.wire.codec import Proposal
from keepers.wire.committee import Committee


class FactBook:
    """Reads the desk at one block."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._bases: dict[tuple[int, bytes], int] = {}

    def epoch(self, epoch: int, snapshot: Snapshot, now: float, at: BlockRef) -> EpochFacts:
        """Facts of one ended epoch at network time `now` in seconds; proposals only of the next one to report."""
        desk = self._desk
        exchange, who, schedule = desk.exchange, desk.who, desk.schedule
        first = epoch == desk.last + 1
        end = desk.calendar.end(epoch)
        base = self.base(epoch, at) if first else end
        signers = desk.signers(epoch) or snapshot.committee
        held = exchange.held(epoch)
        in_time = frozenset(seat for seat, h in held.items() if h.held_at <= base + schedule.cutoff)
        awake = desk.started < end or bool(desk.seen.masks(epoch))
        own = exchange.own.get(epoch)
        observer = snapshot.committee.seat_of(who)
        proposals: list[ProposalFacts] = []
        quorums: list[QuorumFacts] = []
        if first:
            for signed_view, proposal in sorted(exchange.proposals(epoch).items()):
                if signed_view >> 16 != desk.cancels & 255:
                    continue  # of a report that was cancelled
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
            own_logged=own is not None,
            may_observe=awake and now < end + desk.calendar.epoch_seconds,
            held=frozenset(held),
            held_at_cutoff=in_time,
            proposals=tuple(proposals),
            signed_views=self._signed_views(epoch) if first else frozenset(),
            proposed_views=frozenset(p.view for p in proposals if p.seat == signers.seat_of(who)),
            quorums=tuple(quorums),
        )

    def _signed_views(self, epoch: int) -> frozenset[int]:
        """Views in which this seat signed since the last cancellation."""
        now = self._desk.cancels & 255
        return frozenset(v & 0xFFFF for v in self._desk.sign_book.views(epoch) if v >> 16 == now)

    def _has_own(self, epoch: int, digest: bytes) -> bool:
        exchange = self._desk.exchange
        return any(exchange.digest_of(held.signed) == digest for held in exchange.held(epoch).values())

    def base(self, epoch: int, at: BlockRef) -> int:
        """T of the next epoch to report: its end, or the block time at which it became the next, by a report or by a
        cancellation, if that is later."""
        end = self._desk.calendar.end(epoch)
        attestations = self._desk.context.attestations
        assert attestations is not None
        with attestations.lock:
            end = max(end, attestations.cancelled_at(epoch))
        if epoch <= 1:
            return end
        key = (epoch, self._desk.ring_word)
        if key not in self._bases:
            self._bases = {key: int(self._desk.context.suite.hub.meta(epoch - 1, at=at)) & 0xFFFFFFFF}
        return max(end, self._bases[key])

    def ground(self, epoch: int, signers: Committee, at: BlockRef) -> Ground:
        """What the report of `epoch` builds on."""
        desk = self._desk
        attestations = desk.context.attestations
        assert attestations is not None
        calendar = desk.calendar
        first = epoch - epoch % calendar.epochs_per_period  # first epoch of the period
        assert desk.tree is not None
        with attestations.lock:
            before = attestations.header(first - 1).indeterminate if first > 1 else 0
            check_ins = attestations.check_ins(epoch)
        used = desk.tree.header.indeterminate - before if first <= epoch - 1 else 0
        seed_time = int(self._desk.context.suite.hub.seed(epoch, at=at)[1])
        snapshot = desk.snapshots.known(epoch)
        due = desk.dues.of(snapshot, at) if snapshot is not None else None
        return Ground(desk.tree, used, seed_time, signers.generation, desk.cancels, check_ins, due)

    def _rebuild(self, proposal: Proposal, view: int, snapshot: Snapshot, at: BlockRef) -> tuple[bool, Built | None]:
        """(bodies at hand, our own recomputation or None)."""
        desk = self._desk
        known = desk.built_of(proposal.epoch, proposal.digest)
        if known is not None:
            return True, known
        observations = views.gather(desk.exchange, proposal)
        signers = desk.signers(proposal.epoch)
        if observations is None or signers is None:
            return False, None
        try:
            ground = self.ground(proposal.epoch, signers, at)
            if proposal.kind == VOID:
                built = views.build_void(ground, desk.domain, proposal.last, view)
            else:
                built = views.build_report(ground, snapshot, desk.calendar, desk.domain, observations, view)
        except ValueError as error:
            desk.log.warning("proposal of seat %d for epoch %d: %s", proposal.seat, proposal.epoch, error)
            return True, None
        if built.digest == proposal.digest:
            desk.remember(built)
        else:
            self._disagree(proposal)
        return True, built

    def _is_sent(self, built: Built | None) -> bool:
        sender: Sender | None = self._desk.context.senders.get(self._desk.who)
        if sender is None or built is None:
            return sender is None  # without a key's way to the chain somebody else submits
        row = sender.status(sending.row_key(built, sender))
        return row is not None and row.state in (*OPEN_STATES, TxState.DONE)

    def _disagree(self, proposal: Proposal) -> None:
        self._desk.log.error(
            "epoch %d: seat %d proposes digest 0x%s…, ours differs",
            proposal.epoch, proposal.seat, proposal.digest.hex()[:16],
        )  # fmt: skip
        self._desk.gauges.match(False)

"""What must hold in every epoch, judged from outside: true up times, what was said on the wire, what the chain took."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from keepers.protocol.counters import Leaf
from keepers.protocol.epochs import SLOTS
from keepers.protocol.merge import Body, faults, lower_median, quorum
from keepers.protocol.records import FULL_MASK
from keepers.roles.attester.exchange import Held
from keepers.wire.codec import ObsBody, Proposal, SeatSignature

if TYPE_CHECKING:
    from keepers.simulate.attestation.run import Run
    from keepers.simulate.attestation.seats import Seat

SHOWN = 20  # failures that are kept in words
KEPT = 24  # epochs of which it is remembered who said what: a report that falls is signed again


@dataclass
class Judge:
    """Counts and failures of a run."""

    run: Run
    failures: list[str] = field(default_factory=list)
    failed: int = 0
    slots_checked: int = 0
    slots_lost: int = 0  # seen by f + 1 honest seats in time, or checked in, and reported down
    slots_invented: int = 0  # seen by no honest seat, not checked in, and reported up
    wrong_roots: int = 0
    signed_twice: int = 0
    latencies: list[float] = field(default_factory=list)  # seconds from an epoch's end, or its fall, to its report
    _standing: dict[int, bool] = field(default_factory=dict)  # epoch -> void
    _spoken: dict[tuple[object, ...], bytes] = field(default_factory=dict)
    _digests: dict[tuple[int, int], dict[bytes, set[int]]] = field(default_factory=dict)

    @property
    def reports(self) -> int:
        """Epochs with a report."""
        return sum(not void for void in self._standing.values())

    @property
    def voided(self) -> int:
        """Epochs that were declared void."""
        return sum(self._standing.values())

    def fell(self, first: int) -> None:
        """The reports from an epoch on were cancelled."""
        self._standing = {epoch: void for epoch, void in self._standing.items() if epoch < first}

    def fail(self, words: str) -> None:
        """A rule was broken."""
        self.failed += 1
        if len(self.failures) < SHOWN:
            self.failures.append(words)

    # ------------------------------------------------------------------ on the wire

    def heard(self, seat: int, message: object) -> None:
        """An honest seat says something: it never signs two digests of one place."""
        if isinstance(message, ObsBody) and message.signed.seat == seat:
            signed = message.signed
            self._once(("obs", seat, signed.epoch), signed.body + signed.price.to_bytes(8, "big"))
        elif isinstance(message, Proposal | SeatSignature) and message.seat == seat:
            self._once(("report", seat, message.epoch, message.view), message.digest)
            by = self._digests.setdefault((message.epoch, message.view), {}).setdefault(message.digest, set())
            by.add(seat)

    def _once(self, place: tuple[object, ...], digest: bytes) -> None:
        if self._spoken.setdefault(place, digest) != digest:
            self.signed_twice += 1
            self.fail(f"signed twice: {place}")

    # ------------------------------------------------------------------ on chain

    def reported(self, epoch: int) -> None:
        """The chain has a report of an epoch: is it what the honest seats saw?"""
        run = self.run
        found = run.chain.attestations.report(epoch)
        self.latencies.append(found.block.timestamp - max(run.calendar.end(epoch), run.fallen_at(epoch)))
        self._standing[epoch] = found.header.void
        if found.header.void:
            return
        masks = [self.mask(node, epoch) for node in range(run.chain.nodes)]
        self._check_set(epoch, found.digest, masks)
        self._check_truth(epoch, masks)
        self._one_quorum(epoch)
        self._forget(epoch)

    def mask(self, node: int, epoch: int) -> int:
        """Slots of a reported epoch in which the chain says that the node was down."""
        leaf = Leaf.unpack(self.run.chain.attestations.leaf(node, epoch))
        header = self.run.chain.attestations.report(epoch).header
        if leaf.last == header.epoch - header.void_epochs:
            return leaf.mask
        return FULL_MASK if leaf.dark else 0

    def _check_set(self, epoch: int, digest: bytes, masks: list[int]) -> None:
        """Recompute the report from the set that its leader proposed, by counting hands."""
        chosen = self._set_of(epoch, digest)
        if chosen is None:
            self.fail(f"epoch {epoch}: nobody holds the proposal that the chain took")
            return
        need = faults(self.run.scenario.seats) + 1
        bodies = [Body.decode(held.body, self.run.chain.nodes).bits for held in chosen]
        came = self.run.chain.attestations.check_ins(epoch)
        for node, mask in enumerate(masks):
            up = came.get(node, 0) | sum(
                (sum(bits[node] >> slot & 1 for bits in bodies) >= need) << slot for slot in range(SLOTS)
            )
            if up ^ FULL_MASK != mask:
                self.wrong_roots += 1
                self.fail(f"epoch {epoch}: node {node} is {mask:012b} on chain, its set says {up ^ FULL_MASK:012b}")
                return
        price = lower_median([held.signed.price for held in chosen])
        told = self.run.chain.attestations.report(epoch).facts >> 64
        if told & ((1 << 64) - 1) != price:
            self.fail(f"epoch {epoch}: price {told}, its set says {price}")

    def _set_of(self, epoch: int, digest: bytes) -> list[Held] | None:
        for seat in self._honest():
            assert seat.attester is not None
            exchange = seat.attester.desk.exchange
            for proposal in exchange.proposals(epoch).values():
                held = [exchange.find(signed) for signed in proposal.observations]
                whole = [one for one in held if one is not None and one.whole]
                if proposal.digest == digest and len(whole) == len(held):
                    return whole
        return None

    def _check_truth(self, epoch: int, masks: list[int]) -> None:
        """Seen by f + 1 honest seats whose observations were everywhere in time: up. Seen by none: down."""
        run, need = self.run, faults(self.run.scenario.seats) + 1
        in_time, signed = self._observations(epoch)
        signed.append(run.chain.attestations.check_ins(epoch))
        for node, mask in enumerate(masks):
            for slot in range(SLOTS):
                down = mask >> slot & 1
                self.slots_checked += 1
                if down and sum(bits.get(node, 0) >> slot & 1 for bits in in_time) >= need:
                    self.slots_lost += 1
                    self.fail(f"epoch {epoch}: node {node} slot {slot} was seen by {need} honest seats and is down")
                elif down and signed[-1].get(node, 0) >> slot & 1:
                    self.slots_lost += 1
                    self.fail(f"epoch {epoch}: node {node} checked in on chain in slot {slot} and is down")
                elif not down and not any(bits.get(node, 0) >> slot & 1 for bits in signed):
                    self.slots_invented += 1
                    self.fail(f"epoch {epoch}: node {node} slot {slot} was seen by no honest seat and is up")
        run.count("observations in time everywhere", len(in_time))

    def _observations(self, epoch: int) -> tuple[list[Mapping[int, int]], list[Mapping[int, int]]]:
        """What honest seats signed: (those that all honest seats had at their cut-off, all)."""
        cutoff = self.run.deployment.allowances.cutoff
        honest = self._honest()
        in_time: list[Mapping[int, int]] = []
        signed: list[Mapping[int, int]] = []
        for seat in self.run.seats:
            if not seat.honest or ("obs", seat.number, epoch) not in self._spoken:
                continue
            body = self._body_of(seat.number, epoch)
            if body is None:
                continue
            seen = {node: bits for node, bits in enumerate(body.bits) if bits}
            signed.append(seen)
            base = self.run.base(epoch)
            held = [peer.attester.desk.exchange.held(epoch).get(seat.number) for peer in honest if peer.attester]
            if all(one is not None and one.held_at <= base + cutoff for one in held) and not self.run.disturbed(epoch):
                in_time.append(seen)
        return in_time, signed

    def _body_of(self, seat: int, epoch: int) -> Body | None:
        for peer in self._honest():
            assert peer.attester is not None
            held = peer.attester.desk.exchange.held(epoch).get(seat)
            if held is not None:
                return Body.decode(held.body, self.run.chain.nodes)
        return None

    def _one_quorum(self, epoch: int) -> None:
        """Honest seats never bring two digests of one view to a quorum, however the byzantine ones help."""
        f, need = faults(self.run.scenario.seats), quorum(self.run.scenario.seats)
        for (e, view), digests in self._digests.items():
            ready = [digest for digest, seats in digests.items() if len(seats) + f >= need]
            if e == epoch and len(ready) > 1:
                self.fail(f"epoch {epoch}: two digests of view {view} may have a quorum")

    def _honest(self) -> list[Seat]:
        return [seat for seat in self.run.seats if seat.honest and seat.up and seat.attester is not None]

    def _forget(self, epoch: int) -> None:
        self._spoken = {place: digest for place, digest in self._spoken.items() if int(str(place[2])) > epoch - KEPT}
        self._digests = {place: digests for place, digests in self._digests.items() if place[0] > epoch - KEPT}

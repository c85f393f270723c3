"""What attesters tell each other: signed observations with bodies, proposals, signatures.

Handlers run on the server's threads: they check the signature against the committee of the epoch, store, then answer.
The role's worker reads the same books (one lock) and pushes to each peer what that peer has not acknowledged.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Container, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, delete, insert, select

from keepers.protocol.hashing import keccak
from keepers.protocol.merge import leader
from keepers.protocol.messages import Domain, ProposedSet, SignedObservation
from keepers.protocol.statements import REPORT, VOID, Statement
from keepers.roles.attester.tables import (
    AttesterEquivocation,
    AttesterObservation,
    AttesterProposal,
    AttesterSignature,
)
from keepers.store.engine import Store
from keepers.wire.attester_client import AttesterClient, Declined, Unreachable
from keepers.wire.codec import (
    BODY_LIMIT,
    MAX_SHOWN,
    MAX_SHOWN_OBSERVATIONS,
    Decoder,
    EpochRecord,
    ObsBody,
    Proposal,
    SeatRecord,
    SeatSignature,
    SignedObs,
    encode,
)
from keepers.wire.committee import Committee
from keepers.wire.routing import Refused, Request, Response, Route
from keepers.wire.signatures import BadSignature, recover, recover_compact

_log = logging.getLogger("hearth.attester")
_OK = Response(200, b"[]")
_OBS: Any = AttesterObservation.__table__  # type: ignore[attr-defined]
_PROPOSALS: Any = AttesterProposal.__table__  # type: ignore[attr-defined]
_SIGNATURES: Any = AttesterSignature.__table__  # type: ignore[attr-defined]
_TWICE: Any = AttesterEquivocation.__table__  # type: ignore[attr-defined]
PER_SEAT = 2  # observations of one seat and epoch that are kept: a second one is evidence, more tell nothing new


@dataclass(frozen=True)
class Held:
    """An observation at hand. `held_at`: network time at which its body was here, 0 while it is not."""

    signed: SignedObs
    body: bytes
    held_at: float

    @property
    def whole(self) -> bool:
        """Whether the body is here (an observation of no node has a body too: its clock offset)."""
        return bool(self.body)


class Exchange:
    """Books of one attester, and the routes that fill them.

    `committee_of(epoch)` gives the committee that observes an epoch that may be written about now, None for any other
    epoch; `signers_of(epoch)` the one that signs its report; `begun(epoch, view)` says whether a view, as it is signed,
    may have begun on a peer's clock: a seat that writes about views to come could fill a disk.
    `fits(epoch, body)` says whether a body has the length of the epoch's snapshot: a seat may sign any bytes, and what
    nobody can read must neither be proposed nor be missed. `earlier_self(epoch)`: an observation under our key that we
    do not know may be one of ours, signed before a restart on an older copy of our books; else somebody else has it.
    """

    def __init__(
        self,
        who: str,
        store: Store,
        domain: Domain,
        now: Callable[[], float],
        committee_of: Callable[[int], Committee | None],
        signers_of: Callable[[int], Committee | None],
        end_of: Callable[[int], float],
        begun: Callable[[int, int], bool],
        early: float,
        fits: Callable[[int, bytes], bool] = lambda epoch, body: True,
        earlier_self: Callable[[int], bool] = lambda epoch: False,
    ) -> None:
        self._who = who
        self._store = store
        self._domain = domain
        self._now = now
        self._committee_of = committee_of
        self._signers_of = signers_of
        self._end_of = end_of
        self._has_begun = begun
        self._early = early
        self._fits = fits
        self._earlier_self = earlier_self
        self._lock = threading.RLock()
        self._held: dict[int, dict[tuple[int, bytes], Held]] = {}
        self._proposals: dict[int, dict[int, Proposal]] = {}
        self._signatures: dict[int, dict[bytes, dict[int, bytes]]] = {}
        self._signed: dict[tuple[int, int, int], SeatSignature] = {}  # by epoch, view, seat: one each
        self._second: dict[tuple[int, int, int], SeatSignature] = {}  # the same: another digest at that place
        self._wanted: dict[int, set[bytes]] = {}  # epoch -> observations that proposals name: kept whatever else is
        self._acked: dict[int, dict[int, set[tuple[int, bytes, bool]]]] = {}
        self._delivered: set[tuple[int, int, bytes]] = set()
        self.impostor = False  # somebody else signs with this seat's key
        self.own: dict[int, bytes] = {}
        self._drafts: dict[int, tuple[bytes, int]] = {}

    # ------------------------------------------------------------------ routes

    def routes(self) -> list[Route]:
        """POST /v1/observations, /v1/proposals, /v1/signatures."""
        observation, proposal, signature = Decoder(ObsBody), Decoder(Proposal), Decoder(SeatSignature)

        def observations(request: Request) -> Response:
            self.take_observation(observation(request.body))
            return _OK

        def proposals(request: Request) -> Response:
            self.take_proposal(proposal(request.body))
            return _OK

        def signatures(request: Request) -> Response:
            self.take_signature(signature(request.body))
            return _OK

        return [
            Route("POST", "/v1/observations", observations, limit=BODY_LIMIT),
            Route("POST", "/v1/proposals", proposals),
            Route("POST", "/v1/signatures", signatures),
        ]

    # ------------------------------------------------------------------ taking

    def digest_of(self, signed: SignedObs) -> bytes:
        """What the seat signed."""
        message = SignedObservation(signed.generation, signed.epoch, signed.seat, signed.body, signed.price)
        return message.digest(self._domain)

    def check_observation(self, signed: SignedObs) -> bytes:
        """The digest, if the seat of that epoch signed it. Refused otherwise."""
        committee = self._committee(self._committee_of, signed.epoch, signed.seat)
        if signed.generation != committee.generation:
            raise Refused(403, "H6111", f"generation {signed.generation}; {committee.generation} is in force")
        if self._now() < self._end_of(signed.epoch) - self._early:
            raise Refused(403, "H6112", "the epoch has not ended")
        if signed.price == 0:
            raise Refused(400, "H6105", "a price is above zero")
        digest = self.digest_of(signed)
        try:
            signer = recover(digest, signed.signature)
        except BadSignature as error:
            raise Refused(401, "H6110", str(error)) from error
        if signer != committee.endpoints[signed.seat].address:
            raise Refused(403, "H6113", f"not signed by seat {signed.seat}")
        return digest

    def take_observation(self, given: ObsBody) -> None:
        """Keep a signed observation, its body too if it came along. Refused (4xx) says why not."""
        signed = given.signed
        if self._knows(given):
            return
        digest = self.check_observation(signed)
        if given.body and keccak(given.body) != signed.body:
            raise Refused(400, "H6114", "the body is not the one that was signed")
        with self._lock:
            own = self.own.get(signed.epoch)
            committee = self._committee(self._committee_of, signed.epoch, signed.seat)
            mine = committee.endpoints[signed.seat].address == self._who
            if mine and own != digest and not self._earlier_self(signed.epoch):
                self.impostor = True  # valid, under our key, and not ours
                return
            books = self._held.setdefault(signed.epoch, {})
            known = books.get((signed.seat, digest))
            if known is not None and (known.whole or not given.body):
                return
            others = [held for (seat, _), held in books.items() if seat == signed.seat and held.signed != signed]
            if known is None and others:
                self._keep_evidence(signed.epoch, signed.seat, others[0].signed, signed)
                if len(others) >= PER_SEAT and digest not in self._wanted.get(signed.epoch, ()):
                    raise Refused(409, "H6118", f"{len(others)} observations of seat {signed.seat} are here already")
            held = Held(signed, given.body, self._now() if given.body else 0.0)
            self._save(signed.epoch, digest, held)
            books[signed.seat, digest] = held

    def _knows(self, given: ObsBody) -> bool:
        """Whether the same signed observation is here, with a body if this one has one: most of what comes is."""
        digest = self.digest_of(given.signed)
        with self._lock:
            known = self._held.get(given.signed.epoch, {}).get((given.signed.seat, digest))
        return known is not None and known.signed == given.signed and (known.whole or not given.body)

    def take_proposal(self, proposal: Proposal) -> None:
        """Keep a leader's proposal, the first of its view. Refused (4xx) says why not."""
        committee = self._committee(self._signers_of, proposal.epoch, proposal.seat)
        self._begun(proposal.epoch, proposal.view)
        if proposal.seat != leader(proposal.epoch, proposal.view & 0xFFFF, committee.n):
            raise Refused(403, "H6115", f"seat {proposal.seat} does not lead view {proposal.view & 0xFFFF}")
        self._by_seat(committee, proposal)
        self._by_leader(committee, proposal)
        if any(obs.epoch != proposal.epoch for obs in proposal.observations):
            raise Refused(400, "H6105", "an observation of another epoch")
        with self._lock:
            books = self._proposals.setdefault(proposal.epoch, {})
            if proposal.view in books:
                return
            row = {
                "who": self._who,
                "epoch": proposal.epoch,
                "view": proposal.view,
                "proposal": encode(proposal),
            }
            self._store.write(lambda connection: connection.execute(insert(_PROPOSALS), [row]))
            books[proposal.view] = proposal
            self._want(proposal)
        signed = (proposal.digest, proposal.seat, proposal.signature, proposal.message)
        self.take_signature(SeatSignature(proposal.kind, proposal.epoch, proposal.view, *signed))

    def _want(self, proposal: Proposal) -> None:
        """Whoever equivocates could give every seat observations that the others would not keep, and so no set that
        anybody can follow: what a leader's set names is always kept."""
        self._wanted.setdefault(proposal.epoch, set()).update(self.named(proposal))

    def take_signature(self, given: SeatSignature) -> None:
        """Keep a seat's signature, one a view. Refused (4xx) says why not."""
        committee = self._committee(self._signers_of, given.epoch, given.seat)
        self._begun(given.epoch, given.view)
        self._by_seat(committee, given)
        with self._lock:
            place = (given.epoch, given.view, given.seat)
            if self._signed.get(place) is not None:
                if self._signed[place].digest != given.digest:
                    self._second.setdefault(place, given)  # evidence of a seat that signed twice: it is shown, not used
                return
            row = {
                "who": self._who,
                "epoch": given.epoch,
                "digest": given.digest,
                "seat": given.seat,
                "signature": given.signature,
            }
            known = self._signatures.setdefault(given.epoch, {}).setdefault(given.digest, {})
            if given.seat not in known:
                self._store.write(lambda connection: connection.execute(insert(_SIGNATURES), [row]))
                known[given.seat] = given.signature
            self._signed[place] = given

    # ------------------------------------------------------------------ reading

    def held(self, epoch: int) -> dict[int, Held]:
        """One whole observation a seat that can be read: the one that was here first."""
        with self._lock:
            best: dict[int, Held] = {}
            for (seat, _), held in self._held.get(epoch, {}).items():
                if seat in best and held.held_at >= best[seat].held_at:
                    continue
                if held.whole and self._fits(epoch, held.body):
                    best[seat] = held
            return best

    def find(self, signed: SignedObs) -> Held | None:
        """The held observation that equals this one, None if it is not here."""
        with self._lock:
            return self._held.get(signed.epoch, {}).get((signed.seat, self.digest_of(signed)))

    def proposals(self, epoch: int) -> dict[int, Proposal]:
        """Proposals of an epoch by view (as signed)."""
        with self._lock:
            return dict(self._proposals.get(epoch, {}))

    def signatures(self, epoch: int, digest: bytes) -> dict[int, bytes]:
        """Signatures on a digest by seat."""
        with self._lock:
            return dict(self._signatures.get(epoch, {}).get(digest, {}))

    def record(self, epoch: int, seat: int) -> SeatRecord:
        """What is held here that a seat signed for an epoch."""
        with self._lock:
            observations = [held.signed for (by, _), held in self._held.get(epoch, {}).items() if by == seat]
            signatures = [given for (e, _, by), given in self._signed.items() if e == epoch and by == seat]
        return SeatRecord(observations, signatures[-MAX_SHOWN:])

    def observation(self, epoch: int, seat: int) -> ObsBody | None:
        """An observation of a seat with its body, if it is here."""
        with self._lock:
            for (by, _), held in self._held.get(epoch, {}).items():
                if by == seat and held.whole:
                    return ObsBody(held.signed, held.body)
        return None

    def everything(self, epoch: int) -> EpochRecord:
        """What is held here that any seat signed for an epoch, second signatures of one place too; the newest first
        where it is too much to show."""
        with self._lock:
            observations = [held.signed for held in self._held.get(epoch, {}).values()]
            places = (*self._signed.items(), *self._second.items())
            signatures = [given for place, given in places if place[0] == epoch]
        return EpochRecord(observations[-MAX_SHOWN_OBSERVATIONS:], signatures[-MAX_SHOWN:])

    # ------------------------------------------------------------------ giving

    def push(
        self,
        epoch: int,
        clients: Sequence[AttesterClient],
        own_seat: int,
        bodies: bool,
        forward: bool,
        pool: Executor | None,
        only: Container[bytes] | None = None,
    ) -> int:
        """Bring each peer what it has not acknowledged: our observation (its body once `bodies`), those of others
        if `forward`; `only` those of these digests where it is given. Returns the peers that could not be reached."""
        with self._lock:
            everything = {
                (seat, digest): held
                for (seat, digest), held in self._held.get(epoch, {}).items()
                if only is None or digest in only
            }
        acked = self._acked.setdefault(epoch, {})
        failures: list[int] = []

        def one(client: AttesterClient) -> None:
            peer = client.endpoint.seat
            done = acked.setdefault(peer, set())
            for (seat, digest), held in everything.items():
                mine = seat == own_seat
                # its own it has, unless a set names it: then it may have come back on an older copy of its books
                if (seat == peer and only is None) or (not mine and not (forward and held.whole)):
                    continue
                with_body = held.whole and (bodies or not mine)
                if (seat, digest, True) in done or (seat, digest, with_body) in done:
                    continue
                try:
                    client.send_observation(ObsBody(held.signed, held.body if with_body else b""))
                except Declined:
                    continue
                except Unreachable:
                    failures.append(peer)
                    return
                done.add((seat, digest, with_body))

        _each(one, clients, pool)
        return len(failures)

    def digests(self, epoch: int, seats: Container[int]) -> set[bytes]:
        """Digests of what is held of some seats."""
        return {self.digest_of(held.signed) for seat, held in self.held(epoch).items() if seat in seats}

    def named(self, proposal: Proposal) -> set[bytes]:
        """Digests of the observations of a set."""
        return set(map(self.digest_of, proposal.observations))

    def broadcast(
        self,
        clients: Sequence[AttesterClient],
        key: tuple[int, bytes],
        send: Callable[[AttesterClient], None],
        pool: Executor | None,
    ) -> int:
        """`send` to every peer that has not acknowledged `key` (epoch, digest); returns how many still have not."""

        def one(client: AttesterClient) -> None:
            place = (client.endpoint.seat, *key)
            if place in self._delivered:
                return
            try:
                send(client)
            except Unreachable:
                return
            self._delivered.add(place)

        _each(one, clients, pool)
        return sum((client.endpoint.seat, *key) not in self._delivered for client in clients)

    # ------------------------------------------------------------------ keeping

    def adopt_own(self, signed: SignedObs, body: bytes, now: float) -> None:
        """Keep our own observation."""
        digest = self.digest_of(signed)
        with self._lock:
            self.own[signed.epoch] = digest
            held = Held(signed, body, now)
            self._save(signed.epoch, digest, held)
            self._held.setdefault(signed.epoch, {})[signed.seat, digest] = held

    def draft(self, unsigned: SignedObs, body: bytes) -> None:
        """Store body and price before they are signed: after a crash the same ones are signed, or none."""
        with self._lock:
            if unsigned.epoch not in self._drafts:
                self._save(unsigned.epoch, self.digest_of(unsigned), Held(unsigned, body, 0.0))
                self._drafts[unsigned.epoch] = (body, unsigned.price)

    def drafted(self, epoch: int) -> tuple[bytes, int] | None:
        """Body and price of an interrupted draft."""
        return self._drafts.get(epoch)

    def restore(self, own_digests: Mapping[int, bytes]) -> None:
        """Read the books of an earlier run. `own_digests`: epoch -> digest of our own observation."""
        decode_signed, decode_proposal = Decoder(SignedObs), Decoder(Proposal)
        unread: list[tuple[int, int]] = []
        with self._store.read() as connection:
            for row in connection.execute(select(_OBS).where(_OBS.c.who == self._who)):
                held = Held(decode_signed(row.signed), bytes(row.body), row.held_at)
                if not any(held.signed.signature):
                    self._drafts[row.epoch] = (held.body, held.signed.price)
                    continue
                self._held.setdefault(row.epoch, {})[row.seat, bytes(row.digest)] = held
            for row in connection.execute(select(_PROPOSALS).where(_PROPOSALS.c.who == self._who)):
                try:
                    proposal = decode_proposal(row.proposal)
                except Refused:
                    unread.append((row.epoch, row.view))
                    continue
                self._proposals.setdefault(row.epoch, {})[row.view] = proposal
                self._want(proposal)
            for row in connection.execute(select(_SIGNATURES).where(_SIGNATURES.c.who == self._who)):
                by_seat = self._signatures.setdefault(row.epoch, {}).setdefault(bytes(row.digest), {})
                by_seat[row.seat] = bytes(row.signature)
        for place in unread:
            self._drop_proposal(*place)
        self.own.update(own_digests)

    def _drop_proposal(self, epoch: int, view: int) -> None:
        """A proposal as another version wrote it: its leader shows it again, or the next view has another."""
        _log.warning("a stored proposal of another version is dropped", extra={"epoch": epoch, "view": view})
        where = and_(_PROPOSALS.c.who == self._who, _PROPOSALS.c.epoch == epoch, _PROPOSALS.c.view == view)
        self._store.write(lambda connection: connection.execute(delete(_PROPOSALS).where(where)))

    def forget(self, connection: Connection, observations: int, rest: int) -> None:
        """Delete observations of epochs before `observations`, proposals and signatures before `rest`."""
        for table, before in ((_OBS, observations), (_PROPOSALS, rest), (_SIGNATURES, rest)):
            connection.execute(delete(table).where(and_(table.c.who == self._who, table.c.epoch < before)))

    def forget_memory(self, before: int) -> None:
        """Drop books of epochs before one."""
        with self._lock:
            kept: tuple[dict[int, Any], ...] = (
                self._held, self._proposals, self._signatures, self._acked, self.own, self._drafts, self._wanted,
            )  # fmt: skip
            for books in kept:
                for epoch in [e for e in books if e < before]:
                    del books[epoch]
            self._signed = {key: value for key, value in self._signed.items() if key[0] >= before}
            self._second = {key: value for key, value in self._second.items() if key[0] >= before}
            self._delivered = {key for key in self._delivered if key[1] >= before}

    def _save(self, epoch: int, digest: bytes, held: Held) -> None:
        row = {
            "who": self._who,
            "epoch": epoch,
            "seat": held.signed.seat,
            "digest": digest,
            "signed": encode(held.signed),
            "body": held.body,
            "held_at": held.held_at,
        }
        where = and_(
            _OBS.c.who == self._who, _OBS.c.epoch == epoch, _OBS.c.seat == held.signed.seat, _OBS.c.digest == digest
        )

        def work(connection: Connection) -> None:
            connection.execute(delete(_OBS).where(where))
            connection.execute(insert(_OBS), [row])

        self._store.write(work)

    def _keep_evidence(self, epoch: int, seat: int, first: SignedObs, second: SignedObs) -> None:
        row = {"who": self._who, "epoch": epoch, "seat": seat, "first": encode(first), "second": encode(second)}
        where = and_(_TWICE.c.who == self._who, _TWICE.c.epoch == epoch, _TWICE.c.seat == seat)

        def work(connection: Connection) -> None:
            if connection.execute(select(_TWICE.c.seat).where(where)).first() is None:
                connection.execute(insert(_TWICE), [row])

        self._store.write(work)

    def _committee(self, lookup: Callable[[int], Committee | None], epoch: int, seat: int) -> Committee:
        committee = lookup(epoch)
        if committee is None:
            raise Refused(409, "H6116", f"epoch {epoch} is not open here")
        if seat >= committee.n:
            raise Refused(403, "H6117", f"epoch {epoch} has {committee.n} seats, none is number {seat}")
        return committee

    def _begun(self, epoch: int, view: int) -> None:
        if not self._has_begun(epoch, view):
            raise Refused(403, "H6112", f"view {view} of epoch {epoch} has not begun")

    def is_of_its_place(self, given: Proposal | SeatSignature) -> bool:
        """Whether what was signed is of the epoch and view that it is shown for: reports and their signatures are
        public, so a stranger could show those of one place as the only ones of another."""
        shown = Statement.read((REPORT, VOID)[given.kind], given.message, given.signature)
        if not shown.well_formed or shown.digest(self._domain) != given.digest:
            return False
        _, _, epoch, view = shown.place
        return (epoch, view) == (given.epoch, given.view)

    def _by_seat(self, committee: Committee, given: Proposal | SeatSignature) -> None:
        if not self.is_of_its_place(given):
            raise Refused(400, "H6119", f"what was signed is not of epoch {given.epoch}, view {given.view}")
        try:
            signer = recover_compact(given.digest, given.signature)
        except BadSignature as error:
            raise Refused(401, "H6110", str(error)) from error
        if signer != committee.endpoints[given.seat].address:
            raise Refused(403, "H6113", f"not signed by seat {given.seat}")

    def _by_leader(self, committee: Committee, proposal: Proposal) -> None:
        """The set is the leader's own: else whoever is quicker could pass its proposal on with a set that nobody can
        follow, and the first of a view is the one that is kept."""
        try:
            signer = recover(sealed(proposal).digest(self._domain), proposal.seal)
        except BadSignature as error:
            raise Refused(401, "H6110", str(error)) from error
        if signer != committee.endpoints[proposal.seat].address:
            raise Refused(403, "H6113", f"the set is not sealed by seat {proposal.seat}")


def sealed(proposal: Proposal) -> ProposedSet:
    """What the leader's seal is on."""
    observations = keccak(encode(proposal.observations))
    return ProposedSet(proposal.epoch, proposal.view, proposal.last, proposal.digest, observations)


def _each(one: Callable[[AttesterClient], None], clients: Sequence[AttesterClient], pool: Executor | None) -> None:
    if pool is None:
        for client in clients:
            one(client)
    else:
        list(pool.map(one, clients))


__all__ = ["Exchange", "Held", "sealed"]

"""Seats that do what they like. Under the hood they run the honest code, so that they know all that a seat can know;
what they say is bent on its way out, to each other seat in another way if they like.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from keepers.protocol.hashing import keccak
from keepers.protocol.messages import Report, SignedObservation
from keepers.protocol.report import Facts
from keepers.roles.attester.exchange import Held, sealed
from keepers.runtime.role import Fatal
from keepers.simulate.attestation.net import SimClient
from keepers.simulate.attestation.seats import Seat
from keepers.wire.attester_client import Unreachable
from keepers.wire.codec import ObsBody, Proposal, SeatSignature, SignedObs
from keepers.wire.signatures import compact

STRATEGIES = (
    "honest",
    "silent",
    "lying",  # bits and price made up
    "malformed",  # a body that fits its hash and no snapshot
    "equivocating",  # another observation to every other seat
    "late",  # its observation to one seat alone, in the last second
    "withholding",  # signatures to all, the body to one, forwards nothing
    "mute",  # leads by saying nothing
    "omitting",  # leads with a set that lacks honest observations
    "two-faced",  # leads with another digest to every second seat
    "garbling",  # signs whatever digest, in any view, to anybody
)


class BentClient(SimClient):
    """Sends what the strategy of the hour makes of a message."""

    def __init__(self, seat: ByzantineSeat, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._seat = seat

    def _post(self, message: object) -> None:
        bent = self._seat.bend(message, self.endpoint.seat)
        if bent is None:
            raise Unreachable("H2007", "kept back")
        self._net.send(self._source, self.endpoint.seat, bent, honest=False)


class ByzantineSeat(Seat):
    """One of at most f. `strategy` is drawn anew for every epoch."""

    honest = False
    strategy = "honest"
    victim = 0

    def choose(self, epoch: int, strategy: str) -> None:
        """What to do in an epoch."""
        self.strategy = strategy
        self.victim = self.rng.randrange(self.run.scenario.seats)

    def start(self, sure: bool = True) -> None:
        super().start(sure)
        assert self.attester is not None
        exchange, honest_held = self.attester.desk.exchange, self.attester.desk.exchange.held

        def held(epoch: int) -> dict[int, Held]:
            found = honest_held(epoch)
            if self.strategy == "omitting" and len(found) > self.run.least:
                for seat in self.rng.sample(sorted(found), len(found) - self.run.least):
                    del found[seat]
            return found

        exchange.held = held  # type: ignore[method-assign]

    def wake(self, timer: str, ordinal: int) -> None:
        """It does not care who else signs with its key: it does so itself."""
        if self.attester is not None:
            self.attester.desk.exchange.impostor = False
        super().wake("poll" if timer == "cutoff" else timer, ordinal)

    def stop(self, fatal: Fatal) -> None:
        """Nothing stops it."""

    def client(self) -> Callable[..., SimClient]:
        return lambda endpoint, http: BentClient(self, self.run.net, self.number, endpoint, http, lambda message: None)

    def bend(self, message: object, target: int) -> object | None:
        """What is said in place of a message to a seat; None for nothing."""
        if self.strategy == "silent":
            return None
        if isinstance(message, ObsBody):
            return self._bend_observation(message, target)
        if isinstance(message, Proposal):
            return self._bend_proposal(message, target)
        if isinstance(message, SeatSignature) and self.strategy == "garbling":
            return self._another(message, self.rng.randrange(1 << 16))
        return message

    def _bend_observation(self, message: ObsBody, target: int) -> object | None:
        signed, body = message.signed, message.body
        if signed.seat != self.number:
            return None if self.strategy == "withholding" else message
        run, strategy = self.run, self.strategy
        if strategy == "lying":
            body = self.rng.choice((self.rng.randbytes(len(body)), bytes(len(body)), b"\xff" * len(body)))
            return self._signed(signed, body, self.rng.choice((1, (1 << 63) - 1, signed.price)), once=True)
        if strategy == "malformed":
            return self._signed(signed, self.rng.randbytes(7), signed.price, once=True)
        if strategy == "equivocating":
            content = self.rng.randbytes(run.body_bytes)
            made = self._signed(signed, content, signed.price + target, once=False)
            return made if message.body else ObsBody(made.signed, b"")
        if strategy == "late":
            deadline = run.calendar.end(signed.epoch) + run.deployment.allowances.cutoff
            if target != self.victim or run.timeline.now < deadline - 16:
                return None
            due = deadline - run.seats[target].clock.offset - 0.5
            run.timeline.at(due, lambda: run.net.deliver(target, message, honest=False))
            return None
        if strategy == "withholding" and target != self.victim:
            return ObsBody(signed, b"")
        return message

    def _signed(self, like: SignedObs, body: bytes, price: int, once: bool) -> ObsBody:
        """Our own signature over another body; the same one again for `once`."""
        if once and self._kept is not None and self._kept.signed.epoch == like.epoch:
            return self._kept
        message = SignedObservation(like.generation, like.epoch, self.number, keccak(body), price)
        assert self.attester is not None
        signature = self.key.sign_digest(message.digest(self.attester.desk.domain))
        made = ObsBody(SignedObs(like.generation, like.epoch, self.number, keccak(body), price, signature), body)
        self._kept = made if once else None
        return made

    _kept: ObsBody | None = None

    def _bend_proposal(self, message: Proposal, target: int) -> object | None:
        if message.seat != self.number or self.strategy not in ("mute", "two-faced"):
            return message
        if self.strategy == "mute":
            return None
        if target % 2:
            return message
        return self._another(message, message.view)

    def _another(self, like: Proposal | SeatSignature, view: int) -> Proposal | SeatSignature:
        """A report of the same epoch that nobody built, in a view, validly signed."""
        assert self.attester is not None
        facts = Facts(1, 0, view, 1).pack()
        message = Report(1, like.epoch, self.rng.randbytes(32), self.rng.randbytes(32), facts, self.rng.randbytes(32))
        domain = self.attester.desk.domain
        digest = message.digest(domain)
        signature = compact(self.key.sign_digest(digest))
        made = msgspec.structs.replace(
            like, kind=0, view=view, digest=digest, signature=signature, message=message.words()
        )
        if isinstance(made, Proposal):
            made = msgspec.structs.replace(made, seal=self.key.sign_digest(sealed(made).digest(domain)))
        return made

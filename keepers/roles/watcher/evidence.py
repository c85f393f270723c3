"""Seats that signed twice: what every seat holds of the others' signatures, put side by side.

A seat may show anything. What counts is a signature that recovers to the seat's account over the statement that is
shown with it; the place of a report is read from its words, never from what a peer says of them.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Executor

from keepers.protocol.messages import Domain, SignedObservation
from keepers.protocol.statements import OBSERVATION, REPORT, VOID, Place, Statement
from keepers.roles.watcher.facts import EQUIVOCATION, Finding
from keepers.wire.attester_client import AttesterClient, Unreachable
from keepers.wire.codec import Decoder, EpochRecord
from keepers.wire.committee import Committee, Committees
from keepers.wire.routing import Refused
from keepers.wire.signatures import BadSignature, recover, recover_compact

log = logging.getLogger("hearth.watcher")
KEEP_EPOCHS = 8  # of which what was shown is remembered, to be put beside what is shown later
PER_PLACE = 4  # statements of one seat and place that are kept: two prove it
_RECORD = Decoder(EpochRecord)
Known = dict[tuple[str, Place], dict[bytes, Statement]]


class Evidence:
    """What seats were shown to have signed, by account and place. Used by one thread."""

    def __init__(self, domain: Domain, committees: Committees) -> None:
        self._domain, self._committees = domain, committees
        self._signed: dict[int, Known] = {}

    def gather(
        self,
        epochs: Sequence[int],
        clients: Callable[[Committee], Sequence[AttesterClient]],
        pool: Executor | None,
    ) -> list[tuple[Finding, bytes]]:
        """Ask the seats of these epochs: what was signed twice, with evidence. Who does not answer is passed over."""
        found = []
        for epoch in epochs:
            committee = self._committees.of_epoch(epoch)
            if committee is None:
                continue
            peers = list(clients(committee))
            ask = lambda client, epoch=epoch: _ask(client, epoch)  # noqa: E731
            records = list(map(ask, peers)) if pool is None else list(pool.map(ask, peers))
            found += self.judge(epoch, [record for record in records if record is not None])
        for old in [e for e in self._signed if epochs and e < max(epochs) - KEEP_EPOCHS]:
            del self._signed[old]
        return found

    def judge(self, epoch: int, records: Sequence[EpochRecord]) -> list[tuple[Finding, bytes]]:
        """Put what is shown of an epoch beside what was shown before."""
        known = self._signed.setdefault(epoch, {})
        for record in records:
            for obs in record.observations:
                message = SignedObservation(obs.generation, obs.epoch, obs.seat, obs.body, obs.price)
                made = Statement.of(message, obs.signature)
                if obs.epoch == epoch:
                    self._keep(known, made, made.digest(self._domain), obs.seat, recover)
            for given in record.signatures:
                report = Statement.read((REPORT, VOID)[given.kind], given.message, given.signature)
                if report.well_formed and report.epoch == epoch and report.digest(self._domain) == given.digest:
                    self._keep(known, report, given.digest, given.seat, recover_compact)
        return [
            self._finding(place, account, by_digest)
            for (account, place), by_digest in known.items()
            if len(by_digest) > 1 and self._seat(place, account) is not None
        ]

    def _keep(
        self, known: Known, made: Statement, digest: bytes, seat: int, recovers: Callable[[bytes, bytes], str]
    ) -> None:
        committee = self._committees.of_generation(made.generation)
        if committee is None or seat >= committee.n:
            return
        account = committee.endpoints[seat].address
        by_digest = known.get((account, made.place), {})
        if digest in by_digest or len(by_digest) >= PER_PLACE:
            return
        try:
            signer = recovers(digest, made.sig)
        except BadSignature:
            return
        if signer == account:
            known.setdefault((account, made.place), by_digest)[digest] = made

    def _seat(self, place: Place, account: str) -> int | None:
        """The account's seat; None where a reorg took its table back."""
        committee = self._committees.of_generation(place[1])
        return None if committee is None else committee.seat_of(account)

    def _finding(self, place: Place, account: str, by_digest: dict[bytes, Statement]) -> tuple[Finding, bytes]:
        (a, first), (b, second) = sorted(by_digest.items())[:2]
        kind, generation, epoch, view = place
        seat = self._seat(place, account)
        assert seat is not None, "judge has looked"
        what = "observations" if kind == OBSERVATION else f"reports in view {view & 0xFFFF}"
        key = f"equivocation-{epoch}-{kind}.{generation}.{view}-{account}"
        why = f"seat {seat} ({account}) signed two {what}: 0x{a.hex()[:16]}… and 0x{b.hex()[:16]}…"
        return Finding(key, EQUIVOCATION, epoch, why, seat=seat), encode_pair(first, second)


def seat_account(finding: Finding) -> str:
    """The account of the seat that an equivocation is about."""
    return finding.key.rpartition("-")[2]


def _ask(client: AttesterClient, epoch: int) -> EpochRecord | None:
    try:
        record: EpochRecord = _RECORD(client.get(f"/v1/epochs/{epoch}/signed"))
        return record
    except (Unreachable, Refused) as error:
        log.info("a seat shows nothing", extra={"seat": client.endpoint.seat, "epoch": epoch, "reason": str(error)})
        return None


def encode_pair(first: Statement, second: Statement) -> bytes:
    """Two statements as they are stored."""
    return json.dumps([[s.kind, [w.hex() for w in s.words], s.sig.hex()] for s in (first, second)]).encode()


def decode_pair(data: bytes) -> tuple[Statement, Statement]:
    """Reads them. Raises ValueError for anything else."""
    first, second = (
        Statement(kind, tuple(bytes.fromhex(word) for word in words), bytes.fromhex(sig))
        for kind, words, sig in json.loads(data)
    )
    return first, second


__all__ = ["Evidence", "decode_pair", "encode_pair", "seat_account"]

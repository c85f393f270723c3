"""Is this seat's key used elsewhere? The other seats are asked what they hold under it, and the signatures tell.

A peer cannot make one up: what counts is a signature of our own key that our sign log does not know, shown with the
message it is of, so that it cannot be one of another epoch or view.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from keepers.protocol.errors import HearthError
from keepers.roles.attester.desk import Desk
from keepers.roles.attester.signlog import OBSERVATION, REPORT
from keepers.runtime.role import Fatal
from keepers.wire.attester_client import AttesterClient, Unreachable
from keepers.wire.codec import Decoder, SeatRecord
from keepers.wire.routing import Refused
from keepers.wire.signatures import BadSignature, recover, recover_compact

_RECORD = Decoder(SeatRecord)


def unknown_signature(desk: Desk, epochs: Iterable[int]) -> str | None:
    """What a peer holds that our key signed and our log lacks, in words; None if nobody shows such a thing.

    What an earlier self may have signed before this process was sure of its log counts as known.
    """
    wanted = [(epoch, committee) for epoch in epochs if (committee := desk.committees.of_epoch(epoch)) is not None]
    asked: dict[AttesterClient, list[tuple[int, int]]] = {}
    for epoch, committee in wanted:
        seat = committee.seat_of(desk.who)
        if seat is not None:
            for client in desk.peers(committee):
                asked.setdefault(client, []).append((epoch, seat))

    def ask(client: AttesterClient) -> str | None:
        for epoch, seat in asked[client]:
            try:
                record = _RECORD(client.get(f"/v1/epochs/{epoch}/seats/{seat}"))
            except (Unreachable, Refused):
                return None
            found = _unknown(desk, epoch, seat, record)
            if found is not None:
                return f"seat {client.endpoint.seat} holds {found}"
        return None

    answers: Sequence[str | None] = list(map(ask, asked) if desk.pool is None else desk.pool.map(ask, asked))
    return next((answer for answer in answers if answer is not None), None)


def watch(desk: Desk, epoch: int) -> None:
    """Ask about an epoch that has ended. Raises Fatal (H6403) where somebody else signs with this seat's key."""
    found = unknown_signature(desk, (epoch,))
    if found is not None or desk.exchange.impostor:
        raise stop(found or "an observation under our key came in that this process did not sign")


def stop(why: str) -> Fatal:
    """H6403."""
    error = HearthError(
        "H6403",
        "somebody else signs with this seat's key",
        why=[why],
        next=["stop the other process, or rotate the seat's key, before starting again"],
    )
    return Fatal(error)


def _unknown(desk: Desk, epoch: int, seat: int, record: Any) -> str | None:
    log = desk.sign_book.log
    for signed in record.observations:
        digest = desk.exchange.digest_of(signed)
        known = (signed.epoch, signed.seat) != (epoch, seat) or log.signed(OBSERVATION, epoch, 0) == digest
        known = known or desk.earlier_self(epoch)
        if not known and _is_ours(desk.who, recover, digest, signed.signature):
            return f"an observation of epoch {epoch}"
    for given in record.signatures:
        known = (given.epoch, given.seat) != (epoch, seat) or log.signed(REPORT, epoch, given.view) == given.digest
        known = known or desk.earlier_self(epoch, given.view & 0xFFFF) or not desk.exchange.is_of_its_place(given)
        if not known and _is_ours(desk.who, recover_compact, given.digest, given.signature):
            return f"a report of epoch {epoch}, view {given.view}"
    return None


def _is_ours(who: str, recovers: Any, digest: bytes, signature: bytes) -> bool:
    try:
        return bool(recovers(digest, signature) == who)
    except BadSignature:
        return False

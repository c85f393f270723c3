"""POST /v1/heartbeats: one beat or many, packed or as JSON; the answer comes after the commit, a word for each beat.

The server hands over all requests that wait (`many`): one commit for all of them. Runs on the server's threads: it
touches only the store and thread-safe books. What is remembered against repeats is the beats themselves, 12 bits a node
and epoch, and rows of 4 bytes a beat from which they are read again at start.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, and_, delete, insert, select

from keepers.protocol.hashing import keccak
from keepers.protocol.messages import Domain, Heartbeat
from keepers.roles.attester.observe import HeadLog, Seen
from keepers.roles.attester.tables import AttesterBeats
from keepers.runtime.crashpoints import cp
from keepers.store.engine import Store
from keepers.wire.admission import (
    BAD,
    COUNTED,
    EARLY,
    LATE,
    SKEWED,
    STALE_HEAD,
    UNKNOWN_NODE,
    WRONG_KEY,
    HeartbeatAdmission,
    Window,
)
from keepers.wire.codec import BEAT_BYTES, Beat, decode_beats, encode, unpack_beats
from keepers.wire.routing import Refused, Request, Response, problem

STATUS = {BAD: 401, WRONG_KEY: 403, UNKNOWN_NODE: 403, EARLY: 400, LATE: 400, STALE_HEAD: 400}
_COUNTED = encode([COUNTED])
_TABLE: Any = AttesterBeats.__table__  # type: ignore[attr-defined]


class Ingest:
    """Takes heartbeats. `now` gives network time, `observing` whether this attester's clock may be trusted;
    `count(result, number)` and `timed(seconds)` feed metrics."""

    def __init__(
        self,
        who: str,
        store: Store,
        seen: Seen,
        admission: HeartbeatAdmission,
        now: Callable[[], float],
        observing: Callable[[], bool],
        count: Callable[[str, int], None] = lambda result, number: None,
        timed: Callable[[float], None] = lambda seconds: None,
    ) -> None:
        self._who = who
        self._store = store
        self._seen = seen
        self._admission = admission
        self._now = now
        self._observing = observing
        self._count = count
        self._timed = timed

    def heartbeats(self, request: Request) -> Response:
        """The route's handler."""
        return self.many([request])[0]

    def many(self, requests: Sequence[Request]) -> list[Response]:
        """A response for each request: a list of words, and for a single beat the status says it as well."""
        parsed = [_parse(request) for request in requests]
        words = self.take([beat for beats in parsed if isinstance(beats, list) for beat in beats])
        answers, place = [], 0
        for request, beats in zip(requests, parsed, strict=True):
            if isinstance(beats, Response):
                answers.append(beats)
                continue
            mine = words[place : place + len(beats)]
            place += len(beats)
            answers.append(_answer(mine, request))
        return answers

    def take(self, beats: Sequence[Beat]) -> list[str]:
        """Judge beats, store those that count, and only then remember and acknowledge them."""
        if not beats:
            return []
        if not self._observing():
            return [SKEWED] * len(beats)
        started = time.perf_counter()
        now = self._now()
        words = self._admission.admit_many(beats, now)
        counted = [beat for beat, word in zip(beats, words, strict=True) if word == COUNTED]
        if counted:
            fresh: dict[int, list[int]] = {}
            for beat in counted:
                fresh.setdefault(beat.epoch, []).append(beat.node << 8 | beat.slot)
            rows = [
                {"who": self._who, "epoch": epoch, "beats": struct.pack(f">{len(places)}I", *places)}
                for epoch, places in fresh.items()
            ]
            cp("attester.ingest.before-commit")
            self._store.write(lambda connection: connection.execute(insert(_TABLE), rows))
            cp("attester.ingest.after-commit")
            self._seen.add_many(counted)
        for word in set(words):
            self._count(word, words.count(word))
        self._timed(time.perf_counter() - started)
        return words

    def restore(self) -> None:
        """Remember what an earlier run had counted."""
        with self._store.read() as connection:
            rows = connection.execute(select(_TABLE.c.epoch, _TABLE.c.beats).where(_TABLE.c.who == self._who)).all()
        for row in rows:
            for (place,) in struct.iter_unpack(">I", row.beats):
                self._seen.add(place >> 8, row.epoch, place & 0xFF)

    def forget(self, connection: Connection, before: int) -> None:
        """Delete rows of epochs before one."""
        connection.execute(delete(_TABLE).where(and_(_TABLE.c.who == self._who, _TABLE.c.epoch < before)))


def _parse(request: Request) -> list[Beat] | Response:
    try:
        return unpack_beats(request.body) if request.packed else decode_beats(request.body)
    except Refused as error:
        return replace(problem(error.status, error.code, error.message), wasted=1)


def _answer(words: list[str], request: Request) -> Response:
    single = len(request.body) == BEAT_BYTES if request.packed else request.body[:2] != b"[["
    wasted = sum(word not in (COUNTED, SKEWED) for word in words)
    if not wasted:
        return Response(200, _COUNTED if len(words) == 1 and words[0] == COUNTED else encode(words))
    return Response(STATUS.get(words[0], 200) if single else 200, encode(words), wasted=wasted)


def beat_digester(domain: Domain) -> Callable[[Beat], bytes]:
    """`protocol.messages.Heartbeat.digest` of a beat, without an object in between: this runs once for every beat of
    the network (a test compares both)."""
    type_hash = keccak(Heartbeat.TYPE.encode())
    prefix = b"\x19\x01" + domain.separator

    def digest(beat: Beat) -> bytes:
        numbers = beat.node << 768 | beat.epoch << 512 | beat.slot << 256 | beat.number
        return keccak(prefix + keccak(type_hash + numbers.to_bytes(128, "big") + beat.block + beat.telemetry))

    return digest


def make_admission(
    calendar: Any, allowances: Any, domain: Domain, key_of: Any, heads: HeadLog, seen: Seen
) -> HeartbeatAdmission:
    """The admission of this network: EIP-712 digests of `protocol.messages.Heartbeat`."""

    digest = beat_digester(domain)
    window = Window(allowances.early, allowances.late, allowances.head)
    return HeartbeatAdmission(calendar, window, digest, key_of, heads, seen.has)


__all__ = ["Ingest", "beat_digester", "make_admission"]

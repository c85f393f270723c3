"""POST /v1/heartbeats: one beat or a batch; the answer comes after the commit, a word for each beat.

Runs on the server's threads: it touches only the store and thread-safe books.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
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
from keepers.wire.codec import Beat, decode_beats, encode
from keepers.wire.routing import Request, Response

STATUS = {BAD: 401, WRONG_KEY: 403, UNKNOWN_NODE: 403, EARLY: 400, LATE: 400, STALE_HEAD: 400}
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
        """The route's handler: a list of words for a batch, and for a single beat the status says it as well."""
        words = self.take(decode_beats(request.body))
        status = 200 if request.body[:2] == b"[[" else STATUS.get(words[0], 200)
        return Response(status, encode(words))

    def take(self, beats: Sequence[Beat]) -> list[str]:
        """Judge beats, store those that count, and only then remember and acknowledge them."""
        if not self._observing():
            return [SKEWED] * len(beats)
        started = time.perf_counter()
        now = self._now()
        words = [self._admission.admit(beat, now) for beat in beats]
        fresh: dict[int, bytearray] = {}
        for beat, word in zip(beats, words, strict=True):
            if word == COUNTED:
                fresh.setdefault(beat.epoch, bytearray()).extend(beat.node.to_bytes(3, "big") + bytes((beat.slot,)))
        if fresh:
            rows = [{"who": self._who, "epoch": epoch, "beats": bytes(packed)} for epoch, packed in fresh.items()]
            cp("attester.ingest.before-commit")
            self._store.write(lambda connection: connection.execute(insert(_TABLE), rows))
            cp("attester.ingest.after-commit")
        for beat, word in zip(beats, words, strict=True):
            if word == COUNTED:
                self._seen.add(beat.node, beat.epoch, beat.slot)
        for word in set(words):
            self._count(word, words.count(word))
        self._timed(time.perf_counter() - started)
        return words

    def restore(self) -> None:
        """Remember what an earlier run had counted."""
        with self._store.read() as connection:
            rows = connection.execute(select(_TABLE.c.epoch, _TABLE.c.beats).where(_TABLE.c.who == self._who)).all()
        for row in rows:
            for place in range(0, len(row.beats), 4):
                self._seen.add(int.from_bytes(row.beats[place : place + 3], "big"), row.epoch, row.beats[place + 3])

    def forget(self, connection: Connection, before: int) -> None:
        """Delete rows of epochs before one."""
        connection.execute(delete(_TABLE).where(and_(_TABLE.c.who == self._who, _TABLE.c.epoch < before)))


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

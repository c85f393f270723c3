"""A sign log on its way to another machine: JSON, signed by the seat's own key.

    {"content": {"schema": "hearth.signlog/1", "scope": "CHAIN:HUB:SEAT", "log": …, "epoch": newest, "view": …,
                 "closed": network time of the last signature, "retired": true,
                 "rows": [["report", epoch, view, digest], …]},
     "signature": …}

Nothing was signed in a place that opened after the last signature, and everything that had opened by then is closed to
the machine that takes over, but for the last 64 digests themselves.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from keepers.protocol.errors import HearthError
from keepers.protocol.hashing import keccak
from keepers.roles.attester.signlog import RETIRED, Row, SignLog
from keepers.wire.codec import U32
from keepers.wire.signatures import BadSignature, DigestSigner, recover

KEPT = 64
MAX_BYTES = 1 << 20
Digest = Annotated[str, Meta(pattern="^0x[0-9a-f]{64}$")]
_PREFIX = b"hearth sign log\n"


class Unsigned(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """What the seat signs: keccak of a prefix and this as compact JSON."""

    schema: Literal["hearth.signlog/1"] = "hearth.signlog/1"
    scope: str
    log: str
    epoch: U32
    view: U32
    closed: Annotated[int, Meta(ge=0)]
    retired: bool
    rows: Annotated[list[tuple[Literal["obs", "report"], U32, U32, Digest]], Meta(max_length=KEPT)]

    def digest(self) -> bytes:
        """The digest."""
        return keccak(_PREFIX + msgspec.json.encode(self))


class Interchange(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """The file."""

    content: Unsigned
    signature: Annotated[str, Meta(pattern="^0x[0-9a-f]{130}$")]


_DECODER = msgspec.json.Decoder(Interchange)


def export(log: SignLog, signer: DigestSigner) -> str:
    """The log's interchange text."""
    rows = log.rows(KEPT)
    newest = max((row.epoch for row in rows), default=0)
    content = Unsigned(
        scope=log.scope,
        log=log.log,
        epoch=max(newest, log.floor),
        view=max((row.view for row in rows if row.epoch == newest), default=0),
        closed=max([row.at + 1 for row in rows] + [int(log.unsure_until)]),
        retired=log.state == RETIRED,
        rows=[(row.kind, row.epoch, row.view, "0x" + row.digest.hex()) for row in rows],  # type: ignore[misc]
    )
    made = Interchange(content=content, signature="0x" + signer.sign_digest(content.digest()).hex())
    return msgspec.json.format(msgspec.json.encode(made), indent=1).decode() + "\n"


def take_over(log: SignLog, text: str) -> int:
    """Bring a retired log into this one; returns the newest epoch of which that one has signed anything.

    Raises H1006 (no such file, not of this seat, not signed by it, not retired), H1005 (a step back), H6405 (the two
    hold different digests of one place).
    """
    try:
        given = _DECODER.decode(text)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise _wrong("it is no sign log of this version") from error
    content = given.content
    if content.scope != log.scope:
        raise _wrong(f"it is the log of {content.scope}, this seat is {log.scope}")
    seat = log.scope.rpartition(":")[2]
    try:
        signer = recover(content.digest(), bytes.fromhex(given.signature[2:]))
    except BadSignature:
        signer = ""
    if signer != seat:
        raise _wrong(f"it is not signed by {seat}")
    if not content.retired:
        raise HearthError(
            "H1006",
            "that log was not retired: its machine may still sign",
            next=("there: hearth signlog export --retire FILE", "if it is lost: import --watermark EPOCH"),
        )
    at = content.closed
    rows = [Row(kind, epoch, view, bytes.fromhex(digest[2:]), at, 0, b"") for kind, epoch, view, digest in content.rows]
    log.adopt(rows, content.epoch, content.closed)
    return log.floor


def _wrong(why: str) -> HearthError:
    return HearthError("H1006", "the file is not this seat's sign log", why=(why,))

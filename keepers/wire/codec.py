"""Bodies on the wire: JSON arrays of fixed length, words as base64, integers as integers.

There is no object in any request body, hence no duplicate, unknown or reordered key; NaN, floats, booleans for
integers, wrong lengths, trailing bytes and nesting beyond the type are refused by the decoder. What is signed is the
EIP-712 digest of the parsed values, so one message has one meaning however it was written.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from keepers.wire.routing import Refused

U24 = Annotated[int, Meta(ge=0, lt=1 << 24)]
U32 = Annotated[int, Meta(ge=0, lt=1 << 32)]
U48 = Annotated[int, Meta(ge=0, lt=1 << 48)]
U63 = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]
Slot = Annotated[int, Meta(ge=0, le=11)]
Seat = Annotated[int, Meta(ge=0, le=30)]
Word = Annotated[bytes, Meta(min_length=32, max_length=32)]
Signature = Annotated[bytes, Meta(min_length=65, max_length=65)]
Compact = Annotated[bytes, Meta(min_length=64, max_length=64)]

MAX_BATCH = 512
MAX_NODES = 1 << 17
BEATS_LIMIT = 262_144  # bytes: a batch of 512 beats is about 140 kB
BODY_LIMIT = 400_000  # bytes: two a node, 131,072 nodes, in base64


class Beat(msgspec.Struct, array_like=True, forbid_unknown_fields=True, frozen=True):
    """A signed heartbeat: node, epoch, slot, number and hash of a recent block, telemetry hash, signature r‖s‖v."""

    node: U24
    epoch: U32
    slot: Slot
    number: U48
    block: Word
    telemetry: Word
    signature: Signature


class SignedObs(msgspec.Struct, array_like=True, forbid_unknown_fields=True, frozen=True):
    """A seat's signed statement about an epoch: keccak of the body, price (12 decimals), signature r‖s‖v."""

    generation: U32
    epoch: U32
    seat: Seat
    body: Word
    price: U63
    signature: Signature


class ObsBody(msgspec.Struct, array_like=True, forbid_unknown_fields=True, frozen=True):
    """A signed observation together with its body (`protocol.merge.Body`), or with none yet."""

    signed: SignedObs
    body: Annotated[bytes, Meta(max_length=2 * MAX_NODES + 8)]


class Proposal(msgspec.Struct, array_like=True, forbid_unknown_fields=True, frozen=True):
    """A leader's set for a view. `view` as in what is signed: cancels << 16 | v. `last` = epoch for a report, the
    last void epoch for a void report. The signature (r‖s, v = 27) is the leader's own on the digest."""

    kind: Annotated[int, Meta(ge=0, le=1)]  # 0 report, 1 void
    epoch: U32
    last: U32
    view: U32
    observations: Annotated[list[SignedObs], Meta(max_length=31)]
    digest: Word
    seat: Seat
    signature: Compact


class SeatSignature(msgspec.Struct, array_like=True, forbid_unknown_fields=True, frozen=True):
    """A seat's signature (r‖s, v = 27) on the digest of a report (kind 0) or void report (kind 1)."""

    kind: Annotated[int, Meta(ge=0, le=1)]
    epoch: U32
    view: U32
    digest: Word
    seat: Seat
    signature: Compact


T = TypeVar("T")
_BEAT = msgspec.json.Decoder(Beat)
_BEATS = msgspec.json.Decoder(Annotated[list[Beat], Meta(min_length=1, max_length=MAX_BATCH)])
_ENCODER = msgspec.json.Encoder()


def encode(value: Any) -> bytes:
    """Compact JSON of a wire type or a list of them."""
    return _ENCODER.encode(value)


def decode_beats(body: bytes) -> list[Beat]:
    """One beat or a list of 1 to MAX_BATCH beats. Refused (400) says where the body is wrong."""
    try:
        return _BEATS.decode(body) if body[:2] == b"[[" else [_BEAT.decode(body)]
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise _bad(error) from error


class Decoder:
    """Strict decoder of one wire type."""

    def __init__(self, kind: type[T]) -> None:
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(kind)

    def __call__(self, body: bytes) -> Any:
        """The value; Refused (400) says where the body is wrong."""
        try:
            return self._decoder.decode(body)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
            raise _bad(error) from error


def _bad(error: Exception) -> Refused:
    # the decoder's words name the place and the type, never the content
    return Refused(400, "H6105", f"body is not what this route takes: {str(error)[:160]}")

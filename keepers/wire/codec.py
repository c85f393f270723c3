"""Bodies on the wire: JSON arrays of fixed length, words as base64, integers as integers; heartbeats also packed, 143
bytes each, because they are what an attester reads most.

There is no object in any request body, hence no duplicate, unknown or reordered key; NaN, floats, booleans for
integers, wrong lengths, trailing bytes and nesting beyond the type are refused by the decoder. What is signed is the
EIP-712 digest of the parsed values, so one message has one meaning however it was written.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from keepers.wire.routing import Refused

U24 = Annotated[int, Meta(ge=0, lt=1 << 24)]
U32 = Annotated[int, Meta(ge=0, lt=1 << 32)]
U48 = Annotated[int, Meta(ge=0, lt=1 << 48)]
U63 = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]
LAST_SLOT = 11
Slot = Annotated[int, Meta(ge=0, le=LAST_SLOT)]
Seat = Annotated[int, Meta(ge=0, le=30)]
Word = Annotated[bytes, Meta(min_length=32, max_length=32)]
Signature = Annotated[bytes, Meta(min_length=65, max_length=65)]
Compact = Annotated[bytes, Meta(min_length=64, max_length=64)]
Words = Annotated[bytes, Meta(min_length=160, max_length=192)]  # a VoidReport or a Report, `messages.Message.words`

MAX_BATCH = 512
MAX_NODES = 1 << 17
BEATS_LIMIT = 262_144  # bytes: a batch of 512 beats is about 140 kB
MAX_SHOWN = 1_024  # signatures of an epoch that are shown to who asks
MAX_SHOWN_OBSERVATIONS = 124  # four a seat
ANSWER_LIMIT = 1_024
OPENING_LIMIT = 400_000  # a row of 65,536 entries in base64 is 262,144 bytes
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
    last void epoch for a void report. The signature (r‖s, v = 27) is the leader's own on the digest, `message` what
    the digest is of: else a signature of one epoch and view could be shown as one of another; `seal` (r‖s‖v) its
    signature on the set, a `messages.ProposedSet`."""

    kind: Annotated[int, Meta(ge=0, le=1)]  # 0 report, 1 void
    epoch: U32
    last: U32
    view: U32
    observations: Annotated[list[SignedObs], Meta(max_length=31)]
    digest: Word
    seat: Seat
    signature: Compact
    message: Words
    seal: Signature


class SeatSignature(msgspec.Struct, array_like=True, forbid_unknown_fields=True, frozen=True):
    """A seat's signature (r‖s, v = 27) on the digest of a report (kind 0) or void report (kind 1), the `message`."""

    kind: Annotated[int, Meta(ge=0, le=1)]
    epoch: U32
    view: U32
    digest: Word
    seat: Seat
    signature: Compact
    message: Words


class SeatRecord(msgspec.Struct, array_like=True, forbid_unknown_fields=True, frozen=True):
    """What a seat holds of another seat's signatures of one epoch."""

    observations: Annotated[list[SignedObs], Meta(max_length=31)]
    signatures: Annotated[list[SeatSignature], Meta(max_length=MAX_SHOWN)]


class EpochRecord(msgspec.Struct, array_like=True, forbid_unknown_fields=True, frozen=True):
    """What a seat holds of all that was signed for an epoch, second signatures of one place too."""

    observations: Annotated[list[SignedObs], Meta(max_length=MAX_SHOWN_OBSERVATIONS)]
    signatures: Annotated[list[SeatSignature], Meta(max_length=MAX_SHOWN)]


U56 = Annotated[int, Meta(ge=0, lt=1 << 56)]
Hashes = Annotated[bytes, Meta(max_length=64 * 32)]  # of 32 bytes, one after the other


class SignedAnswer(msgspec.Struct, array_like=True, forbid_unknown_fields=True, frozen=True):
    """A node's answer to an epoch's challenge, a `messages.Answer` with its signature r‖s‖v."""

    node: U24
    epoch: U32
    seed: U56
    seed_b: U56
    root: Word
    signature: Signature


class AskedRow(msgspec.Struct, array_like=True, forbid_unknown_fields=True, frozen=True):
    """A row of C that an attester asks for, a `challenge.Place`; it acknowledges an answer with a list of them."""

    gpu: Annotated[int, Meta(ge=0, lt=16)]
    round: U32
    row: Annotated[int, Meta(ge=0, lt=1 << 16)]


class OpenedRow(msgspec.Struct, array_like=True, forbid_unknown_fields=True, frozen=True):
    """A row of an answer with what ties it to the answer's root, a `challenge.Opening`. `root`: of the answer."""

    node: U24
    epoch: U32
    root: Word
    place: AskedRow
    row: Annotated[bytes, Meta(max_length=3 << 16)]
    path: Hashes
    previous: Word
    list_path: Hashes


class ShownRow(msgspec.Struct, array_like=True, forbid_unknown_fields=True, frozen=True):
    """An opened row with the signed answer that it belongs to: what anybody needs to judge and, if false, refute."""

    answer: SignedAnswer
    opened: OpenedRow


class ShownLeaf(msgspec.Struct, array_like=True, forbid_unknown_fields=True, frozen=True):
    """A node's leaf after the report of an epoch, with what ties it to the chain: header word and siblings upwards."""

    epoch: U32
    node: U24
    header: Word
    leaf: Word
    path: Hashes


T = TypeVar("T")
BEAT_BYTES = 143  # epoch 4 | node 3 | slot 1 | number 6 | block 32 | telemetry 32 | signature 65, big-endian
_PACKED = struct.Struct(">II6s32s32s65s")
_BEAT = msgspec.json.Decoder(Beat)
_BEATS = msgspec.json.Decoder(Annotated[list[Beat], Meta(min_length=1, max_length=MAX_BATCH)])
_ENCODER = msgspec.json.Encoder()


def encode(value: Any) -> bytes:
    """Compact JSON of a wire type or a list of them."""
    return _ENCODER.encode(value)


def pack_beats(beats: Sequence[Beat]) -> bytes:
    """Beats as they travel: BEAT_BYTES each, one after the other. Raises struct.error for a number out of range."""
    return b"".join(
        _PACKED.pack(b.epoch, b.node << 8 | b.slot, b.number.to_bytes(6, "big"), b.block, b.telemetry, b.signature)
        for b in beats
    )


def unpack_beats(body: bytes) -> list[Beat]:
    """The beats of a packed body. Refused (400) for one that is not 1 to MAX_BATCH whole beats of slots 0 … 11."""
    count, rest = divmod(len(body), BEAT_BYTES)
    if rest or not 1 <= count <= MAX_BATCH:
        raise Refused(400, "H6105", f"{len(body)} bytes are not 1 to {MAX_BATCH} heartbeats of {BEAT_BYTES}")
    beats = [
        Beat(place >> 8, epoch, place & 0xFF, int.from_bytes(number, "big"), block, telemetry, signature)
        for epoch, place, number, block, telemetry, signature in _PACKED.iter_unpack(body)
    ]
    if any(beat.slot > LAST_SLOT for beat in beats):
        raise Refused(400, "H6105", f"slots are numbered 0 to {LAST_SLOT}")
    return beats


def decode_beats(body: bytes) -> list[Beat]:
    """One beat or a list of 1 to MAX_BATCH beats as JSON. Refused (400) says where the body is wrong."""
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

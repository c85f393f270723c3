"""Bodies that are refused, and what those that pass mean."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from keepers.wire.codec import (
    BEAT_BYTES,
    MAX_BATCH,
    Beat,
    Decoder,
    ObsBody,
    Proposal,
    SeatSignature,
    SignedObs,
    decode_beats,
    encode,
    pack_beats,
    unpack_beats,
)
from keepers.wire.routing import Refused

BEAT = Beat(7, 3, 11, 42, b"b" * 32, b"t" * 32, b"s" * 65)


def raw(**changes: Any) -> bytes:
    """A beat's JSON with fields replaced by name."""
    names = list(Beat.__struct_fields__)
    fields = json.loads(encode(BEAT))
    for name, value in changes.items():
        fields[names.index(name)] = value
    return json.dumps(fields).encode()


def test_round_trip_of_one_and_of_many() -> None:
    assert decode_beats(encode(BEAT)) == [BEAT]
    assert decode_beats(encode([BEAT] * 3)) == [BEAT] * 3
    largest = Beat(2**24 - 1, 2**32 - 1, 11, 2**48 - 1, b"\xff" * 32, b"\xff" * 32, b"\xff" * 65)
    for given in ([BEAT], [largest], [BEAT] * MAX_BATCH):
        assert unpack_beats(pack_beats(given)) == given
    assert len(pack_beats([BEAT])) == BEAT_BYTES == 143


@pytest.mark.parametrize(
    "body",
    [
        b"",
        pack_beats([BEAT])[:-1],
        pack_beats([BEAT]) + b"x",
        pack_beats([BEAT] * MAX_BATCH) + pack_beats([BEAT]),
        pack_beats([BEAT])[:7] + b"\x0c" + pack_beats([BEAT])[8:],
    ],
)
def test_packed_body_is_refused(body: bytes) -> None:
    with pytest.raises(Refused) as caught:
        unpack_beats(body)
    assert (caught.value.status, caught.value.code) == (400, "H6105")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"{}",
        b'{"node":1}',
        b"[[]]",
        b"[]",
        raw(node=True),
        raw(node=-1),
        raw(node=1 << 24),
        raw(slot=12),
        raw(slot=1.0),
        raw(epoch=2**63),
        raw(epoch="3"),
        raw(number=None),
        raw(block="AAAA"),
        raw(block="not base64!"),
        raw(signature=""),
        encode(BEAT)[:-1],
        encode(BEAT) + b"x",
        encode(BEAT).replace(b"42", b"NaN"),
        encode(BEAT).replace(b"42", b"1e400"),
        encode(BEAT)[:-1] + b",1]",
        b"[" * 100_000,
        b"[[" * 50_000,
        b'{"a":' * 100_000,
        b"\xff\xfe" + encode(BEAT),
        encode([BEAT] * (MAX_BATCH + 1)),
    ],
    ids=range(27),
)
@pytest.mark.attack("D03", "D04")
def test_refused_with_400(body: bytes) -> None:
    with pytest.raises(Refused) as caught:
        decode_beats(body)
    assert (caught.value.status, caught.value.code) == (400, "H6105")


def test_refusal_does_not_repeat_the_body() -> None:
    with pytest.raises(Refused) as caught:
        decode_beats(raw(epoch="<script>alert(1)</script>"))
    assert "script" not in str(caught.value)


SIGNED = SignedObs(1, 3, 2, b"k" * 32, 5, b"s" * 65)
BODIES = (
    BEAT,
    ObsBody(SIGNED, b"body"),
    Proposal(0, 3, 3, 0, [SIGNED], b"d" * 32, 2, b"s" * 64, bytes(192), b"s" * 65),
    SeatSignature(0, 3, 0, b"d" * 32, 2, b"s" * 64, bytes(160)),
)


@pytest.mark.parametrize("given", BODIES, ids=lambda given: type(given).__name__)
@pytest.mark.attack("T54")
def test_every_body_is_an_array_so_no_key_can_come_twice(given: msgspec.Struct) -> None:
    decode = Decoder(type(given))
    assert decode(encode(given)) == given
    names = [*given.__struct_fields__, given.__struct_fields__[1]]
    members = ",".join(f'"{name}":{encode(getattr(given, name)).decode()}' for name in names)
    with pytest.raises(Refused):
        decode(b"{" + members.encode() + b"}")

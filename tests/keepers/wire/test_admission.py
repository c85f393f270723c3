"""Signatures and the rules by which a heartbeat counts."""

from __future__ import annotations

import msgspec
import pytest

from keepers.chain.keys import ORDER, LocalSigner
from keepers.protocol.epochs import Calendar
from keepers.protocol.hashing import keccak
from keepers.protocol.messages import Domain, Heartbeat
from keepers.roles.attester.ingest import beat_digester
from keepers.wire.admission import HeartbeatAdmission, Window
from keepers.wire.codec import Beat
from keepers.wire.signatures import BadSignature, compact, recover, recover_compact

CALENDAR = Calendar(1_000_000, 300, 24)
DOMAIN = Domain(1, "0x" + "11" * 20)
NODE = LocalSigner(keccak(b"node"))
OTHER = LocalSigner(keccak(b"other"))
BLOCK = b"b" * 32
START = CALENDAR.slot_start(5, 3)


class Heads:
    """Block 9 was last head at `at`."""

    def __init__(self, at: float | None) -> None:
        self.at = at

    def last_head_at(self, number: int, block_hash: bytes) -> float | None:
        return self.at if (number, block_hash) == (9, BLOCK) else None


def beat(signer: LocalSigner = NODE, **changes: int) -> Beat:
    fields = {"node": 7, "epoch": 5, "slot": 3, "number": 9} | changes
    message = Heartbeat(fields["node"], fields["epoch"], fields["slot"], fields["number"], BLOCK, b"t" * 32)
    signature = signer.sign_digest(message.digest(DOMAIN))
    return Beat(fields["node"], fields["epoch"], fields["slot"], fields["number"], BLOCK, b"t" * 32, signature)


def admit(given: Beat, now: float = START + 10, head_at: float | None = START, seen: bool = False) -> str:
    keys = {(7, 5): NODE.address}
    admission = HeartbeatAdmission(
        CALENDAR,
        Window(5, 30, 60),
        beat_digester(DOMAIN),
        lambda node, epoch: keys.get((node, epoch)),
        Heads(head_at),
        lambda node, epoch, slot: seen,
    )
    return admission.admit(given, now)


def test_fast_digest_is_the_typed_one() -> None:
    given = beat()
    message = Heartbeat(given.node, given.epoch, given.slot, given.number, given.block, given.telemetry)
    assert beat_digester(DOMAIN)(given) == message.digest(DOMAIN)


@pytest.mark.parametrize(
    ("now", "word"),
    [
        (START - 5.1, "early"),
        (START - 5, "counted"),
        (START + 299, "counted"),
        (START + 330, "counted"),
        (START + 330.1, "late"),
        (START + 3_000, "late"),
        (START - 3_000, "early"),
    ],
)
@pytest.mark.attack("D03")
def test_arrival_window(now: float, word: str) -> None:
    assert admit(beat(), now) == word


@pytest.mark.parametrize(
    ("head_at", "word"),
    [(START - 60, "counted"), (START - 60.1, "stale-head"), (None, "unknown-head"), (START + 5, "counted")],
)
@pytest.mark.attack("A12")
def test_block_was_head_here_lately(head_at: float | None, word: str) -> None:
    assert admit(beat(), head_at=head_at) == word


@pytest.mark.attack("T52", "T54")
def test_identity_is_the_signature_never_the_field() -> None:
    assert admit(beat(OTHER)) == "wrong-key"
    assert admit(beat(node=8)) == "unknown-node", "an index without a key in that epoch"
    # a valid signature moved to another slot speaks for nobody
    assert admit(msgspec.structs.replace(beat(slot=4), slot=3)) == "wrong-key"


def test_snapshot_that_is_not_here_yet_is_no_refusal() -> None:
    blind = HeartbeatAdmission(
        CALENDAR, Window(5, 30, 60), beat_digester(DOMAIN), lambda node, epoch: "", Heads(START), lambda *a: False
    )
    assert blind.admit(beat(), START + 10) == "not-observing", "the sender comes again"


@pytest.mark.attack("T52", "T53")
def test_repeat_is_told_only_to_whoever_signed() -> None:
    assert admit(beat(), seen=True) == "repeat"
    assert admit(beat(OTHER), seen=True) == "wrong-key"


@pytest.mark.attack("T06")
def test_twin_signature_is_refused() -> None:
    given = beat()
    r, s, v = given.signature[:32], int.from_bytes(given.signature[32:64], "big"), given.signature[64]
    twin = r + (ORDER - s).to_bytes(32, "big") + bytes((55 - v,))
    assert admit(msgspec.structs.replace(given, signature=twin)) == "bad-signature"


@pytest.mark.parametrize("signature", [bytes(65), b"\xff" * 65, b"\x01" * 64 + b"\x1d", b"\x01" * 64 + b"\x00"])
def test_junk_signature(signature: bytes) -> None:
    assert admit(msgspec.structs.replace(beat(), signature=signature)) == "bad-signature"


def test_compact_form_has_v_27() -> None:
    seen = set()
    for i in range(24):
        digest = keccak(bytes((i,)))
        signature = NODE.sign_digest(digest)
        seen.add(signature[64])
        assert recover(digest, signature) == NODE.address
        assert recover_compact(digest, compact(signature)) == NODE.address
    assert seen == {27, 28}, "both values occur, so both branches are tested"


@pytest.mark.parametrize("length", [0, 63, 65])
def test_compact_signature_has_64_bytes(length: int) -> None:
    with pytest.raises(BadSignature):
        recover_compact(bytes(32), bytes(length))

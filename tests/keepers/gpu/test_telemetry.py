"""Fingerprints, telemetry bytes and the stand-in."""

from __future__ import annotations

import json

import pytest

from keepers.gpu.fingerprint import BadUuid, fingerprint, fingerprints
from keepers.gpu.sampler import Telemetry
from keepers.gpu.stand_in import StandIn
from keepers.protocol.hashing import keccak

UUID = "GPU-8f6e1c52-7a0b-4c1d-9e3f-0123456789ab"


def test_fingerprint_is_the_hash_of_the_written_uuid() -> None:
    assert fingerprint(UUID) == keccak(UUID.encode())
    assert fingerprint(" " + UUID.upper() + "\n") == fingerprint(UUID), "case and blanks do not make another GPU"


@pytest.mark.parametrize(
    "uuid", ["", "GPU-", "MIG-8f6e1c52-7a0b-4c1d-9e3f-0123456789ab", "GPU-" + "0" * 8 + "-0000-0000-0000-" + "0" * 12]
)
def test_no_fingerprint_without_a_whole_uuid(uuid: str) -> None:
    with pytest.raises(BadUuid) as caught:
        fingerprint(uuid)
    assert caught.value.code == "H3107"


def test_one_gpu_twice_is_refused() -> None:
    with pytest.raises(BadUuid):
        fingerprints([UUID, UUID.upper()])


def test_stand_in_says_so_everywhere() -> None:
    stand_in = StandIn("RTX-4090-24GB", 2, "node-7")
    telemetry = stand_in.sample()
    assert "STAND-IN" in stand_in.first_line() and telemetry.source == "stand-in" and telemetry.state == "ok"
    assert all(uuid.startswith("STAND-IN-") for uuid in stand_in.uuids())
    assert len(set(fingerprints(stand_in.uuids()))) == 2
    assert json.loads(telemetry.encode())["source"] == "stand-in"


@pytest.mark.parametrize("count", [0, 17, -1])
def test_stand_in_has_one_to_sixteen_gpus(count: int) -> None:
    with pytest.raises(ValueError, match="1 to 16"):
        StandIn("RTX-4090-24GB", count, "x")


def test_digest_is_of_the_canonical_bytes() -> None:
    telemetry = Telemetry("nvml", "unknown", cause="x")
    assert telemetry.digest() == keccak(telemetry.encode())
    body = telemetry.encode()
    assert body == json.dumps(json.loads(body), sort_keys=True, separators=(",", ":")).encode()

"""Fingerprints of GPUs."""

from __future__ import annotations

import pytest

from keepers.gpu.fingerprint import BadUuid, fingerprint
from keepers.protocol.hashing import keccak

UUID = "GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77"


def test_is_the_hash_of_the_written_form() -> None:
    assert fingerprint(UUID) == fingerprint(f" {UUID.upper()}\n") == keccak(UUID.encode())


def test_a_salt_makes_another_of_the_same_card() -> None:
    """The way out where somebody else has taken the usual one."""
    assert fingerprint(UUID, "x") == keccak(UUID.encode() + b"x") != fingerprint(UUID)
    with pytest.raises(BadUuid):
        fingerprint("GPU-00000000-0000-0000-0000-000000000000", "x")

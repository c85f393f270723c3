"""Recovering and making secp256k1 signatures over 32-byte digests (coincurve, 26-32 thousand recoveries a second).

Two written forms: 65 bytes r‖s‖v with v 27 or 28 (heartbeats, observations) and 64 bytes r‖s with v = 27 fixed (what
the hub takes). Of the two s that verify, heartbeats take the low one only, so that no twin passes as a second one.
"""

from __future__ import annotations

from typing import Protocol

from coincurve import PublicKey

from keepers.chain.keys import ORDER, address_of

_HALF = (ORDER // 2).to_bytes(32, "big")


class BadSignature(ValueError):
    """A signature that recovers to nobody, or not in the one written form."""


class DigestSigner(Protocol):
    """A key that signs digests: `address` lower-case 0x…, `sign_digest` gives 65 bytes r‖s‖v, s low, v 27 or 28."""

    @property
    def address(self) -> str: ...

    def sign_digest(self, digest: bytes) -> bytes: ...


def recover(digest: bytes, signature: bytes) -> str:
    """Account that signed `digest`; `signature` is 65 bytes r‖s‖v with low s. BadSignature otherwise."""
    if len(signature) != 65 or signature[64] not in (27, 28):
        raise BadSignature("a signature is 65 bytes, r, s and v = 27 or 28")
    if signature[32:64] > _HALF:
        raise BadSignature("s is not the low one of the two")
    return _recover(digest, signature[:64] + bytes((signature[64] - 27,)))


def recover_compact(digest: bytes, signature: bytes) -> str:
    """Account that signed `digest`; `signature` is 64 bytes r‖s, v = 27. BadSignature otherwise."""
    if len(signature) != 64:
        raise BadSignature("a seat's signature is 64 bytes, r and s")
    return _recover(digest, signature + b"\x00")


def compact(signature: bytes) -> bytes:
    """64 bytes with v = 27: where v is 28, s is replaced by its twin, which flips v (AttestationHub reads v = 27)."""
    if signature[64] == 27:
        return signature[:64]
    return signature[:32] + (ORDER - int.from_bytes(signature[32:64], "big")).to_bytes(32, "big")


def _recover(digest: bytes, recoverable: bytes) -> str:
    try:
        key = PublicKey.from_signature_and_message(recoverable, digest, hasher=None)
    except Exception as error:  # coincurve raises bare Exception and ValueError
        raise BadSignature("the signature recovers to no key") from error
    return address_of(key)

"""Keccak-256 and 32-byte words, the only hashing used in the protocol."""

from __future__ import annotations

from typing import cast

from sha3 import keccak_256

ZERO32 = bytes(32)


def keccak(data: bytes) -> bytes:
    """Keccak-256 (the Ethereum padding, not SHA-3) of `data`: 32 bytes."""
    return cast(bytes, keccak_256(data).digest())


def word(value: int) -> bytes:
    """`value` (0 … 2**256 - 1) as 32 bytes, big-endian. Raises OverflowError outside that range."""
    return value.to_bytes(32, "big")


def to_int(data: bytes) -> int:
    """Big-endian bytes as an integer."""
    return int.from_bytes(data, "big")


def create_address(creator: bytes, nonce: int) -> bytes:
    """Address (20 bytes) of the contract that `creator` makes with CREATE: the end of keccak(rlp([creator, nonce]))."""
    number = nonce.to_bytes((nonce.bit_length() + 7) // 8, "big")
    item = number if 0 < nonce < 0x80 else bytes([0x80 + len(number)]) + number
    body = bytes([0x80 + len(creator)]) + creator + item
    return keccak(bytes([0xC0 + len(body)]) + body)[12:]

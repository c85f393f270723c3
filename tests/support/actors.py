"""Actors named by role, each with a key, and the two forms of signature the contracts take."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from coincurve import PrivateKey
from sha3 import keccak_256

from tests.support.constants import CURVE_ORDER


def keccak(data: bytes) -> bytes:
    return keccak_256(data).digest()


def word(x: int | bytes | str) -> bytes:
    """32 bytes of an integer, a hash or an address, as abi.encode has them."""
    if isinstance(x, int):
        return x.to_bytes(32, "big")
    if isinstance(x, str):
        x = bytes.fromhex(x.removeprefix("0x"))
    return bytes(x).rjust(32, b"\0")


def words(*xs: int | bytes | str) -> bytes:
    return b"".join(word(x) for x in xs)


def checksum(raw: bytes) -> str:
    """EIP-55 form of a 20-byte address."""
    low = raw.hex()
    marks = keccak(low.encode()).hex()
    return "0x" + "".join(c.upper() if int(m, 16) > 7 else c for c, m in zip(low, marks, strict=False))


@dataclass(frozen=True)
class Actor:
    """A role with a key of its own; the key is the hash of the name, so runs repeat."""

    name: str

    @cached_property
    def _key(self) -> PrivateKey:
        return PrivateKey(keccak(b"hearth test actor " + self.name.encode()))

    @cached_property
    def address(self) -> str:
        return checksum(keccak(self._key.public_key.format(compressed=False)[1:])[12:])

    def sign(self, digest: bytes) -> bytes:
        """65 bytes r ‖ s ‖ v, low s, v 27 or 28."""
        raw = self._key.sign_recoverable(digest, hasher=None)
        return raw[:64] + bytes([raw[64] + 27])

    def sign_seat(self, digest: bytes) -> bytes:
        """64 bytes r ‖ s that recover with v = 27 (s flipped where it must be): the hub's form."""
        raw = self._key.sign_recoverable(digest, hasher=None)
        s = int.from_bytes(raw[32:64], "big")
        return raw[:32] + word(s if raw[64] == 0 else CURVE_ORDER - s)


OWNER = Actor("owner")
GUARDIAN = Actor("guardian")
BUILDERS = Actor("builders")
PROVIDER = Actor("provider")
OPERATOR = Actor("operator")
PAYOUT = Actor("payout")
OTHER_PROVIDER = Actor("other provider")
RENTER = Actor("renter")
OTHER_RENTER = Actor("other renter")
SETTLER = Actor("settler")
RELAYER = Actor("relayer")
STRANGER = Actor("stranger")


def seat(i: int, generation: int = 1) -> Actor:
    """Seat i of a committee."""
    return Actor(f"seat {i} of generation {generation}")


def node_key(i: int) -> Actor:
    return Actor(f"node {i}")


@dataclass(frozen=True)
class Domain:
    """EIP-712 domain of the suite: name "Hearth", version "1"."""

    chain_id: int
    contract: str

    @cached_property
    def separator(self) -> bytes:
        kind = keccak(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
        return keccak(words(kind, keccak(b"Hearth"), keccak(b"1"), self.chain_id, self.contract))

    def digest(self, struct: str, *fields: int | bytes | str) -> bytes:
        """Digest of a struct of 32-byte fields."""
        return keccak(b"\x19\x01" + self.separator + keccak(words(keccak(struct.encode()), *fields)))

"""Signing keys: encrypted keystore (Web3 Secret Storage, version 3) and the password's file.

A `Signer` signs digests and transactions; nothing returns or prints the secret. Signatures are 65 bytes r ‖ s ‖ v with
v = 27 or 28, low s (coincurve signs deterministically by RFC 6979).
"""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import rlp  # type: ignore[import-untyped]
from coincurve import PrivateKey, PublicKey

from keepers.chain.bounded_json import loads
from keepers.chain.private_files import read_secret
from keepers.protocol.errors import HearthError
from keepers.protocol.hashing import keccak

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
SCRYPT_N = 1 << 13  # cost of the key derivation: 8 MiB and about 30 ms; the password of a daemon is random and long


@dataclass(frozen=True, slots=True)
class TxFields:
    """An EIP-1559 transaction before signing. Fees in wei per gas, `to` an address."""

    chain_id: int
    nonce: int
    to: str
    data: bytes
    value: int
    gas: int
    max_fee: int
    priority_fee: int

    def _payload(self) -> list[Any]:
        return [
            self.chain_id,
            self.nonce,
            self.priority_fee,
            self.max_fee,
            self.gas,
            bytes.fromhex(self.to[2:]),
            self.value,
            self.data,
            [],
        ]

    def digest(self) -> bytes:
        """What is signed (EIP-2718 type 2)."""
        return keccak(b"\x02" + rlp.encode(self._payload()))

    def raw(self, signature: bytes) -> bytes:
        """The signed transaction; its hash is the keccak of these bytes."""
        r, s, v = signature[:32], signature[32:64], signature[64]
        signed = [*self._payload(), v - 27, int.from_bytes(r, "big"), int.from_bytes(s, "big")]
        return b"\x02" + bytes(rlp.encode(signed))


class Signer(Protocol):
    """Holder of one key, in this process or elsewhere."""

    @property
    def address(self) -> str:
        """The account, lower-case `0x…`."""
        ...

    def sign_digest(self, digest: bytes) -> bytes:
        """65 bytes r ‖ s ‖ v (27 or 28) over a 32-byte digest."""
        ...

    def sign_transaction(self, fields: TxFields) -> bytes:
        """The signed raw transaction."""
        ...


class LocalSigner:
    """A key in memory. `repr` and pickling give nothing away."""

    __slots__ = ("_address", "_key")

    def __init__(self, secret: bytes) -> None:
        if len(secret) != 32 or not 0 < int.from_bytes(secret, "big") < ORDER:
            raise HearthError(
                "H1102",
                "the key is no valid secp256k1 secret",
                next=("a secret is 32 bytes, 64 hex digits, above 0 and below the order of secp256k1",),
            )
        self._key = PrivateKey(secret)
        self._address = address_of(self._key.public_key)

    @property
    def address(self) -> str:
        """The account, lower-case `0x…`."""
        return self._address

    def sign_digest(self, digest: bytes) -> bytes:
        """65 bytes r ‖ s ‖ v (27 or 28). Raises ValueError unless the digest has 32 bytes."""
        if len(digest) != 32:
            raise ValueError(f"a digest has 32 bytes, not {len(digest)}")
        made = self._key.sign_recoverable(digest, hasher=None)
        return bytes(made[:64]) + bytes([27 + made[64]])

    def sign_transaction(self, fields: TxFields) -> bytes:
        """The signed raw transaction."""
        return fields.raw(self.sign_digest(fields.digest()))

    def __repr__(self) -> str:
        return f"LocalSigner({self._address})"

    def __reduce__(self) -> Any:
        raise TypeError("a signer cannot be pickled")


def address_of(key: PublicKey) -> str:
    """Account of a public key: the last 20 bytes of the keccak of its coordinates."""
    return "0x" + keccak(key.format(compressed=False)[1:])[12:].hex()


def new_signer() -> tuple[LocalSigner, bytes]:
    """A fresh key and its secret, for `write_keystore` only."""
    while True:
        secret = secrets.token_bytes(32)
        if 0 < int.from_bytes(secret, "big") < ORDER:
            return LocalSigner(secret), secret


def write_keystore(path: Path, secret: bytes, password: str) -> str:
    """Encrypt `secret` into a new file of mode 0600; returns the account. Refuses to overwrite (H1005)."""
    content = encrypt(secret, password)
    write_private(path, json.dumps(content, indent=2) + "\n")
    return "0x" + str(content["address"])


def encrypt(secret: bytes, password: str, cost: int = SCRYPT_N) -> dict[str, Any]:
    """`secret` as the content of a keystore of version 3; `cost` is scrypt's N, a power of two."""
    from eth_keyfile.keyfile import create_keyfile_json  # slow to import, and only here

    content = create_keyfile_json(secret, password, version=3, kdf="scrypt", iterations=cost)
    return {**content, "address": LocalSigner(secret).address[2:]}


def write_private(path: Path, text: str) -> None:
    """A new file that only we can read, complete on disk when this returns. Raises H1005 if it exists."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise HearthError(
            "H1005", f"{path} is already there and is never overwritten", next=("choose another name",)
        ) from None
    with os.fdopen(handle, "w", encoding="utf-8") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())


def keystore_address(path: Path) -> str:
    """Account that a keystore names, without opening it. Raises H1101, H1103."""
    named = str(read_keystore(path).get("address", "")).removeprefix("0x").lower()
    if not re.fullmatch(r"[0-9a-f]{40}", named):
        raise HearthError("H1101", f"{path} names no account", next=('add its "address": 40 hex digits',))
    return "0x" + named


def open_keystore(path: Path, password: str | None = None, password_file: Path | None = None) -> LocalSigner:
    """Decrypt a keystore.

    Raises H1101 (missing, no keystore or no password), H1102 (wrong password), H1103 (others can read it).
    """
    content = read_keystore(path)
    if password is None and password_file is not None:
        password = read_secret(password_file)
    if password is None:
        raise HearthError(
            "H1101",
            f"no password for {path}",
            why=("secrets are given as a file: password_file in the role's section, or HEARTH_…__PASSWORD_FILE",),
            next=("hearth check",),
        )
    return LocalSigner(decrypt(content, password, str(path)))


def decrypt(content: Mapping[str, Any], password: str, where: str) -> bytes:
    """The secret of a keystore's content, for a signer or for another keystore. `where` names it in errors.

    Raises H1101 (no keystore of version 3), H1102 (wrong password, or the key of another account than it names).
    """
    from eth_keyfile.keyfile import decode_keyfile_json

    try:
        secret = decode_keyfile_json(dict(content), password)
    except (ArithmeticError, AssertionError, AttributeError, LookupError, MemoryError, NotImplementedError, TypeError,
            ValueError) as error:  # fmt: skip
        if str(error) == "MAC mismatch":
            raise HearthError("H1102", f"the password does not open {where}", next=("hearth key test",)) from None
        why = f"its key derivation or cipher cannot be used ({type(error).__name__})"
        raise HearthError("H1101", f"{where} is no keystore of version 3", why=why) from None
    address = LocalSigner(bytes(secret)).address
    named = str(content.get("address", "")).removeprefix("0x").lower()
    if named and "0x" + named != address:
        next_ = "use the file of the account that you mean"
        raise HearthError("H1102", f"{where} names 0x{named} but holds the key of {address}", next=next_)
    return bytes(secret)


def read_keystore(path: Path) -> Mapping[str, Any]:
    """The content of a keystore, still encrypted. Raises H1101, H1103."""
    try:
        content = loads(read_secret(path))
    except ValueError:
        content = None
    if not isinstance(content, dict) or "crypto" not in content or content.get("version") != 3:
        raise HearthError("H1101", f"{path} is no keystore of version 3", next=("hearth key new", "hearth key import"))
    return content

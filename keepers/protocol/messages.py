"""Everything that is signed, and its EIP-712 digest, made from 32-byte words.

Domain: name "Hearth", version "1", chain id, the contract that checks the signature.
Field names and order are those of the type strings; a test compares every digest with eth_account.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property, lru_cache
from typing import ClassVar

from keepers.protocol.hashing import keccak, word
from keepers.protocol.units import M24

NAME = "Hearth"
VERSION = "1"
DOMAIN_TYPE = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
MAX_CLUSTER = 8  # nodes of one Take


@lru_cache(maxsize=64)
def _type_hash(type_string: str) -> bytes:
    return keccak(type_string.encode())


def address_word(address: str | bytes) -> bytes:
    """An address (0x… or 20 bytes) as 32 bytes. Raises ValueError for anything else."""
    raw = bytes.fromhex(address.removeprefix("0x")) if isinstance(address, str) else address
    if len(raw) != 20:
        raise ValueError(f"an address has 20 bytes, not {len(raw)}")
    return raw.rjust(32, b"\x00")


def address_text(address: int) -> str:
    """An address given as a number as lower-case 0x…."""
    return f"0x{address:040x}"


@dataclass(frozen=True)
class Domain:
    """Where a signature counts: the chain and the contract."""

    chain_id: int
    contract: str

    @cached_property
    def separator(self) -> bytes:
        """The EIP-712 domain separator, 32 bytes."""
        return keccak(
            _type_hash(DOMAIN_TYPE)
            + keccak(NAME.encode())
            + keccak(VERSION.encode())
            + word(self.chain_id)
            + address_word(self.contract)
        )

    def digest(self, struct_hash: bytes) -> bytes:
        """What is signed of a message: keccak(0x1901 ‖ domain separator ‖ struct hash)."""
        return keccak(b"\x19\x01" + self.separator + struct_hash)


class Message:
    """Base of the typed messages: subclasses are frozen dataclasses whose fields stand in the order of TYPE."""

    TYPE: ClassVar[str]

    def words(self) -> bytes:
        """The fields, 32 bytes each. Raises OverflowError or ValueError for a field that is no word."""
        out = bytearray()
        for (kind, name), f in zip(members(self.TYPE), fields(self), strict=True):  # type: ignore[arg-type]
            value = getattr(self, f.name)
            if kind == "address":
                out += address_word(value)
            elif kind == "bytes32":
                if len(value) != 32:
                    raise ValueError(f"{name} has {len(value)} bytes, not 32")
                out += value
            else:
                out += word(value)
        return bytes(out)

    def struct_hash(self) -> bytes:
        """hashStruct of the message. Raises as `words` does."""
        return self.hash_words(self.words())

    @classmethod
    def hash_words(cls, words: bytes) -> bytes:
        """hashStruct of a message given as its `words`."""
        return keccak(_type_hash(cls.TYPE) + words)

    def digest(self, domain: Domain) -> bytes:
        """What is signed: keccak(0x1901 ‖ domain separator ‖ struct hash)."""
        return domain.digest(self.struct_hash())


@lru_cache(maxsize=64)
def members(type_string: str) -> tuple[tuple[str, str], ...]:
    """(type, name) of each member of an EIP-712 type string."""
    inside = type_string[type_string.index("(") + 1 : -1]
    return tuple((m.split(" ")[0], m.split(" ")[1]) for m in inside.split(","))


@dataclass(frozen=True)
class Ask(Message):
    """A provider's standing offer, signed by its operator (LeaseMarket). Rates are wei of a USD a GPU-second."""

    TYPE: ClassVar[str] = (
        "Ask(uint256 provider,uint256 nodes,uint256 class_id,uint256 rate,uint256 min_duration,uint256 max_duration,"
        "uint256 sheet,uint256 expiry,uint256 generation,uint256 salt)"
    )
    provider: int
    nodes: int
    class_id: int
    rate: int
    min_duration: int
    max_duration: int
    sheet: int
    expiry: int
    generation: int
    salt: int


@dataclass(frozen=True)
class Take(Message):
    """A renter's acceptance of an ask (LeaseMarket); its digest + i is the id of the lease of node i."""

    TYPE: ClassVar[str] = (
        "Take(address renter,bytes32 ask,uint256 nodes,uint256 gpus,uint256 duration,uint256 prepaid,"
        "uint256 deadline,uint256 salt)"
    )
    renter: str
    ask: bytes
    nodes: int
    gpus: int
    duration: int
    prepaid: int
    deadline: int
    salt: int

    def lease_id(self, domain: Domain, i: int = 0) -> int:
        """Id of the lease of node i of the message: the digest as a number, plus i, in 256 bits."""
        return (int.from_bytes(self.digest(domain), "big") + i) % 2**256


@dataclass(frozen=True)
class RegisterNode(Message):
    """Consent of a node's key to stand in the registry (NodeRegistry) under a provider of this owner, who sends it.

    Fingerprints by `fingerprints_hash`.
    """

    TYPE: ClassVar[str] = (
        "RegisterNode(uint256 provider,address owner,uint256 class_id,uint256 region,bytes32 fingerprints,address key)"
    )
    provider: int
    owner: str
    class_id: int
    region: int
    fingerprints: bytes
    key: str


@dataclass(frozen=True)
class RotateKey(Message):
    """Consent of a node's new key (NodeRegistry)."""

    TYPE: ClassVar[str] = "RotateKey(uint256 node,address key)"
    node: int
    key: str


@dataclass(frozen=True)
class Report(Message):
    """An epoch report, signed by the seats of the committee (AttestationHub)."""

    TYPE: ClassVar[str] = (
        "Report(uint256 generation,uint256 epoch,bytes32 previous,bytes32 root,uint256 facts,bytes32 records)"
    )
    generation: int
    epoch: int
    previous: bytes
    root: bytes
    facts: int
    records: bytes


@dataclass(frozen=True)
class VoidReport(Message):
    """A report that epochs first … last had no observation (AttestationHub)."""

    TYPE: ClassVar[str] = "VoidReport(uint256 generation,uint256 first,uint256 last,bytes32 previous,uint256 view)"
    generation: int
    first: int
    last: int
    previous: bytes
    view: int


@dataclass(frozen=True)
class Heartbeat(Message):
    """A node's sign of life in one slot, signed by its key (domain of the AttestationHub)."""

    TYPE: ClassVar[str] = (
        "Heartbeat(uint256 node,uint256 epoch,uint256 slot,uint256 block_number,bytes32 block_hash,bytes32 telemetry)"
    )
    node: int
    epoch: int
    slot: int
    block_number: int
    block_hash: bytes
    telemetry: bytes


@dataclass(frozen=True)
class SignedObservation(Message):
    """A seat's observation of an epoch, signed by its key (domain of the AttestationHub); body = keccak of the body."""

    TYPE: ClassVar[str] = "Observation(uint256 generation,uint256 epoch,uint256 seat,bytes32 body,uint256 price)"
    generation: int
    epoch: int
    seat: int
    body: bytes
    price: int


@dataclass(frozen=True)
class ProposedSet(Message):
    """Which observations a leader's proposal names, signed by its key, so that nobody can pass it on with others: the
    digest alone does not say. No contract reads it. `last` as in a VoidReport, `report` the digest, `observations` =
    keccak of the set."""

    TYPE: ClassVar[str] = "ProposedSet(uint256 epoch,uint256 view,uint256 last,bytes32 report,bytes32 observations)"
    epoch: int
    view: int
    last: int
    report: bytes
    observations: bytes


@dataclass(frozen=True)
class Answer(Message):
    """A node's answer to the challenge of an epoch, signed by its key (domain of the ComputeChallenge).

    It names the seeds that it answers: after a reorg that drew others it is no lie. `root`: of the list of rounds.
    """

    TYPE: ClassVar[str] = "Answer(uint256 node,uint256 epoch,uint256 seed,uint256 seed_b,bytes32 root)"
    node: int
    epoch: int
    seed: int
    seed_b: int
    root: bytes


def fingerprints_hash(fingerprints: list[bytes]) -> bytes:
    """keccak of the concatenated 32-byte fingerprints, as RegisterNode holds it."""
    if any(len(f) != 32 for f in fingerprints):
        raise ValueError("a fingerprint has 32 bytes")
    return keccak(b"".join(fingerprints))


def pack_nodes(nodes: list[int]) -> int:
    """Node indices as index + 1 in 24 bits each, the first lowest; 0 for none.

    Raises ValueError for more than 8 nodes or an index that does not fit.
    """
    if len(nodes) > MAX_CLUSTER:
        raise ValueError(f"{len(nodes)} nodes; a message names at most {MAX_CLUSTER}")
    out = 0
    for i, node in enumerate(nodes):
        if not 0 <= node < M24:
            raise ValueError(f"node index {node} must be 0 … 2**24 - 2")
        out |= (node + 1) << (24 * i)
    return out


def unpack_nodes(packed: int) -> list[int]:
    """The indices of a packed word. Raises ValueError where a gap stands between them or more than 8 are named."""
    out: list[int] = []
    while packed:
        if packed & M24 == 0 or len(out) == MAX_CLUSTER:
            raise ValueError("packed nodes have a gap, or are more than 8")
        out.append((packed & M24) - 1)
        packed >>= 24
    return out


def beat_offset(seed: bytes, half_slot: int) -> int:
    """Second of a slot's first half, 0 … half_slot - 1, drawn from 32 bytes (keccak of the key and the slot)."""
    return int.from_bytes(seed[:8], "big") % max(1, half_slot)

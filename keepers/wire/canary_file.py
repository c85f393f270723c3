"""A canary that is opened, as JSON: what a node had committed to, and the seats that say it passed.

{"schema": "hearth.canary/1", "chain_id": 1, "hub": "0x…", "challenge": "0x…", "node": 3, "epoch": 9, "how": "spoilt",
 "salt": "0x…", "telemetry": "{…}", "beat": "0x…", "observations": ["base64 of a signed observation with its body", …]}

Whoever checks it needs the chain alone: the beat is signed by the node's key of that epoch, its telemetry hash is that
of the text, the text holds the commitment, and each observation is signed by a seat of the committee. When the beat
was made no signature says: seats that took it in its slot know.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from keepers.chain.bounded_json import loads
from keepers.chain.contracts import NodeRegistry
from keepers.chain.ports import BlockRef, Reader
from keepers.protocol import canary
from keepers.protocol.errors import HearthError
from keepers.protocol.hashing import keccak
from keepers.protocol.merge import PASSED
from keepers.protocol.messages import Domain, Heartbeat, SignedObservation
from keepers.wire.codec import BEAT_BYTES, Beat, ObsBody, encode, pack_beats, unpack_beats
from keepers.wire.committee import Committee, Committees
from keepers.wire.routing import Refused
from keepers.wire.signatures import BadSignature, recover

SCHEMA = "hearth.canary/1"
MAX_SEATS = 31
_OBSERVATION = msgspec.json.Decoder(ObsBody)


@dataclass(frozen=True)
class Canary:
    """A canary and its evidence. `telemetry`: the bytes whose keccak the beat names."""

    node: int
    epoch: int
    how: str
    salt: bytes
    telemetry: bytes
    beat: Beat
    observations: tuple[ObsBody, ...] = ()

    def commitment(self, challenge: Domain) -> bytes:
        """What the node announced."""
        return canary.commitment(challenge, self.node, self.epoch, self.how, self.salt)


@dataclass(frozen=True)
class Accused:
    """A seat that says that the node passed."""

    seat: int
    account: str


def says_passed(observation: ObsBody, node: int) -> bool:
    """Whether an observation says that a node passed; its body must be the one that was signed."""
    bits = observation.body[2 * node : 2 * node + 2]
    whole = len(observation.body) >= 2 * node + 6  # the clock offset ends it
    return whole and bool(int.from_bytes(bits, "big") & PASSED)


def signed_by(observation: ObsBody, committee: Committee, hub: Domain) -> str:
    """The account that signed an observation with this body, "" where it is not that of its seat in the committee."""
    signed = observation.signed
    if signed.generation != committee.generation or signed.seat >= committee.n:
        return ""
    if keccak(observation.body) != signed.body:
        return ""
    message = SignedObservation(signed.generation, signed.epoch, signed.seat, signed.body, signed.price)
    try:
        signer = recover(message.digest(hub), signed.signature)
    except BadSignature:
        return ""
    return signer if signer == committee.endpoints[signed.seat].address else ""


def document(found: Canary, hub: Domain, challenge: Domain) -> dict[str, Any]:
    """A canary as JSON data."""
    return {
        "schema": SCHEMA,
        "chain_id": hub.chain_id,
        "hub": hub.contract.lower(),
        "challenge": challenge.contract.lower(),
        "node": found.node,
        "epoch": found.epoch,
        "how": found.how,
        "salt": "0x" + found.salt.hex(),
        "telemetry": found.telemetry.decode(),
        "beat": "0x" + pack_beats([found.beat]).hex(),
        "observations": [base64.b64encode(encode(one)).decode() for one in found.observations],
    }


def read(text: bytes | str, hub: Domain, challenge: Domain) -> Canary:
    """Reads a document of this network. Raises H1006 with what is wrong."""
    try:
        raw = loads(text)
        if not isinstance(raw, Mapping) or raw["schema"] != SCHEMA:
            raise ValueError(f"it has no schema {SCHEMA!r}")
        network = raw["chain_id"], str(raw["hub"]).lower(), str(raw["challenge"]).lower()
        if network != (hub.chain_id, hub.contract.lower(), challenge.contract.lower()):
            raise ValueError("it is of another network")
        if not isinstance(raw["observations"], list) or len(raw["observations"]) > MAX_SEATS:
            raise ValueError(f"observations is no list of at most {MAX_SEATS}")
        salt = str(raw["salt"])
        found = Canary(
            _number(raw["node"], 24), _number(raw["epoch"], 32), str(raw["how"]), bytes.fromhex(salt[2:]),
            str(raw["telemetry"]).encode(), _beat(raw["beat"]),
            tuple(_OBSERVATION.decode(base64.b64decode(one, validate=True)) for one in raw["observations"]),
        )  # fmt: skip
        found.commitment(challenge)  # `how` and salt are such
    except (KeyError, TypeError, ValueError, binascii.Error, msgspec.MsgspecError) as error:
        why = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)[:200]
        raise HearthError("H1006", f"this is no {SCHEMA} of this network", why=(why,)) from None
    return found


def check(
    found: Canary, reader: Reader, committees: Committees, hub: Domain, challenge: Domain, at: BlockRef
) -> tuple[Accused, ...]:
    """The seats that a canary proves to have passed a node that had announced to fail. Raises H1006 where it proves
    nothing, with the reason."""
    key = str(NodeRegistry(reader).key_of(found.node, found.epoch, at=at)).lower()
    why = announced(found, key, hub, challenge)
    committee = committees.of_epoch(found.epoch)
    if committee is None:
        why = why or f"no committee is in force in epoch {found.epoch}"
    if why:
        raise HearthError("H1006", "this canary proves nothing", why=(why,))
    assert committee is not None
    accused: dict[int, Accused] = {}
    for one in found.observations:
        account = signed_by(one, committee, hub)
        if account and one.signed.epoch == found.epoch and says_passed(one, found.node):
            accused[one.signed.seat] = Accused(one.signed.seat, account)
    if not accused:
        raise HearthError("H1006", "this canary proves nothing", why=("no seat says in it that the node passed",))
    return tuple(accused[seat] for seat in sorted(accused))


def announced(found: Canary, key: str, hub: Domain, challenge: Domain) -> str:
    """Why the beat does not announce the canary, "" where it does. `key`: the node's in that epoch."""
    beat = found.beat
    if (beat.node, beat.epoch) != (found.node, found.epoch):
        return "the beat is of another node or epoch"
    message = Heartbeat(beat.node, beat.epoch, beat.slot, beat.number, beat.block, beat.telemetry)
    try:
        signer = recover(message.digest(hub), beat.signature)
    except BadSignature:
        signer = ""
    if signer != key:
        return f"the beat is not signed by the node's key of epoch {found.epoch}"
    if keccak(found.telemetry) != beat.telemetry:
        return "the telemetry is not the one of the beat"
    if _announces(found.telemetry) != "0x" + found.commitment(challenge).hex():
        return "the telemetry announces something else"
    return ""


def _announces(telemetry: bytes) -> str:
    try:
        said = loads(telemetry)
    except ValueError:
        return ""
    return str(said.get("canary", "")) if isinstance(said, Mapping) else ""


def _beat(value: Any) -> Beat:
    if not isinstance(value, str) or not value.startswith("0x") or len(value) != 2 + 2 * BEAT_BYTES:
        raise ValueError(f"a beat is 0x… of {BEAT_BYTES} bytes")
    try:
        return unpack_beats(bytes.fromhex(value[2:]))[0]
    except Refused as error:
        raise ValueError(str(error)) from None


def _number(value: Any, bits: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << bits:
        raise ValueError(f"{str(value)[:60]!r} is no number of {bits} bits")
    return value


def encode_observations(observations: Sequence[ObsBody]) -> bytes:
    """Observations as they are stored."""
    return json.dumps([base64.b64encode(encode(one)).decode() for one in observations]).encode()


def decode_observations(data: bytes) -> tuple[ObsBody, ...]:
    """Reads them."""
    return tuple(_OBSERVATION.decode(base64.b64decode(one)) for one in json.loads(data))


__all__ = [
    "SCHEMA", "Accused", "Canary", "announced", "check", "decode_observations", "document", "encode_observations",
    "read", "says_passed", "signed_by",
]  # fmt: skip

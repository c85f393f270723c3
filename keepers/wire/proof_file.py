"""The proof that an answer to the compute challenge is false, as JSON.

{"schema": "hearth.refutation/1", "chain_id": 1, "challenge": "0x…", "node": 3, "epoch": 9, "seed": 5, "seed_b": 4,
 "root": "0x…", "sig": "0x…", "gpu": 0, "round": 1, "row": 7, "col": 300, "chunk": "0x…", "path": ["0x…"],
 "previous": "0x…", "list_path": ["0x…"]}
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from keepers.chain.bounded_json import loads
from keepers.protocol import challenge
from keepers.protocol.challenge import Place, Refutation
from keepers.protocol.errors import HearthError
from keepers.protocol.messages import Domain
from keepers.wire.codec import SignedAnswer
from keepers.wire.refuting import MAX_LIST_PATH, Proof

SCHEMA = "hearth.refutation/1"
_NUMBERS = {"node": 24, "epoch": 32, "seed": 56, "seed_b": 56, "gpu": 16, "round": 32, "row": 32, "col": 32}


def proof_data(proof: Proof, domain: Domain) -> dict[str, Any]:
    """A proof as JSON data."""
    a, s = proof.answer, proof.shown
    return {
        "schema": SCHEMA, "chain_id": domain.chain_id, "challenge": domain.contract.lower(), "node": a.node,
        "epoch": a.epoch, "seed": a.seed, "seed_b": a.seed_b, "root": _hex(a.root), "sig": _hex(a.signature),
        "gpu": s.place.gpu, "round": s.place.round, "row": s.place.row, "col": s.col, "chunk": _hex(s.chunk),
        "path": [_hex(x) for x in s.path], "previous": _hex(s.previous), "list_path": [_hex(x) for x in s.list_path],
    }  # fmt: skip


def encode_proof(proof: Proof, domain: Domain) -> bytes:
    """A proof as it is stored."""
    return json.dumps(proof_data(proof, domain)).encode()


def decode_proof(text: bytes | str, domain: Domain) -> Proof:
    """Reads one, of this network. Raises H1006 with what is wrong; members that it does not know are passed over."""
    try:
        raw = loads(text)
        if not isinstance(raw, Mapping) or raw["schema"] != SCHEMA:
            raise ValueError(f"it has no schema {SCHEMA!r}")
        if (raw["chain_id"], str(raw["challenge"]).lower()) != (domain.chain_id, domain.contract.lower()):
            raise ValueError("it is of another network")
        numbers = {name: _number(raw[name], bits) for name, bits in _NUMBERS.items()}
        answer = SignedAnswer(
            numbers["node"], numbers["epoch"], numbers["seed"], numbers["seed_b"], _bytes(raw["root"], 32),
            _bytes(raw["sig"], 65),
        )  # fmt: skip
        shown = Refutation(
            Place(numbers["gpu"], numbers["round"], numbers["row"]), numbers["col"],
            _bytes(raw["chunk"], challenge.CHUNK_BYTES), _list(raw["path"]), _bytes(raw["previous"], 32),
            _list(raw["list_path"]),
        )  # fmt: skip
    except (KeyError, TypeError, ValueError) as error:
        why = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)[:200]
        raise HearthError("H1006", f"this is no {SCHEMA} of this network", why=(why,)) from None
    return Proof(answer, shown)


def _hex(data: bytes) -> str:
    return "0x" + data.hex()


def _number(value: Any, bits: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << bits:
        raise ValueError(f"{str(value)[:60]!r} is no number of {bits} bits")
    return value


def _bytes(value: Any, length: int) -> bytes:
    if not isinstance(value, str) or not value.startswith("0x") or len(value) != 2 + 2 * length:
        raise ValueError(f"{str(value)[:40]!r} is no 0x… text of {length} bytes")
    return bytes.fromhex(value[2:])


def _list(value: Any) -> tuple[bytes, ...]:
    if not isinstance(value, list) or len(value) > MAX_LIST_PATH:
        raise ValueError(f"a path is a list of at most {MAX_LIST_PATH} hashes")
    return tuple(_bytes(x, 32) for x in value)

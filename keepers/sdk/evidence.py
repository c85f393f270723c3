"""Two things that a seat signed where it may sign one, as a file: the evidence of an equivocation.

{"schema": "hearth.equivocation/1", "chain_id": 1, "hub": "0x…", "seat": 2, "statements": [
  {"kind": "observation", "generation": 1, "epoch": 9, "seat": 2, "body": "0x…", "price": "5", "signature": "0x…"}, …]}

kind: observation, report (generation, epoch, previous, root, facts, records) or void (generation, first, last,
previous, view): the members of their EIP-712 types. Numbers are JSON numbers or decimal text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from keepers.chain.bounded_json import loads
from keepers.protocol.errors import HearthError
from keepers.protocol.messages import Domain
from keepers.protocol.statements import OBSERVATION, REPORT, TYPES, VOID, Statement, commitment

SCHEMA = "hearth.equivocation/1"
KINDS = {"observation": OBSERVATION, "report": REPORT, "void": VOID}
MAX_BYTES = 65_536


@dataclass(frozen=True)
class Evidence:
    """Both statements of a seat."""

    chain_id: int
    hub: str
    seat: int
    first: Statement
    second: Statement

    @property
    def generation(self) -> int:
        """Of the committee whose seat signed."""
        return self.first.generation

    @property
    def epoch(self) -> int:
        """The epoch of which both speak."""
        return self.first.epoch

    def digests(self) -> tuple[bytes, bytes]:
        """What was signed."""
        domain = Domain(self.chain_id, self.hub)
        return self.first.digest(domain), self.second.digest(domain)

    def commitment(self, finder: str) -> bytes:
        """What `AttesterCommittee.commit` is given before the proof."""
        return commitment(int(finder, 16), *self.digests())


def read(text: bytes | str) -> Evidence:
    """Evidence from its JSON. Raises H1006 with what is wrong."""
    try:
        raw = _object(loads(text), "the file")
        if raw["schema"] != SCHEMA:
            raise ValueError(f"its schema is {str(raw['schema'])[:60]!r}, not {SCHEMA!r}")
        rows = raw["statements"]
        if not isinstance(rows, list) or len(rows) != 2:
            raise ValueError("statements is no list of two")
        first, second = (_signed(_object(row, "a statement")) for row in rows)
        found = Evidence(_number(raw["chain_id"]), str(raw["hub"]).lower(), _number(raw["seat"]), first, second)
        digests = found.digests()
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        why = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)[:200]
        raise HearthError("H1006", f"this is no {SCHEMA}", why=(why,), next=("docs/operators/attester.md",)) from None
    if first.place != second.place:
        raise HearthError(
            "H1006", "a seat may sign both: they are of two places", why=(f"{first.place}, {second.place}",)
        )
    if digests[0] == digests[1]:
        raise HearthError("H1006", "both statements say the same")
    return found


def _object(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{what} is no JSON object")
    return value


def _signed(row: Mapping[str, Any]) -> Statement:
    kind = str(row["kind"])
    if kind not in KINDS:
        raise ValueError(f"a statement is one of {', '.join(KINDS)}, not {kind[:60]!r}")
    type_: Any = TYPES[KINDS[kind]]
    values = {f.name: _bytes(row[f.name]) if f.type == "bytes" else _number(row[f.name]) for f in fields(type_)}
    signature = _bytes(row["signature"])
    if len(signature) not in (64, 65):
        raise ValueError(f"a signature has 64 or 65 bytes, not {len(signature)}")
    return Statement.of(type_(**values), signature)


def _number(value: Any) -> int:
    text = str(value)
    if isinstance(value, bool) or not (text.isascii() and text.isdecimal() and len(text) < 80):
        raise ValueError(f"{text[:60]!r} is no whole number")
    return int(text)


def _bytes(value: Any) -> bytes:
    if not isinstance(value, str) or not value.startswith("0x"):
        raise ValueError(f"{str(value)[:60]!r} is no 0x… text")
    return bytes.fromhex(value[2:])

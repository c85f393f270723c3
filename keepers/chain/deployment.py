"""The deployment record: the only source of addresses, lengths and parameters (written by the deploy script).

A record is found by name among those shipped in `keepers/deployments`, by path, or passed as JSON text.
"""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from keepers.chain.bounded_json import loads
from keepers.chain.codec import CONTRACTS, Codec
from keepers.chain.heads import Finality
from keepers.protocol.epochs import Calendar
from keepers.protocol.errors import HearthError

SCHEMA = "hearth.deployment/1"
NETWORK_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")  # it names files and folders
RECORD_LIMIT = 1 << 20  # bytes; a record is a few kB, anything larger is a mistake or an attack


def _hex(length: int) -> Any:
    def check(text: str) -> str:
        if len(text) != 2 + 2 * length or not text.startswith("0x"):
            raise ValueError(f"must be 0x and {2 * length} hex digits")
        try:
            bytes.fromhex(text[2:])
        except ValueError:
            raise ValueError(f"must be 0x and {2 * length} hex digits") from None
        return text.lower()

    return AfterValidator(check)


def _network_name(text: str) -> str:
    if not NETWORK_NAME.fullmatch(text):
        raise ValueError("must be 1 to 64 letters, digits, - _ . and begin with a letter or digit")
    return text


Address = Annotated[str, _hex(20)]
Hash = Annotated[str, _hex(32)]
Block = Annotated[int, Field(ge=0, lt=2**63)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class FinalityRecord(_Part):
    """Which blocks money may rest on."""

    kind: Literal["depth", "tag"]
    value: int | str


class CalendarRecord(_Part):
    """Seconds of GENESIS and SLOT, and epochs a period."""

    genesis: int = Field(ge=0, lt=2**40)
    slot: int = Field(gt=0)
    epochs_per_period: int = Field(gt=0)


class ContractRecord(_Part):
    """Where a contract stands and what code it must have. Hashes are keccak-256 of init code and runtime code."""

    address: Address
    args: list[Any] = Field(default_factory=list)
    tx: Hash | None = None
    block: Block = 0
    init_code_hash: Hash | None = None
    runtime_hash: Hash | None = None


class Allowances(_Part):
    """Clock allowances of observing and signing, in seconds (protocol.md §7, §8); a local network scales them down.

    `early`, `late` around a slot for a beat's arrival, `head` for the age of its block; after an epoch's end:
    `freeze` observations, `bodies` may be sent, `cutoff` of forwarding, then views of `view` seconds each. `openings`
    from the places that a seat names in an answer to the rows that open them.
    """

    early: float = 5
    late: float = 30
    head: float = 60
    freeze: float = 30
    bodies: float = 45
    cutoff: float = 75
    view: float = 60
    openings: float = 60

    @model_validator(mode="after")
    def _ordered(self) -> Allowances:
        least = min(self.early, self.late, self.head, self.view, self.openings)
        if not 0 < self.freeze <= self.bodies <= self.cutoff or least <= 0:
            raise ValueError("needs 0 < freeze <= bodies <= cutoff, and early, late, head, view, openings above 0")
        return self


class AttesterRecord(_Part):
    """A seat's endpoint, for bootstrap only: the chain's own list is the truth."""

    seat: int = Field(ge=0, lt=31)
    address: Address
    url: str = ""


class Deployment(_Part):
    """One network. Unknown keys are refused, so that a record of a newer tool is never half understood."""

    schema_: Literal["hearth.deployment/1"] = Field(default="hearth.deployment/1", alias="schema")
    suite_version: str
    network: Annotated[str, AfterValidator(_network_name)]
    chain_id: int = Field(gt=0, lt=2**63)
    local: bool = False
    genesis_block_hash: Hash
    first_block: Block
    finality: FinalityRecord
    calendar: CalendarRecord
    parameters: dict[str, Any] = Field(default_factory=dict)
    contracts: dict[str, ContractRecord]
    allowances: Allowances = Field(default_factory=Allowances)
    attesters: list[AttesterRecord] = Field(default_factory=list)
    boards: list[str] = Field(default_factory=list)
    compiler: Any = None
    source_commit: str = ""
    profile: str = ""

    @model_validator(mode="after")
    def _whole(self) -> Deployment:
        missing = [name for name in CONTRACTS if name not in self.contracts]
        if missing:
            raise ValueError(f"contracts: {', '.join(missing)} missing")
        if len({c.address for c in self.contracts.values()}) != len(self.contracts):
            raise ValueError("contracts: two of them have the same address")
        if self.finality.kind == "depth" and not self.local and self.finality.value == 0:
            raise ValueError("finality: depth 0 is for local networks only")
        self.clock()
        try:
            self.policy()
        except HearthError as error:
            raise ValueError(error.message) from None
        return self

    def clock(self) -> Calendar:
        """Epochs, slots and periods of this network."""
        c = self.calendar
        return Calendar(c.genesis, c.slot, c.epochs_per_period)

    def codec(self) -> Codec:
        """Encoder of calls and decoder of logs at this network's addresses."""
        return Codec({name: record.address for name, record in self.contracts.items()})

    def policy(self) -> Finality:
        """The finality policy."""
        return Finality(self.finality.kind, self.finality.value)

    def address(self, contract: str) -> str:
        """Address of a contract."""
        return self.contracts[contract].address

    def dump(self) -> str:
        """The record as JSON text, keys in the order of this model."""
        return self.model_dump_json(by_alias=True, indent=2) + "\n"


def parse_record(text: str, origin: str = "record") -> Deployment:
    """A record from JSON text. Raises H1004 that names the wrong key and where the text came from."""
    try:
        raw = loads(text)
    except ValueError as error:
        raise HearthError("H1004", f"{origin} is no JSON: {error}", next=("hearth network list",)) from error
    if not isinstance(raw, dict) or raw.get("schema") != SCHEMA:
        found = raw.get("schema") if isinstance(raw, dict) else type(raw).__name__
        raise HearthError(
            "H1004",
            f"{origin} has schema {found!r}; this version reads {SCHEMA!r}",
            next=("hearth version", "use the record of this version"),
        )
    try:
        return Deployment.model_validate(raw)
    except ValidationError as error:
        why = tuple(
            f"{'.'.join(str(x) for x in e['loc']) or 'record'}: {e['msg'].removeprefix('Value error, ')}"
            for e in error.errors()[:8]
        )
        raise HearthError("H1004", f"{origin} is not a deployment record", why=why) from error


def shipped() -> list[str]:
    """Names of the records that come with the package."""
    folder = resources.files("keepers") / "deployments"
    if not folder.is_dir():
        return []
    return sorted(entry.name[:-5] for entry in folder.iterdir() if entry.name.endswith(".json"))


def load_record(name: str | Path) -> Deployment:
    """A record by path (anything with a slash or `.json`) or by shipped name. Raises H1004."""
    text = str(name)
    if "/" in text or text.endswith(".json"):
        path = Path(text)
        try:
            path = path.expanduser()
            if path.stat().st_size > RECORD_LIMIT:
                raise HearthError("H1004", f"{path} is larger than {RECORD_LIMIT} bytes, so it is no record")
            return parse_record(path.read_text(encoding="utf-8"), str(path))
        except (OSError, RuntimeError, ValueError) as error:  # ValueError: no UTF-8, or what no path can hold
            why = getattr(error, "strerror", None) or str(error)
            raise HearthError("H1004", f"no deployment record can be read at {path}", why, "check that path") from error
    known = shipped()
    if text not in known:
        raise HearthError(
            "H1004",
            f"no network is named {text!r}",
            why=(
                f"shipped with this release: {', '.join(known) or 'none'}; added here: see hearth network list",
                "a path has a slash in it or ends with .json",
            ),
            next=("hearth network list", "hearth --manifest FILE …"),
        )
    return parse_record((resources.files("keepers") / "deployments" / f"{text}.json").read_text(), text)

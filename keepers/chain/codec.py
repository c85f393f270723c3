"""ABI encoding of calls, decoding of results and logs, from the committed JSON of `keepers/chain/abi`.

Words are coded by eth-abi, selectors and topics made by eth-utils: the codecs under web3.py, without web3's import.
No compiler is needed at run time. Selectors and topics are computed once a contract and cached by the loader.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, cast

from eth_abi.abi import decode as abi_decode
from eth_abi.abi import encode as abi_encode
from eth_abi.exceptions import DecodingError, EncodingError
from eth_utils.abi import collapse_if_tuple, event_abi_to_log_topic, function_abi_to_4byte_selector

from keepers.chain.ports import Call, Event
from keepers.protocol.errors import HearthError

if TYPE_CHECKING:
    from eth_typing import ABIEvent, ABIFunction

CONTRACTS = (
    "ComputeToken",
    "StakingPool",
    "NodeRegistry",
    "AttestationHub",
    "NodeStanding",
    "LeaseEscrow",
    "LeaseMarket",
    "BurnMintEngine",
    "ReportRefuter",
    "AttesterCommittee",
    "ComputeChallenge",
)


def type_of(entry: Mapping[str, Any]) -> str:
    """Canonical ABI type of an input or output; tuples are spelled out, for selectors and for `eth_abi`."""
    return str(collapse_if_tuple(dict(entry)))


@dataclass(frozen=True, slots=True)
class Function:
    """One function of an ABI: selector of 4 bytes, types in and out."""

    name: str
    selector: bytes
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    view: bool


@dataclass(frozen=True, slots=True)
class EventType:
    """One event of an ABI: topic of 32 bytes, fields in order as (name, type, indexed)."""

    name: str
    topic: bytes
    fields: tuple[tuple[str, str, bool], ...]


class ContractAbi:
    """ABI of one contract. Names are unique in this suite (Vyper has no overloading but for default arguments)."""

    def __init__(self, name: str, entries: Sequence[Mapping[str, Any]]) -> None:
        self.name = name
        self.functions: dict[str, Function] = {}
        self.events: dict[str, EventType] = {}
        self.by_topic: dict[bytes, EventType] = {}
        for entry in entries:
            if entry["type"] == "function":
                self._add_function(entry)
            elif entry["type"] == "event":
                self._add_event(entry)

    def _add_function(self, entry: Mapping[str, Any]) -> None:
        name = str(entry["name"])
        inputs = tuple(type_of(x) for x in entry["inputs"])
        outputs = tuple(type_of(x) for x in entry["outputs"])
        selector = bytes(function_abi_to_4byte_selector(cast("ABIFunction", entry)))
        view = entry["stateMutability"] in ("view", "pure")
        known = self.functions.get(name)
        if known is None or len(known.inputs) < len(inputs):  # the fullest form, where there are defaults
            self.functions[name] = Function(name, selector, inputs, outputs, view)

    def _add_event(self, entry: Mapping[str, Any]) -> None:
        name = str(entry["name"])
        fields = tuple((str(x["name"]), type_of(x), bool(x["indexed"])) for x in entry["inputs"])
        topic = bytes(event_abi_to_log_topic(cast("ABIEvent", entry)))
        self.events[name] = self.by_topic[topic] = EventType(name, topic, fields)

    def encode(self, function: str, args: Sequence[Any]) -> bytes:
        """Calldata of a call. Raises H1005 for a value of another type, H9001 for a call that is not there."""
        found = self.functions.get(function)
        if found is None:
            raise HearthError("H9001", f"{self.name} has no function {function}")
        if len(args) != len(found.inputs):
            raise HearthError("H9001", f"{self.name}.{function} takes {len(found.inputs)} arguments, got {len(args)}")
        try:
            return found.selector + abi_encode(found.inputs, tuple(args))
        except (EncodingError, TypeError, ValueError) as error:
            types = f"{function}({', '.join(found.inputs)})"
            raise HearthError(
                "H1005", f"{self.name}.{function}: argument does not fit its type: {error}", why=types
            ) from error

    def decode(self, function: str, data: bytes) -> Any:
        """Result of a view: one value, a tuple of several, or None. Raises H2003 where the answer is malformed."""
        found = self.functions[function]
        if not found.outputs:
            return None
        try:
            values = abi_decode(found.outputs, data)
        except (DecodingError, ValueError) as error:
            raise HearthError(
                "H2003",
                f"{self.name}.{function} answered {len(data)} bytes that are no {', '.join(found.outputs)}",
                why=(str(error),),
                next=("check that the deployment record belongs to this chain: hearth check",),
            ) from error
        return values[0] if len(values) == 1 else values

    def decode_log(self, topics: Sequence[bytes], data: bytes) -> tuple[str, dict[str, Any]] | None:
        """Name and arguments of a log; None if its topic is not of this contract."""
        kind = self.by_topic.get(topics[0]) if topics else None
        if kind is None:
            return None
        rest = [(n, t) for n, t, indexed in kind.fields if not indexed]
        try:
            values = dict(zip((n for n, _ in rest), abi_decode([t for _, t in rest], data), strict=True))
            for (name, type_, _), topic in zip((f for f in kind.fields if f[2]), topics[1:], strict=True):
                values[name] = abi_decode([type_], topic)[0]
        except (DecodingError, ValueError) as error:
            raise HearthError("H2003", f"a {self.name}.{kind.name} log cannot be read", why=(str(error),)) from error
        return kind.name, {name: values[name] for name, _, _ in kind.fields}


@cache
def load_abi(contract: str) -> ContractAbi:
    """ABI of one of `CONTRACTS`, from the committed snapshot."""
    if contract not in CONTRACTS:
        raise HearthError("H9001", f"no contract is named {contract}")
    text = (resources.files("keepers.chain") / "abi" / f"{contract}.json").read_text()
    return ContractAbi(contract, json.loads(text))


class Codec:
    """Calls and logs of one deployment: names to addresses and back.

    `addresses` maps a contract's name to its `0x…` address.
    """

    def __init__(self, addresses: Mapping[str, str]) -> None:
        self.addresses = {name: address.lower() for name, address in addresses.items()}
        self.names = {address: name for name, address in self.addresses.items()}

    def address(self, contract: str) -> str:
        """Address of a contract. Raises H1004 where the record lacks it."""
        try:
            return self.addresses[contract]
        except KeyError:
            raise HearthError("H1004", f"the deployment record names no {contract}") from None

    def encode(self, call: Call) -> tuple[str, bytes]:
        """(to, calldata) of a call."""
        return self.address(call.contract), load_abi(call.contract).encode(call.function, call.args)

    def decode(self, call: Call, data: bytes) -> Any:
        """Result of a call."""
        return load_abi(call.contract).decode(call.function, data)

    def topics(self, contract: str, names: Sequence[str]) -> list[bytes]:
        """First topics of the named events (all where `names` is empty)."""
        abi = load_abi(contract)
        missing = [name for name in names if name not in abi.events]
        if missing:
            raise HearthError("H9001", f"{contract} has no event {missing[0]}")
        return [abi.events[name].topic for name in (names or abi.events)]

    def event(
        self,
        address: str,
        topics: Sequence[bytes],
        data: bytes,
        *,
        block_number: int,
        block_hash: bytes,
        index: int,
        tx_hash: bytes = b"",
        timestamp: int = 0,
    ) -> Event | None:
        """A raw log as an `Event`; None for a log that is not of this deployment or not in the ABI."""
        contract = self.names.get(address.lower())
        found = load_abi(contract).decode_log(topics, data) if contract in CONTRACTS else None
        if contract is None or found is None:
            return None
        return Event(contract, found[0], found[1], block_number, block_hash, index, tx_hash, timestamp)

    def describe(self, to: str, data: bytes) -> Call | None:
        """The call behind (to, calldata), for people; None if it is not one of ours."""
        contract = self.names.get(to.lower())
        if contract not in CONTRACTS or len(data) < 4:
            return None
        for function in load_abi(contract).functions.values():
            if function.selector == data[:4]:
                try:
                    return Call(contract, function.name, tuple(abi_decode(function.inputs, data[4:])))
                except (DecodingError, ValueError):
                    return None
        return None

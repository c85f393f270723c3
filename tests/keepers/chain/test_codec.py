"""Calls and logs over the committed ABI, and the typed wrappers beside it."""

from __future__ import annotations

import inspect

import pytest
from eth_abi.abi import encode

from keepers.chain import contracts
from keepers.chain.codec import CONTRACTS, Codec, load_abi, type_of
from keepers.chain.contracts import Contract, Suite
from keepers.chain.ports import BlockRef, Call
from keepers.protocol.errors import HearthError
from keepers.protocol.hashing import keccak

TOKEN = "0x" + "11" * 20
HUB = "0x" + "22" * 20
CODEC = Codec({"ComputeToken": TOKEN, "AttestationHub": HUB})
AT = BlockRef(5, b"\x01" * 32, 100)
# What only deploy tools and checks use; `Contract.constant` reads those without arguments, and all immutables.
TOOLS = {"owner", "pending_owner", "transfer_ownership", "accept_ownership", "eip712Domain", "set_grant", "grant_of"}


class Spy:
    """A reader that records what is asked."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    def read(self, call: Call, at: BlockRef) -> int:
        assert at == AT
        self.calls.append(call)
        return 7


def test_encode__transfer__selector_and_words() -> None:
    to, data = CODEC.encode(Call("ComputeToken", "transfer", (HUB, 5)))
    assert to == TOKEN
    assert data == bytes.fromhex("a9059cbb") + encode(["address", "uint256"], [HUB, 5])
    assert CODEC.describe(to, data) == Call("ComputeToken", "transfer", (HUB, 5))
    assert CODEC.describe("0x" + "99" * 20, data) is None


@pytest.mark.parametrize(
    ("call", "words", "code"),
    [
        (Call("ComputeToken", "fly", ()), "has no function", "H9001"),
        (Call("ComputeToken", "burn", (1, 2)), "takes 1 arguments", "H9001"),
        (Call("ComputeToken", "burn", (-1,)), "does not fit its type", "H1005"),
        (Call("ComputeToken", "burn", (2**256,)), "does not fit its type", "H1005"),
        (Call("ComputeToken", "transfer", ("0x12", 1)), "does not fit its type", "H1005"),
    ],
)
def test_encode__call_or_argument_that_cannot_be__named(call: Call, words: str, code: str) -> None:
    with pytest.raises(HearthError, match=words) as caught:
        CODEC.encode(call)
    assert caught.value.code == code


def test_address__contract_not_in_the_record__named() -> None:
    with pytest.raises(HearthError, match="names no LeaseEscrow") as caught:
        CODEC.address("LeaseEscrow")
    assert caught.value.code == "H1004"


def test_decode__several_outputs_and_malformed() -> None:
    data = encode(["bytes32", "uint256"], [b"\x05" * 32, 9])
    assert CODEC.decode(Call("AttestationHub", "usable", (3,)), data) == (b"\x05" * 32, 9)
    with pytest.raises(HearthError, match="answered 3 bytes") as caught:
        CODEC.decode(Call("AttestationHub", "usable", (3,)), b"abc")
    assert caught.value.code == "H2003"


def test_event__report__every_field() -> None:
    abi = load_abi("AttestationHub").events["Report"]
    parts = [b"\x01" * 32, b"\x02" * 32]
    rest = [k for _, k, indexed in abi.fields if not indexed]
    data = encode(rest, [b"\x03" * 32, 4, 5, b"\x06" * 32, 7, parts, b"records"])
    topics = [abi.topic, (12).to_bytes(32, "big")]
    event = CODEC.event(HUB.upper().replace("0X", "0x"), topics, data, block_number=8, block_hash=b"\x09" * 32, index=1)
    assert event is not None and event.name == "Report" and event["epoch"] == 12
    assert (event["root"], event["header"], event["facts"], event["who"]) == (b"\x03" * 32, 4, 5, 7)
    assert [bytes(p) for p in event["parts"]] == parts and event["data"] == b"records"
    assert CODEC.event("0x" + "99" * 20, topics, data, block_number=8, block_hash=b"", index=1) is None
    assert CODEC.event(HUB, [b"\x00" * 32], data, block_number=8, block_hash=b"", index=1) is None


def test_abi__every_contract__topics_and_selectors_are_unique() -> None:
    for name in CONTRACTS:
        abi = load_abi(name)
        selectors = [f.selector for f in abi.functions.values()]
        assert len(set(selectors)) == len(selectors) >= 3
        for event in abi.events.values():
            assert event.topic == keccak(f"{event.name}({','.join(k for _, k, _ in event.fields)})".encode())


def test_type_of__nested_tuple_array() -> None:
    inner = {
        "type": "tuple[]",
        "components": [{"type": "uint256"}, {"type": "tuple", "components": [{"type": "bool"}]}],
    }
    assert type_of(inner) == "(uint256,(bool))[]"


@pytest.mark.parametrize("name", CONTRACTS)
def test_wrappers__every_function_of_the_abi__same_arguments_and_kind(name: str) -> None:
    kind: type[Contract] = getattr(contracts, name)
    base = {n for n, _ in inspect.getmembers(Contract)}
    own = {n: m for n, m in inspect.getmembers(kind, inspect.isfunction) if n not in base}
    functions = load_abi(name).functions
    assert set(own) - set(functions) == set(), "wrappers of functions that do not exist"
    wanted = {function for function in functions if function not in TOOLS and not function.isupper()}
    assert wanted - set(own) == set(), "functions without a wrapper"
    spy = Spy()
    for function, method in own.items():
        parameters = [p for p in inspect.signature(method).parameters if p not in ("self", "at")]
        assert len(parameters) == len(functions[function].inputs), f"{name}.{function}"
        arguments = tuple(range(len(parameters)))
        if functions[function].view:
            assert getattr(kind(spy), function)(*arguments, at=AT) == 7
            assert spy.calls[-1] == Call(name, function, arguments)
        else:
            assert getattr(kind(spy), function)(*arguments) == Call(name, function, arguments)


def test_suite__over_a_reader__all_ten() -> None:
    suite = Suite.over(Spy())  # type: ignore[arg-type]
    assert suite.hub.last_epoch(at=AT) == 7
    assert suite.escrow.view("terms", 5) == Call("LeaseEscrow", "terms", (5,))

"""Plans: predicted addresses, arguments, encoding; journals that survive a crash."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from eth_utils import keccak, to_checksum_address

from scripts._errors import DeployError
from scripts._journal import Journal, Send
from scripts._plan import ORDER, Ref, abi_value, constructor_args, create_address, encode, json_value
from scripts._profile import load_profile
from scripts._send import Fees, fees_now
from scripts._wiring import wiring
from tools.compile import Artifact

DEPLOYER = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"


@pytest.mark.parametrize("nonce", [0, 1, 127, 128, 255, 256, 65_535, 65_536, 2**32])
def test_create_address__every_length_of_a_nonce__as_rlp_says(nonce: int) -> None:
    rlp = pytest.importorskip("rlp", reason="rlp comes with web3")
    expected = keccak(rlp.encode([bytes.fromhex(DEPLOYER[2:]), nonce]))[12:]
    assert create_address(DEPLOYER, nonce) == to_checksum_address(expected)


def test_constructor_args__every_contract__names_peers_by_reference() -> None:
    args = constructor_args(load_profile("default"), DEPLOYER, 1_000)
    assert tuple(args) == ORDER
    refs = {(name, a.name) for name, row in args.items() for a in row if isinstance(a, Ref)}
    assert {peer for _, peer in refs} == set(ORDER)
    assert ("StakingPool", "NodeRegistry") in refs
    assert ("NodeRegistry", "StakingPool") in refs
    assert all(name != peer for name, peer in refs)


def test_wiring__local__opens_last_and_only_when_asked() -> None:
    profile = load_profile("local")
    closed = wiring(profile, False)
    assert [c.key for c in wiring(profile, True)] == [*(c.key for c in closed), "open"]
    assert sum(c.key.startswith("class:") for c in closed) == len(profile.classes)
    assert sum(c.key.startswith("sheet:") for c in closed) == len(profile.sheets)
    assert not any(c.key == "committee" for c in closed)


ARTIFACT = Artifact(
    *("X", "x.vy", "k", "vyper", "gas", "prague"),
    [{"type": "constructor", "inputs": [{"name": "a", "type": "uint256"}, {"name": "b", "type": "address"}]}],
    *("0x60", "0x61", [], []),
)


@pytest.mark.parametrize("args", [[1], [1, DEPLOYER, 2], [-1, DEPLOYER], [2**256, DEPLOYER], [1, "0x12"], ["1", 2]])
def test_encode__arguments_that_do_not_fit__are_named(args: list[object]) -> None:
    with pytest.raises(DeployError, match=r"H7112"):
        encode(ARTIFACT, "__init__", args)


def test_json_value__abi_value__turn_back() -> None:
    rows = [("uint256", 2**200), ("uint256", 5), ("bool", True), ("address", DEPLOYER), ("bytes32", b"\x01" * 32)]
    rows += [("uint256[]", [1, 2**60]), ("string", "x")]
    for kind, value in rows:
        assert abi_value(kind, json.loads(json.dumps(json_value(value)))) == value


def test_journal__every_cut__keeps_the_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    journal = Journal(path)
    journal.begin({"steps": []})
    for nonce in range(3):
        journal.sending(Send(nonce, f"s{nonce}", "0x1", "0x2"))
    whole = path.read_bytes()
    ends = [i + 1 for i, b in enumerate(whole) if b == 10]
    for cut in range(len(whole) + 1):
        path.write_bytes(whole[:cut])
        read = Journal(path)
        lines = sum(end <= cut for end in ends)
        assert (read.plan is not None) == (lines > 0)
        assert sum(bool(read.sends(n)) for n in range(3)) == max(0, lines - 1)


def test_journal__damaged_line__stops(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    path.write_text('{"kind": "send"}\n')
    with pytest.raises(DeployError, match=r"H7107.*line 1"):
        Journal(path)


class Station:
    """A chain that knows its base fee only."""

    def __init__(self, base: int, tip: int) -> None:
        self.base, self.tip = base, tip

    def call(self, method: str, *params: object) -> object:
        return {"baseFeePerGas": hex(self.base)} if method == "eth_getBlockByNumber" else hex(self.tip)


def test_fees_now__ceiling__is_never_passed() -> None:
    assert fees_now(Station(10, 2)) == Fees(22, 2)
    assert fees_now(Station(10, 2), 15) == Fees(15, 2)
    with pytest.raises(DeployError, match=r"H7104") as refused:
        fees_now(Station(10, 2), 11)
    assert refused.value.exit_code == 6

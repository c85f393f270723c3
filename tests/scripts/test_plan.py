"""Plans: predicted addresses, arguments, encoding; journals that survive a crash."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from eth_utils import keccak, to_checksum_address

from scripts._check import check_grants
from scripts._deployment import artifacts_of_suite
from scripts._errors import DeployError
from scripts._journal import Journal, Send
from scripts._plan import ORDER, Ref, abi_value, build_plan, constructor_args, create_address, encode, json_value
from scripts._profile import load_profile
from scripts._send import Fees, fees_now
from scripts._wiring import GRANTS, wiring
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
    granted = {caller for _, caller, _ in GRANTS}  # nobody's immutable: its callees grant it
    assert {peer for _, peer in refs} == set(ORDER) - granted
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


def test_constructor_args__challenge__answer_window_and_rate_of_the_profile() -> None:
    args = constructor_args(load_profile("local"), DEPLOYER, 1_000)["ComputeChallenge"]
    assert args == [Ref("AttestationHub"), Ref("NodeRegistry"), Ref("StakingPool"), 1_000, 1, 2, 24, 2_500]


def test_wiring__grants__the_challenge_may_fault_and_slash_before_anything_else() -> None:
    first, second, *_ = wiring(load_profile("default"), True)
    assert [(c.contract, c.function, c.args) for c in (first, second)] == [
        ("NodeRegistry", "set_grant", (Ref("ComputeChallenge"), 1)),
        ("StakingPool", "set_grant", (Ref("ComputeChallenge"), 1)),
    ]


def test_build_plan__grants__name_the_predicted_address_of_the_challenge() -> None:
    plan = build_plan(
        load_profile("default"),
        artifacts_of_suite(),
        chain_id=31_337,
        deployer=DEPLOYER,
        first_nonce=3,
        genesis=3_600,
        genesis_block_hash="0x" + "00" * 32,
        head=0,
        source_commit="",
        open_entries=False,
    )
    challenge = create_address(DEPLOYER, 3 + ORDER.index("ComputeChallenge"))
    granted = [s for s in plan.steps if s.key.startswith("grant:")]
    assert [(s.address, s.args) for s in granted] == [(plan.address(c), [challenge, 1]) for c, _, _ in GRANTS]
    assert all(s.data.endswith(challenge[2:].lower() + f"{1:064x}") for s in granted)
    assert [s.nonce for s in plan.steps] == list(range(3, 3 + len(plan.steps)))


class Granted:
    """What a live suite answers about grants: one word for each contract that grants; None = the call reverts."""

    def __init__(self, words: dict[str, int | None]) -> None:
        self._words = words

    def view(self, name: str, function: str, caller: str) -> int | None:
        assert (function, caller) == ("grant_of", "0xChallenge")
        return self._words[name]


class Books:
    """A record that knows one address."""

    def address(self, name: str) -> str:
        return {"ComputeChallenge": "0xChallenge"}[name]


@pytest.mark.parametrize(
    ("word", "status"), [(1 << 128 | 1, "ok"), (1, "ok"), (1 << 128, "DIFFERS"), (0, "DIFFERS"), (None, "DIFFERS")]
)
def test_check_grants__rights_in_force__compared_and_not_those_once_given(word: int | None, status: str) -> None:
    live = Granted({"NodeRegistry": 1 << 128 | 1, "StakingPool": word})
    found = list(check_grants(live, Books()))  # type: ignore[arg-type]
    assert [(f.contract, f.what, f.status) for f in found] == [
        ("NodeRegistry", "grant of ComputeChallenge", "ok"),
        ("StakingPool", "grant of ComputeChallenge", status),
    ]


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

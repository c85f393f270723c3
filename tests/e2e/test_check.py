"""`ape run check`: nothing on a fresh deployment, and whatever is planted is found and named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from keepers.chain.deployment import Deployment
from keepers.localnet.network import LocalNetwork
from keepers.protocol.errors import HearthError
from scripts._check import DIFFERS, Finding, check_all
from scripts._plan import ORDER
from tests.e2e.town import Town
from tools.compile import Artifact, build

STRANGER = "0x" + "5a" * 20


@pytest.fixture(scope="session")
def artifacts() -> dict[str, Artifact]:
    return build(ORDER)


def differences(town: Town, record: Deployment, artifacts: dict[str, Artifact]) -> list[Finding]:
    return [f for f in check_all(town.chain, record, artifacts) if f.status == DIFFERS]


def flip(town: Town, contract: str, at: int) -> None:
    """Changes one byte of the code on chain; negative from its end."""
    code = bytearray.fromhex(str(town.chain.call("eth_getCode", town.at(contract), "latest"))[2:])
    code[at] ^= 1
    town.chain.call("anvil_setCode", town.at(contract), "0x" + code.hex())


def owner_slot(town: Town, artifacts: dict[str, Artifact]) -> None:
    slot = next(s for name, s, _, _ in artifacts["NodeRegistry"].storage if name.endswith("owner"))
    town.chain.call("anvil_setStorageAt", town.at("NodeRegistry"), hex(slot), "0x" + "00" * 12 + STRANGER[2:])


def another_hub(town: Town, _: dict[str, Artifact]) -> None:
    """The engine asks a second hub, of the same calendar, at the stranger's address."""
    town.chain.call("anvil_setCode", STRANGER, town.chain.call("eth_getCode", town.at("AttestationHub"), "latest"))
    town.send("owner", "BurnMintEngine", "set_hub", STRANGER)


def peer(town: Town, artifacts: dict[str, Artifact]) -> None:
    """The pool's market becomes a stranger: what an immutable that was predicted wrongly would look like."""
    artifact = artifacts["StakingPool"]
    code = bytearray.fromhex(str(town.chain.call("eth_getCode", town.at("StakingPool"), "latest"))[2:])
    where = bytes(code).rindex(bytes.fromhex(town.at("LeaseMarket")[2:]))
    assert where >= len(artifact.runtime_bytes)
    code[where : where + 20] = bytes.fromhex(STRANGER[2:])
    town.chain.call("anvil_setCode", town.at("StakingPool"), "0x" + code.hex())


def seat(town: Town, artifacts: dict[str, Artifact]) -> None:
    _, table, _ = town.read("AttestationHub", "committee", 1)
    code = bytearray.fromhex(str(town.chain.call("eth_getCode", table, "latest"))[2:])
    code[1 + 12 : 1 + 32] = bytes.fromhex(STRANGER[2:])
    town.chain.call("anvil_setCode", table, "0x" + code.hex())


def revoked(town: Town, _: dict[str, Artifact]) -> None:
    town.send("owner", "StakingPool", "set_grant", town.at("ComputeChallenge"), 0)


def call(contract: str, function: str, *args: object) -> Callable[[Town, dict[str, Artifact]], None]:
    def plant(town: Town, _: dict[str, Artifact]) -> None:
        town.send("owner", contract, function, *args)

    return plant


PLANTS: list[tuple[str, Callable[[Town, dict[str, Artifact]], None], str, str]] = [
    ("code", lambda town, _: flip(town, "LeaseEscrow", 900), "LeaseEscrow", "code on chain"),
    ("immutable", lambda town, _: flip(town, "BurnMintEngine", -1), "BurnMintEngine", "code of source"),
    ("peer", peer, "StakingPool", "peer LeaseMarket (both ways)"),
    ("owner", owner_slot, "NodeRegistry", "owner"),
    ("offer", call("AttestationHub", "transfer_ownership", STRANGER), "AttestationHub", "pending owner"),
    ("guardian", call("AttestationHub", "set_guardian", STRANGER), "AttestationHub", "guardian"),
    ("bound", call("AttestationHub", "set_price_bound", 77), "AttestationHub", "price_bound_bps"),
    ("peg", call("BurnMintEngine", "set_peg", 9_000), "BurnMintEngine", "peg_bps"),
    ("fee", call("BurnMintEngine", "set_fee", 300, 3_000, 2_000), "BurnMintEngine", "fee_bps"),
    ("builders", call("BurnMintEngine", "set_builders", STRANGER), "BurnMintEngine", "builders"),
    ("grant", revoked, "StakingPool", "grant of ComputeChallenge"),
    ("hub", another_hub, "BurnMintEngine", "peer AttestationHub"),
    ("class", call("NodeRegistry", "close_class", 0), "NodeRegistry", "class 0 H100-SXM5-80GB"),
    ("seat", seat, "AttestationHub", "committee of epoch"),
]


def test_check__fresh_deployment__finds_no_difference(town: Town, artifacts: dict[str, Artifact]) -> None:
    findings = check_all(town.chain, town.record, artifacts)
    assert [f for f in findings if f.status == DIFFERS] == []
    compared = {(f.contract, f.what) for f in findings}
    assert {name for name, _ in compared} >= set(ORDER)
    assert ("StakingPool", "peer NodeRegistry (both ways)") in compared
    assert ("NodeRegistry", "peer StakingPool (both ways)") in compared


def test_seed__challenged_class__stands_in_the_registry(town: Town, network: LocalNetwork) -> None:
    number = town.read("NodeRegistry", "class_count")
    network.script("seed_local", "--class", "CARD-8GB=300:256:8:6")
    name, *_, n, rounds, deadline, closed = town.read("NodeRegistry", "class_of", number)
    assert (name, n, rounds, deadline, closed) == ("CARD-8GB", 256, 8, 6, False)


@pytest.mark.parametrize(("plant", "contract", "what"), [p[1:] for p in PLANTS], ids=[p[0] for p in PLANTS])
def test_check__planted_difference__is_named(
    town: Town,
    artifacts: dict[str, Artifact],
    plant: Callable[[Town, dict[str, Artifact]], None],
    contract: str,
    what: str,
) -> None:
    plant(town, artifacts)
    found = differences(town, town.record, artifacts)
    assert any(f.contract == contract and f.what.startswith(what) for f in found), found


def test_check__record_of_another_chain__stops_there(town: Town, artifacts: dict[str, Artifact]) -> None:
    other = town.record.model_copy(update={"genesis_block_hash": "0x" + "11" * 32})
    found = differences(town, other, artifacts)
    assert [(f.contract, f.what) for f in found] == [("chain", "genesis block")]


def test_check__no_code__says_so(town: Town, artifacts: dict[str, Artifact]) -> None:
    town.chain.call("anvil_setCode", town.at("LeaseMarket"), "0x")
    found = differences(town, town.record, artifacts)
    assert [(f.contract, f.chain) for f in found] == [("LeaseMarket", "none")]


def test_check__argument_of_the_record_changed__is_named(town: Town, artifacts: dict[str, Artifact]) -> None:
    raw = json.loads(town.record.dump())
    raw["contracts"]["NodeRegistry"]["args"][8] = "7"  # the fee
    found = differences(town, Deployment.model_validate(raw), artifacts)
    assert ("NodeRegistry", "FEE") in {(f.contract, f.what) for f in found}


def test_check__command__exits_0_then_9(town: Town, network: LocalNetwork, tmp_path: Path) -> None:
    """The script as an operator runs it."""
    assert "0 differ" in network.script("check")
    town.send("owner", "BurnMintEngine", "set_peg", 9_000)
    with pytest.raises(HearthError) as refused:
        network.script("check")
    assert any("H7115" in line for line in refused.value.why)
    assert any("peg_bps" in line and "9000" in line for line in refused.value.why)

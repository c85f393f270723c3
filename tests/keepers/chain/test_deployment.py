"""The deployment record: read whole or refused with the key that is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from keepers.chain.codec import CONTRACTS
from keepers.chain.deployment import load_record, parse_record
from keepers.protocol.errors import HearthError


def record(**change: Any) -> dict[str, Any]:
    """A complete record of a local network."""
    return {
        "schema": "hearth.deployment/1",
        "suite_version": "0.1.0",
        "network": "test",
        "chain_id": 31_337,
        "local": True,
        "genesis_block_hash": "0x" + "AB" * 32,
        "first_block": 1,
        "finality": {"kind": "depth", "value": 2},
        "calendar": {"genesis": 1_000, "slot": 1, "epochs_per_period": 2},
        "parameters": {"dispute": 1},
        "contracts": {name: {"address": f"0x{n + 1:040x}"} for n, name in enumerate(CONTRACTS)},
        "allowances": {"early": 1, "late": 1, "head": 5, "freeze": 0.5, "bodies": 1, "cutoff": 1.5, "view": 2},
        "attesters": [{"seat": 0, "address": "0x" + "CD" * 20, "url": "http://127.0.0.1:8700"}],
        "compiler": {"vyper": "0.4.3"},
        "source_commit": "abc",
        "profile": "local",
    } | change


def test_parse__complete_record__usable_and_round_trips() -> None:
    made = parse_record(json.dumps(record()))
    assert made.clock().epoch_seconds == 12 and made.policy().value == 2
    assert made.genesis_block_hash == "0x" + "ab" * 32 and made.attesters[0].address == "0x" + "cd" * 20
    assert made.codec().address("StakingPool") == made.address("StakingPool")
    assert parse_record(made.dump()) == made


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"chain_id": 0}, "chain_id"),
        ({"colour": "red"}, "colour"),
        ({"genesis_block_hash": "0x12"}, "genesis_block_hash"),
        ({"finality": {"kind": "depth", "value": 0}, "local": False}, "local networks only"),
        ({"calendar": {"genesis": 1, "slot": 0, "epochs_per_period": 1}}, "calendar.slot"),
        ({"contracts": {"ComputeToken": {"address": "0x" + "11" * 20}}}, "StakingPool"),
        ({"contracts": {name: {"address": "0x" + "11" * 20} for name in CONTRACTS}}, "same address"),
        ({"allowances": {"freeze": 9, "bodies": 1}}, "freeze <= bodies"),
        ({"allowances": {"openings": 0}}, "openings above 0"),
    ],
)
def test_parse__wrong_value__key_named(change: dict[str, Any], words: str) -> None:
    with pytest.raises(HearthError, match="not a deployment record") as caught:
        parse_record(json.dumps(record(**change)), "x.json")
    assert caught.value.code == "H1004" and words in " ".join(caught.value.why)


def test_parse__allowance_of_openings__a_minute_in_records_that_do_not_know_it() -> None:
    assert parse_record(json.dumps(record())).allowances.openings == 60
    made = parse_record(json.dumps(record(allowances={"openings": 1.5})))
    assert made.allowances.openings == 1.5


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": "hearth.deployment/9"}', "not json"])
def test_parse__no_record__says_what_was_found(text: str) -> None:
    with pytest.raises(HearthError) as caught:
        parse_record(text, "x.json")
    assert caught.value.code == "H1004" and "x.json" in caught.value.message and caught.value.next


def test_load__path_name_and_nothing(tmp_path: Path) -> None:
    path = tmp_path / "net.json"
    path.write_text(json.dumps(record()))
    assert load_record(path).network == "test"
    with pytest.raises(HearthError, match="can be read at"):
        load_record(tmp_path / "none.json")
    with pytest.raises(HearthError, match="no network is named 'mars'"):
        load_record("mars")
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(HearthError, match="can be read at"):
        load_record(path)
    path.write_text(" " * (1 << 21))
    with pytest.raises(HearthError, match="larger than"):
        load_record(path)

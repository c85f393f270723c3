"""The command on a real chain: a provider from nothing to a signed ask, and `check` with every test failed once."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from keepers.cli.main import run
from keepers.localnet.network import LocalNetwork
from keepers.outbox.lock import KeyLock
from keepers.protocol.errors import HearthError
from keepers.protocol.hashing import keccak
from tests.e2e.town import Town

Hearth = Callable[..., tuple[int, Any, str]]


@pytest.fixture
def hearth(network: LocalNetwork, town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Hearth:
    """hearth("wallet", person="provider"): (exit code, data, stderr); each person has a config of its own."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))

    def call(*arguments: str, person: str = "provider", **values: Any) -> tuple[int, Any, str]:
        home = tmp_path / "home" / person
        section = {"renter": network.key(person).section()}
        path = network.settings(f"cli-{tmp_path.name}-{person}", section, **{"home": str(home), **values})
        kept = tmp_path / f"{person}.toml"
        if not kept.exists() or values:
            kept.write_text(path.read_text())
        capsys.readouterr()
        code = run(["-c", str(kept), "--json", "--yes", *arguments])
        said = capsys.readouterr()
        return code, json.loads(said.out)["data"] if said.out else None, said.err

    call.capture = capsys.readouterr  # type: ignore[attr-defined]
    return call


def test_node_register__provider_node_stake_ask_and_config(hearth: Hearth, town: Town, tmp_path: Path) -> None:
    """One command does it all, repeated it does nothing, and the chain and the config agree."""
    code, key, _ = hearth("key", "new", "node-0")
    assert code == 0
    call = ("node", "register", "--class", "RTX-4090-24GB", "--gpus", "2", "--stand-in", "alpha", "--price", "0.432")
    code, dry, _ = hearth(*call, "--dry-run")
    assert (code, dry["gpus"]) == (0, 2)
    assert town.read("NodeRegistry", "count") == 0
    code, done, err = hearth(*call)
    assert code == 0, err
    node, provider = done["node"], done["provider"]
    assert town.read("NodeRegistry", "node_of_key", key["address"]) == node + 1
    assert town.read("StakingPool", "own", provider) > 0
    offers = Path(done["file"]).parent
    code, again, err = hearth(*call)
    assert code == 0, err
    assert (again["node"], town.read("NodeRegistry", "count")) == (node, 1)
    code, shown, _ = hearth("config", "show")
    assert shown["agent.nodes"]["value"] == str(node)
    assert shown["agent.stand_in"]["value"] == "RTX-4090-24GB:2:alpha"
    code, book, err = hearth("offers", "--offers", str(offers), person="renter")
    assert code == 0, err
    assert book["left_out"]["node pending"] >= 1  # it must be seen for a whole epoch first
    code, stake, _ = hearth("stake")
    assert stake["staked_gwei"] >= stake["required_gwei"]


def checked(answer: tuple[int, Any, str]) -> dict[str, str]:
    """Outcome by name of a check; the exit code agrees with it (7: only what may pass when it is tried again)."""
    code, data, err = answer
    outcomes = {row["check"]: row["outcome"] for row in data["findings"]}
    assert (code in (7, 9)) if {"fail", "skipped"} & set(outcomes.values()) else code == 0, err
    return outcomes


RENTER_CHECKS = (
    "settings", "database", "key renter", "record", "endpoints", "chain", "genesis block", "code", "contract version",
    "clock", "gas renter", "entries", "funds",
)  # fmt: skip


def test_check__a_good_set_up_has_no_failure(hearth: Hearth) -> None:
    outcomes = checked(hearth("check", "renter", person="renter"))
    assert tuple(outcomes) == RENTER_CHECKS
    assert not {"fail", "skipped"} & set(outcomes.values())


@pytest.mark.parametrize(
    ("values", "failed", "skipped"),
    [
        ({"colour": "red"}, "settings", RENTER_CHECKS[1:]),
        ({"deployment": "nowhere.json"}, "record", RENTER_CHECKS[4:]),
        ({"rpc_urls": []}, "endpoints", RENTER_CHECKS[5:]),
        ({"rpc_urls": ["http://127.0.0.1:1"]}, "endpoints", RENTER_CHECKS[5:]),
    ],
)
def test_check__what_rests_on_a_failure_is_skipped_by_name(
    hearth: Hearth, values: dict[str, Any], failed: str, skipped: tuple[str, ...]
) -> None:
    outcomes = checked(hearth("check", "renter", person="renter", **values))
    assert tuple(outcomes) == RENTER_CHECKS
    assert outcomes[failed] == "fail"
    assert {name for name, outcome in outcomes.items() if outcome == "skipped"} == set(skipped)


def test_check__quick__a_network_that_is_not_up_yet_is_tried_again(hearth: Hearth) -> None:
    down = {"rpc_urls": ["http://127.0.0.1:1"]}
    assert hearth("check", "renter", "--quick", person="renter", **down)[0] == 7
    assert hearth("check", "renter", person="renter")[0] == 9


def test_check__one_dead_endpoint_beside_a_good_one_warns(hearth: Hearth, network: LocalNetwork) -> None:
    urls = ["http://127.0.0.1:1", network.chain.url]
    outcomes = checked(hearth("check", "renter", person="renter", rpc_urls=urls))
    assert (outcomes["endpoints"], outcomes["chain"]) == ("warn", "ok")


def test_check__a_chain_that_fails_after_its_id(
    hearth: Hearth, network: LocalNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    from keepers.chain.rpc import ChainRpc

    monkeypatch.setattr(ChainRpc, "block_by", lambda self, which: None)
    outcomes = checked(hearth("check", "renter", person="renter"))
    assert (outcomes["chain"], outcomes["clock"]) == ("fail", "skipped")


def other_record(network: LocalNetwork, folder: Path, **changes: Any) -> dict[str, str]:
    """Setting of a record that differs from the real one; `AttestationHub={…}` changes a contract's row."""
    raw = json.loads(network.record_file.read_text())
    for name, value in changes.items():
        if name in raw["contracts"]:
            raw["contracts"][name] = {**raw["contracts"][name], **value}
        else:
            raw[name] = value
    path = folder / "other.json"
    path.write_text(json.dumps(raw))
    return {"deployment": str(path)}


def test_check__another_chain_or_code(hearth: Hearth, network: LocalNetwork, tmp_path: Path) -> None:
    other = other_record(network, tmp_path, genesis_block_hash="0x" + "22" * 32)
    outcomes = checked(hearth("check", "renter", person="renter", **other))
    assert (outcomes["genesis block"], outcomes["code"], outcomes["funds"]) == ("fail", "ok", "skipped")
    other = other_record(network, tmp_path, AttestationHub={"runtime_hash": "0x" + "33" * 32})
    outcomes = checked(hearth("check", "renter", person="renter", **other))
    assert (outcomes["genesis block"], outcomes["code"], outcomes["funds"]) == ("ok", "fail", "skipped")


def test_check__contract_version_of_another_release(
    hearth: Hearth, network: LocalNetwork, town: Town, tmp_path: Path
) -> None:
    """A hub whose every answer is the text "9": newer than this program."""
    text = "20".rjust(64, "0") + "1".rjust(64, "0") + b"9".hex().ljust(64, "0")
    code = "6060600c60003960606000f3" + text  # codecopy(0, 12, 96), return(0, 96)
    town.chain.call("anvil_setCode", town.at("AttestationHub"), "0x" + code)
    runtime = "0x" + keccak(bytes.fromhex(code)).hex()
    other = other_record(network, tmp_path, AttestationHub={"runtime_hash": runtime})
    outcomes = checked(hearth("check", "renter", person="renter", **other))
    assert (outcomes["code"], outcomes["contract version"], outcomes["entries"]) == ("ok", "fail", "skipped")


def test_check__clock__a_public_chain_a_day_ahead(
    hearth: Hearth, network: LocalNetwork, town: Town, tmp_path: Path
) -> None:
    town.warp(max(town.now(), int(time.time())) + 86_400)
    assert checked(hearth("check", "renter", person="renter"))["clock"] == "ok"  # a local chain's time is adopted
    other = other_record(network, tmp_path, local=False)
    outcomes = checked(hearth("check", "renter", person="renter", **other))
    assert (outcomes["clock"], outcomes["funds"]) == ("fail", "ok")


def test_check__database__a_home_that_is_no_folder(hearth: Hearth, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert (
        checked(hearth("check", "renter", person="renter", home=str(tmp_path / "file" / "home")))["database"] == "fail"
    )


def test_check__key_gas_funds__and_only_warned_at_a_start(hearth: Hearth, network: LocalNetwork, town: Town) -> None:
    stranger = network.key("stranger").address
    town.chain.call("anvil_setBalance", stranger, hex(10**9))
    assert checked(hearth("check", "renter", person="stranger"))["gas renter"] == "warn"  # not for two weeks
    town.chain.call("anvil_setBalance", stranger, "0x0")
    outcomes = checked(hearth("check", "renter", person="stranger"))
    assert (outcomes["gas renter"], outcomes["funds"]) == ("fail", "fail")
    outcomes = checked(hearth("check", "renter", "--quick", person="stranger"))
    assert (outcomes["gas renter"], outcomes["funds"]) == ("warn", "warn")
    password = network.key("seat").password_file
    before = password.read_text()
    try:
        password.write_text("wrong\n")
        outcomes = checked(hearth("check", "renter", person="seat"))
        assert (outcomes["key renter"], outcomes["gas renter"], outcomes["funds"]) == ("fail", "skipped", "skipped")
    finally:
        password.write_text(before)


def test_check__entries__a_state_of_the_network_warns(hearth: Hearth, town: Town) -> None:
    town.send("owner", "AttestationHub", "pause_entries")
    assert checked(hearth("check", "renter", person="renter"))["entries"] == "warn"


def test_check__provider__gpu_stake_attesters_nodes(
    hearth: Hearth, town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcomes = checked(hearth("check", "provider"))
    assert outcomes["gpu"] in ("ok", "fail")  # whether this machine has one
    assert outcomes["attesters"] == "fail"  # the four seats run no process here
    assert outcomes["nodes"] == "warn"  # no provider yet
    monkeypatch.setattr("keepers.cli.hardware.uuids_here", lambda count=None: ("GPU-1", "GPU-2"))
    monkeypatch.setattr("keepers.cli.hardware.class_here", lambda: "RTX-4090-24GB")
    outcomes = checked(hearth("check", "provider"))
    assert (outcomes["gpu"], outcomes["stake"]) == ("ok", "ok")  # tokens enough for two of them
    assert checked(hearth("check", "provider", person="stranger"))["stake"] == "fail"
    assert checked(hearth("check", "provider", "--quick", person="stranger"))["stake"] == "warn"
    monkeypatch.undo()


def test_check__provider__without_a_gpu_and_below_its_stake(
    hearth: Hearth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(count: int | None = None) -> tuple[str, ...]:
        raise HearthError("H3101", "no NVIDIA device")

    monkeypatch.setattr("keepers.cli.hardware.uuids_here", none)
    outcomes = checked(hearth("check", "provider"))
    assert (outcomes["gpu"], outcomes["stake"]) == ("fail", "warn")
    assert hearth("key", "new", "node-0")[0] == 0
    call = ("node", "register", "--class", "RTX-4090-24GB", "--gpus", "1", "--stand-in", "beta", "--stake", "1")
    assert hearth(*call)[0] == 0
    outcomes = checked(hearth("check", "provider"))
    assert (outcomes["stake"], outcomes["nodes"]) == ("fail", "ok")  # a token is not what the class asks for
    outcomes = checked(hearth("check", "provider", "--quick"))
    assert outcomes["stake"] == "warn"
    assert "gpu" not in outcomes


def test_check__agent__keys_and_a_key_of_another_node(hearth: Hearth, tmp_path: Path) -> None:
    outcomes = checked(hearth("check", "agent", "--quick"))
    assert outcomes["key agent"] == "fail"  # no node yet
    assert hearth("key", "new", "node-0")[0] == 0
    assert hearth("node", "register", "--class", "RTX-4090-24GB", "--gpus", "1", "--stand-in", "gamma")[0] == 0
    assert checked(hearth("check", "agent", "--quick"))["key agent"] == "ok"
    assert hearth("key", "new", "other")[0] == 0
    other = tmp_path / "home" / "provider" / "keys" / "other.json"
    assert hearth("config", "set", "agent.keystores", f'["{other}"]')[0] == 0
    assert checked(hearth("check", "provider", "--quick"))["nodes"] == "fail"


def test_check__agent__gas_of_nodes_that_check_in(hearth: Hearth, town: Town) -> None:
    assert hearth("key", "new", "node-0")[0] == 0
    call = ("node", "register", "--class", "RTX-4090-24GB", "--gpus", "1", "--stand-in", "zeta")
    code, node, err = hearth(*call)
    assert code == 0, err
    assert "gas check-in" not in checked(hearth("check", "agent", "--quick"))
    assert hearth("config", "set", "agent.check_in", "auto")[0] == 0
    assert checked(hearth("check", "agent", "--quick"))["gas check-in"] == "warn"
    town.chain.call("anvil_setBalance", node["key"], hex(10**18))
    assert checked(hearth("check", "agent", "--quick"))["gas check-in"] == "ok"


def test_key_rotate__chain_then_config(hearth: Hearth, town: Town, tmp_path: Path) -> None:
    """The new key signs from the next epoch on, the config names it, and a repeated command changes nothing."""
    assert hearth("key", "new", "node-0")[0] == 0
    call = ("node", "register", "--class", "RTX-4090-24GB", "--gpus", "1", "--stand-in", "delta")
    code, node, err = hearth(*call)
    assert code == 0, err
    i, old = node["node"], node["key"].lower()
    town.warp(town.calendar.start(town.epoch() + 2))
    assert hearth("key", "rotate", str(i), "--dry-run")[1]["old"] == old
    assert hearth("key", "rotate", str(i), person="renter")[0] == 4  # only the provider's owner
    code, done, err = hearth("key", "rotate", str(i))
    assert code == 0, err
    epoch = town.epoch()
    assert done["from_epoch"] == epoch + 1
    assert town.read("NodeRegistry", "key_of", i, epoch).lower() == old
    assert town.read("NodeRegistry", "key_of", i, epoch + 1).lower() == done["new"]
    shown = hearth("config", "show")[1]
    assert shown["agent.keystores"]["value"] == done["keystore"]
    assert shown["agent.stand_in"]["value"] == "RTX-4090-24GB:1:delta"
    assert checked(hearth("check", "agent", "--quick"))["nodes"] == "ok"
    # the config was lost after the transaction: the same command goes on there, and sends nothing
    before = json.dumps([str(tmp_path / "home" / "provider" / "keys" / "node-0.json")])
    assert hearth("config", "set", "agent.keystores", before)[0] == 0
    assert checked(hearth("check", "agent", "--quick"))["nodes"] == "fail"  # the old key signs for no coming epoch
    code, again, err = hearth("key", "rotate", str(i))
    assert code == 0, err
    assert (again["new"], again["from_epoch"]) == (done["new"], done["from_epoch"])
    assert hearth("config", "show")[1]["agent.keystores"]["value"] == done["keystore"]
    code, _, err = hearth("key", "rotate", str(i))  # once in the answer window
    assert code == 1
    assert "H2353" in err


def test_key_rotate_operator__chain_then_config__asks_are_signed_again(
    hearth: Hearth, town: Town, tmp_path: Path
) -> None:
    """On the real registry: the asks fall with their generation, and the config's new key signs those that follow."""
    assert hearth("key", "new", "node-0")[0] == 0
    call = ("node", "register", "--class", "RTX-4090-24GB", "--gpus", "1", "--stand-in", "epsilon", "--price", "0.432")
    code, node, err = hearth(*call)
    assert code == 0, err
    p, i, offers = node["provider"], node["node"], str(Path(node["file"]).parent)
    assert hearth("key", "rotate", "operator", "--provider", str(p), person="renter")[0] == 4
    code, done, err = hearth("key", "rotate", "operator")
    assert code == 0, err
    assert [row["file"] for row in done["void_asks"]] == [node["file"]]
    word = int(town.read("NodeRegistry", "provider", p))
    assert (f"0x{word >> 96:040x}", word >> 64 & 0xFFFFFFFF) == (done["new"], done["generation"])
    assert town.read("NodeRegistry", "owner_of", p).lower() == done["old"]
    left = hearth("offers", "--offers", offers, person="renter")[1]["left_out"]
    assert left == {"signature is not the operator's": 1}
    assert hearth("config", "show")[1]["operator.keystore"]["value"] == done["keystore"]
    code, _, err = hearth("node", "price", str(i), "--usd", "0.432", "--out", offers)
    assert code == 0, err
    left = hearth("offers", "--offers", offers, person="renter")[1]["left_out"]
    assert left == {"signature is not the operator's": 1, "node pending": 1}  # the new one waits for its first epoch
    assert hearth("stake", "add", "5", "--provider", str(p))[0] == 0  # the owner's key goes on


@pytest.fixture
def seat(network: LocalNetwork, hearth: Hearth, tmp_path: Path) -> Callable[..., dict[str, str]]:
    """seat(key, listen_port=…): outcomes of `hearth check attester` with a key and settings."""

    def call(key: Any, *more: str, **values: Any) -> dict[str, str]:
        prices = values.pop("prices", [{"kind": "fixed", "usd": "0.5"}])
        section = {"attester": {**key.section(), "prices": prices}}
        home = str(tmp_path / "home" / "seat")
        path = network.settings(f"seat-{tmp_path.name}", section, **{"home": home, "listen_port": 0, **values})
        code = run(["-c", str(path), "--json", "check", "attester", *more])
        return checked((code, json.loads(capture().out)["data"], ""))

    capture = hearth.capture  # type: ignore[attr-defined]
    return call


def test_check__attester__seat_port_prices(
    network: LocalNetwork, seat: Callable[..., dict[str, str]], tmp_path: Path
) -> None:
    mine = network.seats[0].key
    outcomes = seat(mine)
    assert (outcomes["seat"], outcomes["port"], outcomes["prices"]) == ("ok", "ok", "ok")
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        assert seat(mine, listen_port=port)["port"] == "fail"
        assert "port" not in seat(mine, "--quick", listen_port=port)
    assert seat(mine, prices=[])["prices"] == "fail"
    public = other_record(network, tmp_path, local=False)
    assert seat(mine, **public)["prices"] == "fail"  # a fixed price is for local networks
    stranger = network.key("stranger")
    assert seat(stranger)["seat"] == "warn"  # check needs no membership
    listed = [{"seat": 0, "address": stranger.address, "url": "http://127.0.0.1:1"}]
    assert seat(stranger, **other_record(network, tmp_path, attesters=listed))["seat"] == "fail"


def test_two_processes_of_one_key__both_look_and_one_sends(
    hearth: Hearth, network: LocalNetwork, town: Town, tmp_path: Path
) -> None:
    """Looking needs no lock; sending while another process sends with the key is refused by name."""
    town.active_node("provider", town.provider("provider", 10_000), 3)  # a report, so that there is a price
    lock = KeyLock(tmp_path / "home" / "renter" / "local", network.record.chain_id, network.key("renter").address)
    lock.acquire()
    try:
        assert hearth("wallet", person="renter")[0] == 0
        code, _, err = hearth("wallet", "buy", "1", person="renter")
        assert code == 4
        assert "H1202" in err
    finally:
        lock.release()


def test_unsigned__a_batch_for_a_cold_wallet(hearth: Hearth, network: LocalNetwork, town: Town, tmp_path: Path) -> None:
    batch = tmp_path / "batch.json"
    before = town.tokens("provider")
    assert hearth("node", "register", "--class", "RTX-4090-24GB", "--unsigned", str(batch))[0] == 4  # no node key yet
    call = ("stake", "add", "5", "--provider", "0", "--unsigned", str(batch))
    assert hearth(*call)[0] == 2  # there is no provider 0 yet
    town.provider("other", 1_000)
    code, _, err = hearth(*call)
    assert code == 0, err
    calls = json.loads(batch.read_text())
    assert [row["to"] for row in calls["transactions"]] == [town.at("ComputeToken"), town.at("StakingPool")]
    assert calls["chainId"] == str(network.record.chain_id)
    assert town.tokens("provider") == before

"""Verbs about this machine: keys, config, networks, init, check, the outbox."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from keepers.simulate.world import Parameters
from tests.keepers.cli.conftest import Call
from tests.keepers.roles.town import record


def write_record(folder: Path) -> Path:
    """A record of the reference model's network."""
    path = folder / "town.json"
    path.write_text(record([], Parameters(genesis=1_800_000_000)).dump(), encoding="utf-8")
    return path


def test_key__new_test_list_and_never_overwritten(hearth: Call, home: Path) -> None:
    made = hearth("key", "new", "alpha", "--json").data
    keystore, password = Path(made["keystore"]), Path(made["password_file"])
    for path in (keystore, password):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert hearth("key", "test", str(keystore), "--json").data == {"address": made["address"], "ok": True}
    assert made["address"] in hearth("key", "list").out
    assert hearth("key", "test", "alpha", "--json").data == {"address": made["address"], "ok": True}
    again = hearth("key", "new", "alpha")
    assert again.code == 2
    assert "never overwritten" in again.err
    wrong = home / "wrong.pass"
    wrong.write_text("no\n")
    wrong.chmod(0o600)
    refused = hearth("key", "test", str(keystore), "--password-file", str(wrong))
    assert refused.code == 4
    assert "next  check the password file" in refused.err
    keystore.chmod(0o644)
    open_to_all = hearth("key", "test", str(keystore))
    assert open_to_all.code == 4
    assert "error[H1103]" in open_to_all.err


def test_key__import_from_a_file_only(hearth: Call, home: Path) -> None:
    secret = home / "secret"
    secret.write_text("0x" + "11" * 32 + "\n")
    secret.chmod(0o600)
    said = hearth("key", "import", "beta", "--secret-file", str(secret), "--json")
    assert said.data["address"] == "0x19e7e376e7c213b7e7e7e46cc70a5dd086daff2a"
    assert "1111" not in said.out + said.err
    assert hearth("key", "import", "gamma").code == 2
    secret.write_text("not hex\n")
    assert hearth("key", "import", "gamma", "--secret-file", str(secret)).code == 4


def test_config__set_show_with_origin(hearth: Call, home: Path) -> None:
    assert hearth("config", "set", "log_level", "debug").code == 0
    assert hearth("config", "set", "renter.offers", "/srv/offers").code == 0
    assert hearth("config", "set", "log_level", "warning").code == 0
    shown = hearth("config", "show", "--json").data
    assert shown["log_level"]["value"] == "warning"
    assert shown["log_level"]["origin"].endswith("config/hearth/config.toml")
    assert shown["renter.offers"]["value"] == "/srv/offers"
    assert shown["poll_s"]["origin"] == "default"
    assert hearth("config", "set", "log_level", "loud").code == 2
    assert hearth("config", "show", "--json").data["log_level"]["value"] == "warning"


def test_network__add_use_show(hearth: Call, home: Path) -> None:
    path = write_record(home)
    assert "no network is known yet" in hearth("network", "list").out
    assert hearth("network", "add", str(path)).code == 0
    assert "town" in hearth("network", "list").out
    assert hearth("network", "use", "town").code == 0
    shown = hearth("network", "show", "--json").data
    assert (shown["network"], shown["chain_id"]) == ("town", 31_337)
    damaged = home / "bad.json"
    damaged.write_text("{}")
    said = hearth("network", "add", str(damaged))
    assert said.code != 0
    assert "error[H" in said.err


def test_init__writes_what_up_and_check_read(hearth: Call, home: Path) -> None:
    said = hearth("init", "settler")
    assert said.code == 0
    assert "(0600)" in said.out
    again = hearth("init", "settler")
    assert "kept" in again.out
    checked = hearth("check", "settler", "--json")
    assert checked.code == 9  # no network yet
    by_name = {row["check"]: row for row in json.loads(checked.out)["data"]["findings"]}
    assert by_name["key settler"]["outcome"] == "ok"
    assert by_name["record"]["outcome"] == "fail"
    assert by_name["record"]["code"] == "H1003"


def test_tx__empty_outbox_and_unknown_key(hearth: Call, home: Path) -> None:
    hearth("init", "renter")
    hearth("network", "add", str(write_record(home)))
    hearth("network", "use", "town")
    said = hearth("tx", "list")
    assert (said.code, said.out.strip()) == (0, "the outbox is empty")
    assert hearth("tx", "show", "renter:x:y").code == 2


def test_tx__of_every_key_of_the_config(hearth: Call, home: Path) -> None:
    from keepers.chain.keys import keystore_address
    from keepers.chain.ports import Call as Wanted
    from keepers.chain.ports import Send
    from keepers.outbox.queue import Queue
    from keepers.sdk.connect import load_settings
    from keepers.store.migrations import open_store

    hearth("init", "attester")
    hearth("network", "add", str(write_record(home)))
    hearth("network", "use", "town")
    assert hearth("tx", "list").out.strip() == "the outbox is empty", "a seat's key is enough"
    hearth("init", "renter")
    settings = load_settings().settings
    store = open_store(settings.database("town"))
    for second, name in enumerate(("renter", "attester", "renter")):
        address = keystore_address(getattr(settings, name).keystore)
        queue = Queue(store, address, record([], Parameters(genesis=1_800_000_000)).codec(), lambda t=second: t)
        queue.enqueue(Send(f"{name}:{second}:leave", "leave", Wanted("AttesterCommittee", "leave")))
    store.close()
    listed = hearth("tx", "list", "--json").data
    assert [row["key"] for row in listed] == ["renter:2:leave", "attester:1:leave", "renter:0:leave"]
    assert [row["key"] for row in hearth("tx", "list", "--limit", "1", "--json").data] == ["renter:2:leave"]
    assert hearth("tx", "show", "attester:1:leave", "--json").data["call"] == "AttesterCommittee.leave"


def test_limits__are_settings(hearth: Call, home: Path) -> None:
    assert hearth("config", "set", "limits.per_day_usd", "50").code == 0
    assert hearth("config", "show", "--json").data["limits.per_day_usd"]["value"] == "50"
    assert hearth("config", "set", "limits.per_day_usd", "-1").code == 2
    assert hearth("config", "set", "limits.per_year_usd", "1").code == 2


def test_up__service_writes_a_unit(hearth: Call, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(home))  # no systemctl
    assert hearth("up", "--service").code == 4  # no key for any role
    hearth("init", "settler")
    assert hearth("up", "--service").code == 2  # no network
    hearth("network", "add", str(write_record(home)))
    hearth("network", "use", "town")
    dry = hearth("up", "--service", "--dry-run")
    assert dry.code == 0
    for line in ("Type=notify", "RestartPreventExitStatus=2 3 4 6 9", "ProtectSystem=strict", "ExecStartPre="):
        assert line in dry.out
    unit = home / "config" / "systemd" / "user" / "hearth@settler.service"
    assert not unit.exists()
    said = hearth("up", "--service", "--json")
    assert said.data["started"] is False
    assert unit.read_text().strip() == dry.out.strip()
    assert "up --roles settler" in unit.read_text()
    assert "check settler --quick" in unit.read_text()


def test_up__service_is_started_where_a_systemd_answers(
    hearth: Call, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = home / "called"
    for name in ("systemctl", "loginctl"):
        tool = home / name
        tool.write_text(f'#!/bin/sh\necho {name} "$@" >> {log}\n')
        tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{home}:/usr/bin:/bin")
    hearth("init", "settler")
    hearth("network", "add", str(write_record(home)))
    hearth("network", "use", "town")
    assert hearth("up", "--service", "--yes", "--json").data["started"] is True
    assert log.read_text().splitlines()[1:] == [
        "systemctl --user daemon-reload",
        "systemctl --user enable --now hearth@settler.service",
        "loginctl enable-linger",
    ]
    (home / "loginctl").write_text("#!/bin/sh\necho no bus >&2\nexit 1\n")
    failed = hearth("up", "--service", "--yes")
    assert failed.code == 1
    assert "no bus" in failed.err


def test_agent_section__nodes_are_added_and_replaced(hearth: Call, home: Path) -> None:
    from keepers.cli.node import write_agent
    from keepers.cli.options import Options

    write_agent(Options(), 3, Path("a.json"), None, "")
    write_agent(Options(), 5, Path("b.json"), None, "RTX-4090-24GB:2:alpha")
    write_agent(Options(), 3, Path("c.json"), None, "")
    shown = hearth("config", "show", "--json").data
    assert shown["agent.nodes"]["value"] == "3, 5"
    assert shown["agent.keystores"]["value"] == f"{home / 'c.json'}, {home / 'b.json'}"
    assert shown["agent.stand_in"]["value"] == ", RTX-4090-24GB:2:alpha"


@pytest.fixture
def password(home: Path) -> Path:
    """A backup's password in a private file."""
    path = home / "backup.pass"
    path.write_text("correct horse battery\n")
    path.chmod(0o600)
    return path


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Backups with the cost of a daemon's keystore: the tests wait for no key derivation."""
    from keepers.sdk import backup

    monkeypatch.setattr(backup.write_backup, "__defaults__", (1 << 10,))


def test_key_backup__out_and_back_on_another_machine(hearth: Call, home: Path, password: Path) -> None:
    hearth("init", "provider")
    made = {row["name"]: row["address"] for row in hearth("key", "list", "--json").data}
    assert set(made) == {"renter", "node-0"}
    file = home / "keys.backup"
    asked = hearth("key", "backup", str(file))
    assert asked.code == 4  # no password, no terminal
    assert not file.exists()
    said = hearth("key", "backup", str(file), "--password-file", str(password), "--json")
    assert {row["name"]: row["address"] for row in said.data["keys"]} == made
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    text = file.read_text()
    for secret in [*(home / ".local/share/hearth/keys").glob("*.pass"), password]:
        assert secret.read_text().strip() not in text + said.out + said.err
    assert hearth("key", "backup", str(file), "--password-file", str(password)).code == 2  # never overwritten
    hearth("config", "set", "home", str(home / "other"))
    back = hearth("key", "import", "--backup", str(file), "--password-file", str(password), "--json")
    assert {row["name"]: (row["address"], row["fresh"]) for row in back.data} == {n: (a, True) for n, a in made.items()}
    for row in back.data:
        assert hearth("key", "test", row["keystore"], "--json").data["address"] == row["address"]
    again = hearth("key", "import", "--backup", str(file), "--password-file", str(password), "--json")
    assert [row["fresh"] for row in again.data] == [False, False]


def test_key_backup__refusals(hearth: Call, home: Path, password: Path) -> None:
    file = home / "keys.backup"
    call = ("key", "backup", str(file), "--password-file", str(password))
    assert hearth(*call).code == 2  # no key yet
    hearth("key", "new", "alpha")
    dry = hearth(*call, "--dry-run", "--json")
    assert (dry.code, dry.data["keys"], file.exists()) == (0, ["alpha"], False)
    assert hearth(*call).code == 0
    wrong = home / "wrong.pass"
    wrong.write_text("something else than that\n")
    wrong.chmod(0o600)
    said = hearth("key", "import", "--backup", str(file), "--password-file", str(wrong))
    assert said.code == 4
    assert "error[H1102]" in said.err
    wrong.write_text("short\n")
    assert hearth("key", "backup", str(home / "b"), "--password-file", str(wrong)).code == 2
    hearth("config", "set", "home", str(home / "other"))
    hearth("key", "new", "alpha")
    clash = hearth("key", "import", "--backup", str(file), "--password-file", str(password))
    assert clash.code == 2
    assert "another key than the backup's alpha" in clash.err
    file.write_text('{"schema": "hearth.backup/1", "keys": [{"name": "../x", "keystore": {}}]}')
    said = hearth("key", "import", "--backup", str(file), "--password-file", str(password))
    assert said.code == 2
    assert "is no backup of keys" in said.err
    (home / "other/keys/alpha.pass").unlink()
    said = hearth("key", "backup", str(home / "c"), "--password-file", str(password))
    assert said.code == 4
    assert "no password for" in said.err
    assert not (home / "c").exists()


def test_key_backup__keys_that_the_config_names_elsewhere(hearth: Call, home: Path, password: Path) -> None:
    made = hearth("key", "new", "x", "--file", str(home / "far.json"), "--json").data
    hearth("config", "set", "attester.keystore", str(home / "far.json"))
    file = home / "keys.backup"
    said = hearth("key", "backup", str(file), "--password-file", str(password), "--json")
    assert said.data["keys"] == [{"name": "attester", "address": made["address"]}]

"""Verbs about this machine: keys, config, networks, init, check, the outbox."""

from __future__ import annotations

import json
import stat
from pathlib import Path

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
    again = hearth("key", "new", "alpha")
    assert again.code == 4
    assert "never overwritten" in again.err
    wrong = home / "wrong.pass"
    wrong.write_text("no\n")
    wrong.chmod(0o600)
    assert hearth("key", "test", str(keystore), "--password-file", str(wrong)).code == 4
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

"""`hearth signlog`: show, verify, export, import; what the settings name, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from keepers.chain.deployment import load_record
from keepers.chain.keys import open_keystore
from keepers.cli.units import say_time
from keepers.roles.attester import locks
from keepers.roles.attester.signlog import REPORT, SignLog, scope_of
from tests.keepers.cli.conftest import Call
from tests.keepers.roles.town import Town, record


@pytest.fixture
def seat(home: Path, hearth: Call, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, str]:
    """(file of the log, scope) of an attester that `hearth init` set up on a record's network."""
    (home / "memory").mkdir()
    monkeypatch.setattr(locks.Witness.of.__func__, "__defaults__", (home / "memory",))  # type: ignore[attr-defined]
    town = Town(nodes=1)
    path = home / "town.json"
    made = record([key.address for key in town.seat_keys], town.parameters)
    path.write_text(json.dumps(made.model_dump(mode="json", by_alias=True)))
    assert hearth("init", "attester", "--manifest", str(path)).code == 0
    keystore = next((home / ".local/share/hearth/keys").glob("attester.json"))
    key = open_keystore(keystore, None, keystore.with_suffix(".pass"))
    network = load_record(str(path))
    scope = scope_of(network.chain_id, network.address("AttestationHub"), key.address)
    return home / ".local/share/hearth" / network.network / "signlog.db", scope


def signed(seat: tuple[Path, str], *epochs: int) -> None:
    log = SignLog.at(*seat, machine_wide=False)
    for epoch in epochs:
        log.record(REPORT, epoch, 0, bytes([epoch]) * 32, 1, 1)
    log.close()


def test_no_log_yet(hearth: Call, seat: tuple[Path, str]) -> None:
    for verb in ("show", "verify"):
        said = hearth("signlog", verb)
        assert said.code == 2 and "H1006" in said.err and not seat[0].exists()


def test_show_and_verify(hearth: Call, seat: tuple[Path, str]) -> None:
    signed(seat, 3, 4)
    said = hearth("signlog", "--json")
    assert said.code == 0 and said.data["watermark"] == 4 and said.data["scope"] == seat[1]
    assert [row["digest"] for row in said.data["rows"]] == ["0x" + "03" * 32, "0x" + "04" * 32]
    assert "watermark  epoch 4" in hearth("signlog").out
    assert hearth("signlog", "verify", "--json").data["rows"] == 2


def test_verify_and_check_compare_the_mirror(hearth: Call, seat: tuple[Path, str], home: Path) -> None:
    mirror = home / "other" / "mirror"
    assert hearth("config", "set", "attester.signlog_mirror", str(mirror)).code == 0
    signed(seat, 3, 4)
    assert "H6408" in hearth("signlog", "verify").err, "its folder is not there"
    mirror.parent.mkdir()
    said = hearth("signlog", "verify")
    assert said.code == 0 and f"{mirror} has the same" in said.out and len(mirror.read_text().splitlines()) == 3
    seat[0].unlink()
    signed(seat, 3)
    assert "H6402" in hearth("signlog", "verify").err
    assert "epoch 4" in hearth("signlog", "verify").err


def test_refused_while_the_attester_runs(hearth: Call, seat: tuple[Path, str], home: Path) -> None:
    running = SignLog.at(*seat, machine_wide=False)
    said = hearth("signlog", "export", "--retire", str(home / "out.json"), "--yes")
    running.close()
    assert "H6403" in said.err and said.code != 0 and not (home / "out.json").exists()


def test_seat_moves(hearth: Call, seat: tuple[Path, str], home: Path) -> None:
    signed(seat, 3, 4)
    out = home / "out.json"
    assert hearth("signlog", "export", str(home / "kept.json")).code == 0
    assert "H1006" in hearth("signlog", "import", str(home / "kept.json")).err, "its machine may still sign"
    assert hearth("signlog", "export", "--retire", str(out)).code == 3, "it asks, and nobody is there"
    assert hearth("signlog", "export", "--retire", str(out), "--yes").code == 0
    assert out.stat().st_mode & 0o077 == 0
    assert hearth("signlog", "show", "--json").data["state"] == "retired"
    seat[0].rename(seat[0].with_name("old"))
    said = hearth("signlog", "import", str(out), "--json")
    assert said.code == 0 and said.data == {"watermark": 4, "state": "new"}
    assert hearth("signlog", "import", str(out)).code == 0, "again is no step back"


def test_lost_log_is_declared_from_the_present_epoch_on(hearth: Call, seat: tuple[Path, str]) -> None:
    town = Town(nodes=1)
    town.run_epochs(5)

    class World:
        deployment = load_record(str(Path("town.json")))
        reader = town.chain

    def call(*arguments: str) -> object:
        return hearth("signlog", "import", *arguments, connect=lambda options: World)

    present = town.calendar.epoch(town.chain.head().timestamp)
    said = call("--watermark", str(present - 1), "--yes")
    assert "H1005" in said.err and str(present) in said.err  # type: ignore[attr-defined]
    assert call("--watermark", str(present)).code == 3  # type: ignore[attr-defined]
    far = call("--watermark", str(present + 3), "--dry-run")
    closed = town.calendar.end(present + 3) + World.deployment.allowances.freeze
    assert f"signs nothing before {say_time(int(closed))}" in far.err  # type: ignore[attr-defined]
    assert call("--watermark", str(present), "--yes").code == 0  # type: ignore[attr-defined]
    assert hearth("signlog", "--json").data["floor"] == present
    assert call("--watermark", str(present), "--yes").code != 0  # type: ignore[attr-defined]


@pytest.mark.parametrize("arguments", [(), ("x.json", "--watermark", "5")])
def test_import_takes_one_source(hearth: Call, seat: tuple[Path, str], arguments: tuple[str, ...]) -> None:
    assert "H1005" in hearth("signlog", "import", *arguments).err


def test_import_of_a_file_that_is_none(hearth: Call, seat: tuple[Path, str], home: Path) -> None:
    (home / "x.json").write_text("{}")
    assert "H1006" in hearth("signlog", "import", str(home / "x.json")).err
    assert "H1006" in hearth("signlog", "import", str(home / "nowhere.json")).err

"""`hearth watcher --once` over the reference model: what is printed, as JSON too, and the exit code that says it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from keepers.chain.keys import keystore_address
from keepers.cli.main import run
from keepers.cli.options import Options
from keepers.cli.up import build_role, configured
from keepers.cli.watcher import FAULT
from keepers.roles.watcher import role
from keepers.sdk.client import Hearth
from keepers.sdk.connect import load_settings
from keepers.wire.attester_client import make_http
from tests.keepers.cli.conftest import Call
from tests.keepers.roles.town import record
from tests.keepers.roles.watched import BOND, GARBAGE, Parts, Watched

Look = Callable[..., tuple[int, str, str]]


@pytest.fixture
def network() -> Watched:
    return Watched()


@pytest.fixture
def look(network: Watched, home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Look:
    """look("--json"): `hearth watcher --once`, with a home of its own; (exit code, stdout, stderr)."""
    deployment = record([seat.address for seat in network.seats], network.parameters)
    hearth = Hearth(network.chain, deployment)  # type: ignore[arg-type]
    # no seat answers
    monkeypatch.setattr(role, "make_http", lambda timeout_s, *_, **__: make_http(timeout_s, network.transport))

    def call(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run(("watcher", "--once", *arguments), Options(connect=lambda options: hearth))
        return (code, *capsys.readouterr())

    return call


def lie(parts: Parts) -> Parts:
    return [*parts[:-1], (parts[-1][0], GARBAGE)]


def test_once__honest_network__no_findings_and_0(network: Watched, look: Look) -> None:
    for _ in range(3):
        network.report(network.records([1]))
    code, out, _ = look()
    assert code == 0
    assert "3 epochs now; every root through epoch 3 is right" in out and "findings  none" in out


def test_once__false_report__the_table_and_9_until_it_has_fallen(network: Watched, look: Look) -> None:
    network.report()
    e = network.report(network.records([0, 2]), bend=lie)
    code, out, err = look()
    assert code == FAULT == 9
    header = next(line for line in out.splitlines() if line.startswith("kind"))
    assert header.split("  ")[0] == "kind" and [
        name for name in ("kind", "node", "epoch", "provable now", "bounty", "gas", "deadline") if name in header
    ] == ["kind", "node", "epoch", "provable now", "bounty", "gas", "deadline"]
    row = next(line for line in out.splitlines() if line.startswith("root"))
    assert "600.0000 HRTH" in row and "yes" in row and "open" in row and f" {e} " in row
    assert f"the report of epoch {e} is false" in out and "hearth watcher --submit" in err
    watcher = network.watch()
    network.looks(watcher, times=6)
    code, out, _ = look()
    assert code == 0 and "proven by another" in out, "settled ones are shown, and are no fault any more"
    network.report(network.records([0, 2]))
    assert look()[0] == 0


def test_once__json__schema_units_and_what_is_provable(network: Watched, look: Look) -> None:
    e = network.report(network.records([1]), bend=lie)
    code, out, _ = look("--json")
    document = json.loads(out)
    assert code == 9 and document["schema"] == "hearth.watcher/1"
    assert document["chain_id"] == 31_337 and document["block"]["number"] == network.chain.head().number
    data: dict[str, Any] = document["data"]
    assert (data["last"], data["false"], data["unsettled"], data["epochs_checked"]) == (e - 1, e, 1, 1)
    (finding,) = data["findings"]
    assert set(finding) == {
        "key", "kind", "epoch", "node", "seat", "state", "unsettled", "provable", "why", "bounty_wei", "gas",
        "deadline_at", "deadline_s", "first_seen_at", "changed_at",
    }  # fmt: skip
    assert finding["kind"] == "root" and finding["provable"] is True and finding["node"] is None
    assert int(finding["bounty_wei"]) == 3 * BOND // 10 // 5
    assert finding["deadline_s"] == 3_600 and finding["deadline_at"].endswith("Z")


def test_once__window_over__still_a_fault_and_not_provable(network: Watched, look: Look) -> None:
    e = network.report(bend=lie)
    network.step(network.world.hub.usable_at(e))
    code, out, _ = look("--json")
    (finding,) = json.loads(out)["data"]["findings"]
    assert code == 9 and finding["state"] == "too late" and finding["provable"] is False


def test_once__findings_survive_and_nothing_is_read_twice(network: Watched, look: Look, home: Path) -> None:
    network.report(bend=lie)
    first = json.loads(look("--json")[1])["data"]["findings"][0]
    network.step(network.clock.now() + 60)
    second = json.loads(look("--json")[1])["data"]["findings"][0]
    assert second["first_seen_at"] == first["first_seen_at"] and second["deadline_s"] == first["deadline_s"] - 60
    assert (home / ".local/share/hearth/town/state.db").exists()


def test_once_and_submit__contradict_each_other(hearth: Call) -> None:
    said = hearth("watcher", "--once", "--submit")
    assert said.code == 2 and "--once looks and sends nothing" in said.err


def test_submit_without_a_key__is_refused(hearth: Call, tmp_path: Path) -> None:
    network = Watched()
    deployment = record([seat.address for seat in network.seats], network.parameters)
    path = tmp_path / "record.json"
    path.write_text(deployment.model_dump_json(by_alias=True))
    said = hearth("watcher", "--submit", "--manifest", str(path), "--rpc", "http://127.0.0.1:1")
    assert said.code == 4 and "H1101" in said.err and "init watcher" in said.err


def test_close__before_anything_was_mounted__is_quiet() -> None:
    """As the process closes it where the endpoint did not answer at the start."""
    role.Watcher(None, role.Policy()).close()


def test_init_watcher__a_key_and_a_section_that_sends_nothing_yet(hearth: Call, home: Path) -> None:
    said = hearth("init", "watcher")
    assert said.code == 0 and "hearth watcher --once" in said.err
    shown = hearth("config", "show", "--json").data
    rows = {row["key"]: row["value"] for row in shown} if isinstance(shown, list) else {}
    assert rows.get("watcher.submit", "False") == "False"
    assert (home / ".local/share/hearth/keys/watcher.json").exists()


def test_check_watcher__needs_no_key_to_look(hearth: Call) -> None:
    said = hearth("check", "watcher", "--json")
    findings = {row["check"]: row for row in said.data["findings"]}
    assert findings["key watcher"]["outcome"] == "ok" and "sends nothing" in findings["key watcher"]["detail"]
    assert said.code == 9, "no network is chosen"
    assert {"record", "endpoints", "reports", "attesters"} <= set(findings)
    assert "gas watcher" not in findings


def test_check_watcher__gas_is_asked_for_only_of_who_submits(hearth: Call) -> None:
    def checks() -> set[str]:
        return {row["check"] for row in hearth("check", "watcher", "--json").data["findings"]}

    assert hearth("init", "watcher").code == 0
    assert "gas watcher" not in checks(), "a key alone sends nothing"
    assert hearth("config", "set", "watcher.submit", "true").code == 0
    assert "gas watcher" in checks()


def test_up__without_a_key_a_watcher_looks_with_one_it_may_submit(hearth: Call, home: Path) -> None:
    """`hearth up --roles watcher` needs none; a key alone makes it one of the roles of the config."""
    deployment = record([seat.address for seat in Watched().seats], Watched().parameters)

    def settings() -> Any:
        return load_settings({}).settings

    made = build_role("watcher", settings(), deployment)
    assert made.name == "watcher" and made.signer() is None and configured(settings()) == []
    assert hearth("init", "watcher").code == 0
    made = build_role("watcher", settings(), deployment)
    assert made.signer() is None and configured(settings()) == ["watcher"], "it has a key and sends nothing yet"
    assert hearth("config", "set", "watcher.submit", "true").code == 0
    signer = build_role("watcher", settings(), deployment).signer()
    assert signer is not None and signer.address == keystore_address(home / ".local/share/hearth/keys/watcher.json")

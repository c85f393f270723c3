"""docs/operators/attester.md on a local chain: its first commands in an empty home say what the page shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from keepers.cli.main import run
from keepers.localnet.anvil import ROOT, free_port
from keepers.localnet.network import LocalNetwork

PAGE = (ROOT / "docs" / "operators" / "attester.md").read_text(encoding="utf-8")


def same(text: str) -> list[str]:
    """Lines without what is another one on each machine: addresses and folders."""
    text = re.sub(r"0x[0-9a-f]{40}", "0x…", text)
    return [" ".join(re.sub(r"(~|/)\S*/", "…/", line).split()) for line in text.splitlines() if line.strip()]


def test_first_steps__init_prices_check(
    network: LocalNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)

    def say(*arguments: str, code: int = 0) -> str:
        capsys.readouterr()
        assert run(list(arguments)) == code, capsys.readouterr().err
        return capsys.readouterr().out

    (tmp_path / "RECORD.json").write_text(network.record.model_dump_json(by_alias=True), encoding="utf-8")
    say("network", "add", "RECORD.json")
    say("network", "use", network.record.network)
    say("init", "attester", "--rpc", network.chain.url)
    fresh = same(say("check", "attester", code=9))
    shown = [line for line in same(PAGE.split("```")[1]) if not line.startswith("ok port")]  # it may be in use here
    assert len(shown) > 5 and [line for line in shown if line not in fresh] == []

    (tmp_path / "prices.csv").write_text("time,usd\n2020-01-01,0.50\n")
    told = re.search(r"hearth config set attester\.prices '(.+)'", PAGE)
    form = re.search(r'`(\{kind = "csv".*?\})`', PAGE)
    assert told and form, "the page shows how a source is set"
    say("config", "set", "attester.prices", told.group(1))
    say("config", "set", "attester.prices", f"[{form.group(1)}]")
    say("config", "set", "listen_port", "8700")
    key = re.search(r"0x[0-9a-f]{40}", say("check", "attester", code=9))
    assert key
    network.chain.call("anvil_setBalance", key.group(0), hex(10**18))
    say("config", "set", "listen_port", str(free_port()))
    funded = same(say("check", "attester"))
    assert any(line.startswith("ok prices median 0.5 USD") for line in funded)
    assert any(line.startswith("ok gas attester") for line in funded)
    assert any(line.startswith("warn seat") for line in funded)

"""The tree: what it imports, its flags before and after the verb, errors in words, exit codes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from keepers.cli import main
from keepers.cli.options import Options
from keepers.protocol.errors import CODES
from tests.keepers.cli.conftest import Call

HEAVY = (
    "web3",
    "eth_account",
    "sqlmodel",
    "sqlalchemy",
    "httpx",
    "pydantic",
    "fastapi",
    "starlette",
    "numpy",
    "msgspec",
)
PROBE = """
import sys, io, contextlib
from keepers.cli.main import run
with contextlib.redirect_stdout(io.StringIO()):
    code = run({arguments!r})
print(code, *[name for name in {heavy!r} if name in sys.modules])
"""


@pytest.mark.parametrize("arguments", [["--help"], [], ["explain", "--help"], ["version"], ["replay", "--help"]])
def test_help__imports_nothing_heavy(arguments: list[str]) -> None:
    source = PROBE.format(arguments=arguments, heavy=HEAVY)
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["0"], done.stderr


def test_completion__imports_nothing_heavy() -> None:
    source = (
        "import os, sys\nos.environ.update(_HEARTH_COMPLETE='bash_complete', COMP_WORDS='hearth re', COMP_CWORD='1')\n"
        "from keepers.cli.main import root\n"
        "try:\n    root.main(prog_name='hearth', args=[])\nexcept SystemExit: pass\n"
        f"print('heavy:', *[name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=60)
    lines = done.stdout.split("\n")
    assert {"plain,rent", "plain,receipt", "plain,replay"} <= set(lines), done.stderr
    assert "heavy:" in [line.strip() for line in lines]


@pytest.mark.parametrize("name", main.COMMANDS)
def test_every_command__has_help(hearth: Call, name: str) -> None:
    said = hearth(name, "--help")
    assert said.code == 0
    assert "Usage: hearth " + name in said.out


def test_every_command__is_in_the_help_with_its_line(hearth: Call) -> None:
    said = hearth("--help")
    for name, (_, _, line) in main.COMMANDS.items():
        assert name in said.out
        assert line.split()[0] in said.out


@pytest.mark.parametrize("arguments", [("--json", "version"), ("version", "--json")])
def test_global_flags__before_or_after_the_verb(hearth: Call, arguments: tuple[str, ...]) -> None:
    document = json.loads(hearth(*arguments).out)
    assert document["schema"] == "hearth.version/1"
    assert document["data"]["contracts"] == ["1"]


def test_global_flags__reach_verbs_of_nouns(hearth: Call) -> None:
    for arguments in (("--json", "config", "path"), ("config", "--json", "path"), ("config", "path", "--json")):
        assert isinstance(hearth(*arguments).data, list)


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("statu",), 2, "Did you mean status"),
        (("node", "lst"), 2, "No such command 'lst'. Did you mean list?"),
        (("wallet", "cash"), 2, "See `hearth wallet --help`."),
        (("rent",), 2, "rent what?"),
        (("explain", "H0000"), 2, "error[H1005]"),
        (("status",), 2, "error[H1003] no network is chosen"),
        (("--network", "nowhere", "status"), 2, "error[H1004]"),
        (("agent",), 2, "error[H1003]"),
        (("up",), 4, "error[H1101]"),
        (("up", "--roles", "king"), 2, "there is no role 'king'"),
        (("config", "set", "colour", "red"), 2, "error[H1001]"),
        (("config", "set", "renter.password", "x"), 2, "a secret is never written"),
        (("config", "set", "database_url", "postgresql://u:x@h/d"), 2, "hearth config set database_url_file FILE"),
        (("config", "set", "renter", "5"), 2, "hearth config set renter.NAME VALUE"),
        (("replay", "--nodes", "a", "--jobs", "b", "--attesters", "3"), 2, "3 is not in the range"),
        (("replay", "--nodes", "a", "--jobs", "b", "--report", "no/where.json"), 2, "its folder does not exist"),
        (("replay", "--nodes", "a.csv", "--jobs", "b.csv"), 2, "a.csv: there is no such file"),
        (("check",), 9, ""),
    ],
)
def test_exit_codes(hearth: Call, arguments: tuple[str, ...], code: int, says: str) -> None:
    said = hearth(*arguments)
    assert said.code == code, said.err
    assert says in said.err
    assert "Traceback" not in said.err + said.out


def test_next__repeats_the_flags_that_chose_config_and_network(hearth: Call, home: Path) -> None:
    config = home / "my own.toml"
    missing = hearth("-c", str(config), "config", "show")
    assert missing.code == 2
    assert f"  next  hearth -c '{config}' init ROLE" in missing.err
    made = hearth("-c", str(config), "init", "settler")
    assert made.code == 0, "init makes the file that -c names"
    assert config.exists()
    unchosen = hearth("status", "-c", str(config))
    assert f"        hearth -c '{config}' network use NAME" in unchosen.err
    assert (
        json.loads(hearth("status", "-c", str(config), "--json").err)["error"]["next"][1] == "hearth network use NAME"
    )
    assert "next  hearth network add FILE" in hearth("network", "list").out
    for given, shown in (("http://127.0.0.1:1", "http://127.0.0.1:1"), ("https://u:secret@a.example/?k=1", "URL")):
        text = Options(manifest="r.json", rpc=given).repeatable("next  hearth proof 0 1")
        assert text == f"next  hearth --manifest r.json --rpc {shown} proof 0 1"


def test_error__as_json_for_programs(hearth: Call) -> None:
    said = hearth("--json", "status")
    error = json.loads(said.err)["error"]
    assert error["code"] == "H1003"
    assert set(error) == {"code", "message", "why", "next", "retryable", "tx"}
    assert said.out == ""


def test_usage_error__as_json_too(hearth: Call) -> None:
    said = hearth("--json", "close")
    assert json.loads(said.err)["error"]["code"] == "H1005"
    assert said.code == 2


def test_a_defect__is_named_without_its_text(hearth: Call) -> None:
    def broken(options: Options) -> None:
        raise RuntimeError("secret-token-in-a-url")

    said = hearth("status", connect=broken)
    assert said.code == 1
    assert "error[H9001] a defect of ours: RuntimeError" in said.err
    assert "secret-token" not in said.err + said.out
    crash = Path(re.search(r"report it with (\S+)", said.err)[1])  # type: ignore[index]
    assert "test_cli_shape.py" in crash.read_text()
    assert "secret-token" not in crash.read_text()
    crash.unlink()


def test_ctrl_c__is_130(hearth: Call) -> None:
    def interrupted(options: Options) -> None:
        raise KeyboardInterrupt

    said = hearth("status", connect=interrupted)
    assert said.code == 130
    assert "what was sent stays sent" in said.err


def test_explain__codes_reasons_and_exit_codes(hearth: Call) -> None:
    for code, row in CODES.items():
        said = hearth("explain", code)
        assert said.code == 0
        assert row.meaning in said.out
    assert "forfeit" in hearth("explain", "HOST_DOWN").out
    assert "outcome unknown" in hearth("explain", "exit-codes").out
    meant = {"colusion": "collusion", "H6771": "H6701", "host_dwn": "HOST_DOWN", "exitcodes": "exit-codes"}
    for typed, near in meant.items():
        said = hearth("explain", typed)
        assert said.code == 2 and near in said.err.split("near it")[1].split("next")[0], said.err

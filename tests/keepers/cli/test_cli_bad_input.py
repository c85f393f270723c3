"""Bad input at every boundary of the command: a coded message names what is wrong; nothing is written or sent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from keepers.chain.codec import CONTRACTS
from keepers.protocol.errors import HearthError
from tests.keepers.cli.conftest import Call, Said
from tests.keepers.sdk.conftest import Market

DEEP = "[" * 100_000  # a parser that recurses gives up on it
LONG = "9" * 5_000  # longer than Python turns into a number
RECORD = {
    "schema": "hearth.deployment/1",
    "suite_version": "1",
    "network": "test",
    "chain_id": 31_337,
    "local": True,
    "genesis_block_hash": "0x" + "ab" * 32,
    "first_block": 1,
    "finality": {"kind": "depth", "value": 2},
    "calendar": {"genesis": 1_000, "slot": 1, "epochs_per_period": 2},
    "contracts": {name: {"address": f"0x{n + 1:040x}"} for n, name in enumerate(CONTRACTS)},
}


def refused(said: Said, code: str, exit_code: int, *words: str) -> None:
    """The error's code, its exit code, what it must name, and that it is no defect."""
    assert f"error[{code}]" in said.err, said.err
    assert said.code == exit_code
    for word in words:
        assert word in " ".join(said.err.split())
    assert "Traceback" not in said.err + said.out
    assert "\n  next  " in said.err


# ---- files and folders


def test_path__in_a_users_home_that_does_not_exist__usage_error(hearth: Call) -> None:
    said = hearth("key", "test", "~no-such-user/k.json")
    assert said.code == 2
    assert "a user that does not exist" in " ".join(said.err.split())


def test_path__under_a_file__named(hearth: Call, home: Path) -> None:
    (home / "file").write_text("x")
    refused(hearth("key", "new", "--file", str(home / "file" / "k.json")), "H1006", 2, str(home / "file"))


def test_timeout__zero_or_too_long__usage_error(hearth: Call) -> None:
    for seconds in ("0", "-1", "99999", "inf", "soon"):
        assert hearth("status", "--timeout", seconds).code == 2


@pytest.mark.parametrize("name", ["../k", "", "a/b", ".hidden", "x" * 101, "a\nb"])
def test_key__name_that_is_none__refused(hearth: Call, home: Path, name: str) -> None:
    refused(hearth("key", "new", name), "H1005", 2, "is no name of a key")
    secret = home / "secret"
    secret.write_text("11" * 32)
    secret.chmod(0o600)
    refused(hearth("key", "import", name, "--secret-file", str(secret)), "H1005", 2, "is no name of a key")
    assert not list(home.rglob("*.json"))


def test_key_test__missing_file__told_before_a_password_is_asked_for(hearth: Call, home: Path) -> None:
    refused(hearth("key", "test", str(home / "none.json")), "H1101", 4, "none.json cannot be read")


@pytest.mark.parametrize("text", ["", "zz", "11", "00" * 32, "ff" * 32])
def test_key_import__secret_that_is_none__says_how_long_one_is(hearth: Call, home: Path, text: str) -> None:
    secret = home / "secret"
    secret.write_text(text)
    secret.chmod(0o600)
    refused(hearth("key", "import", "k", "--secret-file", str(secret)), "H1102", 4, "64 hex digits")


def test_key_import__backup_that_is_none__named(hearth: Call, home: Path) -> None:
    backup = home / "b.json"
    password = home / "b.pass"
    for path, text in ((backup, DEEP), (password, "long enough, I think")):
        path.write_text(text)
        path.chmod(0o600)
    call = ("key", "import", "--backup", str(backup), "--password-file", str(password))
    refused(hearth(*call), "H1006", 2, "is no backup of keys")


# ---- settings


@pytest.mark.parametrize(
    ("key", "value", "code", "words"),
    [
        ("rpc_urls", "[bad", "H1005", "the value is no TOML: nothing was written"),
        ("rpc_urls", '["http://"]', "H1001", "has no host"),
        ("rpc_urls", '["http://a:99999"]', "H1001", "no port from 1 to 65535"),
        ("log_style", "xml", "H1001", "must be json or text"),
        ("home", "", "H1001", "home: is empty"),
        ("home", "~no-such-user/x", "H1001", "a user that does not exist"),
        ("renter.keystore", "~no-such-user/x", "H1001", "a user that does not exist"),
        ("poll_s", "inf", "H1001", "finite"),
        ("rpc_timeout_s", "1e300", "H1001", "less than or equal to 3600"),
        ("fees.max_fee_gwei", "inf", "H1001", "finite"),
        ("limits.per_day_usd", "1e400000", "H1001", "less than or equal"),
        ("settler.native_usd", "inf", "H1001", "finite"),
        ("settler.providers", "[-3]", "H1001", "settler.providers.0"),
    ],
)
def test_config_set__value_that_cannot_be__refused_and_nothing_written(
    hearth: Call, home: Path, key: str, value: str, code: str, words: str
) -> None:
    config = home / "c.toml"
    refused(hearth("config", "set", key, value, "-c", str(config)), code, 2, words)
    assert not config.exists()


def test_config_set__text_with_a_line_break__comes_back_as_it_was(hearth: Call, home: Path) -> None:
    config = home / "c.toml"
    assert hearth("config", "set", "renter.offers", 'a\n"b"\\', "-c", str(config)).code == 0
    assert hearth("config", "show", "-c", str(config), "--json").data["renter.offers"]["value"] == 'a\n"b"\\'


@pytest.mark.parametrize("text", ["x", "[agent", "a = " + DEEP, b"\xff"])
def test_config_set__file_that_is_broken__left_as_it_is(hearth: Call, home: Path, text: str | bytes) -> None:
    config = home / "c.toml"
    before = text if isinstance(text, bytes) else text.encode()
    config.write_bytes(before)
    for call in (("config", "set", "log_level", "info"), ("config", "show")):
        refused(hearth(*call, "-c", str(config)), "H1002", 2, str(config))
    assert config.read_bytes() == before


def test_config__wrong_value__names_its_file_and_setting(hearth: Call, home: Path) -> None:
    config = home / "c.toml"
    config.write_text("[agent]\nnodes = [-1]\n")
    refused(hearth("config", "show", "-c", str(config)), "H1001", 2, "agent.nodes.0", f"(from {config})")
    config.write_text('[renter]\npassword_file = "/no/such"\n')
    refused(hearth("config", "show", "-c", str(config)), "H1101", 4, f"renter.password_file of {config}")


@pytest.mark.parametrize(
    "env",
    [
        {"HEARTH_HOME": "/x", "HEARTH_HOME__A": "1"},
        {"HEARTH_AGENT": "5", "HEARTH_AGENT__NODES": "1"},
        {"HEARTH_RPC_URLS": "[" * 2_000},
        {"HEARTH_ATTESTER__PRICES": "[" * 2_000},
    ],
)
def test_environment__values_that_contradict_or_cannot_be_read__refused(
    hearth: Call, monkeypatch: pytest.MonkeyPatch, env: dict[str, str]
) -> None:
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    refused(hearth("config", "show"), "H1001", 2, "unset")


# ---- the deployment record


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"network": "../../evil"}, "network: must be 1 to 64 letters"),
        ({"network": ""}, "network: must be 1 to 64 letters"),
        ({"network": "a\nb"}, "network: must be 1 to 64 letters"),
        ({"chain_id": 2**300}, "chain_id"),
        ({"first_block": 2**70}, "first_block"),
        ({"finality": {"kind": "tag", "value": "soon"}}, "finality tag must be"),
        ({"finality": {"kind": "depth", "value": -1}}, "finality depth must be"),
        ({"calendar": {"genesis": 1_000, "slot": 2**80, "epochs_per_period": 2}}, "slot is"),
        ({"allowances": {"late": float("inf")}}, "allowances.late"),
        ({"contracts": {**RECORD["contracts"], "LeaseMarket": {"address": "0x" + "zz" * 20}}}, "40 hex digits"),  # type: ignore[dict-item]
    ],
)
def test_network_add__record_with_a_wrong_value__named_and_not_kept(
    hearth: Call, home: Path, change: dict[str, Any], words: str
) -> None:
    path = home / "r.json"
    path.write_text(json.dumps(RECORD | change))
    refused(hearth("network", "add", str(path), "--yes"), "H1004", 2, words)
    assert [p for p in home.rglob("*.json") if p != path] == []
    path.write_text(json.dumps(RECORD))
    assert hearth("network", "add", str(path)).code == 0


@pytest.mark.parametrize("text", ["", "5", "NaN", DEEP])
def test_network_add__file_that_is_no_record__named(hearth: Call, home: Path, text: str) -> None:
    path = home / "r.json"
    path.write_text(text)
    refused(hearth("network", "add", str(path)), "H1004", 2, str(path))


def test_network__path_in_no_users_home__named(hearth: Call) -> None:
    refused(hearth("status", "--manifest", "~no-such-user/r.json"), "H1004", 2, "no deployment record")


# ---- arguments that go to the chain


@pytest.mark.parametrize(
    "call",
    [
        ("wallet", "show", "0x12"),
        ("wallet", "show", ""),
        ("wallet", "buy", LONG),
        ("wallet", "refund", LONG),
        ("wallet", "redeem", "--provider", "99"),
        ("wallet", "redeem", "--provider", str(2**300)),
        ("earnings", "--provider", "99"),
        ("node", "list", "--provider", "99"),
        ("stake", "add", "1", "--provider", "99"),
        ("stake", "add", LONG, "--provider", "0"),
        ("status", LONG),
        ("status", "--renter", "nobody"),
        ("offers", "--hours", LONG),
        ("offers", "--max", LONG),
        ("rent", "1", "--slippage", LONG),
        ("node", "price", "0", "--usd", LONG),
        ("node", "price", "0", "--usd", "0.4", "--valid", LONG),
    ],
)
def test_argument__that_means_nothing__is_a_usage_error(renter: Call, market: Market, call: tuple[str, ...]) -> None:
    said = renter(*call, "--yes")
    refused(said, "H1005", 2)
    assert len(said.err) < 1_000, "what is far too long is not repeated"
    assert market.sent == []


def test_sign_ask__too_many_nodes_or_no_such_sheet__refused(market: Market) -> None:
    operator = market.operator(0)
    expiry = operator.head().timestamp + 100
    with pytest.raises(HearthError, match="at most 8") as caught:
        operator.sign_ask(0, range(9), 1, sheet=0, expiry_at=expiry)
    assert caught.value.code == "H1005"
    with pytest.raises(HearthError, match="no term sheet 99") as sheet:
        operator.sign_ask(0, [0], 1, sheet=99, expiry_at=expiry)
    assert (sheet.value.code, sheet.value.exit_code) == ("H1005", 2)
    twice = operator.sign_ask(0, [0, 0], 1, sheet=0, expiry_at=expiry)
    assert twice.ask.nodes == 1, "a node is named once"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--stake", "ten"), "no amount of tokens"),
        (("--price", "0.4", "--sheet", "99"), "no term sheet 99"),
        (("--stand-in", "UPPER"), "no label of a stand-in"),
        (("--payout", "0x12"), "no address"),
    ],
)
def test_node_register__wrong_value__refused_before_anything_is_sent(
    hearth: Call, market: Market, more: tuple[str, ...], words: str
) -> None:
    assert hearth("key", "new", "node-0").code == 0
    call = ("node", "register", "--class", "RTX-4090-24GB", "--gpus", "1", "--yes")
    stand_in = () if "--stand-in" in more else ("--stand-in", "alpha")
    said = hearth(*call, *stand_in, *more, connect=lambda options: market.operator(0))
    refused(said, "H1005", 2, words)
    assert market.sent == []


# ---- what was kept here


def test_rent__file_of_the_last_offers_is_damaged__shown_anew(renter: Call, market: Market, home: Path) -> None:
    market.offer(0)
    assert renter("offers").code == 0
    (kept,) = home.rglob("last-offers.json")
    right = kept.read_text()
    broken = ["", "[]", "5", DEEP, '{"rows": [5], "at": 1}', right.replace('"ask"', '"aks"')]
    for text in [*broken, right.replace('"hours"', '"hrs"'), right.replace('"regions": []', '"regions": 5')]:
        kept.write_text(text)
        refused(renter("rent", "1", "--dry-run"), "H4201", 5, "the file that keeps the last offers is damaged")
    kept.unlink()
    refused(renter("rent", "1", "--dry-run"), "H4201", 5, "no offers were shown here yet")


def test_replay__report_that_is_a_folder__refused_before_a_day_is_lived(hearth: Call, home: Path) -> None:
    refused(hearth("replay", "--nodes", "a", "--jobs", "b", "--report", str(home)), "H1005", 2, "it is a folder")


def test_receipt__invoice_that_is_no_toml__named(renter: Call, market: Market, home: Path) -> None:
    market.offer(0)
    assert renter("rent", "--gpu", "4090:1", "--hours", "1", "--yes").code == 0
    fields = home / "fields.toml"
    fields.write_text("a = " + DEEP)
    refused(renter("receipt", "1", "--html", "--invoice", str(fields)), "H1006", 2, "cannot be read as TOML")

"""Settings: order of sources, origins, unknown keys, secrets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from keepers.protocol.errors import HearthError
from keepers.runtime.settings import KeyedSection, Loaded, load


class AgentSection(KeyedSection):
    """A role's section, as roles declare theirs."""

    node: int = 0
    gpus: tuple[int, ...] = ()


def read(tmp_path: Path, env: dict[str, str] | None = None, **more: Any) -> Loaded:
    return load(sections={"agent": AgentSection}, env=env or {}, files=more.pop("files", []), **more)


def test_load__every_source__nearest_wins_and_origin_is_kept(tmp_path: Path) -> None:
    paths = [tmp_path / "hearth.toml", tmp_path / "user.toml", tmp_path / "etc.toml"]
    for path, lines in zip(
        paths,
        [
            'log_level = "debug"\n',
            'log_level = "error"\npoll_s = 3\n[agent]\nnode = 1\n',
            "poll_s = 4\nrpc_timeout_s = 5\n[agent]\nnode = 2\ngpus = [0, 1]\n",
        ],
        strict=True,
    ):
        path.write_text(lines)
    loaded = read(
        tmp_path,
        {"HEARTH_AGENT__NODE": "7", "HEARTH_RPC_URLS": "http://a,http://b", "PATH": "x"},
        files=paths,
        flags={"home": tmp_path, "deployment": None},
        record={"health_port": 9_999, "rpc_urls": ["http://record"]},
    )
    settings = loaded.settings
    assert (settings.log_level, settings.poll_s, settings.rpc_timeout_s) == ("debug", 3.0, 5.0)
    assert settings.rpc_urls == ("http://a", "http://b") and settings.health_port == 9_999
    assert loaded.section("agent").node == 7 and loaded.section("agent").gpus == (0, 1)
    origins = {key: origin for key, _, origin in loaded.show()}
    assert origins["log_level"] == str(paths[0]) and origins["poll_s"] == str(paths[1])
    assert origins["agent.gpus"] == str(paths[2]) and origins["agent.node"] == "environment"
    assert origins["home"] == "flag" and origins["health_port"] == "network record"
    assert origins["listen_port"] == "default"


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({"HEARTH_RPC_URL": "http://a"}, "did you mean rpc_urls?"),
        ({"HEARTH_AGENT__NOD": "1"}, "did you mean agent.node?"),
        ({"HEARTH_ZZZ": "1"}, "known here:"),
    ],
)
def test_load__unknown_key_in_the_environment__refused_with_the_nearest(
    tmp_path: Path, env: dict[str, str], words: str
) -> None:
    with pytest.raises(HearthError, match=f"unknown setting {next(iter(env))}") as caught:
        read(tmp_path, env)
    assert caught.value.exit_code == 2 and words in caught.value.why[0]


def test_load__unknown_key_in_a_file__refused_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text("[agent]\nnodes = 3\n")
    with pytest.raises(HearthError, match=r"unknown setting agent\.nodes in .*a\.toml"):
        read(tmp_path, config=path)


@pytest.mark.parametrize(
    ("env", "key"),
    [
        ({"HEARTH_AGENT__NODE": "three"}, "agent.node"),
        ({"HEARTH_HEALTH_PORT": "70000"}, "health_port"),
        ({"HEARTH_RPC_URLS": "ftp://x"}, "rpc_urls"),
        ({"HEARTH_LOG_LEVEL": "loud"}, "log_level"),
        ({"HEARTH_FEES__MAX_FEE_GWEI": "-1"}, "fees.max_fee_gwei"),
    ],
)
def test_load__wrong_value__key_reason_and_origin(tmp_path: Path, env: dict[str, str], key: str) -> None:
    with pytest.raises(HearthError, match="1 setting is wrong") as caught:
        read(tmp_path, env)
    assert caught.value.code == "H1001" and caught.value.why[0].startswith(key)
    assert "environment" in caught.value.why[0]


def test_load__time_zone_that_is_none__refused(tmp_path: Path) -> None:
    for zone in ("", "utc", "UTC", "local"):
        read(tmp_path, {"HEARTH_TZ": zone})
    with pytest.raises(HearthError, match="HEARTH_TZ=mars is neither utc nor local") as caught:
        read(tmp_path, {"HEARTH_TZ": "mars"})
    assert caught.value.code == "H1001" and caught.value.exit_code == 2


def test_load__secret_as_file__read_and_shown_only_as_set(tmp_path: Path) -> None:
    secret = tmp_path / "pw"
    secret.write_text("correct horse\n")
    secret.chmod(0o600)
    loaded = read(tmp_path, {"HEARTH_AGENT__PASSWORD_FILE": str(secret)})
    assert loaded.section("agent").password.get_secret_value() == "correct horse"
    shown = {key: (value, origin) for key, value, origin in loaded.show()}
    assert shown["agent.password"] == ("set", f"environment (file {secret})")
    assert "horse" not in repr(loaded) and "horse" not in str(loaded.show())


def test_load__secret_file_open_to_others__refused(tmp_path: Path) -> None:
    secret = tmp_path / "pw"
    secret.write_text("x")
    secret.chmod(0o644)
    with pytest.raises(HearthError) as caught:
        read(tmp_path, {"HEARTH_DATABASE_URL_FILE": str(secret)})
    assert caught.value.code == "H1103" and caught.value.exit_code == 4
    secret.chmod(0o600)
    with pytest.raises(HearthError, match="sets both"):
        read(tmp_path, {"HEARTH_DATABASE_URL_FILE": str(secret), "HEARTH_DATABASE_URL": "sqlite://"})


def test_load__file_that_cannot_be_read__said(tmp_path: Path) -> None:
    with pytest.raises(HearthError, match="no configuration file"):
        read(tmp_path, config=tmp_path / "none.toml")
    bad = tmp_path / "bad.toml"
    bad.write_text("a = = 1")
    with pytest.raises(HearthError, match="is no TOML") as caught:
        read(tmp_path, config=bad)
    assert caught.value.code == "H1002"
    assert read(tmp_path, files=[tmp_path / "none.toml"]).settings.log_level == "info"


def test_database__one_folder_a_network_and_masked_urls(tmp_path: Path) -> None:
    loaded = read(tmp_path, {"HEARTH_RPC_URLS": "https://h/0123456789abcdef0123456789"}, flags={"home": tmp_path})
    assert loaded.settings.database("alpha") == f"sqlite:///{tmp_path}/alpha/state.db"
    assert "0123456789abcdef" not in str(loaded.show())
    other = read(tmp_path, {"HEARTH_DATABASE_URL": "sqlite:////x.db", "HEARTH_CRASH_AT": "nothing"})
    assert other.settings.database("alpha") == "sqlite:////x.db"

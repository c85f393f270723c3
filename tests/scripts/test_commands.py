"""Scripts with wrong input: a coded message, the right exit code, no traceback, nothing sent."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from keepers.chain.deployment import CalendarRecord
from scripts import check, deploy, seed_local
from scripts._deployment import default_record, start_or_resume
from scripts._errors import DeployError
from scripts._journal import Journal
from scripts._profile import load_profile


@pytest.mark.parametrize(
    ("command", "arguments", "code", "exit_code"),
    [
        (deploy.cli, [], "H7101", 2),
        (deploy.cli, ["--profile", "local"], "H1003", 2),
        (deploy.cli, ["--profile", "nowhere", "--dry-run"], "H7101", 2),
        (check.cli, ["--record", "x.json"], "H1003", 2),
        (check.cli, ["--record", "no-such.json", "--network", "http://127.0.0.1:1"], "H7114", 2),
        (seed_local.cli, ["--record", "no-such.json"], "H1003", 2),
        (seed_local.cli, ["--record", "no-such.json", "--network", "http://127.0.0.1:1"], "H7114", 2),
        (deploy.cli, ["--profile", "local", "--network", "http://127.0.0.1:1", "--max-fee", "nan"], "H7114", 2),
        (deploy.cli, ["--profile", "local", "--network", "http://127.0.0.1:1", "--name", "../x"], "H7114", 2),
    ],
)
def test_command__wrong_input__names_it(command, arguments: list[str], code: str, exit_code: int) -> None:
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == exit_code
    assert f"error[{code}]" in result.output
    assert "Traceback" not in result.output


def test_check__record_without_a_contract__says_which(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text(json.dumps({"schema": "hearth.deployment/1", "chain_id": 1}))
    result = CliRunner().invoke(check.cli, ["--record", str(path), "--network", "http://127.0.0.1:1"])
    assert result.exit_code == 2
    assert "H7114" in result.output


@pytest.mark.parametrize(
    ("values", "word"),
    [
        (["x"], "A=B"),
        (["=1"], "A=B"),
        (["0x12=1"], "address"),
        *((["0x" + "1" * 40 + f"={amount}"], amount) for amount in ("ten", "nan", "Infinity", "-5", "0", "1e-19")),
    ],
)
def test_seed__tokens_that_cannot_be_read__are_named(values: list[str], word: str) -> None:
    with pytest.raises(DeployError, match=word):
        for who, amount in seed_local.pairs(tuple(values), "tokens"):
            seed_local.address(who)
            seed_local.wei(amount)


LOCAL = CalendarRecord(genesis=0, slot=1, epochs_per_period=2)


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("x" * 40, "1", "32 characters"),
        ("a", "ten", "not a number"),
        ("a", "1e999999999", "too large"),
        ("a", "ten:256:8:6", "not a number"),
        ("a", "1:256:8", "NAME=USD:N:ROUNDS:DEADLINE"),
        ("a", "1:256:8:6:1", "NAME=USD:N:ROUNDS:DEADLINE"),
        ("a", "1:256:8:6.5", "NAME=USD:N:ROUNDS:DEADLINE"),
        ("a", "1:255:8:6", "n = 255 is no power of two"),
        ("a", "1:256:6:6", "rounds = 6 is no power of two"),
        ("a", "1:256:8:0", "needs a deadline"),
        ("a", "1:256:8:-1", "needs a deadline"),
        ("a", "1:256:8:7", "deadline of 7 s and 2 s for openings pass two thirds of 12 s"),
    ],
)
def test_seed__class_that_cannot_be__named(name: str, text: str, why: str) -> None:
    with pytest.raises(DeployError, match=rf"H7114(?s:.*){why}"):
        seed_local.gpu_class(name, text, LOCAL, 2)


@pytest.mark.parametrize(
    ("text", "size"), [("300", (0, 0, 0)), ("300:256:8:6", (256, 8, 6)), ("300:65536:512:6", (65_536, 512, 6))]
)
def test_seed__class__by_stake_alone_or_with_its_challenge(text: str, size: tuple[int, ...]) -> None:
    row = seed_local.gpu_class("a", text, LOCAL, 2)
    assert (row.min_stake_usd, (row.n, row.rounds, row.deadline_s)) == (300 * 10**9, size)
    assert row.challenged is any(size)
    assert row.compute_units >= 1


@pytest.mark.parametrize("text", ["", "[]", "{}", "[" * 100_000, '{"schema":"hearth.plan/1","steps":[]}'])
def test_plan_file__that_is_none__refused_before_anything(tmp_path: Path, text: str) -> None:
    path = tmp_path / "plan.json"
    path.write_text(text)
    with pytest.raises(DeployError, match=r"H1006.*is not a plan") as refused:
        start_or_resume(
            load_profile("local"),
            {},
            None,
            "0x",
            True,
            Journal(tmp_path / "none.jsonl"),
            None,
            False,
            path,  # type: ignore[arg-type]
        )
    assert refused.value.exit_code == 2


def test_resume__without_a_journal__says_so(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "none.jsonl")
    with pytest.raises(DeployError, match=r"nothing to resume"):
        start_or_resume(load_profile("local"), {}, None, "0x", True, journal, None, True, None)  # type: ignore[arg-type]


def test_default_record__public__is_shipped_and_local_is_not() -> None:
    assert default_record(load_profile("default"), "arbitrum:sepolia:node").parts[-3:] == (
        "keepers",
        "deployments",
        "arbitrum-sepolia.json",
    )
    assert "build" in default_record(load_profile("local"), "http://127.0.0.1:1").parts

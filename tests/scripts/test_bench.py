"""The bench's rows, table, peers and the page's figures, without a chain: what is printed is what was measured."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from bench import challenge, gas, ingest, peers, readme, rows
from bench.goals import GAS
from bench.row import mark

IDS = [
    "gas.lease.take",
    "gas.lease.settle",
    "gas.lease.settle_bounty",
    "gas.lease.settle_anchor",
    "gas.lease.settle_32_near",
    "gas.lease.settle_32_far",
    "gas.lease.stop",
    "gas.lease.finish",
    "gas.lease.top_up",
    "gas.lease.pay",
    "gas.credits.buy",
    "gas.credits.refund",
    "gas.credits.redeem",
    "gas.credits.redeem_next",
    "gas.report.1k_k3",
    "gas.report.10k_k5",
    "gas.report.10k_k11",
    "gas.report.100k_k5",
    "gas.post_per_record",
    "gas.refute.root_10k",
    "gas.refute.root_100k",
    "gas.refute.element_1k",
    "gas.refute.element_4k",
    "gas.refute.element_16k",
    "gas.refute.element_64k",
    "gas.dot_per_element",
    "gas.leaf.read",
    "gas.node.register",
    "size.max_runtime_bytes",
    "replay.day_50_s",
]
KEYS = ["id", "value", "unit", "goal", "bound", "peer", "peer_value", "command", "note"]


def row_of(suite: str, action: str, peer: str, used: int) -> dict[str, Any]:
    return {"suite": suite, "action": action, "peer": peer, "version": "1", "gas": used, "conditions": "cold"}


OURS = [row_of("hearth", goal.id, "ours", 50_000 + place) for place, goal in enumerate(GAS)]
CLAIM = "claim (later)"


# ---- ingest


def test_ingest__every_beat_is_signed_distinct_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small run over a real socket: what is printed are the goals' own ids, and nothing is lost on the way."""
    monkeypatch.setattr(ingest, "NODES", 128)
    found = ingest.rows(320)
    assert [(r["id"], r["unit"], r["bound"], r["goal"]) for r in found] == [
        ("ingest.batch64_per_core", "1/s", ">=", 12_000),
        ("ingest.single_per_core", "1/s", ">=", 5_000),
        ("ingest.p99_ms", "ms", "<=", 50),
        ("heartbeat.bytes", "bytes", "<=", 200),
    ]
    assert all(list(r) == KEYS and r["value"] > 0 for r in found)
    assert mark(found[-1]) == "ok"
    made = ingest.beats(ingest.signers(), 200, 100)
    assert len({(beat.node, beat.slot) for beat in made}) == 200 and len({beat.signature for beat in made}) == 200


# ---- challenge


def test_challenge__at_a_small_size__measures_every_figure_on_honest_rows() -> None:
    found = challenge.rows(n=256)
    assert [(r["id"], r["unit"], r["bound"], r["goal"]) for r in found] == [
        ("verify.answer_ms", "ms", "<=", 10),
        ("verify.u_s", "s", "<=", 2),
        ("prove.4k_ratio", "", "<=", 2),
    ]
    assert all(list(r) == KEYS for r in found)
    assert found[0]["value"] > 0 and found[2]["value"] > 0


# ---- rows and table


def test_rows__every_figure_with_every_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    out = tmp_path / "build" / "bench.json"
    monkeypatch.setattr(rows, "OUT", out)
    monkeypatch.setattr(rows, "ROOT", tmp_path)
    monkeypatch.setattr(rows, "alone", lambda: OURS)
    monkeypatch.setattr(rows, "size_row", lambda: rows.row("size.max_runtime_bytes", 1, "bytes", 2))
    monkeypatch.setattr(rows.rebuild, "rows", lambda: [rows.row("rebuild.month_10k_s", 1, "s", 5)])
    monkeypatch.setattr(rows.ingest, "rows", lambda: [rows.row("ingest.single_per_core", 9, "1/s", 5, at_least=True)])
    monkeypatch.setattr(rows.challenge, "rows", lambda: [rows.row("verify.u_s", 1, "s", 2)])
    monkeypatch.setattr(rows.escape, "rows", lambda: [rows.row("escape.max", 0.01, "share", 0.02)])
    monkeypatch.setattr(sys, "argv", ["rows", "--no-peers", "--no-replay"])
    assert rows.main() == 0
    written = json.loads(out.read_text())
    ours = ["rebuild.month_10k_s", "ingest.single_per_core", "verify.u_s", "escape.max"]
    assert [r["id"] for r in written] == [*IDS[:-1], *ours, IDS[-1]]
    assert all(list(r) == KEYS for r in written)
    assert written[0]["value"] == 50_000
    assert written[-1]["value"] is None
    assert written[-1]["note"] == "left out by --no-replay"


def test_gas_rows__the_cheapest_peer_that_is_none_of_ours_and_no_probe() -> None:
    theirs = [
        row_of("streaming", CLAIM, "Dear", 90_000),
        row_of("streaming", CLAIM, "Cheap", 60_000),
        row_of("streaming", CLAIM, "limit: bare", 10_000),
        row_of("streaming", CLAIM, "ours", 9_000),
        row_of("erc20", CLAIM, "Other suite", 8_000),
    ]
    found = {r["id"]: r for r in rows.gas_rows([*OURS, *theirs])}
    settle = found["gas.lease.settle"]
    assert (settle["peer"], settle["peer_value"]) == ("Cheap 1: claim (later)", 60_000)
    assert (found["gas.lease.take"]["peer"], found["gas.lease.take"]["peer_value"]) == (None, None)


def test_gas_rows__a_figure_that_is_missing_is_named() -> None:
    with pytest.raises(SystemExit, match=r"not measured: gas\.lease\.take;"):
        rows.gas_rows(OURS[1:])


def test_table__ok_short_and_not_measured() -> None:
    text = rows.table(
        [
            rows.row("a", 900, "gas", 1_000, "P", 1_800, "n"),
            rows.row("b", 1_001, "gas", 1_000),
            rows.row("c", None, "s", 600, note="why"),
            rows.row("d", 12_000, "1/s", 12_000, at_least=True),
            rows.row("e", 11_999, "1/s", 12_000, at_least=True),
        ]
    )
    head, a, b, c, d, e = [line.split() for line in text.splitlines()]
    assert head[:4] == ["id", "ours", "goal", "peer"]
    assert a == ["a", "900", "<=", "1,000", "ok", "1,800", "0.50", "n", "(peer:", "P)"]
    assert b == ["b", "1,001", "<=", "1,000", "short"]
    assert c == ["c", "-", "<=", "600", "-", "why"]
    assert d == ["d", "12,000", ">=", "12,000", "ok"]
    assert e == ["e", "11,999", ">=", "12,000", "short"]


# ---- the replay's row


def test_replay_row__without_data_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(rows, "ROOT", tmp_path / "here")
    monkeypatch.delenv("HEARTH_DATA", raising=False)
    assert rows.data_folder() is None
    assert (rows.replay_row(None)["value"], rows.replay_row(None)["note"]) == (None, rows.NO_DATA)
    (tmp_path / "nodes.csv").write_text("")
    monkeypatch.setenv("HEARTH_DATA", str(tmp_path))
    assert rows.data_folder() == tmp_path


@pytest.mark.parametrize("status", [0, 1])
def test_replay_row__seconds_or_how_it_failed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, status: int) -> None:
    def lived(command: Sequence[str], **options: Any) -> subprocess.CompletedProcess[str]:
        report = Path(command[command.index("--report") + 1])
        report.write_text(json.dumps({"leases": 3, "reports": 4, "difference_wei": 0}))
        return subprocess.CompletedProcess(command, status)

    monkeypatch.setattr(subprocess, "run", lived)
    found = rows.replay_row(tmp_path)
    assert (found["value"] is None) == bool(status)
    assert found["note"].startswith("failed with exit status 1" if status else "3 leases, 4 reports, difference 0 wei")
    assert str(tmp_path) not in found["command"]


# ---- peers


@pytest.fixture
def harness(tmp_path: Path) -> Path:
    """A harness as it lies: read-only, with what an earlier run there has installed."""
    place = tmp_path / "harness"
    for name, text in (
        ("run.py", "x"),
        ("package-lock.json", "{}"),
        ("requirements-nodeps.txt", "p==1\n"),
        ("bench/lib.py", "y"),
        ("node_modules/solady/a.sol", "z"),
    ):
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o444)
    for folder in (place, place / "bench"):
        folder.chmod(0o555)
    return place


class Runner:
    """Stands for processes: remembers the commands, and answers the harness's run with a result."""

    def __init__(self, work: Path, status: int = 0, result: dict[str, Any] | None = None) -> None:
        self.work, self.status, self.result = work, status, result
        self.commands: list[list[str]] = []
        self.env: dict[str, str] = {}

    def __call__(self, command: Sequence[str], env: dict[str, str]) -> subprocess.CompletedProcess[str]:
        self.commands.append(list(command))
        self.env = env
        if "run.py" in command and self.result is not None:
            (self.work / "results.json").write_text(json.dumps(self.result))
        return subprocess.CompletedProcess(list(command), self.status, "", "no network here")


RESULT = {"rows": OURS, "failures": [{"suite": "oracle", "error": "broken"}]}


def test_peers__found_by_environment_or_not_at_all(
    monkeypatch: pytest.MonkeyPatch, harness: Path, tmp_path: Path
) -> None:
    monkeypatch.setattr(peers, "ROOT", tmp_path / "repository")
    monkeypatch.delenv("HEARTH_BENCH_PEERS", raising=False)
    assert peers.find() is None
    monkeypatch.setenv("HEARTH_BENCH_PEERS", str(harness))
    assert peers.find() == harness


def test_peers__copied_writable_installed_once_and_run_beside_ours(
    harness: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    work = tmp_path / "work"
    run = Runner(work, result=RESULT)
    assert peers.measure(harness, work, run) == OURS
    assert (work / "bench" / "lib.py").read_text() == "y"
    assert not (work / "node_modules").exists()  # installed anew, never copied
    assert os.access(work / "run.py", os.W_OK)
    assert [command[0] if command[0] == "npm" else command[-1] for command in run.commands] == [
        "npm", "requirements-nodeps.txt", str(work / "results.json"),
    ]  # fmt: skip
    assert "--ours" in run.commands[2]
    assert str(work / "site") in run.env["PYTHONPATH"].split(os.pathsep)
    assert "a suite did not run: oracle: broken" in capsys.readouterr().err
    again = Runner(work, result=RESULT)
    peers.measure(harness, work, again)
    assert len(again.commands) == 1


def test_peers__an_installation_that_fails_says_why(harness: Path, tmp_path: Path) -> None:
    with pytest.raises(peers.PeersUnavailable, match="`npm ci --silent` failed: no network here"):
        peers.measure(harness, tmp_path / "work", Runner(tmp_path / "work", status=1))
    assert not (tmp_path / "work" / "installed").exists()

    def no_npm(command: Sequence[str], env: dict[str, str]) -> subprocess.CompletedProcess[str]:
        raise FileNotFoundError(2, "No such file or directory")

    with pytest.raises(peers.PeersUnavailable, match="npm does not start"):
        peers.measure(harness, tmp_path / "work", no_npm)


def test_peers__a_run_without_a_result_says_why(harness: Path, tmp_path: Path) -> None:
    with pytest.raises(peers.PeersUnavailable, match="gave no result: no network here"):
        peers.measure(harness, tmp_path / "work", Runner(tmp_path / "work"))


def test_rows__alone_with_a_note_where_there_are_no_peers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def failing(harness: Path) -> list[dict[str, Any]]:
        raise peers.PeersUnavailable("npm does not start")

    monkeypatch.setattr(rows, "alone", lambda: OURS)
    monkeypatch.setattr(peers, "measure", failing)
    assert rows.beside_peers(None) == (OURS, rows.NO_PEERS)
    assert rows.beside_peers(tmp_path) == (OURS, "peers not measured: npm does not start")


# ---- the page


def test_readme__says_what_is_committed() -> None:
    page = readme.FILE.read_text(encoding="utf-8")
    assert gas.page(gas.committed()) == page
    assert set(gas.committed()) == {goal.id for goal in GAS}


def test_readme__a_figure_that_changes_changes_the_page() -> None:
    figures = gas.committed()
    other = gas.page({**figures, "gas.lease.take": 146_001})
    assert "| 146,001 | 147,000 |" in other
    over = gas.page({**figures, "gas.lease.take": 147_001})
    assert "| 147,001 | 147,000 (over by 1) |" in over


def test_readme__a_page_without_the_markers() -> None:
    with pytest.raises(readme.NoMarkers, match="figures"):
        readme.with_block("# Hearth\n", "table")


def test_readme__no_other_gas_figure_on_the_page() -> None:
    """A figure outside the block would be one that nobody checks."""
    page = readme.FILE.read_text(encoding="utf-8")
    outside = readme.with_block(page, "")
    assert not re.findall(r"\b\d{2,3},\d{3} gas\b", outside)


@pytest.mark.parametrize("stale", [False, True])
def test_check__finds_a_stale_page(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], stale: bool
) -> None:
    copy = tmp_path / "README.md"
    text = readme.FILE.read_text(encoding="utf-8")
    copy.write_text(text.replace("| 68,000 |", "| 68,001 |") if stale else text, encoding="utf-8")
    monkeypatch.setattr(readme, "FILE", copy)
    monkeypatch.setattr(gas, "measure", gas.committed)
    monkeypatch.setattr(sys, "argv", ["gas", "--check"])
    assert gas.main() == int(stale)
    assert ("the table of README.md says something else" in capsys.readouterr().out) is stale

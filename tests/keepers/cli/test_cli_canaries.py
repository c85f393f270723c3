"""`hearth challenge canaries`: sealed for a day, then opened with who had not looked; a file that others check."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from keepers.gpu.backends.cpu import CpuBackend
from keepers.gpu.prover import InlineProver
from keepers.protocol import canary
from keepers.sdk.client import Hearth
from keepers.sdk.connect import load_settings
from keepers.store.migrations import open_store
from tests.keepers.cli.conftest import Call, Said
from tests.keepers.roles.test_canaries import LAZY, SMALL, lazy
from tests.keepers.roles.town import Town, record

Canaries = Callable[..., Said]


@pytest.fixture
def town(home: Path, monkeypatch: pytest.MonkeyPatch) -> Town:
    """An agent that fails what it can, and a seat that looks at nothing."""
    monkeypatch.setattr(canary, "HOWS", (canary.SPOILT,))
    file = load_settings({}).settings.database("town").removeprefix("sqlite:///")
    Path(file).parent.mkdir(parents=True)
    store = open_store(f"sqlite:///{file}")
    made = Town(nodes=1, gpus=1, challenge=SMALL, prover=InlineProver(CpuBackend()), canary_bps=10_000, store=store)
    lazy(made.attesters[LAZY])
    made.run_epochs(4)
    return made


@pytest.fixture
def canaries(town: Town, hearth: Call) -> Canaries:
    person = Hearth(town.chain, record([seat.address for seat in town.seat_keys], town.parameters))  # type: ignore[arg-type]
    return lambda *arguments: hearth("challenge", "canaries", *arguments, connect=lambda options: person)


def test_sealed_for_a_day__then_opened_and_written(town: Town, canaries: Canaries, home: Path) -> None:
    said = canaries()
    assert said.code == 0, said.err
    assert "sealed" in said.out and "node 0" not in said.out and "spoilt" not in said.out
    assert list(canaries("--json").data[0]) == ["state", "commitment", "opens_at"]
    town.run_epochs(3)
    said = canaries()
    assert "node 0  epoch" in said.out and f"passed by seat {LAZY} (0x" in said.out and "(spoilt)" in said.out
    assert "canaries -o FOLDER" in said.err
    opened = [row for row in canaries("--json").data if row["state"] == "accuses"]
    assert [one["seat"] for one in opened[0]["accused"]] == [LAZY]
    assert canaries("-o", str(home / "out")).code == 0
    (file, *_) = sorted((home / "out").iterdir())
    checked = canaries(str(file), "--json")
    assert checked.code == 0, checked.err
    assert checked.data[0]["accused"] == opened[0]["accused"]


def test_a_file_that_proves_nothing__says_why(town: Town, canaries: Canaries, home: Path) -> None:
    town.run_epochs(3)
    assert canaries("-o", str(home / "out")).code == 0
    (file, *_) = sorted((home / "out").iterdir())
    document = json.loads(file.read_text())
    file.write_text(json.dumps({**document, "salt": "0x" + "00" * 32}))
    said = canaries(str(file))
    assert said.code == 2 and "error[H1006]" in said.err and "announces something else" in said.err
    file.write_text("{}")
    assert canaries(str(file)).code == 2
    assert canaries(str(home / "none.json")).code == 2
    assert canaries(str(file), "-o", str(home)).code == 2, "one or the other"
    file.write_bytes(b" " * ((16 << 20) + 1))
    assert "larger than" in canaries(str(file)).err


def test_none_played__says_what_to_set(hearth: Call, home: Path) -> None:
    town = Town(nodes=1)
    person = Hearth(town.chain, record([seat.address for seat in town.seat_keys], town.parameters))  # type: ignore[arg-type]
    said = hearth("challenge", "canaries", connect=lambda options: person)
    assert said.code == 0 and "[agent] canary_bps" in said.out

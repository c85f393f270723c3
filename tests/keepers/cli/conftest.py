"""The command over the reference model: `hearth("offers", …)` gives exit code, stdout and stderr."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from keepers.cli.main import run
from keepers.cli.options import Options
from tests.keepers.sdk.conftest import Market, ended, market

__all__ = ["ended", "market"]


@dataclass(frozen=True)
class Said:
    """What a call said."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """Of the JSON document on stdout."""
        return json.loads(self.out)["data"]


Call = Callable[..., Said]


@pytest.fixture
def home(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An empty home and folder, and no setting in the environment."""
    import os

    for name in [name for name in os.environ if name.startswith("HEARTH_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def hearth(home: Any, capsys: pytest.CaptureFixture[str]) -> Call:
    """hearth("explain", "H5001") in an empty home; `connect=` puts a world of the test's there."""

    def call(*arguments: str, connect: Any = None) -> Said:
        capsys.readouterr()
        code = run(arguments, Options(connect=connect))
        captured = capsys.readouterr()
        return Said(code, captured.out, captured.err)

    return call


@pytest.fixture
def renter(hearth: Call, market: Market) -> Call:
    """The same as the town's renter."""

    def call(*arguments: str) -> Said:
        return hearth(*arguments, connect=lambda options: market.hearth)

    return call

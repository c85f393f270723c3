"""The derived classes: each obeys the rule that the file and the page state, and says that it is derived."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from keepers.gpu.classes import _TABLE
from keepers.protocol import sizing
from tools import derive_classes
from tools.derive_classes import FILE, Facts, facts_of, render

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("HEARTH_DATA", ROOT.parent / "shared/data")) / "gpu_specs.csv"
ROWS: list[dict[str, Any]] = tomllib.loads((ROOT / FILE).read_text())["classes"]
NAMES = {
    "-".join(part for part in (model, form, f"{gib}GB") if part)
    for model, forms in _TABLE.items()
    for form, gib, _ in forms
}


def facts(row: dict[str, Any]) -> Facts:
    return Facts(row["vram_gib"], row["architecture"], row["fp32_tflops"])


def test_classes__twelve_or_more__each_derived_and_named_as_cards_are() -> None:
    assert len(ROWS) >= 12
    assert all(row["derived"] is True for row in ROWS)
    assert {row["name"] for row in ROWS} <= NAMES and len({row["name"] for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
def test_class__by_its_own_figures__obeys_the_sizing_rule(row: dict[str, Any]) -> None:
    honest = row["rounds"] * facts(row).round_s(row["n"])
    assert row["n"] == sizing.n_for(row["vram_gib"])
    assert honest == pytest.approx(row["estimated_s"], abs=0.05)
    assert honest >= 20 * sizing.ALLOWANCE_S > honest / 2
    assert row["deadline_s"] == sizing.deadline_of(honest)
    assert row["deadline_s"] + 60 <= 3_600 * 2 / 3
    assert sizing.registrations_served(1, row["deadline_s"], honest) == 1
    assert row["compute_units"] == sizing.compute_units(row["n"], row["rounds"], row["deadline_s"])


@pytest.mark.parametrize(
    ("name", "int8_tops"),
    # dense int8 as the maker states it, in 10**12 operations a second
    [("T4-16GB", 130), ("A100-SXM4-80GB", 624), ("RTX-3090-24GB", 284), ("RTX-4090-24GB", 661), ("L40S-48GB", 733)],
)
def test_peak__by_the_rule__is_what_the_maker_states(name: str, int8_tops: float) -> None:
    row = next(row for row in ROWS if row["name"] == name)
    assert facts(row).int8_tops == pytest.approx(int8_tops, rel=0.01)


def test_page__its_table__is_the_file() -> None:
    page = (ROOT / "docs" / "classes.md").read_text()
    shown = {}
    for name, *cells in re.findall(r"^\| ([A-Z0-9-]+GB) \|(.*)\|$", page, re.MULTILINE):
        figures = [float(cell.replace(",", "")) for cell in cells[0].split("|")]
        shown[name] = tuple(figures[-5:])
    expected = {
        row["name"]: (row["n"], row["rounds"], round(row["estimated_s"]), row["deadline_s"], row["compute_units"])
        for row in ROWS
    }
    assert shown == expected


@pytest.mark.skipif(not DATA.is_file(), reason="the public data set is not here")
def test_file__of_the_table_of_facts__is_what_the_tool_writes(capsys: pytest.CaptureFixture[str]) -> None:
    assert render(facts_of(DATA)) == (ROOT / FILE).read_text()
    assert derive_classes.main([str(DATA), "--check"]) == 0

"""A slice of the month of real outages: what is rebuilt from logs is the attesters' own state. Whole: docs/audit.md."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bench.month import FILES, Network, compare, outages

ROOT = Path(__file__).resolve().parents[3]


def data() -> Path:
    """The folder with both files; skips where there is none."""
    for place in (os.environ.get("HEARTH_DATA", ""), str(ROOT.parent / "shared" / "data")):
        if place and all((Path(place) / name).is_file() for name in FILES):
            return Path(place)
    pytest.skip("the real outages are not here: set HEARTH_DATA to their folder")


def test_a_slice_of_the_month__leaf_for_leaf() -> None:
    lines = list(compare(data(), nodes=10_000, epochs=3))
    assert lines[0].startswith("real outages   10,000 nodes, 3 epochs")
    assert "3 roots right" in lines[2] and lines[3].startswith("equal          10,000 leaves")


def test_a_longer_slice_of_fewer_nodes() -> None:
    """Brought in every way: what is rebuilt does not know who did."""
    lines = list(compare(data(), nodes=300, epochs=60, seed=4))
    assert len(lines) == 4 and "60 roots right" in lines[2]
    assert lines[1].endswith("24 two in one transaction, 12 by a contract, 12 by nested contracts, 12 by a key")


def test_masks_are_the_runs_they_come_from() -> None:
    runs = outages(data(), 200, 30)
    assert any(runs) and all(a < b for node in runs for a, b in node)
    network = Network(runs)
    masks = [network.masks(e) for e in range(1, 31)]
    for k in range(200):
        dark = {s for first, last in runs[k] for s in range(first, last)}
        assert {(e * 12 + s) for e, row in enumerate(masks) for s in range(12) if row[k] >> s & 1} == dark
        assert network.down[k] == len(dark)

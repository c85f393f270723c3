"""Small traces written here, and the real ones where they are."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
JOB_HEADER = "job_id,submit_s,duration_s,gpu_count,gpu_model\n"
NODE_HEADER = "node_id,gpu_model,gpu_count\n"
OUTAGE_HEADER = "unit_id,start_s,end_s,available\n"

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """write(name, text, zipped=False) -> path."""

    def to(name: str, text: str, zipped: bool = False) -> Path:
        path = tmp_path / name
        data = text.encode()
        path.write_bytes(gzip.compress(data) if zipped else data)
        return path

    return to


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder with the real traces: HEARTH_DATA, else beside the repository."""
    folder = Path(os.environ.get("HEARTH_DATA", REPOSITORY.parent / "shared" / "data"))
    if not (folder / "nodes.csv").exists():
        pytest.skip("the real traces are not here: set HEARTH_DATA to their folder")
    return folder

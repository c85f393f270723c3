"""The referee beside the golden entries."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.suite import Suite
from tests.support.vectors import rows


@pytest.mark.parametrize("row", rows("challenge", "entries"), ids=lambda row: str(row["n"]))
def test_the_referee__computes_the_golden_entry(suite: Suite, row: dict[str, Any]) -> None:
    keys = [int.from_bytes(row[k], "big") for k in ("row_key", "column_key")]
    assert suite.challenge.dot(*keys, row["n"]) == row["entry"]

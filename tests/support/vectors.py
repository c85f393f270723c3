"""The golden vectors of tests/vectors, read as text: numbers in decimal, bytes as 0x…."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[1] / "vectors"


def rows(name: str, key: str) -> Any:
    """One list (or row) of tests/vectors/<name>.json, numbers and bytes turned into int and bytes."""
    found = json.loads((FOLDER / f"{name}.json").read_text())[key]
    assert found, f"{name}.json has no {key}"
    return _read(found)


def _read(value: Any) -> Any:
    if isinstance(value, list):
        return [_read(v) for v in value]
    if isinstance(value, dict):
        return {k: _read(v) for k, v in value.items()}
    if isinstance(value, str):
        if value.startswith("0x"):
            return bytes.fromhex(value[2:])
        return int(value) if value.lstrip("-").isdigit() else value
    return value

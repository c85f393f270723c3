"""JSON that is nested too deep is refused before a parser recurses into it."""

from __future__ import annotations

import json

import pytest

from keepers.chain.bounded_json import MAX_DEPTH, loads, nesting


@pytest.mark.parametrize(
    ("text", "depth"), [("5", 0), ("[]", 1), ('{"a": [[1]], "b": []}', 3), ('"[["', 2), ("]]", 0), ("[" * 9, 9)]
)
def test_nesting__brackets_that_are_open_at_once(text: str, depth: int) -> None:
    assert nesting(text.encode()) == depth


def test_loads__as_deep_as_allowed__and_no_deeper() -> None:
    deepest = "[" * MAX_DEPTH + "]" * MAX_DEPTH
    assert loads(deepest) == json.loads(deepest) == loads(deepest.encode())
    for text in (f"[{deepest}]", "[" * 10**6, '{"a":' * 10**5):
        with pytest.raises(ValueError, match="nested deeper"):
            loads(text)


def test_loads__no_json_is_a_value_error() -> None:
    for wrong in ("", "x", b"\xff", "\ud800"):
        with pytest.raises(ValueError):
            loads(wrong)
    assert loads('{"n": 1.5}', parse_float=str) == {"n": "1.5"}

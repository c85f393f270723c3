"""The table of `make coverage`: reports are joined, sums, spans, what is left out."""

from __future__ import annotations

import pytest

from tools.coverage_table import joined, percent, spans, summary, table, words


def file(lines: dict[str, bool], branches: dict[str, dict[str, bool]]) -> dict[str, object]:
    return {"lines": lines, "branches": branches, "bare": [], "straight": []}


ONE = {
    "contracts/market/A.vy": file(
        {"3": True, "4": False, "5": False},
        {"3:4:if:1": {"true": True, "false": False}, "4:8:operand:2": {"true": False, "false": False}},
    )
}
OTHER = {
    "contracts/market/A.vy": file(
        {"3": False, "4": True, "5": False},
        {"3:4:if:1": {"true": False, "false": True}, "4:8:operand:2": {"true": False, "false": True}},
    ),
    "contracts/modules/b.vy": file({"9": True}, {}),
}


def test_joined__reached_by_any_is_reached() -> None:
    whole = joined([ONE, OTHER])
    assert whole["contracts/market/A.vy"]["lines"] == {3: True, 4: True, 5: False}
    assert whole["contracts/market/A.vy"]["branches"]["3:4:if:1"] == {"true": True, "false": True}


def test_table__a_row_a_contract_and_the_total() -> None:
    lines = list(table(summary(joined([ONE, OTHER]))))
    assert lines[1].split() == ["market/A.vy", "2", "of", "3", "66.6", "%", "3", "of", "4", "75.0", "%"]
    assert lines[2].split() == ["modules/b.vy", "1", "of", "1", "100.0", "%", "0", "of", "0", "-"]
    assert lines[3].split() == ["total", "3", "of", "4", "75.0", "%", "3", "of", "4", "75.0", "%"]
    assert lines[4:] == [
        "not reached  contracts/market/A.vy: lines 5",
        "never taken  contracts/market/A.vy: 4 operand 2: true",
    ]


def test_summary__without_contracts__is_an_error() -> None:
    with pytest.raises(ValueError, match="name no contract"):
        summary(joined([]))


def test_spans() -> None:
    assert spans([9, 3, 7, 8]) == "3, 7-9"
    assert spans([]) == ""


def test_words() -> None:
    assert words("318:8:if:1", "false") == "318 if: false"
    assert words("318:8:operand:2", "true") == "318 operand 2: true"


def test_percent__rounds_down() -> None:
    assert percent(1999, 2000) == "99.9 %"
    assert percent(2000, 2000) == "100.0 %"

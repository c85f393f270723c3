"""The list of attacks cannot rot: every row has tests, and its variants still fit the source."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.attacks import ROOT, Attack, Marked, Variant, load, marked
from tests.attacks.naive import applied, judge
from tools import export_attacks

ROWS = load()


def test_every_attack_has_a_test_and_every_mark_an_attack() -> None:
    assert set(marked()) == {row.id for row in ROWS}
    names = Counter(name for row in ROWS for name in (row.id, *row.also))
    assert max(names.values()) == 1, "an id stands once"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_naive_variants_fit_the_source(row: Attack) -> None:
    assert row.naive, "at least one"
    for variant in row.naive:
        assert variant.old != variant.new
        assert (ROOT / variant.file).read_text(encoding="utf-8").count(variant.old) == 1, variant


def test_page_is_the_list() -> None:
    assert export_attacks.main(["--check"]) == 0


RULE = "def allowed(n):\n    return n < 3\n"
TEST = "import pytest\nfrom rule import allowed\n\n@pytest.mark.parametrize('n', [2, 3])\ndef test_it(n):\n    {}\n"


@pytest.mark.parametrize(
    ("test", "new", "word"),
    [
        ("assert allowed(n) == (n == 2)", "return n < 4", "killed"),
        ("assert n", "return n < 4", "survived"),
        ("assert allowed(n) == (n == 2)", "return n <", "broken"),
    ],
)
def test_runner_tells_what_becomes_of_a_variant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, test: str, new: str, word: str
) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # this test needs none, and they take seconds to load
    (tmp_path / "rule.py").write_text(RULE)
    (tmp_path / "test_rule.py").write_text(TEST.format(test))
    row = Attack("X", (), "", "", (Variant("rule.py", "return n < 3", new),))
    outcome = judge(tmp_path, row, [Marked("test_rule.py", "test_it")])
    assert outcome.word == word
    assert (tmp_path / "rule.py").read_text() == RULE, "as it was"
    with pytest.raises(ValueError, match="0 times"), applied(tmp_path, Variant("rule.py", "n > 3", "")):
        pass

"""Exit code and "may repeating help" are said once, in CODES: by no call, no page and no docstring otherwise."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from keepers.cli.explain import EXIT_CODES
from keepers.protocol.errors import CODES, HearthError, find, row_of
from keepers.protocol.reverts import GUARDS, RETRYABLE, REVERTS
from scripts._errors import DeployError
from tools import export_codes

ROOT = Path(__file__).parents[3]
TABLE = ROOT / "keepers/protocol/errors.py"
CODE = re.compile(r"\bH\d{4}\b")
PAGES = [ROOT / "README.md", ROOT / "SECURITY.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
# "H2006, exit code 7", "Raises H1101 (exit 4)", "exit code 9 (H5008)"
PAIRS = (
    re.compile(r"\b(?P<code>H\d{4})\b[,:]? \(?(?:with )?exit(?: code)? (?P<exit>\d+)"),
    re.compile(r"\bexit(?: code)? (?P<exit>\d+) \((?P<code>H\d{4})"),
)
# (file, code): call sites that give an exit code or "retryable" of their own. A reason stands beside each.
ALLOWED: frozenset[tuple[str, str]] = frozenset()


@cache
def _sources() -> tuple[tuple[Path, ast.Module], ...]:
    files = [p for folder in ("keepers", "scripts") for p in sorted((ROOT / folder).rglob("*.py"))]
    assert len(files) > 100
    return tuple((path, ast.parse(path.read_text())) for path in files)


def _docstrings(tree: ast.Module) -> set[int]:
    """Ids of the nodes of strings that stand alone: docstrings."""
    return {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant)}


def _named(docstrings: bool) -> Iterator[tuple[str, str]]:
    """(code, where) of every code in a string that is, or is not, a docstring."""
    for path, tree in _sources():
        if path == TABLE:
            continue
        alone = _docstrings(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and (id(node) in alone) is docstrings:
                for code in CODE.findall(node.value):
                    yield code, f"{path.relative_to(ROOT)}:{node.lineno}"


@pytest.mark.parametrize("docstrings", [False, True])
def test_code__named_in_the_sources__has_a_row(docstrings: bool) -> None:
    named = list(_named(docstrings))
    assert len(named) > 50
    assert [f"{where} {code}" for code, where in named if find(code) is None] == []


def test_row__of_the_table__is_used() -> None:
    used = {code for code, _ in _named(docstrings=False)}
    assert set(CODES) - used == set()


def test_call__never_says_the_exit_code_itself() -> None:
    found = set()
    for path, tree in _sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and {k.arg for k in node.keywords} & {"exit_code", "retryable"}:
                code = next((a.value for a in node.args if isinstance(a, ast.Constant)), "")
                found.add((str(path.relative_to(ROOT)), str(code)))
    assert found == ALLOWED
    for error in (HearthError, DeployError):
        assert not {"exit_code", "retryable"} & set(inspect.signature(error).parameters)


def test_exit_code__never_leaves_the_process_as_a_bare_number() -> None:
    """`raise Exit(3)` and `sys.exit(3)` would be a second place; 0 is no error."""
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path, tree in _sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in ("Exit", "click.exceptions.Exit", "sys.exit", "SystemExit", "exit")
        and any(isinstance(a, ast.Constant) and a.value for a in node.args)
    ]
    assert found == []


def test_error__exit_code_and_retryable__are_of_its_row() -> None:
    error = HearthError("H2001", "nobody answers")
    assert (error.exit_code, error.retryable, error.next) == (7, True, (CODES["H2001"].remedy,))
    assert HearthError("H2001", "nobody answers", next="try another").next == ("try another",)
    assert (DeployError("H7113", "not confirmed").exit_code, DeployError("H7115", "differs").exit_code) == (3, 9)


@pytest.mark.parametrize("reason", sorted(GUARDS | RETRYABLE))
def test_refusal_of_a_contract__has_the_exit_code_of_its_kind(reason: str) -> None:
    row = row_of(REVERTS[reason][0])
    assert (row.exit_code, row.retryable) == (6 if reason in GUARDS else 1, reason in RETRYABLE)
    assert reason in row.meaning


def test_code__of_a_newer_version__counts_as_failed() -> None:
    assert find("H2999") is None
    assert (row_of("H2999").exit_code, row_of("H2999").retryable) == (1, False)


def test_rows__have_exit_codes_that_are_explained() -> None:
    assert {row.exit_code for row in CODES.values()} <= set(EXIT_CODES)


def test_pages__name_codes_that_exist_with_their_exit_codes() -> None:
    words = [(str(page.relative_to(ROOT)), page.read_text()) for page in PAGES]
    words += [
        (str(path.relative_to(ROOT)), node.value)
        for path, tree in _sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    unknown = [f"{place} {code}" for place, text in words for code in CODE.findall(text) if find(code) is None]
    assert unknown == []
    said = [(place, m["code"], int(m["exit"])) for place, text in words for pair in PAIRS for m in pair.finditer(text)]
    assert len(said) > 10
    assert [row for row in said if row_of(row[1]).exit_code != row[2]] == []


def test_page__committed__is_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    page = export_codes.render()
    assert (ROOT / export_codes.PAGE).read_text() == page, "python tools/export_codes.py writes it"
    assert export_codes.main(["--check"]) == 0 and "0 differ" in capsys.readouterr().out
    assert all(f"| {code} |" in page for code in CODES)

"""One test file a state-changing external function, a call of every view, a test of every revert.

Read off the sources: functions with @external and those of `exports:`, strings like "escrow: id used" of a contract and
of the modules it imports. A test of a revert names the whole string, in the folder of the contract that reverts.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TESTS = Path(__file__).resolve().parent
CONTRACTS = [
    path
    for part in ("network", "market", "consensus", "incentives")
    for path in sorted((ROOT / "contracts" / part).glob("*.vy"))
]
# what a contract is tested for beyond its functions
TOPICS = {
    "constructor", "views", "vectors", "properties", "hostile", "attacks", "exits", "splits", "supply", "no_free_mint",
}  # fmt: skip
EXPORTED_VIEWS = {"owner", "pending_owner", "eip712Domain"}
# no call can reach it: the address of the next creation is what the chain says it is
UNREACHABLE = {"AttestationHub": {"hub: table"}}

FUNCTION = re.compile(r"((?:^@[^\n]+\n)+)^def (\w+)", re.MULTILINE)
EXPORT = re.compile(r"^exports:\s*(\([^)]*\)|[\w.]+)", re.MULTILINE)
MODULE = re.compile(r"^from (?:\.\.modules|\.) import (\w+)", re.MULTILINE)
REVERT = re.compile(r'"([a-z]+: [^"]+)"')
NATSPEC = re.compile(r'""".*?"""', re.DOTALL)


def snake(name: str) -> str:
    """`transfer_from` of `transferFrom`, `compute_token` of `ComputeToken`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def folder(contract: Path) -> Path:
    return TESTS / contract.parent.name / snake(contract.stem)


@cache
def functions(contract: Path) -> dict[str, bool]:
    """Names of the external functions; True of views."""
    source = contract.read_text(encoding="utf-8")
    found = {}
    for decorators, name in FUNCTION.findall(source):
        if "@external" in decorators:
            found[name] = "@view" in decorators or "@pure" in decorators
    for group in EXPORT.findall(source):
        for name in re.findall(r"\.(\w+)", group):
            found[name] = name in EXPORTED_VIEWS
    return found


def reverts(source: Path) -> set[str]:
    """The revert strings of a file and of the modules below it, comments and natspec aside."""
    text = source.read_text(encoding="utf-8")
    code = "\n".join(line.split("#")[0] for line in NATSPEC.sub("", text).splitlines())
    found = set(REVERT.findall(code))
    for module in MODULE.findall(text):
        path = ROOT / "contracts" / "modules" / f"{module}.vy"
        if path.exists():
            found |= reverts(path)
    return found


def texts(contract: Path) -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted(folder(contract).glob("*.py")))


def test_the_contracts_are_found() -> None:
    assert len(CONTRACTS) == 11
    assert all(functions(contract) and reverts(contract) for contract in CONTRACTS)


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda c: c.stem)
def test_a_file_a_function(contract: Path) -> None:
    writes = {snake(name) for name, is_view in functions(contract).items() if not is_view} | {"constructor"}
    missing = [name for name in sorted(writes) if not (folder(contract) / f"test_{name}.py").exists()]
    assert missing == [], f"no test_<function>.py in {folder(contract).relative_to(ROOT)}"


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda c: c.stem)
def test_every_view_is_called(contract: Path) -> None:
    missing = []
    for name, is_view in functions(contract).items():
        if is_view:
            files = [folder(contract) / f"test_{stem}.py" for stem in ("views", snake(name))]
            called = any(f".{name}(" in path.read_text(encoding="utf-8") for path in files if path.exists())
            missing += [] if called else [name]
    assert missing == [], f"call them in {folder(contract).relative_to(ROOT)}/test_views.py"


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda c: c.stem)
def test_every_revert_is_tested(contract: Path) -> None:
    tests = texts(contract)
    missing = [why for why in sorted(reverts(contract)) if f'"{why}"' not in tests]
    assert set(missing) == UNREACHABLE.get(contract.stem, set())


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda c: c.stem)
def test_no_file_of_a_function_that_is_gone(contract: Path) -> None:
    """A file is of a function, of one side of it (`test_<function>_<side>.py`) or of a topic."""
    names = {snake(name) for name in functions(contract)}
    strays = [
        path.name
        for path in sorted(folder(contract).glob("test_*.py"))
        if (stem := path.stem.removeprefix("test_")) not in names | TOPICS
        and not any(stem.startswith(f"{name}_") for name in names)
    ]
    assert strays == []

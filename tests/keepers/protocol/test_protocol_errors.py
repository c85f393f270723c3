"""Codes are stable and complete: every revert string of the contracts has one, and none stands for two."""

import re
from pathlib import Path

import pytest

from keepers.protocol.errors import CODES, HearthError
from keepers.protocol.reverts import GUARDS, RETRYABLE, REVERTS

CONTRACTS = Path(__file__).parents[3] / "contracts"
PREFIXES = (
    "token|pool|registry|hub|standing|escrow|market|engine|refuter|committee|challenge|epochs|merkle|quorum|price|"
    "aggregator"
)
STRING = re.compile(rf'"((?:{PREFIXES}): [^"]+)"')


def revert_strings() -> set[str]:
    sources = [p for p in CONTRACTS.rglob("*.vy") if "mocks" not in p.parts]
    assert len(sources) > 10
    return {s for p in sources for s in STRING.findall(p.read_text())}


def test_every_revert_string_has_a_code() -> None:
    assert revert_strings() - set(REVERTS) == set()


def test_no_code_outlives_its_string() -> None:
    assert set(REVERTS) - revert_strings() == set()


def test_codes_are_unique() -> None:
    codes = [code for code, _, _ in REVERTS.values()]
    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch(r"H2[1-8]\d\d", c) for c in codes)
    assert not set(codes) & set(CODES)


def test_lists_of_refusals_are_of_the_table() -> None:
    assert set(REVERTS) > GUARDS | RETRYABLE


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_code_is_explained(code: str) -> None:
    row = CODES[code]
    assert re.fullmatch(r"H[1-79]\d{3}", code) and row.code == code
    assert row.meaning and row.remedy and row.exit_code in (1, 2, 3, 4, 5, 6, 7, 8, 9)


def test_an_error_as_json() -> None:
    error = HearthError("H4203", "no offer matches", why="41 seen", next=["ask for less"])
    assert str(error) == "[H4203] no offer matches"
    assert error.as_dict() == {
        "code": "H4203",
        "message": "no offer matches",
        "why": ["41 seen"],
        "next": ["ask for less"],
        "retryable": False,
        "tx": None,
    }

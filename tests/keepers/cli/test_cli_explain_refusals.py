"""Codes of the contracts' refusals: explained, and with the exit code that the command really ends with."""

from __future__ import annotations

import pytest

from keepers.chain.reverts import Revert, Reverted
from keepers.protocol.errors import find
from keepers.protocol.reverts import GUARDS, REVERTS, UNKNOWN


@pytest.mark.parametrize("reason", sorted(REVERTS))
def test_refusal__what_explain_says_is_what_happens(reason: str) -> None:
    error = Reverted(Revert("reason", reason))
    said = find(error.code)
    assert said is not None and said.meaning and said.remedy
    assert reason in error.message and error.why and error.next
    assert error.exit_code == (6 if reason in GUARDS else 1)
    assert error.retryable == REVERTS[reason][2].startswith("wait")


def test_refusal__new_words__kept_and_not_retryable() -> None:
    error = Reverted(Revert("reason", "escrow: something new"))
    assert error.code == UNKNOWN and "something new" in error.message
    assert error.exit_code == 1 and not error.retryable


def test_refusal__waiting__retryable_and_a_bad_proof_not() -> None:
    assert Reverted(Revert("reason", "hub: period open")).retryable
    assert not Reverted(Revert("reason", "escrow: proof")).retryable

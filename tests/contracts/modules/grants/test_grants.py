"""modules/grants.vy through its mock: ENTER is given and taken back, EXIT follows from the record for ever."""

from __future__ import annotations

from typing import Any

import boa
import pytest

from tests.support.actors import OWNER, RENTER, STRANGER
from tests.support.suite import compiled

COUNT = 1


@pytest.fixture
def mock() -> Any:
    return compiled("mocks/grants_mock.vy").deploy(sender=OWNER.address)


def test_set__gives_enter_and_logs(mock: Any) -> None:
    mock.set_grant(RENTER.address, COUNT, sender=OWNER.address)
    (log,) = mock.get_logs()
    assert (log.caller, log.old, log.new) == (RENTER.address, 0, COUNT)
    assert mock.grant_of(RENTER.address) == COUNT << 128 | COUNT
    mock.raise_one(sender=RENTER.address)
    assert mock.raised(RENTER.address) == 1


def test_set__back_to_none__takes_enter_and_leaves_exit(mock: Any) -> None:
    mock.set_grant(RENTER.address, COUNT, sender=OWNER.address)
    mock.raise_one(sender=RENTER.address)
    mock.set_grant(RENTER.address, 0, sender=OWNER.address)
    (log,) = mock.get_logs()
    assert (log.old, log.new) == (COUNT, 0)
    with boa.reverts("mock: not granted"):
        mock.raise_one(sender=RENTER.address)
    mock.lower_one(sender=RENTER.address)
    assert mock.raised(RENTER.address) == 0


def test_exit__never_granted__reverts(mock: Any) -> None:
    with boa.reverts("mock: never granted"):
        mock.lower_one(sender=STRANGER.address)


def test_set__by_another__reverts(mock: Any) -> None:
    with boa.reverts("ownable: caller is not the owner"):
        mock.set_grant(STRANGER.address, COUNT, sender=STRANGER.address)


def test_rights__are_separate_bits__exit_remembers_each(mock: Any) -> None:
    for rights in (0b01, 0b10, 0b00):
        mock.set_grant(RENTER.address, rights, sender=OWNER.address)
        assert mock.may_enter(RENTER.address, 0b01) is (rights == 0b01)
        assert mock.may_enter(RENTER.address, 0b10) is (rights == 0b10)
    assert mock.may_exit(RENTER.address, 0b01) and mock.may_exit(RENTER.address, 0b10)
    assert not mock.may_exit(RENTER.address, 0b100) and not mock.may_exit(STRANGER.address, 0b01)


def test_rights__the_top_bit_of_the_half__does_not_spill(mock: Any) -> None:
    mock.set_grant(RENTER.address, 1 << 127, sender=OWNER.address)
    assert mock.may_enter(RENTER.address, 1 << 127) and not mock.may_enter(RENTER.address, 1)
    assert mock.grant_of(RENTER.address) == 1 << 255 | 1 << 127

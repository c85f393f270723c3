"""commit: a finder claims a refutation before it is shown."""

from __future__ import annotations

import boa

from tests.contracts.consensus.drafts import events
from tests.support.actors import STRANGER
from tests.support.suite import Suite


def test_a_commitment__is_logged_with_its_second(suite: Suite) -> None:
    suite.challenge.commit(b"\1" * 32, sender=STRANGER.address)
    (event,) = events(suite.challenge, "Committed")
    assert event.commitment == b"\1" * 32
    assert suite.challenge.committed_at(b"\1" * 32) == suite.now


def test_a_second_one__is_refused(suite: Suite) -> None:
    """It would move the time of the first, to the harm of its finder."""
    suite.challenge.commit(b"\1" * 32)
    at = suite.now
    suite.at(at + 5)
    with boa.reverts("challenge: committed already"):
        suite.challenge.commit(b"\1" * 32, sender=STRANGER.address)
    assert suite.challenge.committed_at(b"\1" * 32) == at

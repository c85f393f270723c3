"""unpause: by anyone, 14 days after a pause (I10)."""

from __future__ import annotations

import boa

from tests.contracts.consensus.drafts import events, paused
from tests.support.actors import GUARDIAN, OWNER, STRANGER
from tests.support.constants import DAY
from tests.support.suite import Suite


def test_unpause_by_anyone_after_fourteen_days(opened: Suite) -> None:
    opened.hub.pause_entries(sender=GUARDIAN.address)
    at = opened.now
    opened.at(at + 14 * DAY - 1)
    with boa.reverts("hub: still paused"):
        opened.hub.unpause(sender=STRANGER.address)
    opened.at(at + 14 * DAY)
    opened.hub.unpause(sender=STRANGER.address)
    (event,) = events(opened.hub, "EntriesOpened")
    assert event.by == STRANGER.address
    assert not paused(opened)


def test_unpause_never_opens_what_the_owner_has_not(net: Suite) -> None:
    net.at(net.now + 400 * DAY)
    with boa.reverts("hub: still paused"):
        net.hub.unpause(sender=STRANGER.address)


def test_unpause_when_open(opened: Suite) -> None:
    opened.hub.pause_entries(sender=GUARDIAN.address)
    opened.hub.open_entries(sender=OWNER.address)
    opened.at(opened.now + 20 * DAY)
    with boa.reverts("hub: entries open"):
        opened.hub.unpause(sender=STRANGER.address)

"""open_entries: the owner opens what never was open and what is paused (I10)."""

from __future__ import annotations

import boa

from tests.contracts.consensus.drafts import events, paused
from tests.support.actors import GUARDIAN, OWNER, STRANGER
from tests.support.suite import Suite


def test_open_entries_opens_what_never_was(net: Suite) -> None:
    assert paused(net)
    net.hub.open_entries(sender=OWNER.address)
    (event,) = events(net.hub, "EntriesOpened")
    assert event.by == OWNER.address
    assert not paused(net)


def test_open_entries_lifts_a_pause(opened: Suite) -> None:
    opened.hub.pause_entries(sender=GUARDIAN.address)
    opened.hub.open_entries(sender=OWNER.address)
    assert not paused(opened)


def test_open_entries_is_the_owners(net: Suite) -> None:
    for actor in (STRANGER, GUARDIAN):
        with boa.reverts("ownable: caller is not the owner"):
            net.hub.open_entries(sender=actor.address)


def test_open_entries_when_open(opened: Suite) -> None:
    with boa.reverts("hub: entries open"):
        opened.hub.open_entries(sender=OWNER.address)

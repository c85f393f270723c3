"""pause_entries: who may stop entries, and how often (I10)."""

from __future__ import annotations

import boa

from tests.contracts.consensus.drafts import events, paused
from tests.support.actors import GUARDIAN, OWNER, STRANGER
from tests.support.constants import DAY
from tests.support.suite import ZERO_ADDRESS, Suite


def test_pause_sets_the_flag_and_logs(opened: Suite) -> None:
    opened.hub.pause_entries(sender=GUARDIAN.address)
    (event,) = events(opened.hub, "EntriesPaused")
    assert (event.by, event.at) == (GUARDIAN.address, opened.now)
    assert paused(opened)
    assert opened.hub.paused_at() == opened.now


def test_pause_outlives_reports_and_voids(opened: Suite) -> None:
    opened.hub.pause_entries(sender=GUARDIAN.address)
    opened.report()
    opened.void()
    assert paused(opened)
    opened.hub.open_entries(sender=OWNER.address)
    opened.report()
    assert not paused(opened)


def test_pause_stops_no_report_and_no_view(opened: Suite) -> None:
    opened.hub.pause_entries(sender=GUARDIAN.address)
    opened.report_until(24)
    opened.make_usable()
    assert opened.hub.usable(24)[0] == opened.uptime.word
    assert opened.hub.period_price(0) != 0


def test_pause_is_the_guardians(opened: Suite) -> None:
    for actor in (STRANGER, OWNER):
        with boa.reverts("hub: not the guardian"):
            opened.hub.pause_entries(sender=actor.address)


def test_no_pause_without_a_guardian(opened: Suite) -> None:
    opened.hub.set_guardian(ZERO_ADDRESS, sender=OWNER.address)
    with boa.reverts("hub: not the guardian"):
        opened.hub.pause_entries(sender=GUARDIAN.address)


def test_pause_when_paused(net: Suite) -> None:
    """Or the guardian would turn the owner's closed door into one that anyone opens 14 days later."""
    with boa.reverts("hub: paused already"):
        net.hub.pause_entries(sender=GUARDIAN.address)


def test_pause_once_in_thirty_days(opened: Suite) -> None:
    opened.hub.pause_entries(sender=GUARDIAN.address)
    at = opened.now
    opened.hub.open_entries(sender=OWNER.address)
    opened.at(at + 30 * DAY - 1)
    with boa.reverts("hub: paused lately"):
        opened.hub.pause_entries(sender=GUARDIAN.address)
    opened.at(at + 30 * DAY)
    opened.hub.pause_entries(sender=GUARDIAN.address)
    assert paused(opened)


def test_a_new_guardian_has_no_new_pause(opened: Suite) -> None:
    opened.hub.pause_entries(sender=GUARDIAN.address)
    opened.hub.open_entries(sender=OWNER.address)
    opened.hub.set_guardian(STRANGER.address, sender=OWNER.address)
    with boa.reverts("hub: paused lately"):
        opened.hub.pause_entries(sender=STRANGER.address)

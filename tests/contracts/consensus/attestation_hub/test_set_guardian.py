"""set_guardian: who may pause entries."""

from __future__ import annotations

import boa

from tests.contracts.consensus.drafts import events
from tests.support.actors import GUARDIAN, OWNER, STRANGER
from tests.support.suite import Suite


def test_set_guardian(net: Suite) -> None:
    net.hub.set_guardian(STRANGER.address, sender=OWNER.address)
    (event,) = events(net.hub, "GuardianSet")
    assert (event.old, event.new) == (GUARDIAN.address, STRANGER.address)
    assert net.hub.guardian() == STRANGER.address


def test_set_guardian_is_the_owners(net: Suite) -> None:
    for actor in (STRANGER, GUARDIAN):
        with boa.reverts("ownable: caller is not the owner"):
            net.hub.set_guardian(actor.address, sender=actor.address)

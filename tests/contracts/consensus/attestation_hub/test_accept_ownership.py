"""accept_ownership: the second step."""

from __future__ import annotations

import boa

from tests.support.actors import GUARDIAN, OWNER, STRANGER
from tests.support.suite import Suite


def test_accept_ownership_is_the_new_owners(net: Suite) -> None:
    net.hub.transfer_ownership(GUARDIAN.address, sender=OWNER.address)
    for actor in (STRANGER, OWNER):
        with boa.reverts("hub: not offered"):
            net.hub.accept_ownership(sender=actor.address)

"""transfer_ownership: the first of two steps."""

from __future__ import annotations

import boa

from tests.contracts.consensus.drafts import events
from tests.support.actors import OWNER, STRANGER
from tests.support.suite import ZERO_ADDRESS, Suite


def test_ownership_passes_in_two_steps(net: Suite) -> None:
    net.hub.transfer_ownership(STRANGER.address, sender=OWNER.address)
    (event,) = events(net.hub, "OwnershipTransferStarted")
    assert (event.previous_owner, event.new_owner) == (OWNER.address, STRANGER.address)
    assert (net.hub.owner(), net.hub.pending_owner()) == (OWNER.address, STRANGER.address)
    net.hub.accept_ownership(sender=STRANGER.address)
    (event,) = events(net.hub, "OwnershipTransferred")
    assert (event.previous_owner, event.new_owner) == (OWNER.address, STRANGER.address)
    assert (net.hub.owner(), net.hub.pending_owner()) == (STRANGER.address, ZERO_ADDRESS)
    with boa.reverts("ownable: caller is not the owner"):
        net.hub.set_price_bound(1, sender=OWNER.address)


def test_an_offer_can_be_taken_back(net: Suite) -> None:
    net.hub.transfer_ownership(STRANGER.address, sender=OWNER.address)
    net.hub.transfer_ownership(ZERO_ADDRESS, sender=OWNER.address)
    with boa.reverts("hub: not offered"):
        net.hub.accept_ownership(sender=STRANGER.address)


def test_transfer_ownership_is_the_owners(net: Suite) -> None:
    with boa.reverts("ownable: caller is not the owner"):
        net.hub.transfer_ownership(STRANGER.address, sender=STRANGER.address)

"""set_price_bound, set_guardian, transfer_ownership, accept_ownership."""

from __future__ import annotations

import boa
import pytest

from tests.contracts.consensus.drafts import events
from tests.support.actors import GUARDIAN, OWNER, STRANGER
from tests.support.suite import ZERO_ADDRESS, Suite


def test_set_price_bound(net: Suite) -> None:
    net.report()
    before = net.hub.counters(), net.hub.committee(1)
    net.hub.set_price_bound(5_000, sender=OWNER.address)
    (event,) = events(net.hub, "PriceBoundSet")
    assert (event.old, event.new) == (1_000, 5_000)
    assert (net.hub.counters(), net.hub.committee(1)) == before
    net.report(price=3 * net.parameters.price)
    assert net.hub.price() >> 192 == net.parameters.price * 3 // 2


def test_set_price_bound_is_the_owners(net: Suite) -> None:
    with boa.reverts("ownable: caller is not the owner"):
        net.hub.set_price_bound(1, sender=STRANGER.address)


@pytest.mark.parametrize("bps", [0, 5_001, 2**14 + 1, 2**255])
def test_set_price_bound_out_of_range(net: Suite, bps: int) -> None:
    with boa.reverts("hub: price bound"):
        net.hub.set_price_bound(bps, sender=OWNER.address)


def test_set_guardian(net: Suite) -> None:
    net.hub.set_guardian(STRANGER.address, sender=OWNER.address)
    (event,) = events(net.hub, "GuardianSet")
    assert (event.old, event.new) == (GUARDIAN.address, STRANGER.address)
    assert net.hub.guardian() == STRANGER.address


def test_set_guardian_is_the_owners(net: Suite) -> None:
    for actor in (STRANGER, GUARDIAN):
        with boa.reverts("ownable: caller is not the owner"):
            net.hub.set_guardian(actor.address, sender=actor.address)


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


def test_accept_ownership_is_the_new_owners(net: Suite) -> None:
    net.hub.transfer_ownership(GUARDIAN.address, sender=OWNER.address)
    for actor in (STRANGER, OWNER):
        with boa.reverts("hub: not offered"):
            net.hub.accept_ownership(sender=actor.address)

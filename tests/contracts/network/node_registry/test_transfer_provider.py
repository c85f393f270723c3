"""transfer_provider: the first of two steps."""

from __future__ import annotations

import boa

from tests.contracts.network.harness import ZERO, Trio, only
from tests.support.actors import OPERATOR, OTHER_PROVIDER, PAYOUT, PROVIDER, STRANGER


def test_transfer_provider__offers__changes_nothing_yet(trio: Trio) -> None:
    p = trio.provider()
    trio.registry.transfer_provider(p, OTHER_PROVIDER.address, sender=PROVIDER.address)
    log = only(trio.registry, "ProviderTransferStarted")
    assert (log.provider, log.owner, log.to) == (p, PROVIDER.address, OTHER_PROVIDER.address)
    assert trio.registry.pending_owner_of(p) == OTHER_PROVIDER.address
    assert trio.registry.owner_of(p) == PROVIDER.address


def test_transfer_provider__to_zero__takes_the_offer_back(trio: Trio) -> None:
    p = trio.provider()
    trio.registry.transfer_provider(p, OTHER_PROVIDER.address, sender=PROVIDER.address)
    trio.registry.transfer_provider(p, ZERO, sender=PROVIDER.address)
    with boa.reverts("registry: not offered to caller"):
        trio.registry.accept_provider(p, sender=OTHER_PROVIDER.address)


def test_transfer_provider__by_another__reverts(trio: Trio) -> None:
    p = trio.provider()
    for caller in (OPERATOR, PAYOUT, STRANGER):
        with boa.reverts("registry: not its owner"):
            trio.registry.transfer_provider(p, STRANGER.address, sender=caller.address)

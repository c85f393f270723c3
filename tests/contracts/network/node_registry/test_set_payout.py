"""set_payout: the owner's, and nobody else's."""

from __future__ import annotations

import boa
import pytest

from tests.contracts.network.harness import ZERO, Trio, only
from tests.support.actors import OPERATOR, OWNER, PAYOUT, PROVIDER, RENTER, STRANGER, Actor


def test_set_payout__replaces_it(trio: Trio) -> None:
    p = trio.provider()
    trio.registry.set_payout(p, RENTER.address, sender=PROVIDER.address)
    log = only(trio.registry, "ProviderPayoutSet")
    assert (log.provider, log.old, log.new) == (p, PAYOUT.address, RENTER.address)
    assert trio.registry.payout(p) == RENTER.address


def test_set_payout__zero__reverts(trio: Trio) -> None:
    with boa.reverts("registry: new payout is zero"):
        trio.registry.set_payout(trio.provider(), ZERO, sender=PROVIDER.address)


@pytest.mark.parametrize("caller", [OPERATOR, PAYOUT, OWNER, STRANGER])
@pytest.mark.parametrize("p", [0, 1, 2**250])
def test_set_payout__by_another_or_of_nobody__reverts(trio: Trio, caller: Actor, p: int) -> None:
    trio.provider()
    with boa.reverts("registry: not its owner"):
        trio.registry.set_payout(p, STRANGER.address, sender=caller.address)

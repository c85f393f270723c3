"""set_operator: the owner's, and nobody else's."""

from __future__ import annotations

import boa
import pytest

from tests.contracts.network.harness import M32, MARKET, MIN_STAKE, ZERO, Trio, only, write
from tests.support.actors import OPERATOR, OWNER, PAYOUT, PROVIDER, RENTER, STRANGER, Actor


def test_set_operator__raises_the_generation__keeps_units(trio: Trio) -> None:
    p = trio.provider()
    trio.node(p)
    trio.registry.bump_generation(p, OPERATOR.address, sender=MARKET.address)
    trio.registry.set_operator(p, RENTER.address, sender=PROVIDER.address)
    log, bump = only(trio.registry, "ProviderOperatorSet"), only(trio.registry, "GenerationBumped")
    assert (log.provider, log.old, log.new) == (p, OPERATOR.address, RENTER.address)
    assert (bump.provider, bump.generation) == (p, 2)
    assert trio.registry.provider(p) == int(RENTER.address, 16) << 96 | 2 << 64 | MIN_STAKE


def test_set_operator__back_to_a_former_one__is_another_generation(trio: Trio) -> None:
    p = trio.provider()
    before = trio.registry.provider(p)
    trio.registry.set_operator(p, RENTER.address, sender=PROVIDER.address)
    trio.registry.set_operator(p, OPERATOR.address, sender=PROVIDER.address)
    assert trio.registry.provider(p) == before + (2 << 64)


def test_set_operator__generations_used_up__reverts(trio: Trio) -> None:
    p = trio.provider()
    write(trio.registry, "prov", int(OPERATOR.address, 16) << 96 | M32 << 64, p)
    with boa.reverts("registry: generations used up"):
        trio.registry.set_operator(p, RENTER.address, sender=PROVIDER.address)


def test_set_operator__zero__reverts(trio: Trio) -> None:
    with boa.reverts("registry: new operator is zero"):
        trio.registry.set_operator(trio.provider(), ZERO, sender=PROVIDER.address)


@pytest.mark.parametrize("caller", [OPERATOR, PAYOUT, OWNER, STRANGER])
@pytest.mark.parametrize("p", [0, 1, 2**250])
def test_set_operator__by_another_or_of_nobody__reverts(trio: Trio, caller: Actor, p: int) -> None:
    trio.provider()
    with boa.reverts("registry: not its owner"):
        trio.registry.set_operator(p, STRANGER.address, sender=caller.address)

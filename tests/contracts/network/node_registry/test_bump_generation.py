from __future__ import annotations

import boa
import pytest

from tests.contracts.network.harness import ESCROW, MARKET, MIN_STAKE, ZERO, Trio, only, write
from tests.support.actors import OPERATOR, PAYOUT, PROVIDER, STRANGER, Actor


@pytest.mark.parametrize("by", [OPERATOR, PROVIDER])
def test_bump_generation__on_behalf_of_operator_or_owner(trio: Trio, by: Actor) -> None:
    p = trio.provider()
    trio.node(p)
    trio.registry.bump_generation(p, by.address, sender=MARKET.address)
    log = only(trio.registry, "GenerationBumped")
    assert (log.provider, log.generation) == (p, 1)
    trio.registry.bump_generation(p, by.address, sender=MARKET.address)
    assert trio.registry.provider(p) == int(OPERATOR.address, 16) << 96 | 2 << 64 | MIN_STAKE


@pytest.mark.parametrize("by", [PAYOUT, STRANGER, MARKET])
def test_bump_generation__on_behalf_of_another__reverts(trio: Trio, by: Actor) -> None:
    with boa.reverts("registry: not operator or owner"):
        trio.registry.bump_generation(trio.provider(), by.address, sender=MARKET.address)


def test_bump_generation__on_behalf_of_nobody__reverts(trio: Trio) -> None:
    with boa.reverts("registry: nobody bumps"):
        trio.registry.bump_generation(7, ZERO, sender=MARKET.address)


@pytest.mark.parametrize("caller", [PROVIDER, OPERATOR, ESCROW, STRANGER])
def test_bump_generation__by_another_than_the_market__reverts(trio: Trio, caller: Actor) -> None:
    with boa.reverts("registry: bump by market only"):
        trio.registry.bump_generation(trio.provider(), OPERATOR.address, sender=caller.address)


def test_bump_generation__used_up__reverts(trio: Trio) -> None:
    p = trio.provider()
    write(trio.registry, "prov", trio.registry.provider(p) | (2**32 - 1) << 64, p)
    with boa.reverts("registry: generations used up"):
        trio.registry.bump_generation(p, OPERATOR.address, sender=MARKET.address)

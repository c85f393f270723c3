from __future__ import annotations

import boa

from tests.contracts.network.harness import ZERO, Trio, only, write
from tests.support.actors import OPERATOR, PAYOUT, PROVIDER, RENTER


def test_register_provider__ids_count_from_zero__the_pool_is_open(trio: Trio) -> None:
    uri = "https://provider.example/" + "é" * 100
    p = trio.registry.register_provider(OPERATOR.address, PAYOUT.address, uri, sender=PROVIDER.address)
    log, opened = only(trio.registry, "ProviderRegistered"), only(trio.registry, "PoolOpened")
    assert (log.provider, log.owner) == (0, PROVIDER.address)
    assert (log.operator, log.payout) == (OPERATOR.address, PAYOUT.address)
    assert log.metadata == uri
    assert (opened.provider, opened.owner) == (0, PROVIDER.address)
    assert p == 0 and trio.registry.provider_count() == 1
    assert trio.registry.owner_of(p) == PROVIDER.address
    assert trio.registry.payout(p) == PAYOUT.address
    assert trio.registry.provider(p) == int(OPERATOR.address, 16) << 96
    assert trio.pool.need(p) == int(PROVIDER.address, 16) << 96
    assert trio.pool.last_below(p) == trio.now
    assert trio.provider(RENTER) == 1


def test_register_provider__one_owner_may_have_several(trio: Trio) -> None:
    assert (trio.provider(), trio.provider()) == (0, 1)
    assert trio.registry.owner_of(0) == trio.registry.owner_of(1) == PROVIDER.address


def test_register_provider__zero_operator__reverts(trio: Trio) -> None:
    with boa.reverts("registry: operator is zero"):
        trio.registry.register_provider(ZERO, PAYOUT.address, "", sender=PROVIDER.address)


def test_register_provider__zero_payout__reverts(trio: Trio) -> None:
    with boa.reverts("registry: payout is zero"):
        trio.registry.register_provider(OPERATOR.address, ZERO, "", sender=PROVIDER.address)


def test_register_provider__ids_used_up__reverts(trio: Trio) -> None:
    write(trio.registry, "provider_count", 2**24 - 1)
    assert trio.provider() == 2**24 - 1
    with boa.reverts("registry: too many providers"):
        trio.provider()

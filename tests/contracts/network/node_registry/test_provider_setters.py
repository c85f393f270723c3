"""set_operator, set_payout, set_metadata: the owner's, and nobody else's."""

from __future__ import annotations

import boa
import pytest

from tests.contracts.network.harness import MARKET, MIN_STAKE, ZERO, Trio, only
from tests.support.actors import OPERATOR, OWNER, PAYOUT, PROVIDER, RENTER, STRANGER, Actor


def test_set_operator__keeps_generation_and_units(trio: Trio) -> None:
    p = trio.provider()
    trio.node(p)
    trio.registry.bump_generation(p, OPERATOR.address, sender=MARKET.address)
    trio.registry.set_operator(p, RENTER.address, sender=PROVIDER.address)
    log = only(trio.registry, "ProviderOperatorSet")
    assert (log.provider, log.old, log.new) == (p, OPERATOR.address, RENTER.address)
    assert trio.registry.provider(p) == int(RENTER.address, 16) << 96 | 1 << 64 | MIN_STAKE


def test_set_payout__replaces_it(trio: Trio) -> None:
    p = trio.provider()
    trio.registry.set_payout(p, RENTER.address, sender=PROVIDER.address)
    log = only(trio.registry, "ProviderPayoutSet")
    assert (log.provider, log.old, log.new) == (p, PAYOUT.address, RENTER.address)
    assert trio.registry.payout(p) == RENTER.address


def test_set_metadata__is_logged(trio: Trio) -> None:
    p = trio.provider()
    trio.registry.set_metadata(p, "x" * 256, sender=PROVIDER.address)
    log = only(trio.registry, "ProviderMetadataSet")
    assert (log.provider, log.metadata) == (p, "x" * 256)


def test_set_metadata__longer_than_256_bytes__does_not_decode(trio: Trio) -> None:
    p = trio.provider()
    call = trio.registry.set_metadata.prepare_calldata(p, "x" * 256)
    longer = call[:68] + (257).to_bytes(32, "big") + b"x" * 288
    before = trio.registry.provider(p)
    failed = boa.env.execute_code(to_address=trio.registry.address, sender=PROVIDER.address, data=longer)
    assert failed.is_error and trio.registry.provider(p) == before


def test_set_operator__zero__reverts(trio: Trio) -> None:
    with boa.reverts("registry: new operator is zero"):
        trio.registry.set_operator(trio.provider(), ZERO, sender=PROVIDER.address)


def test_set_payout__zero__reverts(trio: Trio) -> None:
    with boa.reverts("registry: new payout is zero"):
        trio.registry.set_payout(trio.provider(), ZERO, sender=PROVIDER.address)


@pytest.mark.parametrize("caller", [OPERATOR, PAYOUT, OWNER, STRANGER])
@pytest.mark.parametrize("p", [0, 1, 2**250])
def test_setters__by_another_or_of_nobody__revert(trio: Trio, caller: Actor, p: int) -> None:
    trio.provider()
    for call in (
        lambda: trio.registry.set_operator(p, STRANGER.address, sender=caller.address),
        lambda: trio.registry.set_payout(p, STRANGER.address, sender=caller.address),
        lambda: trio.registry.set_metadata(p, "", sender=caller.address),
        lambda: trio.registry.transfer_provider(p, STRANGER.address, sender=caller.address),
    ):
        with boa.reverts("registry: not its owner"):
            call()

"""transfer_provider and accept_provider: two steps, and everything bonded goes along."""

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


def test_accept_provider__nodes_and_bonded_stake_go__tickets_stay(trio: Trio) -> None:
    p = trio.provider()
    i = trio.node(p)
    shares = trio.stake(p, 10**12)
    trio.pool.unstake_own(p, 1_000, sender=PROVIDER.address)
    trio.registry.transfer_provider(p, OTHER_PROVIDER.address, sender=PROVIDER.address)
    trio.registry.accept_provider(p, sender=OTHER_PROVIDER.address)
    log, pool = only(trio.registry, "ProviderTransferred"), only(trio.registry, "PoolOwnerSet")
    assert (log.provider, log.old, log.new) == (p, PROVIDER.address, OTHER_PROVIDER.address)
    assert (pool.provider, pool.old, pool.new) == (p, PROVIDER.address, OTHER_PROVIDER.address)
    assert trio.registry.owner_of(p) == OTHER_PROVIDER.address
    assert trio.registry.pending_owner_of(p) == ZERO
    # operator and payout stay until the new owner changes them
    assert trio.registry.provider(p) >> 96 == int(OPERATOR.address, 16)
    assert trio.registry.payout(p) == PAYOUT.address
    with boa.reverts("registry: not its owner"):
        trio.registry.retire_node(i, sender=PROVIDER.address)
    with boa.reverts("pool: not the owner's shares"):
        trio.pool.unstake_own(p, 1, sender=PROVIDER.address)
    trio.pool.unstake_own(p, shares - 1_000, sender=OTHER_PROVIDER.address)
    trio.wait(trio.parameters.unbonding)
    assert trio.pool.withdraw(p, PROVIDER.address, 0) == 1_000
    assert trio.pool.withdraw(p, OTHER_PROVIDER.address, 0) == 10**12 - 1_000


def test_accept_provider__twice_or_by_another__reverts(trio: Trio) -> None:
    p = trio.provider()
    trio.registry.transfer_provider(p, OTHER_PROVIDER.address, sender=PROVIDER.address)
    with boa.reverts("registry: not offered to caller"):
        trio.registry.accept_provider(p, sender=STRANGER.address)
    trio.registry.accept_provider(p, sender=OTHER_PROVIDER.address)
    with boa.reverts("registry: not offered to caller"):
        trio.registry.accept_provider(p, sender=OTHER_PROVIDER.address)


def test_transfer_provider__to_zero__takes_the_offer_back(trio: Trio) -> None:
    p = trio.provider()
    trio.registry.transfer_provider(p, OTHER_PROVIDER.address, sender=PROVIDER.address)
    trio.registry.transfer_provider(p, ZERO, sender=PROVIDER.address)
    with boa.reverts("registry: not offered to caller"):
        trio.registry.accept_provider(p, sender=OTHER_PROVIDER.address)

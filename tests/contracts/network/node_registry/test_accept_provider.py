"""accept_provider: everything bonded goes along, the old owner's keys lose their power."""

from __future__ import annotations

import boa

from tests.contracts.network.harness import M32, M64, MARKET, MIN_STAKE, ZERO, Trio, only, write
from tests.support.actors import OPERATOR, OTHER_PROVIDER, PAYOUT, PROVIDER, STRANGER


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
    with boa.reverts("registry: not its owner"):
        trio.registry.retire_node(i, sender=PROVIDER.address)
    with boa.reverts("pool: not the owner's shares"):
        trio.pool.unstake_own(p, 1, sender=PROVIDER.address)
    trio.pool.unstake_own(p, shares - 1_000, sender=OTHER_PROVIDER.address)
    trio.wait(trio.parameters.unbonding)
    assert trio.pool.withdraw(p, PROVIDER.address, 0) == 1_000
    assert trio.pool.withdraw(p, OTHER_PROVIDER.address, 0) == 10**12 - 1_000


def test_accept_provider__operator_payout_and_old_asks__are_the_new_owners(trio: Trio) -> None:
    """The keys that the old owner handed out have no power afterwards."""
    p = trio.provider()
    trio.node(p)
    trio.registry.transfer_provider(p, OTHER_PROVIDER.address, sender=PROVIDER.address)
    trio.registry.accept_provider(p, sender=OTHER_PROVIDER.address)
    operator, payout = only(trio.registry, "ProviderOperatorSet"), only(trio.registry, "ProviderPayoutSet")
    bump = only(trio.registry, "GenerationBumped")
    assert (operator.provider, operator.old, operator.new) == (p, OPERATOR.address, OTHER_PROVIDER.address)
    assert (payout.provider, payout.old, payout.new) == (p, PAYOUT.address, OTHER_PROVIDER.address)
    assert (bump.provider, bump.generation) == (p, 1)
    word = trio.registry.provider(p)
    assert (word >> 96, word >> 64 & M32, word & M64) == (int(OTHER_PROVIDER.address, 16), 1, MIN_STAKE)
    assert trio.registry.payout(p) == OTHER_PROVIDER.address
    for old in (OPERATOR, PROVIDER, PAYOUT):
        with boa.reverts("registry: not operator or owner"):
            trio.registry.bump_generation(p, old.address, sender=MARKET.address)
        with boa.reverts("registry: not its owner"):
            trio.registry.set_payout(p, old.address, sender=old.address)


def test_accept_provider__by_its_operator__old_asks_are_void(trio: Trio) -> None:
    """The operator key stays the same, so only the generation voids what it signed for the old owner."""
    p = trio.provider(operator=OTHER_PROVIDER)
    trio.registry.transfer_provider(p, OTHER_PROVIDER.address, sender=PROVIDER.address)
    trio.registry.accept_provider(p, sender=OTHER_PROVIDER.address)
    assert trio.registry.provider(p) >> 64 == int(OTHER_PROVIDER.address, 16) << 32 | 1


def test_accept_provider__generations_used_up__reverts(trio: Trio) -> None:
    p = trio.provider()
    write(trio.registry, "prov", int(OPERATOR.address, 16) << 96 | M32 << 64, p)
    trio.registry.transfer_provider(p, OTHER_PROVIDER.address, sender=PROVIDER.address)
    with boa.reverts("registry: generations used up"):
        trio.registry.accept_provider(p, sender=OTHER_PROVIDER.address)


def test_accept_provider__twice_or_by_another__reverts(trio: Trio) -> None:
    p = trio.provider()
    trio.registry.transfer_provider(p, OTHER_PROVIDER.address, sender=PROVIDER.address)
    with boa.reverts("registry: not offered to caller"):
        trio.registry.accept_provider(p, sender=STRANGER.address)
    trio.registry.accept_provider(p, sender=OTHER_PROVIDER.address)
    with boa.reverts("registry: not offered to caller"):
        trio.registry.accept_provider(p, sender=OTHER_PROVIDER.address)

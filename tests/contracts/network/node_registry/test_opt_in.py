from __future__ import annotations

import boa
import pytest

from tests.contracts.network.harness import (
    ESCROW,
    FAULT,
    FAULTED,
    JAILED,
    MARKET,
    PENDING,
    RETIRED,
    SLASHER,
    STANDING,
    Trio,
    challenged_node,
    only,
    opted_in,
)  # fmt: skip
from tests.support.actors import OPERATOR, OTHER_PROVIDER, OWNER, PAYOUT, PROVIDER, STRANGER, Actor

HOUR = 3_600


@pytest.mark.parametrize("caller", [PROVIDER, OPERATOR])
def test_opt_in__by_owner_or_operator__from_the_next_epoch_on(trio: Trio, caller: Actor) -> None:
    i = challenged_node(trio)
    before = int(trio.registry.node(i))
    trio.wait(10 * HOUR)
    trio.registry.opt_in(i, sender=caller.address)
    log = only(trio.registry, "OptInSet")
    assert (log.node, log.old, log.new) == (i, 0, 11)
    assert int(trio.registry.node(i)) == before | 11 << 64, "nothing else of the word"


@pytest.mark.parametrize(("seconds", "since"), [(HOUR - 101, 1), (HOUR - 100, 2)])
def test_opt_in__around_the_end_of_an_epoch__the_next_one(trio: Trio, seconds: int, since: int) -> None:
    i = challenged_node(trio)
    trio.wait(seconds)
    trio.registry.opt_in(i, sender=PROVIDER.address)
    assert opted_in(trio, i) == since


def test_opt_in__again_after_out__counts_from_then(trio: Trio) -> None:
    i = challenged_node(trio)
    trio.registry.opt_in(i, sender=PROVIDER.address)
    trio.wait(5 * HOUR)
    trio.registry.opt_out(i, sender=PROVIDER.address)
    trio.registry.opt_in(i, sender=PROVIDER.address)
    assert opted_in(trio, i) == 6


def test_opt_in__one_of_two_nodes__leaves_the_other_out(trio: Trio) -> None:
    i = challenged_node(trio)
    other = challenged_node(trio, provider=0)
    trio.registry.opt_in(other, sender=PROVIDER.address)
    assert (opted_in(trio, i), opted_in(trio, other)) == (0, 1)


def test_opt_in__what_comes_later__leaves_it_in(trio: Trio) -> None:
    i = challenged_node(trio)
    trio.registry.opt_in(i, sender=PROVIDER.address)
    trio.activate(i)
    trio.registry.reserve(i, 1, sender=MARKET.address)
    trio.registry.release(i, 1, sender=ESCROW.address)
    trio.registry.set_status(i, JAILED, 2**32 - 1, 2**32 - 1, sender=STANDING.address)
    trio.registry.set_grant(SLASHER.address, FAULT, sender=OWNER.address)
    trio.registry.fault(i, sender=SLASHER.address)
    assert (trio.status(i)[0], opted_in(trio, i)) == (FAULTED, 1)
    trio.registry.retire_node(i, sender=PROVIDER.address)
    assert (trio.status(i)[0], opted_in(trio, i)) == (RETIRED, 1)


def test_opt_in__a_closed_class__its_nodes_go_on(trio: Trio) -> None:
    i = challenged_node(trio)
    trio.registry.close_class(1, sender=OWNER.address)
    trio.registry.opt_in(i, sender=PROVIDER.address)
    assert (trio.status(i)[0], opted_in(trio, i)) == (PENDING, 1)


def test_opt_in__liveness_only_class__reverts(trio: Trio) -> None:
    i = trio.node(trio.provider(), active=True)
    with boa.reverts("registry: class has no challenge"):
        trio.registry.opt_in(i, sender=PROVIDER.address)


def test_opt_in__one_that_is_in__reverts(trio: Trio) -> None:
    i = challenged_node(trio)
    trio.registry.opt_in(i, sender=PROVIDER.address)
    trio.wait(5 * HOUR)
    with boa.reverts("registry: already opted in"):
        trio.registry.opt_in(i, sender=OPERATOR.address)
    assert opted_in(trio, i) == 1


def test_opt_in__retired__reverts(trio: Trio) -> None:
    i = challenged_node(trio)
    trio.registry.retire_node(i, sender=PROVIDER.address)
    with boa.reverts("registry: node cannot opt in"):
        trio.registry.opt_in(i, sender=PROVIDER.address)


@pytest.mark.parametrize("caller", [PROVIDER, OPERATOR])
def test_opt_in__unknown_by_provider_0__reverts(trio: Trio, caller: Actor) -> None:
    i = challenged_node(trio)
    with boa.reverts("registry: node cannot opt in"):
        trio.registry.opt_in(i + 1, sender=caller.address)


@pytest.mark.parametrize("caller", [OTHER_PROVIDER, PAYOUT, OWNER, STRANGER])
def test_opt_in__by_another__reverts(trio: Trio, caller: Actor) -> None:
    i = challenged_node(trio)
    trio.provider(owner=OTHER_PROVIDER, operator=STRANGER)
    with boa.reverts("registry: caller may not opt"):
        trio.registry.opt_in(i, sender=caller.address)


def test_opt_in__by_the_owner_before__reverts(trio: Trio) -> None:
    i = challenged_node(trio)
    trio.registry.transfer_provider(0, STRANGER.address, sender=PROVIDER.address)
    trio.registry.accept_provider(0, sender=STRANGER.address)
    for caller in (PROVIDER, OPERATOR):
        with boa.reverts("registry: caller may not opt"):
            trio.registry.opt_in(i, sender=caller.address)
    trio.registry.opt_in(i, sender=STRANGER.address)
    assert opted_in(trio, i) == 1

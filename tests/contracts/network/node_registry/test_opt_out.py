from __future__ import annotations

import boa
import pytest

from tests.contracts.network.harness import RETIRED, Trio, challenged_node, only, opted_in
from tests.support.actors import OPERATOR, OTHER_PROVIDER, OWNER, PAYOUT, PROVIDER, STRANGER, Actor

HOUR = 3_600


@pytest.mark.parametrize("caller", [PROVIDER, OPERATOR])
def test_opt_out__by_owner_or_operator__the_word_is_as_before(trio: Trio, caller: Actor) -> None:
    i = challenged_node(trio)
    before = int(trio.registry.node(i))
    trio.wait(3 * HOUR)
    trio.registry.opt_in(i, sender=PROVIDER.address)
    trio.registry.opt_out(i, sender=caller.address)
    log = only(trio.registry, "OptInSet")
    assert (log.node, log.old, log.new) == (i, 4, 0)
    assert int(trio.registry.node(i)) == before


def test_opt_out__retired__may(trio: Trio) -> None:
    i = challenged_node(trio)
    trio.registry.opt_in(i, sender=PROVIDER.address)
    trio.registry.retire_node(i, sender=PROVIDER.address)
    trio.registry.opt_out(i, sender=PROVIDER.address)
    assert (trio.status(i)[0], opted_in(trio, i)) == (RETIRED, 0)


def test_opt_out__one_that_is_out__reverts(trio: Trio) -> None:
    i = challenged_node(trio)
    with boa.reverts("registry: not opted in"):
        trio.registry.opt_out(i, sender=PROVIDER.address)
    trio.registry.opt_in(i, sender=PROVIDER.address)
    trio.registry.opt_out(i, sender=PROVIDER.address)
    with boa.reverts("registry: not opted in"):
        trio.registry.opt_out(i, sender=PROVIDER.address)


def test_opt_out__unknown_by_provider_0__reverts(trio: Trio) -> None:
    i = challenged_node(trio)
    with boa.reverts("registry: not opted in"):
        trio.registry.opt_out(i + 1, sender=PROVIDER.address)


@pytest.mark.parametrize("caller", [OTHER_PROVIDER, PAYOUT, OWNER, STRANGER])
def test_opt_out__by_another__reverts(trio: Trio, caller: Actor) -> None:
    i = challenged_node(trio)
    trio.provider(owner=OTHER_PROVIDER, operator=STRANGER)
    trio.registry.opt_in(i, sender=PROVIDER.address)
    with boa.reverts("registry: caller may not opt"):
        trio.registry.opt_out(i, sender=caller.address)
    assert opted_in(trio, i) == 1

from __future__ import annotations

import boa
import pytest

from tests.contracts.network.harness import ACTIVE, LIVENESS, Trio, only
from tests.support.actors import OWNER, PROVIDER, STRANGER


def test_close_class__no_new_node__old_ones_go_on(trio: Trio) -> None:
    p = trio.provider()
    i = trio.node(p)
    trio.registry.close_class(0, sender=OWNER.address)
    assert only(trio.registry, "ClassClosed").class_id == 0
    assert tuple(trio.registry.class_of(0)) == (*LIVENESS[:-1], True)
    trio.activate(i)
    assert trio.status(i)[0] == ACTIVE
    trio.allow_fee()
    with boa.reverts("registry: class not open"):
        trio.registry.register_node(*trio.registration(p), sender=PROVIDER.address)
    trio.registry.retire_node(i, sender=PROVIDER.address)
    assert trio.units(p) == 0


@pytest.mark.parametrize("class_id", [0, 1, 2**200])
def test_close_class__closed_or_unknown__reverts(trio: Trio, class_id: int) -> None:
    if class_id == 0:
        trio.registry.close_class(0, sender=OWNER.address)
    with boa.reverts("registry: no open class"):
        trio.registry.close_class(class_id, sender=OWNER.address)


def test_close_class__by_another__reverts(trio: Trio) -> None:
    with boa.reverts("ownable: caller is not the owner"):
        trio.registry.close_class(0, sender=STRANGER.address)

"""cancel_all: a provider's signed asks become void at once."""

import boa

from tests.support.actors import OPERATOR, PROVIDER, STRANGER


def test_cancel_all_default(world):
    w = world
    before = w.registry.provider(1)
    for who in (OPERATOR, PROVIDER):
        w.market.cancel_all(1, sender=who.address)
    assert w.registry.provider(1) == before + (2 << 64)


def test_cancel_all_reverts_from_others(world):
    with boa.reverts("registry: not the operator"):
        world.market.cancel_all(1, sender=STRANGER.address)

"""Digests, quote, domain."""

import boa
import pytest

from tests.contracts.market.support import LOW, PER_SECOND
from tests.support.constants import DAY, M32
from tests.support.suite import ASK, TAKE


def test_digests(world):
    w = world
    ask = w.ask(salt=2**256 - 1)
    assert w.market.ask_digest(ask) == w.domain.digest(ASK, *ask)
    taken = w.take_of(ask, nodes=(0, 1, 2))
    assert w.market.take_digest(taken) == w.domain.digest(TAKE, *taken)


def test_digests_follow_a_fork_of_the_chain(world):
    w = world
    ask = w.ask()
    old = w.market.ask_digest(ask)
    chain = boa.env.evm.patch.chain_id
    try:
        boa.env.evm.patch.chain_id = chain + 1
        assert w.market.ask_digest(ask) == w.domain.digest(ASK, *ask) != old
    finally:
        boa.env.evm.patch.chain_id = chain


def test_domain(world):
    _, name, version, chain, contract, _, _ = world.market.eip712Domain()
    assert (name, version, chain, contract) == ("Hearth", "1", boa.env.evm.patch.chain_id, world.market.address)


def test_quote(world):
    w = world
    ask = w.ask()
    deposit, bond = w.market.quote(ask, w.take_of(ask))
    assert deposit == 2 * DAY * PER_SECOND
    assert bond == -(-3600 * PER_SECOND * 1500 // LOW)


def test_quote_bonds_the_longer_of_notice_and_minimum(world):
    w = world
    ask = w.ask(sheet=w.sheet(notice=3600, min_seconds=DAY))
    assert w.market.quote(ask, w.take_of(ask))[1] == -(-DAY * PER_SECOND * 1500 // LOW)


@pytest.mark.parametrize("ask, taken", [({"rate": 2**64}, {}), ({}, {"gpus": 256}), ({}, {"prepaid": M32 + 1})])
def test_quote_reverts_range(world, ask, taken):
    w = world
    a = w.ask(**ask)
    with boa.reverts("market: quote out of range"):
        w.market.quote(a, w.take_of(a, **taken))


def test_quote_reverts_sheet(world):
    w = world
    a = w.ask(sheet=5)
    with boa.reverts("market: quote of no sheet"):
        w.market.quote(a, w.take_of(a))

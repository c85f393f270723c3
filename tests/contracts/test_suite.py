"""The helpers of tests/support on the ten real contracts: a lease opens, is attested, settles, redeems."""

from __future__ import annotations

import boa

from tests.support.actors import OPERATOR, PAYOUT, PROVIDER, RENTER, SETTLER, STRANGER
from tests.support.constants import DAY, GWEI, WAD
from tests.support.suite import Suite, predicted
from tests.support.uptime import ALL


def test_every_contract_names_its_peers(suite: Suite) -> None:
    assert suite.hub.REGISTRY() == suite.registry.address
    assert suite.hub.POOL() == suite.pool.address
    assert suite.standing.HUB() == suite.hub.address
    assert predicted(suite.token.address) != suite.pool.address


RATE = WAD // 3_600  # a dollar a GPU-hour


def open_for_business(suite: Suite) -> tuple[int, list[int], int]:
    """A provider, its three active nodes, a sheet; the renter has credits."""
    class_id = suite.add_class()
    provider = suite.register_provider()
    nodes = [suite.register_node(provider, class_id, gpus=2) for _ in range(3)]
    suite.stake(provider, 100_000 * GWEI)
    first = suite.epoch + 1
    suite.report_until(first)
    suite.make_usable()
    for node in nodes:
        suite.standing.activate(node, *suite.proof(node), sender=SETTLER.address)
    suite.report_until(suite.epoch - 1)
    suite.buy(1_000 * WAD)
    return provider, nodes, suite.escrow.add_sheet(3_600, 3_600, 7 * DAY, 2**32 - 1, 0)


def test_an_ask_of_a_former_operator_does_not_revive(suite: Suite) -> None:
    """The owner replaces a stolen key and later, or by mistake, makes it operator again: what it signed stays void."""
    provider, nodes, sheet = open_for_business(suite)
    old = suite.ask_for(provider, [nodes[1]], RATE, sheet)
    suite.registry.set_operator(provider, STRANGER.address, sender=PROVIDER.address)
    with boa.reverts("market: ask cancelled"):
        suite.take(old, gpus=2, duration=DAY, prepaid=DAY)
    suite.registry.set_operator(provider, OPERATOR.address, sender=PROVIDER.address)
    with boa.reverts("market: ask cancelled"):
        suite.take(old, gpus=2, duration=DAY, prepaid=DAY)
    lease = suite.take(suite.ask_for(provider, [nodes[1]], RATE, sheet), gpus=2, duration=DAY, prepaid=DAY)
    assert suite.escrow.party(lease) >> 96 == int(RENTER.address, 16)


def test_first_money(suite: Suite) -> None:
    provider, nodes, sheet = open_for_business(suite)
    ask = suite.ask_for(provider, [nodes[1]], RATE, sheet)
    lease = suite.take(ask, gpus=2, duration=DAY, prepaid=DAY)
    start = suite.now
    assert suite.escrow.party(lease) >> 96 == int(RENTER.address, 16)

    opened = suite.epoch
    suite.report({nodes[1]: ALL})
    anchor = suite.proof(nodes[1])
    suite.report({nodes[1]: 0b1})
    suite.report()
    suite.make_usable()
    header, leaf, proof = suite.proof(nodes[1])
    end = suite.parameters.end(opened + 2)
    base = suite.uptime.true_down(opened, nodes[1], start - suite.parameters.start(opened))
    due = end - start - (suite.uptime.true_down(opened + 2, nodes[1], suite.parameters.epoch) - base)
    suite.escrow.settle_first(lease, header, leaf, proof, 0, *anchor, sender=SETTLER.address)
    assert suite.escrow.money(lease) >> 32 & 0xFFFFFFFF == due

    period = (suite.now - suite.parameters.genesis) // suite.parameters.period
    assert suite.escrow.tally(provider, period) >> 128 == RATE * 2 * due
    per = suite.parameters.epochs_per_period
    suite.report_until((period + 1) * per)
    suite.make_usable()
    before = suite.token.balanceOf(PAYOUT.address)
    suite.engine.redeem(provider, [period], sender=OPERATOR.address)
    assert suite.token.balanceOf(PAYOUT.address) > before

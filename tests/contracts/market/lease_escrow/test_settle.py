"""settle: attested seconds to the provider's tally, a pure percentage to whom the caller names."""

import boa
import pytest

from tests.contracts.market.support import FIRST, OFFSET, PER_SECOND, events, number
from tests.support.actors import RENTER, SETTLER, STRANGER
from tests.support.constants import DAY


def test_default(world, lease):
    w = world
    w.report({0: 0b110})  # slots 1 and 2 of the first epoch: half of slot 1 lies in the lease
    w.anchor(lease)
    w.report({0: 0b1000})
    credits, backing, *_ = w.money(lease)
    w.settle(lease, FIRST + 1)
    (log,) = events(w.escrow, "Settled")
    seconds = 2 * 3600 - OFFSET - 150 - 300 - 300
    assert seconds == w.attested(lease, w.parameters.end(FIRST + 1))
    x = PER_SECOND * seconds
    k = backing * x // credits
    assert (log.id, log.provider, log.epoch, log.seconds) == (lease, 1, FIRST + 1, seconds)
    assert (log.credits, log.backing, log.bounty, log.payee) == (x, k, 0, 1)
    assert w.money(lease)[:3] == (credits - x, backing - k, seconds)
    assert w.tally() == (x, k)
    w.check_ledger()


def test_pays_no_bounty_below_a_period_of_a_running_lease(world, lease):
    w = world
    w.report_until(FIRST)
    w.anchor(lease)
    w.settle(lease, FIRST, number(SETTLER))
    assert w.tally(number(SETTLER)) == (0, 0)
    assert w.tally()[0] == PER_SECOND * (3600 - OFFSET)


def test_bounty_for_a_period(world, lease):
    w = world
    w.report_until(FIRST)
    w.anchor(lease)
    w.report_until(FIRST + 24)
    credits, backing, *_ = w.money(lease)
    w.settle(lease, FIRST + 24, number(SETTLER))
    x = PER_SECOND * (25 * 3600 - OFFSET)
    k = backing * x // credits
    b = x // 100
    kb = k * b // x
    assert w.tally(number(SETTLER)) == (b, kb)
    assert w.tally() == (x - b, k - kb)
    w.check_ledger()


def test_bounty_to_another_provider_by_id(world, lease):
    w = world
    w.report_until(FIRST)
    w.anchor(lease)
    w.report_until(FIRST + 24)
    w.settle(lease, FIRST + 24, 2)
    assert w.tally(2)[0] == PER_SECOND * (25 * 3600 - OFFSET) // 100


def test_bounty_once_the_lease_has_lapsed_unrecorded(world):
    w = world
    id = w.open(prepaid=3600)
    w.report_until(FIRST + 1)
    w.anchor(id)
    w.settle(id, FIRST + 1, number(SETTLER))
    assert w.tally(number(SETTLER))[0] == PER_SECOND * 3600 // 100


def test_bounty_once_the_stop_is_recorded(world, lease):
    w = world
    w.after(3600)
    w.escrow.stop(lease, 0, sender=RENTER.address)
    w.report_until(FIRST + 1)
    w.anchor(lease)
    w.settle(lease, FIRST, number(SETTLER))
    assert w.tally(number(SETTLER))[0] == PER_SECOND * (3600 - OFFSET) // 100


def test_provider_that_names_itself_pays_none(world, lease):
    w = world
    w.report_until(FIRST)
    w.anchor(lease)
    w.report_until(FIRST + 24)
    w.settle(lease, FIRST + 24, 1)
    assert w.tally()[0] == PER_SECOND * (25 * 3600 - OFFSET)


def test_last_settlement_takes_all_backing(world):
    w = world
    id = w.open(duration=2 * 3600, prepaid=2 * 3600)
    w.report_until(FIRST + 2)
    w.anchor(id)
    backing = w.money(id)[1]
    w.settle(id, FIRST)
    w.settle(id, FIRST + 2)
    assert w.money(id)[:2] == (0, 0)
    assert w.tally() == (PER_SECOND * 7200, backing)


def test_dust_beyond_whole_seconds_is_never_paid(world):
    w = world
    id = w.open(duration=DAY, prepaid=7200, extra=PER_SECOND - 1)
    w.report_until(FIRST + 2)
    w.anchor(id)
    w.settle(id, FIRST + 2)
    assert w.money(id)[0] == PER_SECOND - 1
    assert w.escrow.until(id) == w.terms(id)["start"] + 7200


def test_does_not_move_funded_until(world, lease):
    w = world
    w.report_until(FIRST)
    w.anchor(lease)
    before = w.escrow.until(lease)
    w.report({0: 0b111})
    w.settle(lease, FIRST + 1)
    assert w.escrow.until(lease) == before


def test_dark_node_earns_nothing_and_what_follows_is_paid(world, lease):
    w = world
    w.report({0: 0})
    w.anchor(lease)
    w.settle(lease, FIRST)
    w.report({0: 0xFFF})
    w.report({0: 0xFFF})
    with boa.reverts("escrow: nothing due"):
        w.settle(lease, FIRST + 2)
    w.report({0: 0})
    w.settle(lease, FIRST + 3)
    assert w.money(lease)[2] == 3600 - OFFSET + 3600


def test_void_epochs_are_not_paid(world, lease):
    w = world
    w.report()
    w.anchor(lease)
    w.report(void=True)
    w.report(void=True)
    w.report()
    w.settle(lease, FIRST + 3)
    assert w.money(lease)[2] == 2 * 3600 - OFFSET


def test_out_of_order_pays_nothing_twice(world, lease):
    w = world
    w.report()
    w.anchor(lease)
    w.report({0: 0xF})
    w.report()
    w.settle(lease, FIRST + 2)
    for e in (FIRST, FIRST + 1, FIRST + 2):
        with boa.reverts("escrow: nothing due"):
            w.settle(lease, e)


def test_runs_out_at_the_exact_second(world):
    w = world
    id = w.open(prepaid=5000)
    w.report_until(FIRST + 3)
    w.anchor(id)
    w.settle(id, FIRST + 1)
    assert w.money(id)[:3] == (0, 0, 5000)
    with boa.reverts("escrow: epoch after the stop"):
        w.settle(id, FIRST + 3)


def test_needs_no_price_and_no_open_entry(world, lease):
    w = world
    w.price(stamp=1, flags=3)
    w.report()
    w.anchor(lease)
    w.settle(lease, FIRST)
    assert w.tally()[0] == PER_SECOND * (3600 - OFFSET)


def test_reverts_unknown(world):
    world.report()
    with boa.reverts("escrow: no such lease"):
        world.settle(1, FIRST)


def test_reverts_barred(world):
    world.escrow.bar(5, sender=world.market.address)
    world.report()
    with boa.reverts("escrow: finished"):
        world.settle(5, FIRST)


def test_reverts_finished(world, lease):
    w = world
    w.escrow.stop(lease, 0, sender=w.registry.owner_of(1))
    w.escrow.finish(lease, 0, 0, [], sender=STRANGER.address)
    w.report()
    with boa.reverts("escrow: finished"):
        w.settle(lease, FIRST)


def test_reverts_without_anchor(world, lease):
    world.report()
    with boa.reverts("escrow: no anchor"):
        world.settle(lease, FIRST)


def test_reverts_payee_wider_than_an_address(world, lease):
    world.report()
    world.anchor(lease)
    with boa.reverts("escrow: payee is no address"):
        world.settle(lease, FIRST, 1 << 160)


def test_reverts_not_usable(world, lease):
    w = world
    w.report()
    w.anchor(lease)
    w.report(delay=DAY)
    w.hub.set_root(FIRST + 1, w.uptime.word, w.now + 1)
    with boa.reverts("hub: not usable"):
        w.settle(lease, FIRST + 1)
    w.after(1)
    w.settle(lease, FIRST + 1)


def test_reverts_before_the_start(world, lease):
    w = world
    w.report()
    w.anchor(lease)
    with boa.reverts("escrow: nothing due"):
        w.settle(lease, FIRST - 1)


@pytest.mark.parametrize("what", ["header", "leaf", "other leaf", "proof", "short", "long"])
def test_reverts_forged(world, lease, what):
    w = world
    w.report({1: 0b11})
    w.anchor(lease)
    header, leaf, proof = w.leaf(FIRST)
    if what == "header":
        header ^= 1 << 40
    elif what == "leaf":
        leaf ^= 1 << 64
    elif what == "other leaf":
        _, leaf, proof = w.leaf(FIRST, 1)
    elif what == "proof":
        proof = [proof[0], bytes(32), proof[2]]
    elif what == "short":
        proof = proof[:2]
    else:
        proof = [*proof, bytes(32)]
    with boa.reverts("escrow: proof"):
        w.escrow.settle(lease, header, leaf, proof, 1, sender=STRANGER.address)


def test_inner_node_is_no_leaf(world):
    w = world
    id = w.open(node=4, provider=2)
    w.report()
    header, _, proof = w.leaf(FIRST, 4)
    with boa.reverts("merkle: proof"):
        w.escrow.anchor(id, header, 0, proof[1:], sender=STRANGER.address)


def test_rate_of_one_wei_is_exact(world):
    w = world
    id = w.open(rate=1, gpus=1)
    w.report({0: 0b1000})
    w.anchor(id)
    w.settle(id, FIRST)
    assert w.tally()[0] == 3600 - OFFSET - 300

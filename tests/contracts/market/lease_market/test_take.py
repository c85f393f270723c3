"""take: an ask and its acceptance become leases, or nothing happens at all."""

import boa
import pytest

from tests.contracts.market.support import DEPLOYER, GPUS, LOW, PER_SECOND, RATE, events
from tests.support.actors import OPERATOR, OTHER_RENTER, PROVIDER, RELAYER, RENTER, STRANGER
from tests.support.constants import CURVE_ORDER, DAY
from tests.support.suite import compiled


def take(w, ask=None, taken=None, *, sender=RENTER, ask_sig=None, take_sig=None, lapsed=(), signer=OPERATOR):
    ask = w.ask() if ask is None else ask
    taken = w.take_of(ask) if taken is None else taken
    ask_sig = w.sign_ask(ask, signer) if ask_sig is None else ask_sig
    take_sig = (b"" if sender is RENTER else w.sign_take(taken)) if take_sig is None else take_sig
    id = w.market.take(ask, taken, ask_sig, take_sig, list(lapsed), sender=sender.address)
    assert id == w.id_of(taken)
    w.opened += [id + i for i in range((taken[2].bit_length() + 23) // 24)]
    return id


def test_default(world):
    w = world
    c, k = w.purse()
    ask = w.ask()
    id = take(w, ask)
    (opened,), (locked,) = events(w.market, "Opened"), events(w.market, "BondLocked")
    assert events(w.market, "Filled") == []
    bond = -(-3600 * PER_SECOND * 1500 // LOW)
    deposit = 2 * DAY * PER_SECOND
    terms = RATE << 192 | GPUS << 184 | 1 << 136 | w.now << 96 | 7 * DAY << 68
    assert (opened.id, opened.renter, opened.provider, opened.terms) == (id, RENTER.address, 1, terms)
    assert (opened.credits, opened.backing, opened.bond) == (deposit, k * deposit // c, 2 * bond)
    assert opened.ask == w.market.ask_digest(ask)
    assert locked.amount == bond
    assert w.purse()[0] == c - deposit
    assert w.reserved() == GPUS
    w.check_ledger()


def test_by_a_relayer_with_the_renters_signature(world):
    w = world
    id = take(w, sender=RELAYER)
    assert w.escrow.party(id) >> 96 == int(RENTER.address, 16)


def test_cluster(world):
    w = world
    ask = w.ask(nodes=(0, 1, 2, 3))
    id = take(w, ask, w.take_of(ask, nodes=(3, 0, 2)))
    (filled,), opened = events(w.market, "Filled"), events(w.market, "Opened")
    (locked,) = events(w.market, "BondLocked")
    assert (filled.id, filled.renter, filled.leases) == (id, RENTER.address, 3)
    assert [o.id for o in opened] == [id, id + 1, id + 2]
    assert [o.terms >> 160 & 0xFFFFFF for o in opened] == [3, 0, 2]
    assert sum(o.bond for o in opened) == locked.shares == w.pool.locked(1)  # no locked share is nobody's
    assert [w.reserved(n) for n in range(4)] == [GPUS, 0, GPUS, GPUS]


def test_bond_that_does_not_divide(world):
    """Rounded shares of three leases sum to what was locked."""
    w = world
    ask = w.ask(nodes=(0, 1, 2), rate=1)
    take(w, ask, w.take_of(ask, nodes=(0, 1, 2), gpus=1))
    bonds = [o.bond for o in events(w.market, "Opened")]
    assert sum(bonds) == w.pool.locked(1)
    assert max(bonds) - min(bonds) < 3


def test_eight_nodes_open_together_or_not_at_all(world):
    w = world
    for i in range(10, 18):
        w.registry.set_node(i, 1, 3, 8, 2)
    nodes = tuple(range(10, 18))
    ask = w.ask(nodes=nodes)
    taken = w.take_of(ask, nodes=nodes, prepaid=3600)
    w.registry.set_node(17, 1, 3, 1, 2)
    with boa.reverts("registry: over capacity"):
        take(w, ask, taken)
    assert w.reserved(10) == 0
    w.registry.set_node(17, 1, 3, 8, 2)
    take(w, ask, taken)
    assert len(events(w.market, "Opened")) == 8


def test_any_node_of_the_class(world):
    w = world
    ask = w.ask(nodes=())
    take(w, ask, w.take_of(ask, nodes=(2,)))
    assert w.reserved(2) == GPUS


def test_one_ask_is_taken_many_times_while_room_lasts(world):
    w = world
    ask = w.ask()
    for salt in range(4):
        take(w, ask, w.take_of(ask, salt=salt, prepaid=3600))
    assert w.reserved() == 8
    with boa.reverts("registry: over capacity"):
        take(w, ask, w.take_of(ask, salt=5, prepaid=3600))


def test_lapsed_lease_is_stopped_first(world):
    w = world
    old = w.open(gpus=8, prepaid=3600)
    running = w.open(node=1)
    w.after(3600)
    w.price()
    with boa.reverts("registry: over capacity"):
        take(w)
    id = take(w, lapsed=[old])
    assert w.terms(old)["reason"] == 2
    assert w.reserved() == GPUS
    ask = w.ask(salt=11)
    take(w, ask, lapsed=[old, old])  # a stopped one is passed over
    with boa.reverts("escrow: may not stop it now"):
        take(w, w.ask(salt=12), lapsed=[running])
    assert w.terms(id)["reason"] == 0


def test_wallet_as_operator_and_as_renter(world):
    w = world
    wallet = compiled("mocks/Erc1271Wallet.vy").deploy(STRANGER.address, sender=STRANGER.address)
    w.registry.set_provider(1, PROVIDER.address, wallet.address, PROVIDER.address)
    take(w, signer=STRANGER)
    deposit = 3600 * PER_SECOND
    w.escrow.credit(wallet.address, deposit, 10**20, sender=w.engine.address)
    ask = w.ask(salt=2)
    taken = w.take_of(ask, renter=wallet.address, prepaid=3600)
    take(w, ask, taken, sender=RELAYER, signer=STRANGER, take_sig=w.sign_take(taken, STRANGER))
    assert w.escrow.purse(wallet.address) >> 128 == 0


@pytest.mark.parametrize("mode", [1, 2, 3, 4, 6])
def test_reverts_where_the_wallet_does_not_say_yes(world, mode):
    w = world
    wallet = compiled("mocks/Erc1271Wallet.vy").deploy(STRANGER.address, sender=STRANGER.address)
    w.registry.set_provider(1, PROVIDER.address, wallet.address, PROVIDER.address)
    wallet.set_mode(mode)
    with boa.reverts("market: wallet refused"):
        take(w, signer=STRANGER)


def test_wallet_that_answers_more_than_a_word(world):
    w = world
    wallet = compiled("mocks/Erc1271Wallet.vy").deploy(STRANGER.address, sender=STRANGER.address)
    w.registry.set_provider(1, PROVIDER.address, wallet.address, PROVIDER.address)
    wallet.set_mode(5)
    take(w, signer=STRANGER)
    assert w.reserved() == GPUS


def test_twin_of_a_signature_opens_nothing_twice(world):
    w = world
    ask = w.ask()
    sig = w.sign_ask(ask)
    s = CURVE_ORDER - int.from_bytes(sig[32:64], "big")
    twin = sig[:32] + s.to_bytes(32, "big") + bytes([55 - sig[64]])
    take(w, ask)
    with boa.reverts("escrow: id used"):
        take(w, ask, ask_sig=twin)


# ---- each check, in its order


def test_reverts_ask_expired(world):
    w = world
    ask = w.ask(expiry=w.now - 1)
    with boa.reverts("market: ask expired"):
        take(w, ask)
    take(w, w.ask(expiry=w.now))


def test_reverts_take_expired(world):
    w = world
    ask = w.ask()
    with boa.reverts("market: take expired"):
        take(w, ask, w.take_of(ask, deadline=w.now - 1))
    take(w, ask, w.take_of(ask, deadline=w.now))


@pytest.mark.parametrize("rate", [0, 2**64, 2**200])
def test_reverts_rate(world, rate):
    with boa.reverts("market: rate out of range"):
        take(world, world.ask(rate=rate))


@pytest.mark.parametrize("gpus", [0, 256, 65_536, 2**255])
def test_reverts_gpus(world, gpus):
    ask = world.ask()
    with boa.reverts("market: gpus out of range"):
        take(world, ask, world.take_of(ask, gpus=gpus))


@pytest.mark.parametrize("change, duration", [({}, 3599), ({}, 30 * DAY + 1), ({"max_duration": 2**40}, 2**28)])
def test_reverts_duration(world, change, duration):
    ask = world.ask(**change)
    with boa.reverts("market: duration out of range"):
        take(world, ask, world.take_of(ask, duration=duration))


@pytest.mark.parametrize("nodes", [0, 1 << 24, 1 | 1 << 48, 1 << 192, sum(1 << 24 * i for i in range(9))])
def test_reverts_nodes(world, nodes):
    w = world
    ask = w.ask()
    taken = w.take_of(ask)
    taken[2] = nodes
    with boa.reverts("market: nodes out of range"):
        take(w, ask, taken)


@pytest.mark.parametrize("sheet", [1, 2**32 - 1, 2**32, 2**255])
def test_reverts_sheet(world, sheet):
    with boa.reverts("market: no such sheet"):
        take(world, world.ask(sheet=sheet))


def test_reverts_take_of_another_ask(world):
    w = world
    with boa.reverts("market: take of another ask"):
        take(w, w.ask(salt=1), w.take_of(w.ask(salt=2)))


def test_reverts_ask_cancelled(world):
    w = world
    ask = w.ask()
    sig = w.sign_ask(ask)
    w.market.cancel_all(1, sender=OPERATOR.address)
    with boa.reverts("market: ask cancelled"):
        take(w, ask, ask_sig=sig)
    take(w, w.ask(generation=2))


@pytest.mark.parametrize("signer", [STRANGER, RENTER, PROVIDER])
def test_reverts_ask_of_another_signer(world, signer):
    with boa.reverts("market: wrong signature"):
        take(world, signer=signer)


@pytest.mark.parametrize("sig", [b"", bytes(65), bytes(64), b"\x01" * 65, b"\xff" * 65, b"\x01" * 576])
def test_reverts_signature_that_is_none(world, sig):
    with boa.reverts("market: wrong signature"):
        take(world, ask_sig=sig)


def test_reverts_signer_zero(world):
    """ecrecover answers zero for a bad signature: zero is no signer."""
    w = world
    nobody = "0x" + "00" * 20
    w.registry.set_provider(9, nobody, nobody, nobody)
    w.registry.set_node(3, 9, 3, 8, 2)
    ask = w.ask(nodes=(3,), provider=9)
    with boa.reverts("market: signer is zero"):
        take(w, ask, w.take_of(ask, nodes=(3,)), ask_sig=bytes(65))


def test_reverts_changed_ask(world):
    w = world
    sig = w.sign_ask(w.ask())
    with boa.reverts("market: wrong signature"):
        take(w, w.ask(rate=RATE - 1), ask_sig=sig)


def test_reverts_signature_for_another_market(world):
    w = world
    other = compiled("market/LeaseMarket.vy").deploy(
        w.hub.address, w.registry.address, w.pool.address, w.escrow.address, 300, 7200, sender=DEPLOYER.address
    )
    ask = w.ask()
    taken = w.take_of(ask)
    signed = OPERATOR.sign(bytes(other.ask_digest(ask)))
    with boa.reverts("market: wrong signature"):
        w.market.take(ask, taken, signed, b"", [], sender=RENTER.address)


def test_reverts_relayer_without_the_renters_signature(world):
    w = world
    ask = w.ask()
    taken = w.take_of(ask)
    for sig in (b"", w.sign_take(taken, OTHER_RENTER)):
        with boa.reverts("market: wrong signature"):
            take(w, ask, taken, sender=RELAYER, take_sig=sig)


def test_reverts_relayer_who_changes_the_take(world):
    w = world
    ask = w.ask()
    sig = w.sign_take(w.take_of(ask))
    with boa.reverts("market: wrong signature"):
        take(w, ask, w.take_of(ask, prepaid=DAY), sender=RELAYER, take_sig=sig)


@pytest.mark.parametrize("flags, why", [(1, "market: paused"), (2, "market: clamped"), (3, "market: paused")])
def test_reverts_by_the_price_word(world, flags, why):
    world.price(flags=flags)
    with boa.reverts(why):
        take(world)


def test_reverts_stale_price(world):
    w = world
    w.after(7200)
    ask = w.ask()
    w.after(1)
    with boa.reverts("market: stale price"):
        take(w, ask)


def test_reverts_node_of_another_provider(world):
    w = world
    ask = w.ask(nodes=(4,))
    with boa.reverts("market: node of another provider"):
        take(w, ask, w.take_of(ask, nodes=(4,)))


def test_reverts_node_of_another_class(world):
    w = world
    ask = w.ask(nodes=(), class_id=4)
    with boa.reverts("market: node of another class"):
        take(w, ask)


def test_reverts_node_not_offered(world):
    w = world
    ask = w.ask(nodes=(1, 2))
    with boa.reverts("market: node not offered"):
        take(w, ask, w.take_of(ask, nodes=(0,)))


@pytest.mark.parametrize("status", [0, 1, 3, 4, 5])
def test_reverts_node_not_active(world, status):
    world.registry.set_node(0, 1, 3, 8, status)
    with boa.reverts("registry: not active"):
        take(world)


def test_reverts_below_required_stake(world):
    world.pool.set_below(1, True)
    with boa.reverts("pool: below required stake"):
        take(world)


@pytest.mark.parametrize("least, prepaid", [(3600, 3599), (0, 299)])
def test_reverts_prepaid_too_short(world, least, prepaid):
    w = world
    ask = w.ask(sheet=w.sheet(min_seconds=least))
    with boa.reverts("market: prepaid too short"):
        take(w, ask, w.take_of(ask, prepaid=prepaid))


@pytest.mark.parametrize("duration, prepaid", [(5000, 5001), (30 * DAY, 7 * DAY + 1)])
def test_reverts_prepaid_too_long(world, duration, prepaid):
    w = world
    ask = w.ask()
    with boa.reverts("market: prepaid too long"):
        take(w, ask, w.take_of(ask, duration=duration, prepaid=prepaid))


def test_reverts_poor_purse(world):
    w = world
    ask = w.ask()
    with boa.reverts("escrow: purse has too little"):
        take(w, ask, w.take_of(ask, renter=OTHER_RENTER.address), sender=OTHER_RENTER, take_sig=b"")


def test_reverts_under_backed(world):
    world.price(spot=10**12, twap=10**12)
    with boa.reverts("escrow: deposit under-backed"):
        take(world)


def test_reverts_the_same_take_twice(world):
    take(world)
    with boa.reverts("escrow: id used"):
        take(world)

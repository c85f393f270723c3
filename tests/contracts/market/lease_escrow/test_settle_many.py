"""settle_many: one epoch, one positional multiproof, up to 64 leases sorted by node."""

import boa
import pytest

from tests.contracts.market.support import FIRST, OFFSET, PER_SECOND, events, number
from tests.support.actors import SETTLER, STRANGER
from tests.support.uptime import leaf_hash, tree_level, zero


def multiproof(tree, nodes):
    """Siblings that no leaf gives, level by level, left to right."""
    level = {i: leaf_hash(i, v) for i, v in tree.leaves.items() if v}
    current, out = sorted(set(nodes)), []
    for d in range(tree.depth):
        above = []
        for i in current:
            if i >> 1 in above:
                continue
            above.append(i >> 1)
            if i ^ 1 not in current:
                out.append(level.get(i ^ 1, zero(d)))
        level = tree_level(level, d)
        current = above
    return out


def many(w, pairs, e, payee=None, **change):
    """pairs of (lease, node), in the order given."""
    header, _, tree = w.proofs[e]
    args = {
        "ids": [i for i, _ in pairs],
        "header": header,
        "leaves": [tree.leaf(n) for _, n in pairs],
        "proof": multiproof(tree, [n for _, n in pairs]),
        "payee": number(SETTLER) if payee is None else payee,
    } | change
    w.escrow.settle_many(*args.values(), sender=STRANGER.address)


@pytest.fixture
def leases(world):
    """Leases of all five nodes, two of node 1; all anchored, at the end of the first epoch."""
    w = world
    pairs = [(w.open(node=n, provider=2 if n == 4 else 1), n) for n in (0, 1, 1, 2, 3, 4)]
    w.report({0: 0b100, 4: 0b11000})
    for id, n in pairs:
        w.anchor(id, node=n)
    return pairs


def test_default(world, leases):
    w = world
    w.report_until(FIRST + 24, {3: 0b1})
    before = {i: w.money(i) for i, _ in leases}
    many(w, leases, FIRST + 24)
    logs = events(w.escrow, "Settled")
    assert [log.id for log in logs] == [i for i, _ in leases]
    bounties = 0
    paid = {1: 0, 2: 0}
    for log, (id, node) in zip(logs, leases, strict=True):
        seconds = w.attested(id, w.parameters.end(FIRST + 24), node)
        x = PER_SECOND * seconds
        credits, backing, *_ = before[id]
        bounty = x // 100 if seconds >= w.parameters.period else 0  # node 3 was attested for less
        assert (log.credits, log.backing, log.bounty, log.seconds) == (x, backing * x // credits, bounty, seconds)
        assert w.money(id)[:3] == (credits - x, backing - log.backing, seconds)
        bounties += log.bounty
        paid[log.provider] += x - log.bounty
    assert w.tally(number(SETTLER))[0] == bounties
    assert {p: w.tally(p)[0] for p in paid} == paid
    w.check_ledger()


def test_is_the_same_as_one_by_one(world, leases):
    w = world
    w.report({1: 0b111})
    with boa.env.anchor():
        for id, n in leases:
            w.settle(id, FIRST + 1, number(SETTLER), n)
        single = [w.money(i) for i, _ in leases], w.tally(), w.tally(2), w.tally(number(SETTLER))
    many(w, leases, FIRST + 1)
    assert ([w.money(i) for i, _ in leases], w.tally(), w.tally(2), w.tally(number(SETTLER))) == single


@pytest.mark.parametrize("chosen", [[0], [5], [0, 5], [1, 2], [3, 4], [0, 1, 2, 3], [2, 5]])
def test_any_subset(world, leases, chosen):
    w = world
    w.report()
    pairs = [leases[i] for i in chosen]
    many(w, pairs, FIRST + 1)
    assert len(events(w.escrow, "Settled")) == len(pairs)
    assert all(w.money(i)[2] > 3600 for i, _ in pairs)


def test_passes_over_what_has_nothing_due(world, leases):
    w = world
    w.report()
    w.settle(leases[1][0], FIRST + 1, 1, 1)
    many(w, leases, FIRST + 1)
    assert leases[1][0] not in [log.id for log in events(w.escrow, "Settled")]


def test_passes_over_no_anchor_stopped_before_and_finished(world, leases):
    w = world
    bare = w.open(node=0)
    w.escrow.stop(leases[3][0], 0, sender=w.registry.owner_of(1))
    ended = w.open(node=3)
    w.escrow.stop(ended, 0, sender=w.registry.owner_of(1))
    w.escrow.finish(ended, 0, 0, [], sender=STRANGER.address)
    w.report_until(FIRST + 2)
    pairs = sorted([*leases, (bare, 0), (ended, 3)], key=lambda p: p[1])
    many(w, pairs, FIRST + 2)
    settled = {log.id for log in events(w.escrow, "Settled")}
    assert settled == {i for i, _ in leases} - {leases[3][0]}


def test_the_same_lease_twice_is_paid_once(world, leases):
    w = world
    w.report()
    many(w, [leases[0], leases[0]], FIRST + 1)
    assert len(events(w.escrow, "Settled")) == 1
    assert w.money(leases[0][0])[2] == w.attested(leases[0][0], w.now)


def test_provider_as_payee_pays_bounty_only_to_others(world, leases):
    w = world
    w.report_until(FIRST + 24)
    many(w, leases, FIRST + 24, payee=2)
    five = [log for log in events(w.escrow, "Settled") if log.provider == 1]
    assert all(log.bounty == log.credits // 100 for log in five) and len(five) == 5
    total = 25 * 3600 - OFFSET
    assert w.tally(2)[0] == PER_SECOND * (total - 600) + sum(PER_SECOND * s // 100 for s in [total - 300] + 4 * [total])


def test_reverts_empty(world, leases):
    with boa.reverts("escrow: lengths differ"):
        many(world, [], FIRST)


def test_reverts_lengths(world, leases):
    with boa.reverts("escrow: lengths differ"):
        many(world, leases, FIRST, leaves=[0])


def test_reverts_payee(world, leases):
    with boa.reverts("escrow: payee is no address"):
        many(world, leases, FIRST, payee=1 << 160)


def test_reverts_unknown(world, leases):
    world.report()
    with boa.reverts("escrow: unknown lease in batch"):
        many(world, [(12345, 0), *leases], FIRST + 1)


def test_reverts_unsorted(world, leases):
    world.report()
    with boa.reverts("escrow: not sorted by node"):
        many(world, [leases[3], leases[0]], FIRST + 1)


def test_reverts_two_leaves_of_a_node(world, leases):
    w = world
    w.report({1: 0b1})
    _header, _, tree = w.proofs[FIRST + 1]
    with boa.reverts("escrow: two leaves of one node"):
        many(w, leases[1:3], FIRST + 1, leaves=[tree.leaf(1), tree.leaf(1) ^ 1])


def test_reverts_forged_leaf(world, leases):
    w = world
    w.report({1: 0b1})
    _, _, tree = w.proofs[FIRST + 1]
    with boa.reverts("escrow: multiproof"):
        many(w, leases[:2], FIRST + 1, leaves=[tree.leaf(0) ^ 1, tree.leaf(1)])


def test_reverts_swapped_siblings(world, leases):
    w = world
    w.report()
    _, _, tree = w.proofs[FIRST + 1]
    proof = multiproof(tree, [0])
    with boa.reverts("escrow: multiproof"):
        many(w, leases[:1], FIRST + 1, proof=proof[::-1])


def test_reverts_proof_too_long(world, leases):
    w = world
    w.report()
    _, _, tree = w.proofs[FIRST + 1]
    with boa.reverts("escrow: multiproof length"):
        many(w, leases[:1], FIRST + 1, proof=[*multiproof(tree, [0]), bytes(32)])


def test_reverts_proof_too_short(world, leases):
    w = world
    w.report()
    _, _, tree = w.proofs[FIRST + 1]
    with boa.reverts():
        many(w, leases[:1], FIRST + 1, proof=multiproof(tree, [0])[:-1])


def test_reverts_not_usable(world, leases):
    w = world
    w.report()
    w.hub.set_root(FIRST + 1, w.uptime.word, w.now + 5)
    with boa.reverts("hub: not usable"):
        many(w, leases, FIRST + 1)


def test_reverts_header_of_a_smaller_tree(world, leases):
    """The depth comes from the header, which the root word binds."""
    w = world
    w.report()
    header, _, _tree = w.proofs[FIRST + 1]
    with boa.reverts():
        many(w, leases[:1], FIRST + 1, header=header & ~(0xFFFFFF << 128) | 2 << 128)

"""From observations to slots, price and records."""

import random

import pytest

from keepers.protocol.counters import Leaf
from keepers.protocol.merge import (
    Body,
    Observation,
    SnapshotNode,
    faults,
    indeterminate_slots,
    leader,
    least_observations,
    lower_median,
    merge,
    quorum,
)
from keepers.protocol.records import DARK, FULL_MASK, Record

ACTIVE = SnapshotNode(provider=1, first=1, active=True)


def run(observations: list[Observation], nodes: list[SnapshotNode], n: int = 4, **other: object):  # type: ignore[no-untyped-def]
    arguments: dict[str, object] = {"epoch": 5, "leaf_of": lambda i: Leaf(), "weights": {}, "used_in_period": 0}
    return merge(observations, n=n, nodes=nodes, **(arguments | other))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("n", "f", "q"), [(1, 0, 1), (2, 0, 2), (3, 0, 2), (4, 1, 3), (7, 2, 5), (10, 3, 7), (31, 10, 21)]
)
def test_sizes_of_a_committee(n: int, f: int, q: int) -> None:
    assert (faults(n), quorum(n)) == (f, q)
    assert least_observations(n) == 2 * f + 1


@pytest.mark.parametrize("n", range(1, 32))
def test_two_quorums_share_an_honest_seat(n: int) -> None:
    """I7; and the honest seats alone are a quorum."""
    f, q = faults(n), quorum(n)
    assert 2 * q - n >= f + 1 and n - f >= q


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.attack("A21")
def test_byzantine_seats_tip_no_clear_slot(seed: int) -> None:
    """Seen by f + 1 honest seats: up. Seen by no honest one: down. Whatever f liars say and whichever set is taken."""
    rng = random.Random(seed)
    f = rng.randrange(1, 4)
    n = 3 * f + 1
    honest, liars = range(f, n), range(f)
    truth = [rng.getrandbits(12) for _ in range(3)]
    observations = [Observation(s, truth, 10) for s in honest]
    observations += [Observation(s, [rng.getrandbits(12) for _ in truth], rng.randrange(100)) for s in liars]
    chosen = rng.sample(observations, rng.randrange(2 * f + 1, n + 1))
    if sum(o.seat >= f for o in chosen) < f + 1:
        return
    merged = run(chosen, [ACTIVE] * 3, n)
    assert list(merged.masks) == [FULL_MASK & ~t for t in truth]
    if sum(o.seat >= f for o in chosen) > sum(o.seat < f for o in chosen):
        assert merged.price == 10


@pytest.mark.attack("A15")
def test_a_check_in_on_chain_counts_as_seen_by_all() -> None:
    """In the slots of its check-ins a node was up, whatever the seats saw; others' slots and later nodes stay."""
    unseen = [Observation(s, [0, 0, 0], 10) for s in range(4)]
    nodes = [ACTIVE, ACTIVE, SnapshotNode(provider=1, first=9, active=False)]
    merged = run(unseen, nodes, check_ins={0: 0b101, 2: FULL_MASK})
    assert merged.masks == (FULL_MASK & ~0b101, FULL_MASK, 0)
    assert merged.records[0] == Record(0, 0, 0, FULL_MASK & ~0b101) and len(merged.records) == 2


@pytest.mark.attack("D11")
def test_order_of_the_set_does_not_matter() -> None:
    """D11"""
    rng = random.Random(7)
    observations = [Observation(s, [rng.getrandbits(12) for _ in range(5)], rng.randrange(99)) for s in range(4)]
    nodes = [SnapshotNode(i, 1, True) for i in range(5)]
    results = {run(rng.sample(observations, 4), nodes) for _ in range(10)}
    assert len(results) == 1


@pytest.mark.parametrize(
    ("leaf", "seen", "record"),
    [
        (Leaf(), FULL_MASK, None),
        (Leaf(), 0b111111111110, Record(0, 0, 0, 1)),
        (Leaf(), 0, Record(0, 0, 1, FULL_MASK)),
        (Leaf(mask=DARK, last=3), 0, None),
        (Leaf(mask=DARK, last=3), FULL_MASK, Record(0, 0, 0, 0)),
        (Leaf(mask=DARK, last=3), 1, Record(0, 0, 0, FULL_MASK - 1)),
        (Leaf(mask=1, last=3), FULL_MASK, None),
        (Leaf(mask=1, u=1, last=3), FULL_MASK, Record(0, 0, 0, 0)),
    ],
)
def test_a_record_stands_where_the_prediction_fails(leaf: Leaf, seen: int, record: Record | None) -> None:
    merged = run([Observation(s, [seen], 1) for s in range(3)], [ACTIVE], leaf_of=lambda i: leaf)
    assert merged.records == (() if record is None else (record,))


def test_retired_and_later_nodes_get_no_record() -> None:
    nodes = [SnapshotNode(1, 1, False, retired=True), SnapshotNode(1, 6, False), SnapshotNode(1, 5, False)]
    merged = run([Observation(s, [0, 0, 0], 1) for s in range(3)], nodes)
    assert [r.index for r in merged.records] == [2]
    assert merged.masks == (0, 0, FULL_MASK)


def test_bad_sets_are_refused() -> None:
    seen = [Observation(s, [0], 1) for s in range(3)]
    with pytest.raises(ValueError, match="needs 3"):
        run(seen[:2], [ACTIVE])
    with pytest.raises(ValueError, match="twice"):
        run([seen[0], seen[0], seen[1]], [ACTIVE])
    with pytest.raises(ValueError, match="observed 1 nodes"):
        run(seen, [ACTIVE, ACTIVE])


@pytest.mark.attack("T44")
def test_price_is_the_lower_median() -> None:
    assert lower_median([5]) == 5
    assert lower_median([9, 1]) == 1
    assert lower_median([9, 1, 4]) == 4
    assert lower_median([9, 1, 4, 5]) == 4
    with pytest.raises(ValueError):
        lower_median([])


def indet(
    masks: list[int], nodes: list[SnapshotNode], weights: dict[int, int], dark: set[int] | None = None, used: int = 0
) -> int:
    return indeterminate_slots(masks, nodes, weights, lambda i: i in (dark or set()), used)


def test_an_outage_of_three_providers_is_their_fault_of_four_is_nobodys() -> None:
    nodes = [SnapshotNode(p, 1, True) for p in range(10)]
    weights = dict.fromkeys(range(10), 100)
    assert indet([1] * 3 + [0] * 7, nodes, weights) == 0
    assert indet([1] * 4 + [0] * 6, nodes, weights) == 1


def test_a_small_network_excuses_nobody() -> None:
    nodes = [SnapshotNode(p, 1, True) for p in range(3)]
    assert indet([FULL_MASK] * 3, nodes, dict.fromkeys(range(3), 100)) == 0


def test_twenty_percent_is_counted_exactly() -> None:
    nodes = [SnapshotNode(p, 1, True) for p in range(100)]
    weights = dict.fromkeys(range(100), 7)
    assert indet([1] * 20 + [0] * 80, nodes, weights) == 1
    assert indet([1] * 19 + [0] * 81, nodes, weights) == 0


def test_dark_retired_and_inactive_nodes_carry_no_weight() -> None:
    nodes = [SnapshotNode(p, 1, True) for p in range(10)]
    weights = dict.fromkeys(range(10), 100)
    down = [1] * 4 + [0] * 6
    assert indet(down, nodes, weights, dark={0}) == 0
    nodes[0] = SnapshotNode(0, 1, False)
    assert indet(down, nodes, weights) == 0
    nodes[0] = SnapshotNode(0, 1, True, retired=True)
    assert indet(down, nodes, weights) == 0
    assert indet(down, nodes, {}) == 0


def test_a_provider_is_shared_by_its_active_nodes() -> None:
    nodes = [SnapshotNode(0, 1, True)] * 2 + [SnapshotNode(p, 1, True) for p in range(1, 10)]
    weights = {0: 10, **dict.fromkeys(range(1, 10), 100)}
    # half of provider 0 weighs 5 of 910, so with three others it does not reach the fifth
    assert indet([1, 0, 1, 1, 1] + [0] * 6, nodes, weights) == 0
    weights[0] = 100
    assert indet([1, 0, 1, 1, 1] + [0] * 6, nodes, weights) == 1


def test_only_the_earliest_three_and_none_beyond_the_period() -> None:
    nodes = [SnapshotNode(p, 1, True) for p in range(5)]
    weights = dict.fromkeys(range(5), 1)
    assert indet([0b110110110110] * 5, nodes, weights) == 0b000000010110
    assert indet([FULL_MASK] * 5, nodes, weights, used=22) == 0b11
    assert indet([FULL_MASK] * 5, nodes, weights, used=24) == 0


def test_a_body_survives_and_names_a_wrong_length() -> None:
    body = Body((0xFFF, 0, 0x1FFF), -12)
    assert Body.decode(body.encode(), 3) == body and len(body.encode()) == 10
    with pytest.raises(ValueError, match="has 12 bytes, not 10"):
        Body.decode(body.encode(), 4)


def test_leaders_take_turns() -> None:
    assert [leader(9, v, 4) for v in range(5)] == [1, 2, 3, 0, 1]


def test_indeterminate__node_that_was_dark_before__takes_its_share_of_the_weight_with_it() -> None:
    """Four small providers down: 4 · 25 of 500 are 20 %; with the dark node's share in the total it would be 17 %."""
    nodes = [ACTIVE, ACTIVE, *(SnapshotNode(provider, 1, True) for provider in range(2, 10))]
    weights = {1: 200} | dict.fromkeys(range(2, 6), 25) | dict.fromkeys(range(6, 10), 75)
    masks = [0, FULL_MASK, 1, 1, 1, 1, 0, 0, 0, 0]
    assert indeterminate_slots(masks, nodes, weights, lambda i: i == 1, 0) == 1

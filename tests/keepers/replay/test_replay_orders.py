"""The matching rule and the order of events within a second."""

from __future__ import annotations

from fractions import Fraction

from keepers.replay.orders import Book, Take, Unmatched, timeline
from keepers.replay.rates import rate_of
from keepers.replay.traces import NodeRow, Order

RATES = {"t4": rate_of("t4", Fraction(1), "fixed"), "v100": rate_of("v100", Fraction(2), "fixed")}


def node(name: str, model: str, gpus: int) -> NodeRow:
    return NodeRow(0, name, model, gpus)


def order(name: str, at: int, duration: int = 100, gpus: int = 1, *models: str) -> Order:
    return Order(0, name, at, duration, gpus, frozenset(models))


def lit(_node: int, _second: int) -> bool:
    return False


def given(book: Book, wanted: Order) -> int | None:
    outcome = book.give(wanted)
    return outcome.node if isinstance(outcome, Take) else None


def test_cheapest_first_ties_by_node() -> None:
    book = Book([node("a", "v100", 4), node("b", "t4", 1), node("c", "t4", 1)], RATES, lit)
    assert [given(book, order(str(i), 0)) for i in range(4)] == [1, 2, 0, 0]
    assert [book.free(k) for k in range(3)] == [2, 0, 0]


def test_model_room_and_darkness_rule_out() -> None:
    book = Book([node("a", "v100", 4), node("b", "t4", 2), node("c", "t4", 2)], RATES, lambda k, _: k == 1)
    assert given(book, order("x", 0, 9, 2, "t4")) == 2
    outcome = book.give(order("y", 0, 9, 2, "t4"))
    assert isinstance(outcome, Unmatched)
    assert dict(outcome.why) == {"other hardware": 1, "dark": 1, "full": 1}
    assert given(book, order("z", 0, 9, 5)) is None


def test_stops_come_before_takes_at_one_second() -> None:
    book = Book([node("a", "t4", 1)], RATES, lit)
    seconds, unmatched = timeline([order("x", 0, 50), order("y", 49), order("z", 50, 7)], book)
    assert [u.order.job_id for u in unmatched] == ["y"]
    assert [(s.at, [t.order.job_id for t in s.stops], [t.order.job_id for t in s.takes]) for s in seconds] == [
        (0, [], ["x"]),
        (50, ["x"], ["z"]),
        (57, ["z"], []),
    ]


def test_takes_of_one_second_in_file_order() -> None:
    book = Book([node("a", "t4", 2)], RATES, lit)
    seconds, unmatched = timeline([order("big", 5, 9, 2), order("small", 5, 9, 1)], book)
    assert [t.order.job_id for t in seconds[0].takes] == ["big"]
    assert [u.order.job_id for u in unmatched] == ["small"]


def test_never_over_booked() -> None:
    nodes = [node(str(k), ("t4", "v100")[k % 2], 1 + k % 3) for k in range(5)]
    orders = [order(str(i), i // 3, 1 + (i * 7919) % 41, 1 + i % 3) for i in range(400)]
    seconds, unmatched = timeline(orders, Book(nodes, RATES, lit))
    used = [0] * len(nodes)
    for second in seconds:
        for take in second.stops:
            used[take.node] -= take.order.gpus
        for take in second.takes:
            used[take.node] += take.order.gpus
            assert used[take.node] <= nodes[take.node].gpus
    assert used == [0] * len(nodes)
    assert 0 < len(unmatched) < len(orders)

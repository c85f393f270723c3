"""What a seat takes for an answer, what it asks of it, and what it concludes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from keepers.chain.challenges import Drawn, Size
from keepers.chain.keys import LocalSigner
from keepers.chain.ports import BlockRef
from keepers.protocol.challenge import Work
from keepers.protocol.merge import FAILED, PASSED, SnapshotNode
from keepers.protocol.messages import Answer, Domain
from keepers.protocol.nodes import Node, Status
from keepers.roles.attester import answers as answers_module
from keepers.roles.attester.answer_routes import answer_routes
from keepers.roles.attester.answers import Answers
from keepers.roles.attester.dues import Stage
from keepers.roles.attester.observe import Snapshot
from keepers.roles.attester.view import Due
from keepers.store.engine import Store
from keepers.store.migrations import open_store
from keepers.wire.codec import AskedRow, OpenedRow, SignedAnswer, encode
from keepers.wire.committee import Committee
from keepers.wire.routing import Refused, Request, Router
from tests.support.products import Answered

DOMAIN = Domain(31_337, "0x" + "cc" * 20)
KEYS = [LocalSigner((i + 1).to_bytes(32, "big")) for i in range(3)]
EPOCH, SEED, SEED_B, AT = 9, 77, 88, 1_000
DEADLINE, OPENINGS_S = 30, 60.0
WORK = Work(0, EPOCH, SEED, SEED_B, 4, 256, 2, 2)
WHOLE = Answered(WORK)


@dataclass
class Seat:
    """An attester's books with a clock and a chain of this test's."""

    store: Store
    now: float = AT + 10.0
    clock_ok: bool = True
    due: Due | None = field(default_factory=lambda: Due(Drawn(EPOCH, SEED, AT, SEED_B), 200, {0: 2, 1: 2, 2: 0}))
    told: list[tuple[int, float]] = field(default_factory=list)
    inline: bool = True

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        self.answers = Answers(
            "0xseat", self.store, DOMAIN, lambda: self.now, lambda: self.clock_ok, self.stage, OPENINGS_S,
            lambda class_id, seconds: self.told.append((class_id, seconds)), inline=self.inline,
        )  # fmt: skip

    def stage(self, epoch: int) -> Stage | None:
        if epoch != EPOCH or self.due is None:
            return None
        words = tuple(Node(class_id=4, gpus=2, status=Status.ACTIVE, first=1) for _ in KEYS)
        nodes = tuple(SnapshotNode(0, 1, True, challenged_class=True) for _ in KEYS)
        keys = tuple(key.address for key in KEYS)
        block = BlockRef(5, bytes(32), AT - 50)
        snapshot = Snapshot(EPOCH, block, Committee(1, 1, ()), nodes, keys, {}, words=words)
        return Stage(snapshot, self.due, {4: Size(256, 2, DEADLINE)})

    def prepare(self) -> None:
        stage = self.stage(EPOCH)
        assert stage is not None
        self.answers.prepare(stage)

    def open_all(self, signed: SignedAnswer, answered: Answered) -> None:
        for asked in self.answers.take_answer(signed):
            self.answers.take_opening(opened(answered, signed, asked))

    def bits(self) -> dict[int, int]:
        return self.answers.bits(EPOCH, Drawn(EPOCH, SEED, AT, SEED_B))


@pytest.fixture
def seat(tmp_path: Any) -> Seat:
    store = open_store(f"sqlite:///{tmp_path}/seat.db")
    return Seat(store)


def sign(root: bytes, node: int = 0, key: int | None = None, **changes: Any) -> SignedAnswer:
    message = Answer(node, EPOCH, SEED, SEED_B, root)
    message = replace(message, **changes)
    signature = KEYS[node if key is None else key].sign_digest(message.digest(DOMAIN))
    return SignedAnswer(message.node, message.epoch, message.seed, message.seed_b, root, signature)


def opened(answered: Answered, signed: SignedAnswer, asked: AskedRow) -> OpenedRow:
    shown = answered.opening(asked.gpu, asked.round, asked.row)
    path, pair = b"".join(shown.path), b"".join(shown.list_path)
    return OpenedRow(signed.node, signed.epoch, signed.root, asked, shown.row, path, shown.previous, pair)


def refused(code: str, act: Callable[[], object]) -> None:
    with pytest.raises(Refused) as caught:
        act()
    assert caught.value.code == code


def test_take__an_honest_answer__passes_and_its_time_is_told(seat: Seat) -> None:
    seat.prepare()
    seat.open_all(sign(WHOLE.root), WHOLE)
    assert seat.bits() == {0: PASSED}
    assert seat.told == [(4, 10.0)]
    assert (seat.answers.state(EPOCH, 0) or {})["state"] == "passed"


def test_take__sent_again__the_same_rows_are_asked(seat: Seat) -> None:
    first = seat.answers.take_answer(sign(WHOLE.root))
    seat.now += 5
    assert seat.answers.take_answer(sign(WHOLE.root)) == first
    assert len(seat.told) == 1


@pytest.mark.attack("A32")
def test_take__one_row_withheld__neither_passed_nor_failed(seat: Seat) -> None:
    seat.prepare()
    signed = sign(WHOLE.root)
    for asked in seat.answers.take_answer(signed)[:-1]:
        seat.answers.take_opening(opened(WHOLE, signed, asked))
    assert seat.bits() == {0: 0}


@pytest.mark.attack("A31")
def test_take__at_the_deadline__counts_and_a_second_later_not(seat: Seat) -> None:
    seat.now = AT + DEADLINE
    assert seat.answers.take_answer(sign(WHOLE.root))
    seat.now = AT + DEADLINE + 1
    refused("H6124", lambda: seat.answers.take_answer(sign(Answered(replace(WORK, node=1)).root, node=1)))


def test_take__known_before_the_deadline__is_acknowledged_after_it(seat: Seat) -> None:
    asked = seat.answers.take_answer(sign(WHOLE.root))
    seat.now = AT + DEADLINE + 20
    assert seat.answers.take_answer(sign(WHOLE.root)) == asked


@pytest.mark.attack("A30")
@pytest.mark.parametrize(
    ("code", "signed"),
    [
        ("H6120", lambda: sign(WHOLE.root, epoch=EPOCH - 1)),
        ("H6121", lambda: sign(WHOLE.root, seed=SEED + 1)),
        ("H6121", lambda: sign(WHOLE.root, seed_b=SEED_B + 1)),
        ("H6122", lambda: sign(WHOLE.root, node=2)),
        ("H6123", lambda: sign(WHOLE.root, key=1)),
    ],
    ids=["another epoch", "another seed", "another seed of B", "no free GPU", "another key"],
)
def test_take__what_does_not_count__is_refused_by_name(seat: Seat, code: str, signed: Any) -> None:
    refused(code, lambda: seat.answers.take_answer(signed()))
    assert seat.bits() == {}


def test_take__a_node_that_does_not_exist__is_refused(seat: Seat) -> None:
    signed = sign(WHOLE.root)
    stranger = SignedAnswer(99, signed.epoch, signed.seed, signed.seed_b, signed.root, signed.signature)
    refused("H6122", lambda: seat.answers.take_answer(stranger))


@pytest.mark.attack("A30")
def test_take__a_second_answer__does_not_replace_the_first(seat: Seat) -> None:
    seat.answers.take_answer(sign(WHOLE.root))
    refused("H6125", lambda: seat.answers.take_answer(sign(bytes(32))))


def test_take__a_clock_that_is_off__judges_nothing(seat: Seat) -> None:
    seat.clock_ok = False
    refused("H6001", lambda: seat.answers.take_answer(sign(WHOLE.root)))


def test_take__nobody_is_asked__is_refused(seat: Seat) -> None:
    seat.due = None
    refused("H6120", lambda: seat.answers.take_answer(sign(WHOLE.root)))


@pytest.mark.attack("A26")
def test_open__another_nodes_answer__fails_and_is_kept_as_evidence(seat: Seat) -> None:
    """Copied and signed with the own key: the keys of A name the node."""
    seat.prepare()
    copy = sign(WHOLE.root, node=1)
    seat.open_all(copy, WHOLE)
    assert seat.bits() == {1: FAILED}
    shown = seat.answers.wrong(EPOCH)
    assert len(shown) == 1 and shown[0].answer == copy
    assert (seat.answers.state(EPOCH, 1) or {})["state"] == "failed"


def test_evidence__comes_in_pages_by_node(seat: Seat, monkeypatch: pytest.MonkeyPatch) -> None:
    """One row a node, however many of its rows are wrong, so that no node stands in another's way."""
    seat.due = Due(Drawn(EPOCH, SEED, AT, SEED_B), 200, {0: 2, 1: 2, 2: 2})
    seat.prepare()
    for node in (2, 1):
        seat.open_all(sign(WHOLE.root, node=node), WHOLE)
    nodes = lambda first: [shown.answer.node for shown in seat.answers.wrong(EPOCH, first)]  # noqa: E731
    assert [nodes(first) for first in range(4)] == [[1, 2], [1, 2], [2], []]
    whole = len(encode(seat.answers.wrong(EPOCH)[0]))
    assert whole < answers_module.MAX_SHOWN_BYTES
    monkeypatch.setattr(answers_module, "MAX_SHOWN_BYTES", whole + 10)
    assert [nodes(0), nodes(2)] == [[1], [2]]
    monkeypatch.setattr(answers_module, "MAX_SHOWN_BYTES", 1)
    assert nodes(0) == [1], "one is shown however long it is"
    monkeypatch.undo()
    monkeypatch.setattr(answers_module, "MAX_SHOWN", 1)
    assert [nodes(0), nodes(2)] == [[1], [2]]


def test_evidence__the_routes_give_a_page(seat: Seat) -> None:
    seat.prepare()
    seat.open_all(sign(WHOLE.root, node=1), WHOLE)
    router = Router(answer_routes(seat.answers))
    get = lambda path: router.dispatch(Request("GET", path))  # noqa: E731
    whole = encode(seat.answers.wrong(EPOCH))
    assert get(f"/v1/answers/{EPOCH}/false").body == get(f"/v1/answers/{EPOCH}/false/1").body == whole
    assert get(f"/v1/answers/{EPOCH}/false/2").body == b"[]"
    assert get(f"/v1/answers/{EPOCH}/false/x").status == 400


@pytest.mark.attack("A32")
def test_open__malformed_or_of_something_else__is_refused_by_name(seat: Seat) -> None:
    seat.prepare()
    signed = sign(WHOLE.root)
    asked = seat.answers.take_answer(signed)
    good = opened(WHOLE, signed, asked[0])
    taken = {(row.gpu, row.round, row.row) for row in asked}
    spare = next(AskedRow(0, 0, row) for row in range(256) if (0, 0, row) not in taken)
    take = seat.answers.take_opening
    refused("H6128", lambda: take(opened(WHOLE, signed, spare)))
    refused("H6129", lambda: take(_but(good, row=good.row[:-3])))
    refused("H6129", lambda: take(_but(good, row=good.row + bytes(3))))
    refused("H6129", lambda: take(_but(good, path=good.path[:-32])))
    refused("H6129", lambda: take(_but(good, path=good.path + b"x")))
    refused("H6130", lambda: take(_but(good, path=good.path[:-32] + bytes(32))))
    refused("H6126", lambda: take(_but(good, root=bytes(32))))
    other = opened(Answered(replace(WORK, seed=5)), signed, asked[0])
    refused("H6130", lambda: take(other))
    assert seat.bits() == {0: 0}


def test_open__another_round_in_its_place__is_refused(seat: Seat) -> None:
    signed = sign(WHOLE.root)
    asked = seat.answers.take_answer(signed)[0]
    there = opened(WHOLE, signed, AskedRow(asked.gpu, 1 - asked.round, asked.row))
    with pytest.raises(Refused) as caught:
        seat.answers.take_opening(_but(there, place=asked))
    assert caught.value.code in ("H6129", "H6130")


@pytest.mark.attack("A31")
def test_open__after_the_time_for_it__is_refused(seat: Seat) -> None:
    signed = sign(WHOLE.root)
    asked = seat.answers.take_answer(signed)
    seat.now += OPENINGS_S + 1
    refused("H6127", lambda: seat.answers.take_opening(opened(WHOLE, signed, asked[0])))


def test_open__before_u_is_at_hand__is_judged_when_it_is(seat: Seat) -> None:
    seat.open_all(sign(WHOLE.root), WHOLE)
    assert seat.bits() == {0: 0}
    seat.prepare()
    assert seat.bits() == {0: PASSED}


@pytest.mark.attack("D24")
def test_restart__in_the_window__the_same_rows_and_what_was_opened(seat: Seat) -> None:
    seat.prepare()
    signed = sign(WHOLE.root)
    asked = seat.answers.take_answer(signed)
    seat.answers.take_opening(opened(WHOLE, signed, asked[0]))
    seat.start()
    seat.answers.restore()
    seat.prepare()
    seat.now = AT + DEADLINE + 5
    assert seat.answers.take_answer(signed) == asked
    for row in asked[1:]:
        seat.answers.take_opening(opened(WHOLE, signed, row))
    assert seat.bits() == {0: PASSED}


def test_restart__with_rows_that_wait__they_are_judged(seat: Seat) -> None:
    seat.open_all(sign(WHOLE.root, node=1), WHOLE)
    seat.start()
    seat.answers.restore()
    seat.prepare()
    assert seat.bits() == {1: FAILED}


def test_forget__old_epochs__but_not_evidence(seat: Seat) -> None:
    seat.prepare()
    seat.open_all(sign(WHOLE.root), WHOLE)
    seat.open_all(sign(WHOLE.root, node=1), WHOLE)
    seat.store.write(lambda connection: seat.answers.forget(connection, EPOCH, EPOCH + 1))
    assert seat.bits() == {}
    assert [shown.answer.node for shown in seat.answers.wrong(EPOCH)] == [1]
    seat.store.write(lambda connection: seat.answers.forget(connection, EPOCH + 1, EPOCH + 1))
    assert seat.answers.wrong(EPOCH) == []


def test_bits__of_other_seeds__are_not_this_epochs(seat: Seat) -> None:
    seat.prepare()
    seat.open_all(sign(WHOLE.root), WHOLE)
    assert seat.answers.bits(EPOCH, Drawn(EPOCH, SEED + 1, AT, SEED_B)) == {}


def _but(shown: OpenedRow, **changes: Any) -> OpenedRow:
    names = ("node", "epoch", "root", "place", "row", "path", "previous", "list_path")
    return OpenedRow(**{name: changes.get(name, getattr(shown, name)) for name in names})
